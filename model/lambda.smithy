// AWS Lambda, API version 2015-03-31: the only place where its operations and shapes are written
// down. Facts (names, constraints, places on the wire, status codes) follow the public service model;
// where the service itself is known to differ, a comment says so. See README.md.
$version: "2.0"

namespace com.amazonaws.lambda

use aws.api#service
use aws.auth#sigv4
use aws.protocols#restJson1
use lambent#bodyMax
use lambent#errorKinds
use lambent#nullWhenAbsent
use lambent#onLoop
use lambent#orArn

@service(sdkId: "Lambda", endpointPrefix: "lambda")
@sigv4(name: "lambda")
@restJson1
service Lambda {
    version: "2015-03-31"
    operations: [
        CreateFunction
        GetFunction
        GetFunctionConfiguration
        UpdateFunctionCode
        UpdateFunctionConfiguration
        PublishVersion
        DeleteFunction
        ListFunctions
        ListVersionsByFunction
        GetAccountSettings
        CreateAlias
        GetAlias
        UpdateAlias
        DeleteAlias
        ListAliases
        AddPermission
        RemovePermission
        GetPolicy
        PublishLayerVersion
        GetLayerVersion
        GetLayerVersionByArn
        DeleteLayerVersion
        ListLayers
        ListLayerVersions
        AddLayerVersionPermission
        RemoveLayerVersionPermission
        GetLayerVersionPolicy
        TagResource
        UntagResource
        ListTags
        CreateFunctionUrlConfig
        GetFunctionUrlConfig
        UpdateFunctionUrlConfig
        DeleteFunctionUrlConfig
        ListFunctionUrlConfigs
        PutFunctionConcurrency
        GetFunctionConcurrency
        DeleteFunctionConcurrency
        PutProvisionedConcurrencyConfig
        GetProvisionedConcurrencyConfig
        ListProvisionedConcurrencyConfigs
        DeleteProvisionedConcurrencyConfig
        PutFunctionEventInvokeConfig
        UpdateFunctionEventInvokeConfig
        GetFunctionEventInvokeConfig
        DeleteFunctionEventInvokeConfig
        ListFunctionEventInvokeConfigs
        CreateEventSourceMapping
        GetEventSourceMapping
        UpdateEventSourceMapping
        DeleteEventSourceMapping
        ListEventSourceMappings
        CreateCodeSigningConfig
        GetCodeSigningConfig
        UpdateCodeSigningConfig
        DeleteCodeSigningConfig
        ListCodeSigningConfigs
        ListFunctionsByCodeSigningConfig
        PutFunctionCodeSigningConfig
        GetFunctionCodeSigningConfig
        DeleteFunctionCodeSigningConfig
        PutRuntimeManagementConfig
        GetRuntimeManagementConfig
        PutFunctionRecursionConfig
        GetFunctionRecursionConfig
        PutFunctionScalingConfig
        GetFunctionScalingConfig
        CreateCapacityProvider
        GetCapacityProvider
        UpdateCapacityProvider
        DeleteCapacityProvider
        ListCapacityProviders
        ListFunctionVersionsByCapacityProvider
        CheckpointDurableExecution
        GetDurableExecutionState
        GetDurableExecution
        GetDurableExecutionHistory
        ListDurableExecutionsByFunction
        StopDurableExecution
        SendDurableExecutionCallbackSuccess
        SendDurableExecutionCallbackFailure
        SendDurableExecutionCallbackHeartbeat
        Invoke
        InvokeAsync
        InvokeWithResponseStream
    ]
    // Any operation may answer these.
    errors: [ServiceException]
}

// ---- Functions, versions, account ----

