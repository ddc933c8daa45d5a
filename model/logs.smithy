// Amazon CloudWatch Logs, API version 2014-03-28: what a function's logs need. See README.md.
$version: "2.0"

namespace com.amazonaws.logs

use aws.api#service
use aws.auth#sigv4
use aws.protocols#awsJson1_1
use lambent#errorKinds
use lambent#validationError

@service(sdkId: "CloudWatch Logs", endpointPrefix: "logs")
@sigv4(name: "logs")
@awsJson1_1
service Logs_20140328 {
    version: "2014-03-28"
    operations: [
        CreateLogGroup
        DeleteLogGroup
        DescribeLogGroups
        PutRetentionPolicy
        DeleteRetentionPolicy
        DescribeLogStreams
        GetLogEvents
        FilterLogEvents
    ]
    // Any operation may answer these.
    errors: [ServiceUnavailableException]
}

// ---- Log groups and retention ----

operation CreateLogGroup {
    input := {
        @required logGroupName: LogGroupName
        kmsKeyId: KmsKeyId
        tags: Tags
        logGroupClass: LogGroupClass
        deletionProtectionEnabled: Boolean
    }
    errors: [
        InvalidParameterException
        LimitExceededException
        OperationAbortedException
        ResourceAlreadyExistsException
    ]
}

operation DeleteLogGroup {
    input := {
        @required logGroupName: LogGroupName
    }
    errors: [InvalidParameterException, OperationAbortedException, ResourceNotFoundException]
}

@readonly
operation DescribeLogGroups {
    input := {
        accountIdentifiers: AccountIds
        logGroupNamePrefix: LogGroupName
        logGroupNamePattern: LogGroupNamePattern
        nextToken: NextToken
        limit: DescribeLimit
        includeLinkedAccounts: Boolean
        logGroupClass: LogGroupClass
        logGroupIdentifiers: DescribeLogGroupsLogGroupIdentifiers
    }
    output := {
        logGroups: LogGroups
        nextToken: NextToken
    }
    errors: [InvalidParameterException]
}

operation PutRetentionPolicy {
    input := {
        @required logGroupName: LogGroupName
        @required retentionInDays: Integer
    }
    errors: [InvalidParameterException, OperationAbortedException, ResourceNotFoundException]
}

operation DeleteRetentionPolicy {
    input := {
        @required logGroupName: LogGroupName
    }
    errors: [InvalidParameterException, OperationAbortedException, ResourceNotFoundException]
}

// ---- Streams and events ----

@readonly
operation DescribeLogStreams {
    input := {
        logGroupName: LogGroupName
        logGroupIdentifier: LogGroupIdentifier
        logStreamNamePrefix: LogStreamName
        orderBy: OrderBy
        descending: Boolean
        nextToken: NextToken
        limit: DescribeLimit
    }
    output := {
        logStreams: LogStreams
        nextToken: NextToken
    }
    errors: [InvalidParameterException, ResourceNotFoundException]
}

@readonly
operation GetLogEvents {
    input := {
        logGroupName: LogGroupName
        logGroupIdentifier: LogGroupIdentifier
        @required logStreamName: LogStreamName
        startTime: Timestamp
        endTime: Timestamp
        nextToken: NextToken
        limit: EventsLimit
        startFromHead: Boolean
        unmask: Boolean
    }
    output := {
        events: OutputLogEvents
        nextForwardToken: NextToken
        nextBackwardToken: NextToken
    }
    errors: [InvalidParameterException, ResourceNotFoundException]
}

@readonly
operation FilterLogEvents {
    input := {
        logGroupName: LogGroupName
        logGroupIdentifier: LogGroupIdentifier
        logStreamNames: InputLogStreamNames
        logStreamNamePrefix: LogStreamName
        startTime: Timestamp
        endTime: Timestamp
        filterPattern: FilterPattern
        nextToken: NextToken
        limit: EventsLimit
        interleaved: Boolean
        unmask: Boolean
    }
    output := {
        events: FilteredLogEvents
        searchedLogStreams: SearchedLogStreams
        nextToken: NextToken
    }
    errors: [InvalidParameterException, ResourceNotFoundException]
}

// ---- Structures ----

structure FilteredLogEvent {
    logStreamName: LogStreamName
    timestamp: Timestamp
    message: EventMessage
    ingestionTime: Timestamp
    eventId: String
}

