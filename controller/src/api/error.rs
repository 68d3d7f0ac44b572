//! The only error table: what the API answers when it does not answer, as gRPC has it and as AWS names it.
//!
//! Every error carries the name of an AWS exception as the `reason` of a `google.rpc.ErrorInfo`, so that a client tells
//! errors apart without reading texts, and so that the AWS JSON endpoint needs no table of its own. Errors after which
//! the same call may work carry a `google.rpc.RetryInfo`.

use std::collections::HashMap;

use berth_model::command::Rejection;
use berth_model::error::{ApiError, Exception};
use berth_process::token;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{ProposeError, Unavailable};
use crate::limits::RETRY_DELAY;

/// The `domain` of every reason.
const DOMAIN: &str = "berth.ecs";

/// The metadata of a ConflictException's reason that names what is in the way: ARNs, separated by commas.
const RESOURCE_IDS: &str = "resourceIds";

/// The reasons that are no exception of the model, as AWS names them.
pub(crate) const UNKNOWN_OPERATION: &str = "UnknownOperationException";
pub(crate) const SERIALIZATION: &str = "SerializationException";
pub(crate) const TOO_LARGE: &str = "RequestEntityTooLargeException";
pub(crate) const INVALID_PARAMETER: &str = Exception::InvalidParameter.name();

/// What a caller is told when nobody can say whether the request was carried out.
const UNKNOWN_RESULT: &str = "The result of this request is unknown: it may have been carried out, or may still \
     be. Describe the resource before trying again; a request with a clientToken can be repeated safely.";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The caller did not prove who it is.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// There is nobody to ask right now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The log did not take the command, or the state did not.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// The command was carried out, and this controller has not seen it yet.
    #[error("The request was carried out, but this controller is too far behind to show the result.")]
    Behind,
    /// The command was carried out, and what it was about was gone before it could be shown.
    #[error("The request was carried out, but {0} was removed before it could be shown.")]
    Vanished(&'static str),
}

/// How a caller did not prove who it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unauthenticated {
    /// No key of that id is known.
    #[error("The access key {0} is not known to this cluster.")]
    UnknownKey(String),
    /// The key is known, and its secret cannot be read with this controller's sealing key.
    #[error("The secret of access key {0} cannot be read: this controller has another sealing key.")]
    Unreadable(String),
    /// The temporary credentials are no longer valid.
    #[error("The security token included in the request is expired")]
    SessionExpired,
    /// The token is not valid.
    #[error("The request was refused: {0}.")]
    Token(#[from] token::Error),
    /// The call came past the layer that knows callers.
    #[error("The request carries no principal.")]
    NoPrincipal,
}

// === impl Error ===

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refused(&refusal),
            Error::Unauthenticated(reason) => unauthenticated(&reason),
            Error::Unavailable(Unavailable(_)) => {
                retry_later(Code::Unavailable, Exception::Server.name(), &error)
            }
            Error::Propose(error) => proposed(&error),
            Error::Behind => retry_later(Code::Unavailable, Exception::Server.name(), &error),
            Error::Vanished(_) => status(Code::Aborted, Exception::Server.name(), &error),
        }
    }
}

fn refused(refusal: &ApiError) -> Status {
    let (code, name) = (code_of(refusal.exception), refusal.exception.name());
    if refusal.exception == Exception::Throttling {
        return retry_later(code, name, refusal);
    }
    let resource_ids = (!refusal.resource_ids.is_empty()).then(|| refusal.resource_ids.join(","));
    let metadata: HashMap<String, String> =
        resource_ids.into_iter().map(|ids| (RESOURCE_IDS.to_owned(), ids)).collect();
    Status::with_error_details(
        code,
        refusal.to_string(),
        ErrorDetails::with_error_info(name, DOMAIN, metadata),
    )
}

/// The kind that gRPC clients act on.
fn code_of(exception: Exception) -> Code {
    match exception {
        Exception::InvalidParameter => Code::InvalidArgument,
        Exception::Client
        | Exception::ClusterContainsContainerInstances
        | Exception::ClusterContainsServices
        | Exception::ClusterContainsTasks
        | Exception::ServiceNotActive
        | Exception::InvalidRequest
        | Exception::ResourceInUse
        | Exception::NoUpdateAvailable
        | Exception::TargetNotConnected => Code::FailedPrecondition,
        Exception::Validation => Code::InvalidArgument,
        Exception::ParameterNotFound
        | Exception::ParameterVersionNotFound
        | Exception::ClusterNotFound
        | Exception::ServiceNotFound
        | Exception::TargetNotFound
        | Exception::ServiceDeploymentNotFound
        | Exception::TaskSetNotFound
        | Exception::ResourceNotFound
        | Exception::NamespaceNotFound
        | Exception::GatewayNotFound
        | Exception::DaemonNotFound => Code::NotFound,
        Exception::AttributeLimitExceeded
        | Exception::LimitExceeded
        | Exception::ParameterLimitExceeded
        | Exception::Throttling => Code::ResourceExhausted,
        Exception::Conflict
        | Exception::ParameterAlreadyExists
        | Exception::ResourceExists
        | Exception::ResourceAlreadyExists => Code::AlreadyExists,
        Exception::UnsupportedFeature => Code::Unimplemented,
        Exception::AccessDenied => Code::PermissionDenied,
        Exception::SessionTimeout => Code::DeadlineExceeded,
        Exception::Server => Code::Internal,
    }
}