@bodyMax(70167211)
@idempotent
@http(method: "POST", uri: "/2015-03-31/functions", code: 201)
operation CreateFunction {
    input := {
        @required FunctionName: FunctionName
        Runtime: Runtime
        @required Role: RoleArn
        Handler: Handler
        @required Code: FunctionCode
        Description: Description
        Timeout: Timeout
        MemorySize: MemorySize
        Publish: Boolean
        VpcConfig: VpcConfig
        PackageType: PackageType
        DeadLetterConfig: DeadLetterConfig
        Environment: Environment
        KMSKeyArn: KMSKeyArn
        TracingConfig: TracingConfig
        Tags: Tags
        Layers: LayerList
        FileSystemConfigs: FileSystemConfigList
        ImageConfig: ImageConfig
        CodeSigningConfigArn: CodeSigningConfigArn
        Architectures: ArchitecturesList
        EphemeralStorage: EphemeralStorage
        SnapStart: SnapStart
        LoggingConfig: LoggingConfig
        CapacityProviderConfig: CapacityProviderConfig
        PublishTo: FunctionVersionLatestPublished
        DurableConfig: DurableConfig
        TenancyConfig: TenancyConfig
    }
    output: FunctionConfiguration
    errors: [
        CodeSigningConfigNotFoundException
        CodeStorageExceededException
        CodeVerificationFailedException
        FunctionVersionsPerCapacityProviderLimitExceededException
        InvalidCodeSignatureException
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/functions/{FunctionName}", code: 200)
operation GetFunction {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
    }
    output := {
        Configuration: FunctionConfiguration
        Code: FunctionCodeLocation
        Tags: Tags
        TagsError: TagsError
        Concurrency: Concurrency
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/functions/{FunctionName}/configuration", code: 200)
operation GetFunctionConfiguration {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
    }
    output: FunctionConfiguration
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@bodyMax(70167211)
@http(method: "PUT", uri: "/2015-03-31/functions/{FunctionName}/code", code: 200)
operation UpdateFunctionCode {
    input := {
        @required @httpLabel FunctionName: FunctionName
        ZipFile: Blob
        S3Bucket: S3Bucket
        S3Key: S3Key
        S3ObjectVersion: S3ObjectVersion
        // Documented, and absent from the public model.
        S3ObjectStorageMode: S3ObjectStorageMode
        ImageUri: String
        Publish: Boolean
        DryRun: Boolean
        RevisionId: String
        Architectures: ArchitecturesList
        SourceKMSKeyArn: KMSKeyArn
        PublishTo: FunctionVersionLatestPublished
    }
    output: FunctionConfiguration
    errors: [
        CodeSigningConfigNotFoundException
        CodeStorageExceededException
        CodeVerificationFailedException
        InvalidCodeSignatureException
        InvalidParameterValueException
        PreconditionFailedException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@bodyMax(5120)
@http(method: "PUT", uri: "/2015-03-31/functions/{FunctionName}/configuration", code: 200)
operation UpdateFunctionConfiguration {
    input := {
        @required @httpLabel FunctionName: FunctionName
        Role: RoleArn
        Handler: Handler
        Description: Description
        Timeout: Timeout
        MemorySize: MemorySize
        VpcConfig: VpcConfig
        Environment: Environment
        Runtime: Runtime
        DeadLetterConfig: DeadLetterConfig
        KMSKeyArn: KMSKeyArn
        TracingConfig: TracingConfig
        RevisionId: String
        Layers: LayerList
        FileSystemConfigs: FileSystemConfigList
        ImageConfig: ImageConfig
        EphemeralStorage: EphemeralStorage
        SnapStart: SnapStart
        LoggingConfig: LoggingConfig
        CapacityProviderConfig: CapacityProviderConfig
        DurableConfig: DurableConfig
    }
    output: FunctionConfiguration
    errors: [
        CodeSigningConfigNotFoundException
        CodeVerificationFailedException
        InvalidCodeSignatureException
        InvalidParameterValueException
        PreconditionFailedException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@http(method: "POST", uri: "/2015-03-31/functions/{FunctionName}/versions", code: 201)
operation PublishVersion {
    input := {
        @required @httpLabel FunctionName: FunctionName
        CodeSha256: String
        Description: Description
        RevisionId: String
        PublishTo: FunctionVersionLatestPublished
    }
    output: FunctionConfiguration
    errors: [
        CodeStorageExceededException
        FunctionVersionsPerCapacityProviderLimitExceededException
        InvalidParameterValueException
        PreconditionFailedException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@idempotent
// The public model says 200; the service answers 204.
@http(method: "DELETE", uri: "/2015-03-31/functions/{FunctionName}", code: 204)
operation DeleteFunction {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
    }
    output := {
        @httpResponseCode StatusCode: Integer
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/functions", code: 200)
operation ListFunctions {
    input := {
        @httpQuery("MasterRegion") MasterRegion: MasterRegion
        @httpQuery("FunctionVersion") FunctionVersion: FunctionVersion
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxListItems
    }
    output := {
        NextMarker: String
        Functions: FunctionList
    }
    errors: [InvalidParameterValueException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/functions/{FunctionName}/versions", code: 200)
operation ListVersionsByFunction {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxListItems
    }
    output := {
        NextMarker: String
        Versions: FunctionList
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2016-08-19/account-settings", code: 200)
operation GetAccountSettings {
    input := {}
    output := {
        AccountLimit: AccountLimit
        AccountUsage: AccountUsage
    }
    errors: [TooManyRequestsException]
}

// ---- Aliases ----

@idempotent
@http(method: "POST", uri: "/2015-03-31/functions/{FunctionName}/aliases", code: 201)
operation CreateAlias {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required Name: Alias
        @required FunctionVersion: VersionWithLatestPublished
        Description: Description
        RoutingConfig: AliasRoutingConfiguration
    }
    output: AliasConfiguration
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/functions/{FunctionName}/aliases/{Name}", code: 200)
operation GetAlias {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required @httpLabel Name: Alias
    }
    output: AliasConfiguration
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "PUT", uri: "/2015-03-31/functions/{FunctionName}/aliases/{Name}", code: 200)
operation UpdateAlias {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required @httpLabel Name: Alias
        FunctionVersion: VersionWithLatestPublished
        Description: Description
        RoutingConfig: AliasRoutingConfiguration
        RevisionId: String
    }
    output: AliasConfiguration
    errors: [
        InvalidParameterValueException
        PreconditionFailedException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@idempotent
@http(method: "DELETE", uri: "/2015-03-31/functions/{FunctionName}/aliases/{Name}", code: 204)
operation DeleteAlias {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required @httpLabel Name: Alias
    }
    errors: [InvalidParameterValueException, ResourceConflictException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/functions/{FunctionName}/aliases", code: 200)
operation ListAliases {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @httpQuery("FunctionVersion") FunctionVersion: VersionWithLatestPublished
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxListItems
    }
    output := {
        NextMarker: String
        Aliases: AliasList
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Resource policy ----

@http(method: "POST", uri: "/2015-03-31/functions/{FunctionName}/policy", code: 201)
operation AddPermission {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @required StatementId: StatementId
        @required Action: Action
        @required Principal: Principal
        SourceArn: Arn
        SourceAccount: SourceOwner
        EventSourceToken: EventSourceToken
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        RevisionId: String
        PrincipalOrgID: PrincipalOrgID
        FunctionUrlAuthType: FunctionUrlAuthType
        InvokedViaFunctionUrl: Boolean
    }
    output := {
        Statement: String
    }
    errors: [
        InvalidParameterValueException
        PolicyLengthExceededException
        PreconditionFailedException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@http(method: "DELETE", uri: "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", code: 204)
operation RemovePermission {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @required @httpLabel StatementId: NamespacedStatementId
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        @httpQuery("RevisionId") RevisionId: String
    }
    errors: [
        InvalidParameterValueException
        PreconditionFailedException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/functions/{FunctionName}/policy", code: 200)
operation GetPolicy {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
    }
    output := {
        Policy: String
        RevisionId: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Layers ----

@bodyMax(70167211)
@http(method: "POST", uri: "/2018-10-31/layers/{LayerName}/versions", code: 201)
operation PublishLayerVersion {
    input := {
        @required @httpLabel LayerName: LayerName
        Description: Description
        @required Content: LayerVersionContentInput
        CompatibleRuntimes: CompatibleRuntimes
        LicenseInfo: LicenseInfo
        CompatibleArchitectures: CompatibleArchitectures
    }
    output := {
        Content: LayerVersionContentOutput
        LayerArn: LayerArn
        LayerVersionArn: LayerVersionArn
        Description: Description
        CreatedDate: String
        Version: Long
        CompatibleRuntimes: CompatibleRuntimes
        LicenseInfo: LicenseInfo
        CompatibleArchitectures: CompatibleArchitectures
    }
    errors: [
        CodeStorageExceededException
        InvalidParameterValueException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", code: 200)
operation GetLayerVersion {
    input := {
        @required @httpLabel LayerName: LayerName
        @required @httpLabel VersionNumber: Long
    }
    output: LayerVersionDescription
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2018-10-31/layers?find=LayerVersion", code: 200)
operation GetLayerVersionByArn {
    input := {
        @required @httpQuery("Arn") Arn: LayerVersionArn
    }
    output: LayerVersionDescription
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@idempotent
@http(method: "DELETE", uri: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", code: 204)
operation DeleteLayerVersion {
    input := {
        @required @httpLabel LayerName: LayerName
        @required @httpLabel VersionNumber: Long
    }
    errors: [TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2018-10-31/layers", code: 200)
operation ListLayers {
    input := {
        @httpQuery("CompatibleRuntime") CompatibleRuntime: Runtime
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxLayerListItems
        @httpQuery("CompatibleArchitecture") CompatibleArchitecture: Architecture
    }
    output := {
        NextMarker: String
        Layers: LayersList
    }
    errors: [InvalidParameterValueException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2018-10-31/layers/{LayerName}/versions", code: 200)
operation ListLayerVersions {
    input := {
        @httpQuery("CompatibleRuntime") CompatibleRuntime: Runtime
        @required @httpLabel LayerName: LayerName
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxLayerListItems
        @httpQuery("CompatibleArchitecture") CompatibleArchitecture: Architecture
    }
    output := {
        NextMarker: String
        LayerVersions: LayerVersionsList
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "POST", uri: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", code: 201)
operation AddLayerVersionPermission {
    input := {
        @required @httpLabel LayerName: LayerName
        @required @httpLabel VersionNumber: Long
        @required StatementId: StatementId
        @required Action: LayerPermissionAllowedAction
        @required Principal: LayerPermissionAllowedPrincipal
        OrganizationId: OrganizationId
        @httpQuery("RevisionId") RevisionId: String
    }
    output := {
        Statement: String
        RevisionId: String
    }
    errors: [
        InvalidParameterValueException
        PolicyLengthExceededException
        PreconditionFailedException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@http(method: "DELETE", uri: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId}", code: 204)
operation RemoveLayerVersionPermission {
    input := {
        @required @httpLabel LayerName: LayerName
        @required @httpLabel VersionNumber: Long
        @required @httpLabel StatementId: StatementId
        @httpQuery("RevisionId") RevisionId: String
    }
    errors: [
        InvalidParameterValueException
        PreconditionFailedException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", code: 200)
operation GetLayerVersionPolicy {
    input := {
        @required @httpLabel LayerName: LayerName
        @required @httpLabel VersionNumber: Long
    }
    output := {
        Policy: String
        RevisionId: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Tags ----

@http(method: "POST", uri: "/2017-03-31/tags/{Resource}", code: 204)
operation TagResource {
    input := {
        @required @httpLabel Resource: TaggableResource
        @required Tags: Tags
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@http(method: "DELETE", uri: "/2017-03-31/tags/{Resource}", code: 204)
operation UntagResource {
    input := {
        @required @httpLabel Resource: TaggableResource
        @required @httpQuery("tagKeys") TagKeys: TagKeyList
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2017-03-31/tags/{Resource}", code: 200)
operation ListTags {
    input := {
        @required @httpLabel Resource: TaggableResource
    }
    output := {
        Tags: Tags
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Function URLs ----

@http(method: "POST", uri: "/2021-10-31/functions/{FunctionName}/url", code: 201)
operation CreateFunctionUrlConfig {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @httpQuery("Qualifier") Qualifier: FunctionUrlQualifier
        @required AuthType: FunctionUrlAuthType
        Cors: Cors
        InvokeMode: InvokeMode
    }
    output := {
        @required FunctionUrl: FunctionUrl
        @required FunctionArn: FunctionArn
        @required AuthType: FunctionUrlAuthType
        Cors: Cors
        @required CreationTime: String
        InvokeMode: InvokeMode
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2021-10-31/functions/{FunctionName}/url", code: 200)
operation GetFunctionUrlConfig {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @httpQuery("Qualifier") Qualifier: FunctionUrlQualifier
    }
    output := {
        @required FunctionUrl: FunctionUrl
        @required FunctionArn: FunctionArn
        @required AuthType: FunctionUrlAuthType
        Cors: Cors
        @required CreationTime: String
        @required LastModifiedTime: String
        InvokeMode: InvokeMode
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "PUT", uri: "/2021-10-31/functions/{FunctionName}/url", code: 200)
operation UpdateFunctionUrlConfig {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @httpQuery("Qualifier") Qualifier: FunctionUrlQualifier
        AuthType: FunctionUrlAuthType
        Cors: Cors
        InvokeMode: InvokeMode
    }
    output := {
        @required FunctionUrl: FunctionUrl
        @required FunctionArn: FunctionArn
        @required AuthType: FunctionUrlAuthType
        Cors: Cors
        @required CreationTime: String
        @required LastModifiedTime: String
        InvokeMode: InvokeMode
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@http(method: "DELETE", uri: "/2021-10-31/functions/{FunctionName}/url", code: 204)
operation DeleteFunctionUrlConfig {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @httpQuery("Qualifier") Qualifier: FunctionUrlQualifier
    }
    errors: [ResourceConflictException, ResourceNotFoundException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2021-10-31/functions/{FunctionName}/urls", code: 200)
operation ListFunctionUrlConfigs {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxItems
    }
    output := {
        @required FunctionUrlConfigs: FunctionUrlConfigList
        NextMarker: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Concurrency ----

@http(method: "PUT", uri: "/2017-10-31/functions/{FunctionName}/concurrency", code: 200)
operation PutFunctionConcurrency {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required ReservedConcurrentExecutions: ReservedConcurrentExecutions
    }
    output: Concurrency
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2019-09-30/functions/{FunctionName}/concurrency", code: 200)
operation GetFunctionConcurrency {
    input := {
        @required @httpLabel FunctionName: FunctionName
    }
    output := {
        ReservedConcurrentExecutions: ReservedConcurrentExecutions
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "DELETE", uri: "/2017-10-31/functions/{FunctionName}/concurrency", code: 204)
operation DeleteFunctionConcurrency {
    input := {
        @required @httpLabel FunctionName: FunctionName
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@idempotent
@http(method: "PUT", uri: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", code: 202)
operation PutProvisionedConcurrencyConfig {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required @httpQuery("Qualifier") Qualifier: Qualifier
        @required ProvisionedConcurrentExecutions: PositiveInteger
    }
    output := {
        RequestedProvisionedConcurrentExecutions: PositiveInteger
        AvailableProvisionedConcurrentExecutions: NonNegativeInteger
        AllocatedProvisionedConcurrentExecutions: NonNegativeInteger
        Status: ProvisionedConcurrencyStatusEnum
        StatusReason: String
        LastModified: String
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", code: 200)
operation GetProvisionedConcurrencyConfig {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required @httpQuery("Qualifier") Qualifier: Qualifier
    }
    output := {
        RequestedProvisionedConcurrentExecutions: PositiveInteger
        AvailableProvisionedConcurrentExecutions: NonNegativeInteger
        AllocatedProvisionedConcurrentExecutions: NonNegativeInteger
        Status: ProvisionedConcurrencyStatusEnum
        StatusReason: String
        LastModified: String
    }
    errors: [
        InvalidParameterValueException
        ProvisionedConcurrencyConfigNotFoundException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency?List=ALL", code: 200)
operation ListProvisionedConcurrencyConfigs {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxProvisionedConcurrencyConfigListItems
    }
    output := {
        ProvisionedConcurrencyConfigs: ProvisionedConcurrencyConfigList
        NextMarker: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@idempotent
@http(method: "DELETE", uri: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", code: 204)
operation DeleteProvisionedConcurrencyConfig {
    input := {
        @required @httpLabel FunctionName: FunctionName
        @required @httpQuery("Qualifier") Qualifier: Qualifier
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

// ---- Event invoke configuration ----

@http(method: "PUT", uri: "/2019-09-25/functions/{FunctionName}/event-invoke-config", code: 200)
operation PutFunctionEventInvokeConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        MaximumRetryAttempts: MaximumRetryAttempts
        MaximumEventAgeInSeconds: MaximumEventAgeInSeconds
        DestinationConfig: DestinationConfig
    }
    output: FunctionEventInvokeConfig
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@http(method: "POST", uri: "/2019-09-25/functions/{FunctionName}/event-invoke-config", code: 200)
operation UpdateFunctionEventInvokeConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        MaximumRetryAttempts: MaximumRetryAttempts
        MaximumEventAgeInSeconds: MaximumEventAgeInSeconds
        DestinationConfig: DestinationConfig
    }
    output: FunctionEventInvokeConfig
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2019-09-25/functions/{FunctionName}/event-invoke-config", code: 200)
operation GetFunctionEventInvokeConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
    }
    output: FunctionEventInvokeConfig
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "DELETE", uri: "/2019-09-25/functions/{FunctionName}/event-invoke-config", code: 204)
operation DeleteFunctionEventInvokeConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2019-09-25/functions/{FunctionName}/event-invoke-config/list", code: 200)
operation ListFunctionEventInvokeConfigs {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxFunctionEventInvokeConfigListItems
    }
    output := {
        FunctionEventInvokeConfigs: FunctionEventInvokeConfigList
        NextMarker: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Event source mappings ----

@http(method: "POST", uri: "/2015-03-31/event-source-mappings", code: 202)
operation CreateEventSourceMapping {
    input := {
        EventSourceArn: Arn
        @required FunctionName: NamespacedFunctionName
        Enabled: Boolean
        BatchSize: BatchSize
        FilterCriteria: FilterCriteria
        MaximumBatchingWindowInSeconds: MaximumBatchingWindowInSeconds
        ParallelizationFactor: ParallelizationFactor
        StartingPosition: EventSourcePosition
        StartingPositionTimestamp: Timestamp
        DestinationConfig: DestinationConfig
        MaximumRecordAgeInSeconds: MaximumRecordAgeInSeconds
        BisectBatchOnFunctionError: Boolean
        MaximumRetryAttempts: MaximumRetryAttemptsEventSourceMapping
        Tags: Tags
        TumblingWindowInSeconds: TumblingWindowInSeconds
        Topics: Topics
        Queues: Queues
        SourceAccessConfigurations: SourceAccessConfigurations
        SelfManagedEventSource: SelfManagedEventSource
        FunctionResponseTypes: FunctionResponseTypeList
        AmazonManagedKafkaEventSourceConfig: AmazonManagedKafkaEventSourceConfig
        SelfManagedKafkaEventSourceConfig: SelfManagedKafkaEventSourceConfig
        ScalingConfig: ScalingConfig
        DocumentDBEventSourceConfig: DocumentDBEventSourceConfig
        KMSKeyArn: KMSKeyArn
        MetricsConfig: EventSourceMappingMetricsConfig
        LoggingConfig: EventSourceMappingLoggingConfig
        ProvisionedPollerConfig: ProvisionedPollerConfig
    }
    output: EventSourceMappingConfiguration
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/event-source-mappings/{UUID}", code: 200)
operation GetEventSourceMapping {
    input := {
        @required @httpLabel UUID: String
    }
    output: EventSourceMappingConfiguration
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "PUT", uri: "/2015-03-31/event-source-mappings/{UUID}", code: 202)
operation UpdateEventSourceMapping {
    input := {
        @required @httpLabel UUID: String
        FunctionName: NamespacedFunctionName
        Enabled: Boolean
        BatchSize: BatchSize
        FilterCriteria: FilterCriteria
        MaximumBatchingWindowInSeconds: MaximumBatchingWindowInSeconds
        DestinationConfig: DestinationConfig
        MaximumRecordAgeInSeconds: MaximumRecordAgeInSeconds
        BisectBatchOnFunctionError: Boolean
        MaximumRetryAttempts: MaximumRetryAttemptsEventSourceMapping
        ParallelizationFactor: ParallelizationFactor
        SourceAccessConfigurations: SourceAccessConfigurations
        TumblingWindowInSeconds: TumblingWindowInSeconds
        FunctionResponseTypes: FunctionResponseTypeList
        ScalingConfig: ScalingConfig
        AmazonManagedKafkaEventSourceConfig: AmazonManagedKafkaEventSourceConfig
        SelfManagedKafkaEventSourceConfig: SelfManagedKafkaEventSourceConfig
        DocumentDBEventSourceConfig: DocumentDBEventSourceConfig
        KMSKeyArn: KMSKeyArn
        MetricsConfig: EventSourceMappingMetricsConfig
        LoggingConfig: EventSourceMappingLoggingConfig
        ProvisionedPollerConfig: ProvisionedPollerConfig
    }
    output: EventSourceMappingConfiguration
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceInUseException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@idempotent
@http(method: "DELETE", uri: "/2015-03-31/event-source-mappings/{UUID}", code: 202)
operation DeleteEventSourceMapping {
    input := {
        @required @httpLabel UUID: String
    }
    output: EventSourceMappingConfiguration
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceInUseException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2015-03-31/event-source-mappings", code: 200)
operation ListEventSourceMappings {
    input := {
        @httpQuery("EventSourceArn") EventSourceArn: Arn
        @httpQuery("FunctionName") FunctionName: NamespacedFunctionName
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxListItems
    }
    output := {
        NextMarker: String
        EventSourceMappings: EventSourceMappingsList
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Code signing ----

@http(method: "POST", uri: "/2020-04-22/code-signing-configs", code: 201)
operation CreateCodeSigningConfig {
    input := {
        Description: Description
        @required AllowedPublishers: AllowedPublishers
        CodeSigningPolicies: CodeSigningPolicies
        Tags: Tags
    }
    output := {
        @required CodeSigningConfig: CodeSigningConfig
    }
    errors: [InvalidParameterValueException]
}

@readonly
@http(method: "GET", uri: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", code: 200)
operation GetCodeSigningConfig {
    input := {
        @required @httpLabel CodeSigningConfigArn: CodeSigningConfigArn
    }
    output := {
        @required CodeSigningConfig: CodeSigningConfig
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException]
}

@http(method: "PUT", uri: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", code: 200)
operation UpdateCodeSigningConfig {
    input := {
        @required @httpLabel CodeSigningConfigArn: CodeSigningConfigArn
        Description: Description
        AllowedPublishers: AllowedPublishers
        CodeSigningPolicies: CodeSigningPolicies
    }
    output := {
        @required CodeSigningConfig: CodeSigningConfig
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException]
}

@idempotent
@http(method: "DELETE", uri: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", code: 204)
operation DeleteCodeSigningConfig {
    input := {
        @required @httpLabel CodeSigningConfigArn: CodeSigningConfigArn
    }
    output := {}
    errors: [InvalidParameterValueException, ResourceConflictException, ResourceNotFoundException]
}

@readonly
@http(method: "GET", uri: "/2020-04-22/code-signing-configs", code: 200)
operation ListCodeSigningConfigs {
    input := {
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxListItems
    }
    output := {
        NextMarker: String
        CodeSigningConfigs: CodeSigningConfigList
    }
    errors: [InvalidParameterValueException]
}

@readonly
@http(method: "GET", uri: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}/functions", code: 200)
operation ListFunctionsByCodeSigningConfig {
    input := {
        @required @httpLabel CodeSigningConfigArn: CodeSigningConfigArn
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxListItems
    }
    output := {
        NextMarker: String
        FunctionArns: FunctionArnList
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException]
}

@http(method: "PUT", uri: "/2020-06-30/functions/{FunctionName}/code-signing-config", code: 200)
operation PutFunctionCodeSigningConfig {
    input := {
        @required CodeSigningConfigArn: CodeSigningConfigArn
        @required @httpLabel FunctionName: NamespacedFunctionName
    }
    output := {
        @required CodeSigningConfigArn: CodeSigningConfigArn
        @required FunctionName: FunctionName
    }
    errors: [
        CodeSigningConfigNotFoundException
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2020-06-30/functions/{FunctionName}/code-signing-config", code: 200)
operation GetFunctionCodeSigningConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
    }
    output := {
        @required CodeSigningConfigArn: CodeSigningConfigArn
        @required FunctionName: FunctionName
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "DELETE", uri: "/2020-06-30/functions/{FunctionName}/code-signing-config", code: 204)
operation DeleteFunctionCodeSigningConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
    }
    errors: [
        CodeSigningConfigNotFoundException
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

// ---- Runtime management, recursion, scaling ----

@http(method: "PUT", uri: "/2021-07-20/functions/{FunctionName}/runtime-management-config", code: 200)
operation PutRuntimeManagementConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        @required UpdateRuntimeOn: UpdateRuntimeOn
        RuntimeVersionArn: RuntimeVersionArn
    }
    output := {
        @required UpdateRuntimeOn: UpdateRuntimeOn
        @required FunctionArn: FunctionArn
        RuntimeVersionArn: RuntimeVersionArn
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2021-07-20/functions/{FunctionName}/runtime-management-config", code: 200)
operation GetRuntimeManagementConfig {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
    }
    output := {
        UpdateRuntimeOn: UpdateRuntimeOn
        @nullWhenAbsent RuntimeVersionArn: RuntimeVersionArn
        FunctionArn: NameSpacedFunctionArn
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "PUT", uri: "/2024-08-31/functions/{FunctionName}/recursion-config", code: 200)
operation PutFunctionRecursionConfig {
    input := {
        @required @httpLabel FunctionName: UnqualifiedFunctionName
        @required RecursiveLoop: RecursiveLoop
    }
    output := {
        RecursiveLoop: RecursiveLoop
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2024-08-31/functions/{FunctionName}/recursion-config", code: 200)
operation GetFunctionRecursionConfig {
    input := {
        @required @httpLabel FunctionName: UnqualifiedFunctionName
    }
    output := {
        RecursiveLoop: RecursiveLoop
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "PUT", uri: "/2025-11-30/functions/{FunctionName}/function-scaling-config", code: 202)
operation PutFunctionScalingConfig {
    input := {
        @required @httpLabel FunctionName: UnqualifiedFunctionName
        @required @httpQuery("Qualifier") Qualifier: PublishedFunctionQualifier
        FunctionScalingConfig: FunctionScalingConfig
    }
    output := {
        FunctionState: State
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2025-11-30/functions/{FunctionName}/function-scaling-config", code: 200)
operation GetFunctionScalingConfig {
    input := {
        @required @httpLabel FunctionName: UnqualifiedFunctionName
        @required @httpQuery("Qualifier") Qualifier: PublishedFunctionQualifier
    }
    output := {
        FunctionArn: FunctionArn
        AppliedFunctionScalingConfig: FunctionScalingConfig
        RequestedFunctionScalingConfig: FunctionScalingConfig
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Capacity providers ----

@idempotent
@http(method: "POST", uri: "/2025-11-30/capacity-providers", code: 202)
operation CreateCapacityProvider {
    input := {
        @required CapacityProviderName: CapacityProviderName
        @required VpcConfig: CapacityProviderVpcConfig
        @required PermissionsConfig: CapacityProviderPermissionsConfig
        InstanceRequirements: InstanceRequirements
        CapacityProviderScalingConfig: CapacityProviderScalingConfig
        KmsKeyArn: KMSKeyArnNonEmpty
        Tags: Tags
    }
    output := {
        @required CapacityProvider: CapacityProvider
    }
    errors: [
        CapacityProviderLimitExceededException
        InvalidParameterValueException
        ResourceConflictException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2025-11-30/capacity-providers/{CapacityProviderName}", code: 200)
operation GetCapacityProvider {
    input := {
        @required @httpLabel CapacityProviderName: CapacityProviderName
    }
    output := {
        @required CapacityProvider: CapacityProvider
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "PUT", uri: "/2025-11-30/capacity-providers/{CapacityProviderName}", code: 202)
operation UpdateCapacityProvider {
    input := {
        @required @httpLabel CapacityProviderName: CapacityProviderName
        CapacityProviderScalingConfig: CapacityProviderScalingConfig
    }
    output := {
        @required CapacityProvider: CapacityProvider
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@idempotent
@http(method: "DELETE", uri: "/2025-11-30/capacity-providers/{CapacityProviderName}", code: 202)
operation DeleteCapacityProvider {
    input := {
        @required @httpLabel CapacityProviderName: CapacityProviderName
    }
    output := {
        @required CapacityProvider: CapacityProvider
    }
    errors: [
        InvalidParameterValueException
        ResourceConflictException
        ResourceNotFoundException
        TooManyRequestsException
    ]
}

@readonly
@http(method: "GET", uri: "/2025-11-30/capacity-providers", code: 200)
operation ListCapacityProviders {
    input := {
        @httpQuery("State") State: CapacityProviderState
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxFiftyListItems
    }
    output := {
        @required CapacityProviders: CapacityProvidersList
        NextMarker: String
    }
    errors: [InvalidParameterValueException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2025-11-30/capacity-providers/{CapacityProviderName}/function-versions", code: 200)
operation ListFunctionVersionsByCapacityProvider {
    input := {
        @required @httpLabel CapacityProviderName: CapacityProviderName
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: MaxFiftyListItems
    }
    output := {
        @required CapacityProviderArn: CapacityProviderArn
        @required FunctionVersions: FunctionVersionsByCapacityProviderList
        NextMarker: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

// ---- Durable executions ----

@idempotent
@http(method: "POST", uri: "/2025-12-01/durable-executions/{DurableExecutionArn}/checkpoint", code: 200)
operation CheckpointDurableExecution {
    input := {
        @required @httpLabel DurableExecutionArn: DurableExecutionArn
        @required CheckpointToken: CheckpointToken
        Updates: OperationUpdates
        @idempotencyToken ClientToken: ClientToken
    }
    output := {
        CheckpointToken: CheckpointToken
        @required NewExecutionState: CheckpointUpdatedExecutionState
    }
    errors: [InvalidParameterValueException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2025-12-01/durable-executions/{DurableExecutionArn}/state", code: 200)
operation GetDurableExecutionState {
    input := {
        @required @httpLabel DurableExecutionArn: DurableExecutionArn
        @required @httpQuery("CheckpointToken") CheckpointToken: CheckpointToken
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: ItemCount
    }
    output := {
        @required Operations: Operations
        NextMarker: String
    }
    errors: [InvalidParameterValueException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2025-12-01/durable-executions/{DurableExecutionArn}", code: 200)
operation GetDurableExecution {
    input := {
        @required @httpLabel DurableExecutionArn: DurableExecutionArn
    }
    output := {
        @required DurableExecutionArn: DurableExecutionArn
        @required DurableExecutionName: DurableExecutionName
        @required FunctionArn: NameSpacedFunctionArn
        InputPayload: InputPayload
        Result: OutputPayload
        Error: ErrorObject
        @required StartTimestamp: Timestamp
        @required Status: ExecutionStatus
        EndTimestamp: Timestamp
        Version: VersionWithLatestPublished
        TraceHeader: TraceHeader
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2025-12-01/durable-executions/{DurableExecutionArn}/history", code: 200)
operation GetDurableExecutionHistory {
    input := {
        @required @httpLabel DurableExecutionArn: DurableExecutionArn
        @httpQuery("IncludeExecutionData") IncludeExecutionData: Boolean
        @httpQuery("MaxItems") MaxItems: ItemCount
        @httpQuery("Marker") Marker: String
        @httpQuery("ReverseOrder") ReverseOrder: Boolean
    }
    output := {
        @required Events: Events
        NextMarker: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@readonly
@http(method: "GET", uri: "/2025-12-01/functions/{FunctionName}/durable-executions", code: 200)
operation ListDurableExecutionsByFunction {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        @httpQuery("DurableExecutionName") DurableExecutionName: DurableExecutionName
        @httpQuery("Statuses") Statuses: ExecutionStatusList
        @httpQuery("StartedAfter") StartedAfter: Timestamp
        @httpQuery("StartedBefore") StartedBefore: Timestamp
        @httpQuery("ReverseOrder") ReverseOrder: Boolean
        @httpQuery("Marker") Marker: String
        @httpQuery("MaxItems") MaxItems: ItemCount
    }
    output := {
        DurableExecutions: DurableExecutions
        NextMarker: String
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "POST", uri: "/2025-12-01/durable-executions/{DurableExecutionArn}/stop", code: 200)
operation StopDurableExecution {
    input := {
        @required @httpLabel DurableExecutionArn: DurableExecutionArn
        @httpPayload Error: ErrorObject
    }
    output := {
        @required StopTimestamp: Timestamp
    }
    errors: [InvalidParameterValueException, ResourceNotFoundException, TooManyRequestsException]
}

@http(method: "POST", uri: "/2025-12-01/durable-execution-callbacks/{CallbackId}/succeed", code: 200)
operation SendDurableExecutionCallbackSuccess {
    input := {
        @required @httpLabel CallbackId: CallbackId
        @httpPayload Result: BinaryOperationPayload
    }
    output := {}
    errors: [CallbackTimeoutException, InvalidParameterValueException, TooManyRequestsException]
}

@http(method: "POST", uri: "/2025-12-01/durable-execution-callbacks/{CallbackId}/fail", code: 200)
operation SendDurableExecutionCallbackFailure {
    input := {
        @required @httpLabel CallbackId: CallbackId
        @httpPayload Error: ErrorObject
    }
    output := {}
    errors: [CallbackTimeoutException, InvalidParameterValueException, TooManyRequestsException]
}

@http(method: "POST", uri: "/2025-12-01/durable-execution-callbacks/{CallbackId}/heartbeat", code: 200)
operation SendDurableExecutionCallbackHeartbeat {
    input := {
        @required @httpLabel CallbackId: CallbackId
    }
    output := {}
    errors: [CallbackTimeoutException, InvalidParameterValueException, TooManyRequestsException]
}

// ---- Invocation ----

@onLoop
@bodyMax(6291456)
@http(method: "POST", uri: "/2015-03-31/functions/{FunctionName}/invocations", code: 200)
operation Invoke {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpHeader("X-Amz-Invocation-Type") InvocationType: InvocationType
        @httpHeader("X-Amz-Log-Type") LogType: LogType
        @httpHeader("X-Amz-Client-Context") ClientContext: String
        @httpHeader("X-Amz-Durable-Execution-Name") DurableExecutionName: DurableExecutionName
        @httpPayload Payload: InvokePayload
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        @httpHeader("X-Amz-Tenant-Id") TenantId: TenantId
    }
    output := {
        @httpResponseCode StatusCode: Integer
        @httpHeader("X-Amz-Function-Error") FunctionError: String
        @httpHeader("X-Amz-Log-Result") LogResult: String
        @httpPayload Payload: InvokePayload
        @httpHeader("X-Amz-Executed-Version") ExecutedVersion: Version
        @httpHeader("X-Amz-Durable-Execution-Arn") DurableExecutionArn: DurableExecutionArn
    }
    errors: [
        DurableExecutionAlreadyStartedException
        EC2AccessDeniedException
        EC2ThrottledException
        EC2UnexpectedException
        EFSIOException
        EFSMountConnectivityException
        EFSMountFailureException
        EFSMountTimeoutException
        ENILimitReachedException
        InvalidParameterValueException
        InvalidRequestContentException
        InvalidRuntimeException
        InvalidSecurityGroupIDException
        InvalidSubnetIDException
        InvalidZipFileException
        KMSAccessDeniedException
        KMSDisabledException
        KMSInvalidStateException
        KMSNotFoundException
        NoPublishedVersionException
        RecursiveInvocationException
        RequestTooLargeException
        ResourceConflictException
        ResourceNotFoundException
        ResourceNotReadyException
        S3FilesMountConnectivityException
        S3FilesMountFailureException
        S3FilesMountTimeoutException
        SerializedRequestEntityTooLargeException
        SnapStartException
        SnapStartNotReadyException
        SnapStartTimeoutException
        SubnetIPAddressLimitReachedException
        TooManyRequestsException
        UnsupportedMediaTypeException
    ]
}

@onLoop
@deprecated
@http(method: "POST", uri: "/2014-11-13/functions/{FunctionName}/invoke-async", code: 202)
operation InvokeAsync {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @required @httpPayload InvokeArgs: BlobStream
    }
    output := {
        @httpResponseCode Status: Integer
    }
    errors: [
        InvalidRequestContentException
        InvalidRuntimeException
        ResourceConflictException
        ResourceNotFoundException
    ]
}

@onLoop
@bodyMax(6291456)
@http(method: "POST", uri: "/2021-11-15/functions/{FunctionName}/response-streaming-invocations", code: 200)
operation InvokeWithResponseStream {
    input := {
        @required @httpLabel FunctionName: NamespacedFunctionName
        @httpHeader("X-Amz-Invocation-Type") InvocationType: ResponseStreamingInvocationType
        @httpHeader("X-Amz-Log-Type") LogType: LogType
        @httpHeader("X-Amz-Client-Context") ClientContext: String
        @httpQuery("Qualifier") Qualifier: NumericLatestPublishedOrAliasQualifier
        @httpPayload Payload: Blob
        @httpHeader("X-Amz-Tenant-Id") TenantId: TenantId
    }
    output := {
        @httpResponseCode StatusCode: Integer
        @httpHeader("X-Amz-Executed-Version") ExecutedVersion: Version
        @httpPayload EventStream: InvokeWithResponseStreamResponseEvent
        @httpHeader("Content-Type") ResponseStreamContentType: String
    }
    errors: [
        EC2AccessDeniedException
        EC2ThrottledException
        EC2UnexpectedException
        EFSIOException
        EFSMountConnectivityException
        EFSMountFailureException
        EFSMountTimeoutException
        ENILimitReachedException
        InvalidParameterValueException
        InvalidRequestContentException
        InvalidRuntimeException
        InvalidSecurityGroupIDException
        InvalidSubnetIDException
        InvalidZipFileException
        KMSAccessDeniedException
        KMSDisabledException
        KMSInvalidStateException
        KMSNotFoundException
        NoPublishedVersionException
        RecursiveInvocationException
        RequestTooLargeException
        ResourceConflictException
        ResourceNotFoundException
        ResourceNotReadyException
        S3FilesMountConnectivityException
        S3FilesMountFailureException
        S3FilesMountTimeoutException
        SerializedRequestEntityTooLargeException
        SnapStartException
        SnapStartNotReadyException
        SnapStartTimeoutException
        SubnetIPAddressLimitReachedException
        TooManyRequestsException
        UnsupportedMediaTypeException
    ]
}

// ---- Structures ----

structure AccountLimit {
    TotalCodeSize: Long
    CodeSizeUnzipped: Long
    CodeSizeZipped: Long
    ConcurrentExecutions: Integer
    UnreservedConcurrentExecutions: UnreservedConcurrentExecutions
}

structure AccountUsage {
    TotalCodeSize: Long
    FunctionCount: Long
}

structure AliasConfiguration {
    AliasArn: FunctionArn
    Name: Alias
    FunctionVersion: Version
    Description: Description
    RoutingConfig: AliasRoutingConfiguration
    RevisionId: String
}

structure AliasRoutingConfiguration {
    AdditionalVersionWeights: AdditionalVersionWeights
}

structure AllowedPublishers {
    @required SigningProfileVersionArns: SigningProfileVersionArns
}

structure AmazonManagedKafkaEventSourceConfig {
    ConsumerGroupId: URI
    SchemaRegistryConfig: KafkaSchemaRegistryConfig
}

structure CallbackDetails {
    CallbackId: CallbackId
    Result: OperationPayload
    Error: ErrorObject
}

structure CallbackFailedDetails {
    @required Error: EventError
}

structure CallbackOptions {
    TimeoutSeconds: DurationSeconds
    HeartbeatTimeoutSeconds: DurationSeconds
}

structure CallbackStartedDetails {
    @required CallbackId: CallbackId
    HeartbeatTimeout: DurationSeconds
    Timeout: DurationSeconds
}

structure CallbackSucceededDetails {
    @required Result: EventResult
}

structure CallbackTimedOutDetails {
    @required Error: EventError
}

structure CapacityProvider {
    @required CapacityProviderArn: CapacityProviderArn
    @required State: CapacityProviderState
    @required VpcConfig: CapacityProviderVpcConfig
    @required PermissionsConfig: CapacityProviderPermissionsConfig
    InstanceRequirements: InstanceRequirements
    CapacityProviderScalingConfig: CapacityProviderScalingConfig
    KmsKeyArn: KMSKeyArn
    LastModified: String
}

structure CapacityProviderConfig {
    @required
    LambdaManagedInstancesCapacityProviderConfig: LambdaManagedInstancesCapacityProviderConfig
}

structure CapacityProviderPermissionsConfig {
    @required CapacityProviderOperatorRoleArn: RoleArn
}

structure CapacityProviderScalingConfig {
    MaxVCpuCount: CapacityProviderMaxVCpuCount
    ScalingMode: CapacityProviderScalingMode
    ScalingPolicies: CapacityProviderScalingPoliciesList
}

structure CapacityProviderVpcConfig {
    @required SubnetIds: CapacityProviderSubnetIds
    @required SecurityGroupIds: CapacityProviderSecurityGroupIds
}

structure ChainedInvokeDetails {
    Result: OperationPayload
    Error: ErrorObject
}

structure ChainedInvokeFailedDetails {
    @required Error: EventError
}

structure ChainedInvokeOptions {
    @required FunctionName: NamespacedFunctionName
    TenantId: TenantId
}

structure ChainedInvokeStartedDetails {
    @required FunctionName: NamespacedFunctionName
    TenantId: TenantId
    Input: EventInput
    ExecutedVersion: VersionWithLatestPublished
    DurableExecutionArn: DurableExecutionArn
}

structure ChainedInvokeStoppedDetails {
    @required Error: EventError
}

structure ChainedInvokeSucceededDetails {
    @required Result: EventResult
}

structure ChainedInvokeTimedOutDetails {
    @required Error: EventError
}

structure CheckpointUpdatedExecutionState {
    Operations: Operations
    NextMarker: String
}

structure CodeSigningConfig {
    @required CodeSigningConfigId: CodeSigningConfigId
    @required CodeSigningConfigArn: CodeSigningConfigArn
    Description: Description
    @required AllowedPublishers: AllowedPublishers
    @required CodeSigningPolicies: CodeSigningPolicies
    @required LastModified: String
}

structure CodeSigningPolicies {
    UntrustedArtifactOnDeployment: CodeSigningPolicy
}

structure Concurrency {
    ReservedConcurrentExecutions: ReservedConcurrentExecutions
}

structure ContextDetails {
    ReplayChildren: Boolean
    Result: OperationPayload
    Error: ErrorObject
}

structure ContextFailedDetails {
    @required Error: EventError
}

structure ContextOptions {
    ReplayChildren: Boolean
}

structure ContextStartedDetails {}

structure ContextSucceededDetails {
    @required Result: EventResult
}

structure Cors {
    AllowCredentials: Boolean
    AllowHeaders: HeadersList
    AllowMethods: AllowMethodsList
    AllowOrigins: AllowOriginsList
    ExposeHeaders: HeadersList
    MaxAge: MaxAge
}

structure DeadLetterConfig {
    TargetArn: ResourceArn
}

structure DestinationConfig {
    OnSuccess: OnSuccess
    OnFailure: OnFailure
}

structure DocumentDBEventSourceConfig {
    DatabaseName: DatabaseName
    CollectionName: CollectionName
    FullDocument: FullDocument
}

structure DurableConfig {
    RetentionPeriodInDays: RetentionPeriodInDays
    ExecutionTimeout: ExecutionTimeout
}

structure Environment {
    Variables: EnvironmentVariables
}

structure EnvironmentError {
    ErrorCode: String
    Message: SensitiveString
}

structure EnvironmentResponse {
    Variables: EnvironmentVariables
    Error: EnvironmentError
}

structure EphemeralStorage {
    @required Size: EphemeralStorageSize
}

structure ErrorObject {
    ErrorMessage: ErrorMessage
    ErrorType: ErrorType
    ErrorData: ErrorData
    StackTrace: StackTraceEntries
}

structure Event {
    EventType: EventType
    SubType: OperationSubType
    EventId: EventId
    Id: OperationId
    Name: OperationName
    EventTimestamp: Timestamp
    ParentId: OperationId
    ExecutionStartedDetails: ExecutionStartedDetails
    ExecutionSucceededDetails: ExecutionSucceededDetails
    ExecutionFailedDetails: ExecutionFailedDetails
    ExecutionTimedOutDetails: ExecutionTimedOutDetails
    ExecutionStoppedDetails: ExecutionStoppedDetails
    ContextStartedDetails: ContextStartedDetails
    ContextSucceededDetails: ContextSucceededDetails
    ContextFailedDetails: ContextFailedDetails
    WaitStartedDetails: WaitStartedDetails
    WaitSucceededDetails: WaitSucceededDetails
    WaitCancelledDetails: WaitCancelledDetails
    StepStartedDetails: StepStartedDetails
    StepSucceededDetails: StepSucceededDetails
    StepFailedDetails: StepFailedDetails
    ChainedInvokeStartedDetails: ChainedInvokeStartedDetails
    ChainedInvokeSucceededDetails: ChainedInvokeSucceededDetails
    ChainedInvokeFailedDetails: ChainedInvokeFailedDetails
    ChainedInvokeTimedOutDetails: ChainedInvokeTimedOutDetails
    ChainedInvokeStoppedDetails: ChainedInvokeStoppedDetails
    CallbackStartedDetails: CallbackStartedDetails
    CallbackSucceededDetails: CallbackSucceededDetails
    CallbackFailedDetails: CallbackFailedDetails
    CallbackTimedOutDetails: CallbackTimedOutDetails
    InvocationCompletedDetails: InvocationCompletedDetails
}

structure EventError {
    Payload: ErrorObject
    Truncated: Boolean
}

structure EventInput {
    Payload: InputPayload
    Truncated: Boolean
}

structure EventResult {
    Payload: OperationPayload
    Truncated: Boolean
}

structure EventSourceMappingConfiguration {
    UUID: String
    StartingPosition: EventSourcePosition
    StartingPositionTimestamp: Timestamp
    BatchSize: BatchSize
    MaximumBatchingWindowInSeconds: MaximumBatchingWindowInSeconds
    ParallelizationFactor: ParallelizationFactor
    EventSourceArn: Arn
    FilterCriteria: FilterCriteria
    FunctionArn: FunctionArn
    LastModified: Timestamp
    LastProcessingResult: String
    State: String
    StateTransitionReason: String
    DestinationConfig: DestinationConfig
    Topics: Topics
    Queues: Queues
    SourceAccessConfigurations: SourceAccessConfigurations
    SelfManagedEventSource: SelfManagedEventSource
    MaximumRecordAgeInSeconds: MaximumRecordAgeInSeconds
    BisectBatchOnFunctionError: Boolean
    MaximumRetryAttempts: MaximumRetryAttemptsEventSourceMapping
    TumblingWindowInSeconds: TumblingWindowInSeconds
    FunctionResponseTypes: FunctionResponseTypeList
    AmazonManagedKafkaEventSourceConfig: AmazonManagedKafkaEventSourceConfig
    SelfManagedKafkaEventSourceConfig: SelfManagedKafkaEventSourceConfig
    ScalingConfig: ScalingConfig
    DocumentDBEventSourceConfig: DocumentDBEventSourceConfig
    KMSKeyArn: KMSKeyArn
    FilterCriteriaError: FilterCriteriaError
    EventSourceMappingArn: EventSourceMappingArn
    MetricsConfig: EventSourceMappingMetricsConfig
    LoggingConfig: EventSourceMappingLoggingConfig
    ProvisionedPollerConfig: ProvisionedPollerConfig
}

structure EventSourceMappingLoggingConfig {
    SystemLogLevel: EventSourceMappingSystemLogLevel
}

structure EventSourceMappingMetricsConfig {
    Metrics: EventSourceMappingMetricList
}

structure Execution {
    @required DurableExecutionArn: DurableExecutionArn
    @required DurableExecutionName: DurableExecutionName
    @required FunctionArn: NameSpacedFunctionArn
    @required Status: ExecutionStatus
    @required StartTimestamp: Timestamp
    EndTimestamp: Timestamp
}

structure ExecutionDetails {
    InputPayload: InputPayload
}

structure ExecutionFailedDetails {
    @required Error: EventError
}

structure ExecutionStartedDetails {
    @required Input: EventInput
    @required ExecutionTimeout: DurationSeconds
}

structure ExecutionStoppedDetails {
    @required Error: EventError
}

structure ExecutionSucceededDetails {
    @required Result: EventResult
}

structure ExecutionTimedOutDetails {
    Error: EventError
}

structure FileSystemConfig {
    @required Arn: FileSystemArn
    @required LocalMountPath: LocalMountPath
}

structure Filter {
    Pattern: Pattern
}

structure FilterCriteria {
    Filters: FilterList
}

structure FilterCriteriaError {
    ErrorCode: FilterCriteriaErrorCode
    Message: FilterCriteriaErrorMessage
}

structure FunctionCode {
    ZipFile: Blob
    S3Bucket: S3Bucket
    S3Key: S3Key
    S3ObjectVersion: S3ObjectVersion
    // Documented, and absent from the public model.
    S3ObjectStorageMode: S3ObjectStorageMode
    ImageUri: String
    SourceKMSKeyArn: KMSKeyArn
}

structure FunctionCodeLocation {
    RepositoryType: String
    Location: String
    ImageUri: String
    ResolvedImageUri: String
    SourceKMSKeyArn: String
}

structure FunctionConfiguration {
    FunctionName: NamespacedFunctionName
    FunctionArn: NameSpacedFunctionArn
    Runtime: Runtime
    Role: RoleArn
    Handler: Handler
    CodeSize: Long
    Description: Description
    Timeout: Timeout
    MemorySize: MemorySize
    LastModified: String
    CodeSha256: String
    Version: Version
    VpcConfig: VpcConfigResponse
    DeadLetterConfig: DeadLetterConfig
    Environment: EnvironmentResponse
    KMSKeyArn: KMSKeyArn
    TracingConfig: TracingConfigResponse
    MasterArn: FunctionArn
    RevisionId: String
    Layers: LayersReferenceList
    State: State
    StateReason: String
    StateReasonCode: StateReasonCode
    LastUpdateStatus: LastUpdateStatus
    LastUpdateStatusReason: String
    LastUpdateStatusReasonCode: LastUpdateStatusReasonCode
    FileSystemConfigs: FileSystemConfigList
    PackageType: PackageType
    ImageConfigResponse: ImageConfigResponse
    SigningProfileVersionArn: Arn
    SigningJobArn: Arn
    Architectures: ArchitecturesList
    EphemeralStorage: EphemeralStorage
    SnapStart: SnapStartResponse
    RuntimeVersionConfig: RuntimeVersionConfig
    LoggingConfig: LoggingConfig
    CapacityProviderConfig: CapacityProviderConfig
    ConfigSha256: String
    DurableConfig: DurableConfig
    TenancyConfig: TenancyConfig
}

structure FunctionEventInvokeConfig {
    LastModified: Timestamp
    FunctionArn: FunctionArn
    MaximumRetryAttempts: MaximumRetryAttempts
    MaximumEventAgeInSeconds: MaximumEventAgeInSeconds
    DestinationConfig: DestinationConfig
}

structure FunctionScalingConfig {
    MinExecutionEnvironments: FunctionScalingConfigExecutionEnvironments
    MaxExecutionEnvironments: FunctionScalingConfigExecutionEnvironments
}

structure FunctionUrlConfig {
    @required FunctionUrl: FunctionUrl
    @required FunctionArn: FunctionArn
    @required CreationTime: String
    @required LastModifiedTime: String
    Cors: Cors
    @required AuthType: FunctionUrlAuthType
    InvokeMode: InvokeMode
}

structure FunctionVersionsByCapacityProviderListItem {
    @required FunctionArn: NameSpacedFunctionArn
    @required State: State
}

structure LayerVersionDescription {
    Content: LayerVersionContentOutput
    LayerArn: LayerArn
    LayerVersionArn: LayerVersionArn
    Description: Description
    CreatedDate: String
    Version: Long
    CompatibleRuntimes: CompatibleRuntimes
    LicenseInfo: LicenseInfo
    CompatibleArchitectures: CompatibleArchitectures
}

structure ImageConfig {
    EntryPoint: StringList
    Command: StringList
    WorkingDirectory: WorkingDirectory
}

structure ImageConfigError {
    ErrorCode: String
    Message: SensitiveString
}

structure ImageConfigResponse {
    ImageConfig: ImageConfig
    Error: ImageConfigError
}

structure InstanceRequirements {
    Architectures: ArchitecturesList
    AllowedInstanceTypes: InstanceTypeSet
    ExcludedInstanceTypes: InstanceTypeSet
}

structure InvocationCompletedDetails {
    @required StartTimestamp: Timestamp
    @required EndTimestamp: Timestamp
    @required RequestId: String
    Error: EventError
}

structure InvokeResponseStreamUpdate {
    @eventPayload Payload: Blob
}

structure InvokeWithResponseStreamCompleteEvent {
    ErrorCode: String
    ErrorDetails: String
    LogResult: String
}

@streaming
union InvokeWithResponseStreamResponseEvent {
    PayloadChunk: InvokeResponseStreamUpdate
    InvokeComplete: InvokeWithResponseStreamCompleteEvent
}

structure KafkaSchemaRegistryAccessConfig {
    Type: KafkaSchemaRegistryAuthType
    URI: Arn
}

structure KafkaSchemaRegistryConfig {
    SchemaRegistryURI: SchemaRegistryUri
    EventRecordFormat: SchemaRegistryEventRecordFormat
    AccessConfigs: KafkaSchemaRegistryAccessConfigList
    SchemaValidationConfigs: KafkaSchemaValidationConfigList
}

structure KafkaSchemaValidationConfig {
    Attribute: KafkaSchemaValidationAttribute
}

structure LambdaManagedInstancesCapacityProviderConfig {
    @required CapacityProviderArn: CapacityProviderArn
    PerExecutionEnvironmentMaxConcurrency: PerExecutionEnvironmentMaxConcurrency
    ExecutionEnvironmentMemoryGiBPerVCpu: ExecutionEnvironmentMemoryGiBPerVCpu
}

structure Layer {
    Arn: LayerVersionArn
    CodeSize: Long
    SigningProfileVersionArn: Arn
    SigningJobArn: Arn
}

structure LayerVersionContentInput {
    S3Bucket: S3Bucket
    S3Key: S3Key
    S3ObjectVersion: S3ObjectVersion
    ZipFile: Blob
}

structure LayerVersionContentOutput {
    Location: String
    CodeSha256: String
    CodeSize: Long
    SigningProfileVersionArn: String
    SigningJobArn: String
}

structure LayerVersionsListItem {
    LayerVersionArn: LayerVersionArn
    Version: Long
    Description: Description
    CreatedDate: String
    CompatibleRuntimes: CompatibleRuntimes
    LicenseInfo: LicenseInfo
    CompatibleArchitectures: CompatibleArchitectures
}

structure LayersListItem {
    LayerName: LayerName
    LayerArn: LayerArn
    LatestMatchingVersion: LayerVersionsListItem
}

structure LoggingConfig {
    LogFormat: LogFormat
    ApplicationLogLevel: ApplicationLogLevel
    SystemLogLevel: SystemLogLevel
    LogGroup: LogGroup
}

structure OnFailure {
    Destination: DestinationArn
}

structure OnSuccess {
    Destination: DestinationArn
}

structure Operation {
    @required Id: OperationId
    ParentId: OperationId
    Name: OperationName
    @required Type: OperationType
    SubType: OperationSubType
    @required StartTimestamp: Timestamp
    EndTimestamp: Timestamp
    @required Status: OperationStatus
    ExecutionDetails: ExecutionDetails
    ContextDetails: ContextDetails
    StepDetails: StepDetails
    WaitDetails: WaitDetails
    CallbackDetails: CallbackDetails
    ChainedInvokeDetails: ChainedInvokeDetails
}

structure OperationUpdate {
    @required Id: OperationId
    ParentId: OperationId
    Name: OperationName
    @required Type: OperationType
    SubType: OperationSubType
    @required Action: OperationAction
    Payload: OperationPayload
    Error: ErrorObject
    ContextOptions: ContextOptions
    StepOptions: StepOptions
    WaitOptions: WaitOptions
    CallbackOptions: CallbackOptions
    ChainedInvokeOptions: ChainedInvokeOptions
}

structure ProvisionedConcurrencyConfigListItem {
    FunctionArn: FunctionArn
    RequestedProvisionedConcurrentExecutions: PositiveInteger
    AvailableProvisionedConcurrentExecutions: NonNegativeInteger
    AllocatedProvisionedConcurrentExecutions: NonNegativeInteger
    Status: ProvisionedConcurrencyStatusEnum
    StatusReason: String
    LastModified: String
}

structure ProvisionedPollerConfig {
    MinimumPollers: MinimumNumberOfPollers
    MaximumPollers: MaximumNumberOfPollers
    PollerGroupName: ProvisionedPollerGroupName
}

structure RetryDetails {
    CurrentAttempt: AttemptCount
    NextAttemptDelaySeconds: DurationSeconds
}

structure RuntimeVersionConfig {
    RuntimeVersionArn: RuntimeVersionArn
    Error: RuntimeVersionError
}

structure RuntimeVersionError {
    ErrorCode: String
    Message: SensitiveString
}

structure ScalingConfig {
    MaximumConcurrency: MaximumConcurrency
}

structure SelfManagedEventSource {
    Endpoints: Endpoints
}

structure SelfManagedKafkaEventSourceConfig {
    ConsumerGroupId: URI
    SchemaRegistryConfig: KafkaSchemaRegistryConfig
}

structure SnapStart {
    ApplyOn: SnapStartApplyOn
}

structure SnapStartResponse {
    ApplyOn: SnapStartApplyOn
    OptimizationStatus: SnapStartOptimizationStatus
}

structure SourceAccessConfiguration {
    Type: SourceAccessType
    URI: URI
}

structure StepDetails {
    Attempt: AttemptCount
    NextAttemptTimestamp: Timestamp
    Result: OperationPayload
    Error: ErrorObject
}

structure StepFailedDetails {
    @required Error: EventError
    @required RetryDetails: RetryDetails
}

structure StepOptions {
    NextAttemptDelaySeconds: StepOptionsNextAttemptDelaySecondsInteger
}

structure StepStartedDetails {}

structure StepSucceededDetails {
    @required Result: EventResult
    @required RetryDetails: RetryDetails
}

structure TagsError {
    @required ErrorCode: TagsErrorCode
    @required Message: TagsErrorMessage
}

structure TargetTrackingScalingPolicy {
    @required PredefinedMetricType: CapacityProviderPredefinedMetricType
    @required TargetValue: MetricTargetValue
}

structure TenancyConfig {
    @required TenantIsolationMode: TenantIsolationMode
}

structure TraceHeader {
    XAmznTraceId: XAmznTraceId
}

structure TracingConfig {
    Mode: TracingMode
}

structure TracingConfigResponse {
    Mode: TracingMode
}

structure VpcConfig {
    SubnetIds: SubnetIds
    SecurityGroupIds: SecurityGroupIds
    Ipv6AllowedForDualStack: Boolean
}

structure VpcConfigResponse {
    SubnetIds: SubnetIds
    SecurityGroupIds: SecurityGroupIds
    VpcId: String
    Ipv6AllowedForDualStack: Boolean
}

structure WaitCancelledDetails {
    Error: EventError
}

structure WaitDetails {
    ScheduledEndTimestamp: Timestamp
}

structure WaitOptions {
    WaitSeconds: WaitOptionsWaitSecondsInteger
}

structure WaitStartedDetails {
    @required Duration: DurationSeconds
    @required ScheduledEndTimestamp: Timestamp
}

structure WaitSucceededDetails {
    Duration: DurationSeconds
}

// ---- Lists and maps ----

map AdditionalVersionWeights {
    key: AdditionalVersion
    value: Weight
}

list AliasList {
    member: AliasConfiguration
}

@length(min: 0, max: 6)
list AllowMethodsList {
    member: Method
}

@length(min: 0, max: 100)
list AllowOriginsList {
    member: Origin
}

@length(min: 1, max: 1)
list ArchitecturesList {
    member: Architecture
}

@length(min: 1, max: 10)
list CapacityProviderScalingPoliciesList {
    member: TargetTrackingScalingPolicy
}

@length(min: 0, max: 5)
list CapacityProviderSecurityGroupIds {
    member: String
}

@length(min: 1, max: 16)
list CapacityProviderSubnetIds {
    member: String
}

@length(min: 0, max: 50)
list CapacityProvidersList {
    member: CapacityProvider
}

list CodeSigningConfigList {
    member: CodeSigningConfig
}

@length(min: 0, max: 2)
list CompatibleArchitectures {
    member: Architecture
}

@length(min: 0, max: 15)
list CompatibleRuntimes {
    member: Runtime
}

list DurableExecutions {
    member: Execution
}

@length(min: 1, max: 10)
list EndpointLists {
    member: Endpoint
}

@length(min: 1, max: 2)
map Endpoints {
    key: EndPointType
    value: EndpointLists
}

@sensitive
map EnvironmentVariables {
    key: EnvironmentVariableName
    value: EnvironmentVariableValue
}

@length(min: 0, max: 3)
list EventSourceMappingMetricList {
    member: EventSourceMappingMetric
}

list EventSourceMappingsList {
    member: EventSourceMappingConfiguration
}

list Events {
    member: Event
}

@length(min: 1, max: 10)
list ExecutionStatusList {
    member: ExecutionStatus
}

@length(min: 0, max: 1)
list FileSystemConfigList {
    member: FileSystemConfig
}

list FilterList {
    member: Filter
}

list FunctionArnList {
    member: FunctionArn
}

list FunctionEventInvokeConfigList {
    member: FunctionEventInvokeConfig
}

list FunctionList {
    member: FunctionConfiguration
}

@length(min: 0, max: 1)
list FunctionResponseTypeList {
    member: FunctionResponseType
}

list FunctionUrlConfigList {
    member: FunctionUrlConfig
}

@length(min: 0, max: 50)
list FunctionVersionsByCapacityProviderList {
    member: FunctionVersionsByCapacityProviderListItem
}

@length(min: 0, max: 100)
list HeadersList {
    member: Header
}

@length(min: 0, max: 400)
list InstanceTypeSet {
    member: InstanceType
}

list KafkaSchemaRegistryAccessConfigList {
    member: KafkaSchemaRegistryAccessConfig
}

list KafkaSchemaValidationConfigList {
    member: KafkaSchemaValidationConfig
}

list LayerList {
    member: LayerVersionArn
}

list LayerVersionsList {
    member: LayerVersionsListItem
}

list LayersList {
    member: LayersListItem
}

list LayersReferenceList {
    member: Layer
}

list OperationUpdates {
    member: OperationUpdate
}

list Operations {
    member: Operation
}

list ProvisionedConcurrencyConfigList {
    member: ProvisionedConcurrencyConfigListItem
}

@length(min: 1, max: 1)
list Queues {
    member: Queue
}

@length(min: 0, max: 5)
list SecurityGroupIds {
    member: String
}

@length(min: 1, max: 20)
list SigningProfileVersionArns {
    member: Arn
}

@length(min: 0, max: 22)
list SourceAccessConfigurations {
    member: SourceAccessConfiguration
}

list StackTraceEntries {
    member: StackTraceEntry
}

@length(min: 0, max: 1500)
list StringList {
    member: String
}

@length(min: 0, max: 16)
list SubnetIds {
    member: String
}

list TagKeyList {
    member: String
}

map Tags {
    key: String
    value: String
}

@length(min: 1, max: 1)
list Topics {
    member: Topic
}

// ---- Enumerations ----

enum ApplicationLogLevel {
    TRACE
    DEBUG
    INFO
    WARN
    ERROR
    FATAL
}

enum Architecture {
    X86_64 = "x86_64"
    ARM64 = "arm64"
}

enum CapacityProviderPredefinedMetricType {
    LAMBDA_CAPACITY_PROVIDER_AVERAGE_CPUUTILIZATION = "LambdaCapacityProviderAverageCPUUtilization"
}

enum CapacityProviderScalingMode {
    AUTO = "Auto"
    MANUAL = "Manual"
}

enum CapacityProviderState {
    PENDING = "Pending"
    ACTIVE = "Active"
    FAILED = "Failed"
    DELETING = "Deleting"
}

enum CodeSigningPolicy {
    WARN = "Warn"
    ENFORCE = "Enforce"
}

enum EndPointType {
    KAFKA_BOOTSTRAP_SERVERS
}

enum EventSourceMappingMetric {
    EVENT_COUNT = "EventCount"
    ERROR_COUNT = "ErrorCount"
    KAFKA_METRICS = "KafkaMetrics"
}

enum EventSourceMappingSystemLogLevel {
    DEBUG
    INFO
    WARN
}

enum EventSourcePosition {
    TRIM_HORIZON
    LATEST
    AT_TIMESTAMP
}

enum EventType {
    EXECUTION_STARTED = "ExecutionStarted"
    EXECUTION_SUCCEEDED = "ExecutionSucceeded"
    EXECUTION_FAILED = "ExecutionFailed"
    EXECUTION_TIMED_OUT = "ExecutionTimedOut"
    EXECUTION_STOPPED = "ExecutionStopped"
    CONTEXT_STARTED = "ContextStarted"
    CONTEXT_SUCCEEDED = "ContextSucceeded"
    CONTEXT_FAILED = "ContextFailed"
    WAIT_STARTED = "WaitStarted"
    WAIT_SUCCEEDED = "WaitSucceeded"
    WAIT_CANCELLED = "WaitCancelled"
    STEP_STARTED = "StepStarted"
    STEP_SUCCEEDED = "StepSucceeded"
    STEP_FAILED = "StepFailed"
    CHAINED_INVOKE_STARTED = "ChainedInvokeStarted"
    CHAINED_INVOKE_SUCCEEDED = "ChainedInvokeSucceeded"
    CHAINED_INVOKE_FAILED = "ChainedInvokeFailed"
    CHAINED_INVOKE_TIMED_OUT = "ChainedInvokeTimedOut"
    CHAINED_INVOKE_STOPPED = "ChainedInvokeStopped"
    CALLBACK_STARTED = "CallbackStarted"
    CALLBACK_SUCCEEDED = "CallbackSucceeded"
    CALLBACK_FAILED = "CallbackFailed"
    CALLBACK_TIMED_OUT = "CallbackTimedOut"
    INVOCATION_COMPLETED = "InvocationCompleted"
}

enum ExecutionStatus {
    RUNNING
    SUCCEEDED
    FAILED
    TIMED_OUT
    STOPPED
}

enum FullDocument {
    UPDATE_LOOKUP = "UpdateLookup"
    DEFAULT = "Default"
}

enum FunctionResponseType {
    REPORT_BATCH_ITEM_FAILURES = "ReportBatchItemFailures"
}

enum FunctionUrlAuthType {
    NONE
    AWS_IAM
}

enum FunctionVersion {
    ALL
}

enum FunctionVersionLatestPublished {
    LATEST_PUBLISHED
}

enum InvocationType {
    EVENT = "Event"
    REQUEST_RESPONSE = "RequestResponse"
    DRY_RUN = "DryRun"
}

enum InvokeMode {
    BUFFERED
    RESPONSE_STREAM
}

enum KafkaSchemaRegistryAuthType {
    BASIC_AUTH
    CLIENT_CERTIFICATE_TLS_AUTH
    SERVER_ROOT_CA_CERTIFICATE
}

enum KafkaSchemaValidationAttribute {
    KEY
    VALUE
}

enum LastUpdateStatus {
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    IN_PROGRESS = "InProgress"
}

enum LastUpdateStatusReasonCode {
    ENI_LIMIT_EXCEEDED = "EniLimitExceeded"
    INSUFFICIENT_ROLE_PERMISSIONS = "InsufficientRolePermissions"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    INTERNAL_ERROR = "InternalError"
    SUBNET_OUT_OF_IPADDRESSES = "SubnetOutOfIPAddresses"
    INVALID_SUBNET = "InvalidSubnet"
    INVALID_SECURITY_GROUP = "InvalidSecurityGroup"
    IMAGE_DELETED = "ImageDeleted"
    IMAGE_ACCESS_DENIED = "ImageAccessDenied"
    INVALID_IMAGE = "InvalidImage"
    KMSKEY_ACCESS_DENIED = "KMSKeyAccessDenied"
    KMSKEY_NOT_FOUND = "KMSKeyNotFound"
    INVALID_STATE_KMSKEY = "InvalidStateKMSKey"
    DISABLED_KMSKEY = "DisabledKMSKey"
    EFSIOERROR = "EFSIOError"
    EFSMOUNT_CONNECTIVITY_ERROR = "EFSMountConnectivityError"
    EFSMOUNT_FAILURE = "EFSMountFailure"
    EFSMOUNT_TIMEOUT = "EFSMountTimeout"
    INVALID_RUNTIME = "InvalidRuntime"
    INVALID_ZIP_FILE_EXCEPTION = "InvalidZipFileException"
    FUNCTION_ERROR = "FunctionError"
    VCPU_LIMIT_EXCEEDED = "VcpuLimitExceeded"
    CAPACITY_PROVIDER_SCALING_LIMIT_EXCEEDED = "CapacityProviderScalingLimitExceeded"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    EC2_REQUEST_LIMIT_EXCEEDED = "EC2RequestLimitExceeded"
    FUNCTION_ERROR_INIT_TIMEOUT = "FunctionError.InitTimeout"
    FUNCTION_ERROR_RUNTIME_INIT_ERROR = "FunctionError.RuntimeInitError"
    FUNCTION_ERROR_EXTENSION_INIT_ERROR = "FunctionError.ExtensionInitError"
    FUNCTION_ERROR_INVALID_ENTRY_POINT = "FunctionError.InvalidEntryPoint"
    FUNCTION_ERROR_INVALID_WORKING_DIRECTORY = "FunctionError.InvalidWorkingDirectory"
    FUNCTION_ERROR_PERMISSION_DENIED = "FunctionError.PermissionDenied"
    FUNCTION_ERROR_TOO_MANY_EXTENSIONS = "FunctionError.TooManyExtensions"
    FUNCTION_ERROR_INIT_RESOURCE_EXHAUSTED = "FunctionError.InitResourceExhausted"
    DISALLOWED_BY_VPC_ENCRYPTION_CONTROL = "DisallowedByVpcEncryptionControl"
}

enum LogFormat {
    JSON
    TEXT = "Text"
}

enum LogType {
    NONE = "None"
    TAIL = "Tail"
}

enum OperationAction {
    START
    SUCCEED
    FAIL
    RETRY
    CANCEL
}

enum OperationStatus {
    STARTED
    PENDING
    READY
    SUCCEEDED
    FAILED
    CANCELLED
    TIMED_OUT
    STOPPED
}

enum OperationType {
    EXECUTION
    CONTEXT
    STEP
    WAIT
    CALLBACK
    CHAINED_INVOKE
}

enum PackageType {
    ZIP = "Zip"
    IMAGE = "Image"
}

enum ProvisionedConcurrencyStatusEnum {
    IN_PROGRESS
    READY
    FAILED
}

enum RecursiveLoop {
    ALLOW = "Allow"
    TERMINATE = "Terminate"
}

enum ResponseStreamingInvocationType {
    REQUEST_RESPONSE = "RequestResponse"
    DRY_RUN = "DryRun"
}

@orArn
enum Runtime {
    NODEJS = "nodejs"
    NODEJS4_3 = "nodejs4.3"
    NODEJS6_10 = "nodejs6.10"
    NODEJS8_10 = "nodejs8.10"
    NODEJS10_X = "nodejs10.x"
    NODEJS12_X = "nodejs12.x"
    NODEJS14_X = "nodejs14.x"
    NODEJS16_X = "nodejs16.x"
    JAVA8 = "java8"
    JAVA8_AL2 = "java8.al2"
    JAVA11 = "java11"
    PYTHON2_7 = "python2.7"
    PYTHON3_6 = "python3.6"
    PYTHON3_7 = "python3.7"
    PYTHON3_8 = "python3.8"
    PYTHON3_9 = "python3.9"
    DOTNETCORE1_0 = "dotnetcore1.0"
    DOTNETCORE2_0 = "dotnetcore2.0"
    DOTNETCORE2_1 = "dotnetcore2.1"
    DOTNETCORE3_1 = "dotnetcore3.1"
    DOTNET6 = "dotnet6"
    DOTNET8 = "dotnet8"
    NODEJS4_3_EDGE = "nodejs4.3-edge"
    GO1_X = "go1.x"
    RUBY2_5 = "ruby2.5"
    RUBY2_7 = "ruby2.7"
    PROVIDED = "provided"
    PROVIDED_AL2 = "provided.al2"
    NODEJS18_X = "nodejs18.x"
    PYTHON3_10 = "python3.10"
    JAVA17 = "java17"
    RUBY3_2 = "ruby3.2"
    RUBY3_3 = "ruby3.3"
    RUBY3_4 = "ruby3.4"
    PYTHON3_11 = "python3.11"
    NODEJS20_X = "nodejs20.x"
    PROVIDED_AL2023 = "provided.al2023"
    PYTHON3_12 = "python3.12"
    JAVA21 = "java21"
    PYTHON3_13 = "python3.13"
    NODEJS22_X = "nodejs22.x"
    NODEJS24_X = "nodejs24.x"
    PYTHON3_14 = "python3.14"
    JAVA25 = "java25"
    DOTNET10 = "dotnet10"
    RUBY4_0 = "ruby4.0"
}

enum S3ObjectStorageMode {
    COPY
    REFERENCE
}

enum SchemaRegistryEventRecordFormat {
    JSON
    SOURCE
}

enum SnapStartApplyOn {
    PUBLISHED_VERSIONS = "PublishedVersions"
    NONE = "None"
}

enum SnapStartOptimizationStatus {
    ON = "On"
    OFF = "Off"
}

enum SourceAccessType {
    BASIC_AUTH
    VPC_SUBNET
    VPC_SECURITY_GROUP
    SASL_SCRAM_512_AUTH
    SASL_SCRAM_256_AUTH
    VIRTUAL_HOST
    CLIENT_CERTIFICATE_TLS_AUTH
    SERVER_ROOT_CA_CERTIFICATE
}

enum State {
    PENDING = "Pending"
    ACTIVE = "Active"
    INACTIVE = "Inactive"
    FAILED = "Failed"
    DEACTIVATING = "Deactivating"
    DEACTIVATED = "Deactivated"
    ACTIVE_NON_INVOCABLE = "ActiveNonInvocable"
    DELETING = "Deleting"
}

enum StateReasonCode {
    IDLE = "Idle"
    CREATING = "Creating"
    RESTORING = "Restoring"
    ENI_LIMIT_EXCEEDED = "EniLimitExceeded"
    INSUFFICIENT_ROLE_PERMISSIONS = "InsufficientRolePermissions"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    INTERNAL_ERROR = "InternalError"
    SUBNET_OUT_OF_IPADDRESSES = "SubnetOutOfIPAddresses"
    INVALID_SUBNET = "InvalidSubnet"
    INVALID_SECURITY_GROUP = "InvalidSecurityGroup"
    IMAGE_DELETED = "ImageDeleted"
    IMAGE_ACCESS_DENIED = "ImageAccessDenied"
    INVALID_IMAGE = "InvalidImage"
    KMSKEY_ACCESS_DENIED = "KMSKeyAccessDenied"
    KMSKEY_NOT_FOUND = "KMSKeyNotFound"
    INVALID_STATE_KMSKEY = "InvalidStateKMSKey"
    DISABLED_KMSKEY = "DisabledKMSKey"
    EFSIOERROR = "EFSIOError"
    EFSMOUNT_CONNECTIVITY_ERROR = "EFSMountConnectivityError"
    EFSMOUNT_FAILURE = "EFSMountFailure"
    EFSMOUNT_TIMEOUT = "EFSMountTimeout"
    INVALID_RUNTIME = "InvalidRuntime"
    INVALID_ZIP_FILE_EXCEPTION = "InvalidZipFileException"
    FUNCTION_ERROR = "FunctionError"
    DRAINING_DURABLE_EXECUTIONS = "DrainingDurableExecutions"
    VCPU_LIMIT_EXCEEDED = "VcpuLimitExceeded"
    CAPACITY_PROVIDER_SCALING_LIMIT_EXCEEDED = "CapacityProviderScalingLimitExceeded"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    EC2_REQUEST_LIMIT_EXCEEDED = "EC2RequestLimitExceeded"
    FUNCTION_ERROR_INIT_TIMEOUT = "FunctionError.InitTimeout"
    FUNCTION_ERROR_RUNTIME_INIT_ERROR = "FunctionError.RuntimeInitError"
    FUNCTION_ERROR_EXTENSION_INIT_ERROR = "FunctionError.ExtensionInitError"
    FUNCTION_ERROR_INVALID_ENTRY_POINT = "FunctionError.InvalidEntryPoint"
    FUNCTION_ERROR_INVALID_WORKING_DIRECTORY = "FunctionError.InvalidWorkingDirectory"
    FUNCTION_ERROR_PERMISSION_DENIED = "FunctionError.PermissionDenied"
    FUNCTION_ERROR_TOO_MANY_EXTENSIONS = "FunctionError.TooManyExtensions"
    FUNCTION_ERROR_INIT_RESOURCE_EXHAUSTED = "FunctionError.InitResourceExhausted"
    DISALLOWED_BY_VPC_ENCRYPTION_CONTROL = "DisallowedByVpcEncryptionControl"
}

enum SystemLogLevel {
    DEBUG
    INFO
    WARN
}

enum TenantIsolationMode {
    PER_TENANT
}

enum ThrottleReason {
    CONCURRENT_INVOCATION_LIMIT_EXCEEDED = "ConcurrentInvocationLimitExceeded"
    FUNCTION_INVOCATION_RATE_LIMIT_EXCEEDED = "FunctionInvocationRateLimitExceeded"
    RESERVED_FUNCTION_CONCURRENT_INVOCATION_LIMIT_EXCEEDED = "ReservedFunctionConcurrentInvocationLimitExceeded"
    RESERVED_FUNCTION_INVOCATION_RATE_LIMIT_EXCEEDED = "ReservedFunctionInvocationRateLimitExceeded"
    CALLER_RATE_LIMIT_EXCEEDED = "CallerRateLimitExceeded"
    CONCURRENT_SNAPSHOT_CREATE_LIMIT_EXCEEDED = "ConcurrentSnapshotCreateLimitExceeded"
}

enum TracingMode {
    ACTIVE = "Active"
    PASS_THROUGH = "PassThrough"
}

enum UpdateRuntimeOn {
    AUTO = "Auto"
    MANUAL = "Manual"
    FUNCTION_UPDATE = "FunctionUpdate"
}

// ---- Strings, numbers, blobs ----

@pattern("(lambda:[*]|lambda:[a-zA-Z]+|[*])")
string Action

@length(min: 1, max: 1024)
@pattern("[0-9]+")
string AdditionalVersion

@length(min: 1, max: 128)
@pattern("(?!^[0-9]+$)([a-zA-Z0-9-_]+)")
string Alias

@pattern("arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}(-gov)?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)")
string Arn

@range(min: 0)
integer AttemptCount

@range(min: 1, max: 10000)
integer BatchSize

@sensitive
@length(min: 0, max: 262144)
blob BinaryOperationPayload

@sensitive
blob Blob

@streaming
blob BlobStream

// A function's event and result: JSON, passed through byte for byte.
@sensitive
@mediaType("application/json")
blob InvokePayload

@length(min: 1, max: 1024)
@pattern("[A-Za-z0-9+/]+={0,2}")
string CallbackId

@length(min: 1, max: 140)
@pattern("arn:aws[a-zA-Z-]*:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:capacity-provider:[a-zA-Z0-9-_]+")
string CapacityProviderArn

@range(min: 2, max: 15000)
integer CapacityProviderMaxVCpuCount

@length(min: 1, max: 140)
@pattern("(arn:aws[a-zA-Z-]*:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:capacity-provider:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+")
string CapacityProviderName

@length(min: 1, max: 2048)
@pattern("[A-Za-z0-9+/]+={0,2}")
string CheckpointToken

@length(min: 1, max: 64)
@pattern("[\\x21-\\x7E]+")
string ClientToken

@length(min: 0, max: 200)
@pattern("arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:code-signing-config:csc-[a-z0-9]{17}")
string CodeSigningConfigArn

@pattern("csc-[a-zA-Z0-9-_\\.]{17}")
string CodeSigningConfigId

@length(min: 1, max: 57)
@pattern("(^(?!(system\\x2e)))(^[_a-zA-Z0-9])([^$]*)")
string CollectionName

@length(min: 1, max: 63)
@pattern("[^ /\\.$\\x22]*")
string DatabaseName

@length(min: 0, max: 256)
string Description

@length(min: 0, max: 350)
@pattern("$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)")
string DestinationArn

@length(min: 1, max: 1024)
@pattern("arn:([a-zA-Z0-9-]+):lambda:([a-zA-Z0-9-]+):(\\d{12}):function:([a-zA-Z0-9_-]+):(\\$LATEST(?:\\.PUBLISHED)?|[0-9]+)/durable-execution/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)")
string DurableExecutionArn

@length(min: 1, max: 64)
@pattern("[a-zA-Z0-9-_]+")
string DurableExecutionName

@range(min: 0)
integer DurationSeconds

@length(min: 1, max: 300)
@pattern("(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\\-]*[a-zA-Z0-9])\\.)*([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9\\-]*[A-Za-z0-9]):[0-9]{1,5}")
string Endpoint

@sensitive
@pattern("[a-zA-Z]([a-zA-Z0-9_])+")
string EnvironmentVariableName

@sensitive
string EnvironmentVariableValue

@range(min: 512, max: 10240)
integer EphemeralStorageSize

@sensitive
string ErrorData

@sensitive
string ErrorMessage

@sensitive
string ErrorType

@range(min: 1)
integer EventId

@length(min: 85, max: 120)
@pattern("arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
string EventSourceMappingArn

@length(min: 0, max: 256)
@pattern("[a-zA-Z0-9._\\-]+")
string EventSourceToken

@range(min: 2, max: 8)
double ExecutionEnvironmentMemoryGiBPerVCpu

@range(min: 1, max: 31622400)
integer ExecutionTimeout

@length(min: 0, max: 256)
@pattern("arn:aws[a-zA-Z-]*:elasticfilesystem:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:access-point/fsap-[a-f0-9]{17}$|^arn:aws[-a-z]*:s3files:[0-9a-z-:]+:file-system/fs-[0-9a-f]{17,40}/access-point/fsap-[0-9a-f]{17,40}")
string FileSystemArn

@length(min: 10, max: 50)
@pattern("[A-Za-z]+Exception")
string FilterCriteriaErrorCode

@length(min: 10, max: 2048)
@pattern(".*")
string FilterCriteriaErrorMessage

@length(min: 0, max: 10000)
@pattern("arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?")
string FunctionArn

@length(min: 1, max: 140)
@pattern("(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?")
string FunctionName

@range(min: 0, max: 15000)
integer FunctionScalingConfigExecutionEnvironments

@length(min: 40, max: 100)
string FunctionUrl

@length(min: 1, max: 128)
@pattern("((?!^\\d+$)^[0-9a-zA-Z-_]+$)")
string FunctionUrlQualifier

@length(min: 0, max: 128)
@pattern("[^\\s]+")
string Handler

@length(min: 0, max: 1024)
@pattern(".*")
string Header

@sensitive
@length(min: 0, max: 6291456)
string InputPayload

@length(min: 1, max: 30)
@pattern("[a-zA-Z0-9\\.\\-]+")
string InstanceType

@range(min: 0, max: 1000)
integer ItemCount

@pattern("(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()")
string KMSKeyArn

@length(min: 0, max: 10000)
@pattern("arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*")
string KMSKeyArnNonEmpty

@length(min: 1, max: 140)
@pattern("arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+")
string LayerArn

@length(min: 1, max: 140)
@pattern("(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+")
string LayerName

@length(min: 0, max: 22)
@pattern("lambda:GetLayerVersion")
string LayerPermissionAllowedAction

@pattern("\\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root")
string LayerPermissionAllowedPrincipal

@length(min: 1, max: 140)
@pattern("arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+")
string LayerVersionArn

@length(min: 0, max: 512)
string LicenseInfo

@length(min: 0, max: 160)
@pattern("/mnt/[a-zA-Z0-9-_.]+")
string LocalMountPath

@length(min: 1, max: 512)
@pattern("[\\.\\-_/#A-Za-z0-9]+")
string LogGroup

@pattern("ALL|[a-z]{2}(-gov)?-[a-z]+-\\d{1}")
string MasterRegion

@range(min: 0, max: 86400)
integer MaxAge

@range(min: 1, max: 50)
integer MaxFiftyListItems

@range(min: 1, max: 50)
integer MaxFunctionEventInvokeConfigListItems

@range(min: 1, max: 50)
integer MaxItems

@range(min: 1, max: 50)
integer MaxLayerListItems

@range(min: 1, max: 10000)
integer MaxListItems

@range(min: 1, max: 50)
integer MaxProvisionedConcurrencyConfigListItems

@range(min: 0, max: 300)
integer MaximumBatchingWindowInSeconds

@range(min: 2, max: 1000)
integer MaximumConcurrency

@range(min: 60, max: 21600)
integer MaximumEventAgeInSeconds

@range(min: 1, max: 2000)
integer MaximumNumberOfPollers

@range(min: -1, max: 604800)
integer MaximumRecordAgeInSeconds

@range(min: 0, max: 2)
integer MaximumRetryAttempts

@range(min: -1, max: 10000)
integer MaximumRetryAttemptsEventSourceMapping

// The model says 32768, which only managed instances may use.
@range(min: 128, max: 10240)
integer MemorySize

@length(min: 0, max: 6)
@pattern(".*")
string Method

@range(min: 0, max: 100)
double MetricTargetValue

@range(min: 1, max: 200)
integer MinimumNumberOfPollers

@length(min: 0, max: 10000)
@pattern("arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:function:[a-zA-Z0-9-_\\.]+(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?")
string NameSpacedFunctionArn

@length(min: 1, max: 256)
@pattern("(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?")
string NamespacedFunctionName

@length(min: 1, max: 100)
@pattern("([a-zA-Z0-9-_.]+)")
string NamespacedStatementId

@range(min: 0)
integer NonNegativeInteger

@length(min: 1, max: 128)
@pattern("\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+")
string NumericLatestPublishedOrAliasQualifier

@length(min: 1, max: 64)
@pattern("[a-zA-Z0-9-_]+")
string OperationId

@length(min: 1, max: 256)
@pattern("[\\x20-\\x7E]+")
string OperationName

@sensitive
@length(min: 0, max: 6291456)
string OperationPayload

@length(min: 1, max: 32)
@pattern("[a-zA-Z0-9-_]+")
string OperationSubType

@length(min: 0, max: 34)
@pattern("o-[a-z0-9]{10,32}")
string OrganizationId

@length(min: 1, max: 253)
@pattern(".*")
string Origin

@sensitive
@length(min: 0, max: 6291456)
string OutputPayload

@range(min: 1, max: 10)
integer ParallelizationFactor

@length(min: 0, max: 4096)
@pattern(".*")
string Pattern

@range(min: 1, max: 1600)
integer PerExecutionEnvironmentMaxConcurrency

@range(min: 1)
integer PositiveInteger

@pattern("[^\\s]+")
string Principal

@length(min: 12, max: 34)
@pattern("o-[a-z0-9]{10,32}")
string PrincipalOrgID

@length(min: 0, max: 128)
@pattern("[a-zA-Z0-9-_]*")
string ProvisionedPollerGroupName

@length(min: 1, max: 128)
@pattern("(\\$LATEST\\.PUBLISHED|[0-9]+)")
string PublishedFunctionQualifier

@length(min: 1, max: 128)
@pattern("(|[a-zA-Z0-9$_-]+)")
string Qualifier

@length(min: 1, max: 1000)
@pattern("[\\s\\S]*")
string Queue

@range(min: 0)
integer ReservedConcurrentExecutions

@pattern("(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()")
string ResourceArn

@range(min: 1, max: 90)
integer RetentionPeriodInDays

@pattern("arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+")
string RoleArn

@length(min: 26, max: 2048)
@pattern("arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}::runtime:.+")
string RuntimeVersionArn

@length(min: 3, max: 63)
@pattern("[0-9A-Za-z\\.\\-_]*(?<!\\.)")
string S3Bucket

@length(min: 1, max: 1024)
string S3Key

@length(min: 1, max: 1024)
string S3ObjectVersion

@length(min: 1, max: 10000)
@pattern("[a-zA-Z0-9-\\/*:_+=.@-]*")
string SchemaRegistryUri

@sensitive
string SensitiveString

@length(min: 0, max: 12)
@pattern("\\d{12}")
string SourceOwner

@sensitive
string StackTraceEntry

@length(min: 1, max: 100)
@pattern("([a-zA-Z0-9-_]+)")
string StatementId

@range(min: 1, max: 31622400)
integer StepOptionsNextAttemptDelaySecondsInteger

@length(min: 1, max: 256)
@pattern("arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)")
string TaggableResource

@length(min: 10, max: 21)
@pattern("[A-Za-z]+Exception")
string TagsErrorCode

@length(min: 84, max: 1000)
@pattern(".*")
string TagsErrorMessage

@length(min: 1, max: 256)
@pattern("[a-zA-Z0-9\\._:\\/=+\\-@ ]+")
string TenantId

// The public model has no upper bound here; the service refuses more than 900.
@range(min: 1, max: 900)
integer Timeout

@length(min: 1, max: 249)
@pattern("[^.]([a-zA-Z0-9\\-_.]+)")
string Topic

@range(min: 0, max: 900)
integer TumblingWindowInSeconds

@length(min: 1, max: 200)
@pattern("[a-zA-Z0-9-\\/*:_+=.@-]*")
string URI

@length(min: 1, max: 140)
@pattern("(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)")
string UnqualifiedFunctionName

@range(min: 0)
integer UnreservedConcurrentExecutions

@length(min: 1, max: 1024)
@pattern("(\\$LATEST|[0-9]+)")
string Version

@length(min: 1, max: 1024)
@pattern("(\\$LATEST(\\.PUBLISHED)?|[0-9]+)")
string VersionWithLatestPublished

@range(min: 1, max: 31622400)
integer WaitOptionsWaitSecondsInteger

@range(min: 0, max: 1)
double Weight

@length(min: 0, max: 1000)
string WorkingDirectory

@length(min: 0, max: 8192)
string XAmznTraceId

// ---- Errors ----

@error("client")
@httpError(400)
structure CallbackTimeoutException {
    Type: String
    Message: String
}

@error("client")
@httpError(400)
structure CapacityProviderLimitExceededException {
    Type: String
    message: String
}

@error("client")
@httpError(404)
structure CodeSigningConfigNotFoundException {
    Type: String
    Message: String
}

@error("client")
@httpError(400)
structure CodeStorageExceededException {
    Type: String
    message: String
}

@error("client")
@httpError(400)
structure CodeVerificationFailedException {
    Type: String
    Message: String
}

@error("client")
@httpError(409)
structure DurableExecutionAlreadyStartedException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure EC2AccessDeniedException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure EC2ThrottledException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure EC2UnexpectedException {
    Type: String
    Message: String
    EC2ErrorCode: String
}

@error("client")
@httpError(410)
structure EFSIOException {
    Type: String
    Message: String
}

@error("client")
@httpError(408)
structure EFSMountConnectivityException {
    Type: String
    Message: String
}

@error("client")
@httpError(403)
structure EFSMountFailureException {
    Type: String
    Message: String
}

@error("client")
@httpError(408)
structure EFSMountTimeoutException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure ENILimitReachedException {
    Type: String
    Message: String
}

@error("client")
@httpError(400)
structure FunctionVersionsPerCapacityProviderLimitExceededException {
    Type: String
    message: String
}

@error("client")
@httpError(400)
structure InvalidCodeSignatureException {
    Type: String
    Message: String
}

@errorKinds(["INVALID"])
@error("client")
@httpError(400)
structure InvalidParameterValueException {
    Type: String
    message: String
}

@error("client")
@httpError(400)
structure InvalidRequestContentException {
    Type: String
    message: String
}

@error("server")
@httpError(502)
structure InvalidRuntimeException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure InvalidSecurityGroupIDException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure InvalidSubnetIDException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure InvalidZipFileException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure KMSAccessDeniedException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure KMSDisabledException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure KMSInvalidStateException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure KMSNotFoundException {
    Type: String
    Message: String
}

@error("client")
@httpError(400)
structure NoPublishedVersionException {
    Type: String
    Message: String
}

@error("client")
@httpError(400)
structure PolicyLengthExceededException {
    Type: String
    message: String
}

@errorKinds(["PRECONDITION"])
@error("client")
@httpError(412)
structure PreconditionFailedException {
    Type: String
    message: String
}

@error("client")
@httpError(404)
structure ProvisionedConcurrencyConfigNotFoundException {
    Type: String
    message: String
}

@error("client")
@httpError(400)
structure RecursiveInvocationException {
    Type: String
    Message: String
}

@errorKinds(["TOO_LARGE"])
@error("client")
@httpError(413)
structure RequestTooLargeException {
    Type: String
    message: String
}

@errorKinds(["CONFLICT"])
@error("client")
@httpError(409)
structure ResourceConflictException {
    Type: String
    message: String
}

@error("client")
@httpError(400)
structure ResourceInUseException {
    Type: String
    Message: String
}

@errorKinds(["NOT_FOUND"])
@error("client")
@httpError(404)
structure ResourceNotFoundException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure ResourceNotReadyException {
    Type: String
    message: String
}

@error("client")
@httpError(408)
structure S3FilesMountConnectivityException {
    Type: String
    Message: String
}

@error("client")
@httpError(403)
structure S3FilesMountFailureException {
    Type: String
    Message: String
}

@error("client")
@httpError(408)
structure S3FilesMountTimeoutException {
    Type: String
    Message: String
}

@error("client")
@httpError(413)
structure SerializedRequestEntityTooLargeException {
    Type: String
    message: String
}

@errorKinds(["INTERNAL", "TIMEOUT"])
@error("server")
@httpError(500)
structure ServiceException {
    Type: String
    Message: String
}

@error("client")
@httpError(400)
structure SnapStartException {
    Type: String
    Message: String
}

@error("client")
@httpError(409)
structure SnapStartNotReadyException {
    Type: String
    Message: String
}

@error("client")
@httpError(408)
structure SnapStartTimeoutException {
    Type: String
    Message: String
}

@error("server")
@httpError(502)
structure SubnetIPAddressLimitReachedException {
    Type: String
    Message: String
}

@errorKinds(["THROTTLED"])
@error("client")
@httpError(429)
structure TooManyRequestsException {
    @httpHeader("Retry-After") retryAfterSeconds: String
    Type: String
    message: String
    Reason: ThrottleReason
}

@error("client")
@httpError(415)
structure UnsupportedMediaTypeException {
    Type: String
    message: String
}