structure LogGroup {
    logGroupName: LogGroupName
    creationTime: Timestamp
    retentionInDays: Integer
    metricFilterCount: Integer
    arn: String
    storedBytes: StoredBytes
    kmsKeyId: KmsKeyId
    dataProtectionStatus: DataProtectionStatus
    inheritedProperties: InheritedProperties
    logGroupClass: LogGroupClass
    logGroupArn: String
    deletionProtectionEnabled: Boolean
    bearerTokenAuthenticationEnabled: Boolean
}

structure LogStream {
    logStreamName: LogStreamName
    creationTime: Timestamp
    firstEventTimestamp: Timestamp
    lastEventTimestamp: Timestamp
    lastIngestionTime: Timestamp
    uploadSequenceToken: SequenceToken
    arn: String
    storedBytes: StoredBytes
}

structure OutputLogEvent {
    timestamp: Timestamp
    message: EventMessage
    ingestionTime: Timestamp
}

structure SearchedLogStream {
    logStreamName: LogStreamName
    searchedCompletely: Boolean
}

// ---- Lists and maps ----

@length(min: 0, max: 20)
list AccountIds {
    member: AccountId
}

@length(min: 1, max: 50)
list DescribeLogGroupsLogGroupIdentifiers {
    member: LogGroupIdentifier
}

list FilteredLogEvents {
    member: FilteredLogEvent
}

list InheritedProperties {
    member: InheritedProperty
}

@length(min: 1, max: 100)
list InputLogStreamNames {
    member: LogStreamName
}

list LogGroups {
    member: LogGroup
}

list LogStreams {
    member: LogStream
}

list OutputLogEvents {
    member: OutputLogEvent
}

list SearchedLogStreams {
    member: SearchedLogStream
}

@length(min: 1, max: 50)
map Tags {
    key: TagKey
    value: TagValue
}

// ---- Enumerations ----

enum DataProtectionStatus {
    ACTIVATED
    DELETED
    ARCHIVED
    DISABLED
}

enum InheritedProperty {
    ACCOUNT_DATA_PROTECTION
}

enum LogGroupClass {
    STANDARD
    INFREQUENT_ACCESS
    DELIVERY
}

enum OrderBy {
    LOG_STREAM_NAME = "LogStreamName"
    LAST_EVENT_TIME = "LastEventTime"
}

// ---- Strings, numbers, blobs ----

@length(min: 12, max: 12)
@pattern("^\\d{12}$")
string AccountId

@range(min: 1, max: 50)
integer DescribeLimit

@length(min: 1)
string EventMessage

@range(min: 1, max: 10000)
integer EventsLimit

@length(min: 0, max: 1024)
string FilterPattern

@length(max: 256)
string KmsKeyId

@length(min: 1, max: 2048)
@pattern("[\\w#+=/:,.@-]*")
string LogGroupIdentifier

@length(min: 1, max: 512)
@pattern("[\\.\\-_/#A-Za-z0-9]+")
string LogGroupName

@length(min: 0, max: 512)
@pattern("[\\.\\-_/#A-Za-z0-9]*")
string LogGroupNamePattern

@length(min: 1, max: 512)
@pattern("[^:*]*")
string LogStreamName

@length(min: 1)
string NextToken

@length(min: 1)
string SequenceToken

@range(min: 0)
long StoredBytes

@length(min: 1, max: 128)
@pattern("^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+)$")
string TagKey

@length(max: 256)
@pattern("^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$")
string TagValue

@range(min: 0)
long Timestamp

// ---- Errors ----

@errorKinds(["INVALID"])
@validationError
@error("client")
@httpError(400)
structure InvalidParameterException {
    message: String
}

@errorKinds(["THROTTLED"])
@error("client")
@httpError(400)
structure LimitExceededException {
    message: String
}

@errorKinds(["PRECONDITION"])
@error("client")
@httpError(400)
structure OperationAbortedException {
    message: String
}

@errorKinds(["CONFLICT"])
@error("client")
@httpError(400)
structure ResourceAlreadyExistsException {
    message: String
}

@errorKinds(["NOT_FOUND"])
@error("client")
@httpError(400)
structure ResourceNotFoundException {
    message: String
}

@errorKinds(["INTERNAL", "TIMEOUT", "UNAVAILABLE"])
@error("server")
@httpError(503)
structure ServiceUnavailableException {
    message: String
}