fn unauthenticated(reason: &Unauthenticated) -> Status {
    let name = match reason {
        Unauthenticated::Token(token::Error::Missing) | Unauthenticated::NoPrincipal => {
            "MissingAuthenticationTokenException"
        }
        Unauthenticated::Token(token::Error::Malformed) => "IncompleteSignatureException",
        Unauthenticated::Token(token::Error::Signature | token::Error::Early { .. }) => {
            "InvalidSignatureException"
        }
        Unauthenticated::Token(token::Error::Expired { .. }) | Unauthenticated::SessionExpired => {
            "ExpiredTokenException"
        }
        Unauthenticated::UnknownKey(_) => "UnrecognizedClientException",
        Unauthenticated::Unreadable(_) => return status(Code::Internal, Exception::Server.name(), reason),
    };
    status(Code::Unauthenticated, name, reason)
}

fn proposed(error: &ProposeError) -> Status {
    let server = Exception::Server.name();
    match error {
        ProposeError::Rejected(rejection) => rejected(rejection),
        ProposeError::Unknown => status(Code::DeadlineExceeded, server, UNKNOWN_RESULT),
        ProposeError::NoLeader => retry_later(Code::Unavailable, server, Unavailable(error.to_string())),
        ProposeError::Overloaded => throttled(),
        ProposeError::TooLarge { bytes } => {
            let message = format!("The request is too large: what it would change takes {bytes} bytes.");
            status(Code::InvalidArgument, Exception::InvalidParameter.name(), message)
        }
    }
}

/// What is left of a rejection after validating again did not help: a race that was lost too often, or a defect.
fn rejected(rejection: &Rejection) -> Status {
    let lost = |what: &str| {
        let message = format!("{what} was changed by others while this request was carried out. Try again.");
        retry_later(Code::Aborted, Exception::Client.name(), message)
    };
    match rejection {
        Rejection::Refused(refusal) => refused(refusal),
        Rejection::Stale { .. } => lost("The service"),
        Rejection::RevisionTaken { .. } => lost("The task definition family"),
        Rejection::Gone { kind, id } => lost(&format!("The {kind} {id}")),
        Rejection::AddressesTaken { .. } => lost("The network of tasks"),
        Rejection::Malformed(_) => status(Code::Internal, Exception::Server.name(), rejection),
    }
}

/// A status with a reason.
fn status(code: Code, reason: &str, message: impl ToString) -> Status {
    Status::with_error_details(code, message.to_string(), ErrorDetails::with_error_info(reason, DOMAIN, []))
}

/// A status with a reason, after which the same call may work.
fn retry_later(code: Code, reason: &str, message: impl ToString) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, []);
    details.set_retry_info(Some(RETRY_DELAY));
    Status::with_error_details(code, message.to_string(), details)
}

/// Too many calls or streams at a time.
pub(crate) fn throttled() -> Status {
    ApiError::new(Exception::Throttling, "Rate exceeded: too many requests at a time.").into_status()
}

/// Too many calls with one access key.
pub(crate) fn key_throttled() -> Status {
    ApiError::new(Exception::Throttling, "Rate exceeded: too many requests of this access key.").into_status()
}

/// A client of WatchEvents that was too slow.
pub(crate) fn lagged() -> Status {
    status(
        Code::DataLoss,
        Exception::Server.name(),
        "Events were dropped before they could be sent: they were read too slowly. Open the stream again.",
    )
}

/// The reason to add to an error that the gRPC library made by itself, which names none.
pub(crate) fn with_reason(bare: &Status) -> Status {
    let (reason, message) = match bare.code() {
        Code::Unimplemented => (UNKNOWN_OPERATION, "The operation is not known."),
        Code::OutOfRange => (Exception::InvalidParameter.name(), bare.message()),
        // What the library calls internal is a message that it could not read.
        Code::Internal => (SERIALIZATION, bare.message()),
        _ => (Exception::Server.name(), bare.message()),
    };
    let code = if reason == SERIALIZATION { Code::InvalidArgument } else { bare.code() };
    status(code, reason, message)
}

/// What a status says to a client that is told exceptions by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The exception, as AWS names it.
    pub(crate) name: String,
    /// For people.
    pub(crate) message: String,
    /// ARNs of what is in the way.
    pub(crate) resource_ids: Vec<String>,
}

/// The exception in a status.
pub(crate) fn refused_of(status: &Status) -> Refused {
    let reason = status.get_details_error_info();
    let ids = reason.as_ref().and_then(|reason| reason.metadata.get(RESOURCE_IDS));
    Refused {
        resource_ids: ids.map(|ids| ids.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        name: reason.map_or_else(|| Exception::Server.name().to_owned(), |reason| reason.reason),
        message: status.message().to_owned(),
    }
}

/// The HTTP status of an exception: ECS answers 400 to whatever is the caller's doing.
pub(crate) fn http_status(reason: &str) -> http::StatusCode {
    match reason {
        TOO_LARGE => http::StatusCode::PAYLOAD_TOO_LARGE,
        name if name == Exception::Server.name() => http::StatusCode::INTERNAL_SERVER_ERROR,
        _ => http::StatusCode::BAD_REQUEST,
    }
}

/// Turning what the model refuses into what a handler returns.
pub(crate) trait IntoStatus {
    /// The status of it.
    fn into_status(self) -> Status;
}

impl<E: Into<Error>> IntoStatus for E {
    fn into_status(self) -> Status {
        Status::from(self.into())
    }
}
