// Errors that any service may answer before an operation has looked at anything, and our own traits.
// An error here has no service; its C name is AWS_ and its name.
$version: "2.0"

namespace lambent

// ---- Traits of ours ----

// The handler runs on the event loop and may answer later; all others run on a worker.
@trait(selector: "operation")
structure onLoop {}

// The largest request body in bytes. Without it: 6 MB.
@trait(selector: "operation")
integer bodyMax

// The kinds of `struct err` (base/err.h) that are answered by this error when a handler names none.
@trait(selector: "structure")
list errorKinds {
    member: String
}

// What the service answers when a request breaks a constraint of its model. Without it:
// ValidationException.
@trait(selector: "structure")
structure validationError {}

// Written as null when it is absent, instead of being left out.
@trait(selector: "structure > member")
structure nullWhenAbsent {}

// An enum whose refusal says that an ARN would do too, and shows the value without quotes, as AWS does.
@trait(selector: "enum")
structure orArn {}

// ---- Errors of every service ----

@error("client")
@httpError(403)
structure MissingAuthenticationTokenException {
    message: String
}

@error("client")
@httpError(403)
structure UnrecognizedClientException {
    message: String
}

@error("client")
@httpError(403)
structure InvalidSignatureException {
    message: String
}

@error("client")
@httpError(403)
structure ExpiredTokenException {
    message: String
}

@error("client")
@httpError(403)
structure IncompleteSignatureException {
    message: String
}

@errorKinds(["DENIED"])
@error("client")
@httpError(403)
structure AccessDeniedException {
    Message: String
}

@error("client")
@httpError(404)
structure UnknownOperationException {
    message: String
}

@error("client")
@httpError(400)
structure ValidationException {
    message: String
}

@error("client")
@httpError(400)
structure SerializationException {
    message: String
}

@errorKinds(["TOO_LARGE"])
@error("client")
@httpError(413)
structure RequestEntityTooLargeException {
    message: String
}

@errorKinds(["THROTTLED"])
@error("client")
@httpError(429)
structure ThrottlingException {
    message: String
}

@errorKinds(["UNAVAILABLE", "TIMEOUT"])
@error("server")
@httpError(503)
structure ServiceUnavailableException {
    message: String
}

@errorKinds(["INTERNAL"])
@error("server")
@httpError(500)
structure InternalFailure {
    message: String
}

// What the model declares and we have not built. AWS has no such error.
@errorKinds(["NOT_IMPLEMENTED"])
@error("server")
@httpError(501)
structure NotImplementedException {
    message: String
}

// For services that declare nothing better.
@errorKinds(["INVALID", "PRECONDITION"])
@error("client")
@httpError(400)
structure InvalidParameterValue {
    message: String
}

@errorKinds(["NOT_FOUND"])
@error("client")
@httpError(404)
structure ResourceNotFound {
    message: String
}

@errorKinds(["CONFLICT"])
@error("client")
@httpError(409)
structure Conflict {
    message: String
}
