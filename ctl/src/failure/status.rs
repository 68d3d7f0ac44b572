//! What a controller's error status means to the person at the terminal: exit code, text and remedy.

use std::error::Error as _;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Exit, Failure};

/// The domain of the error details that Berth's own controllers send; the reason is the AWS exception name.
const DOMAIN: &str = "berth.ecs";

/// The failure that a status stands for.
pub(crate) fn from_status(status: &Status) -> Failure {
    let reason = reason(status);
    let message = match (&reason, status.message()) {
        (Some(reason), "") => reason.clone(),
        (Some(reason), message) => format!("{message} ({reason})"),
        (None, "") => format!("the controller answered {:?}", status.code()),
        (None, message) => message.to_owned(),
    };
    let failure = Failure::new(exit(status.code(), reason.as_deref()), message);
    match remedy(status.code(), reason.as_deref().unwrap_or_default(), status.message()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// True when the request surely did not reach any controller, so that sending it elsewhere is safe.
pub(crate) fn was_not_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// True for the end of a stream that the connection or the controller is to blame for, not the request.
pub(crate) fn is_loss(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Aborted | Code::Cancelled | Code::Internal | Code::Unavailable | Code::Unknown | Code::DataLoss
    ) && reason(status).is_none()
}

/// The AWS exception name, when the status carries one.
fn reason(status: &Status) -> Option<String> {
    let details = status.get_details_error_info()?;
    (details.domain == DOMAIN && !details.reason.is_empty()).then_some(details.reason)
}

fn exit(code: Code, reason: Option<&str>) -> Exit {
    match (code, reason) {
        (_, Some(reason)) if AUTHENTICATION.contains(&reason) => Exit::Unreachable,
        (Code::Unavailable | Code::Unauthenticated, _) => Exit::Unreachable,
        (Code::DeadlineExceeded, _) => Exit::TimedOut,
        _ => Exit::Refused,
    }
}

/// The exceptions that say "I do not know who you are".
const AUTHENTICATION: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "ExpiredTokenException",
];

fn remedy(code: Code, reason: &str, message: &str) -> Option<&'static str> {
    if let Some((_, _, hint)) =
        REMEDIES.iter().find(|(name, part, _)| *name == reason && message.contains(part))
    {
        return Some(hint);
    }
    match code {
        Code::Unauthenticated => Some(
            "the profile's access key is not one of this cluster's: \
             `berth profile show` tells which is used, `berth init` on a controller's host makes the files anew",
        ),
        Code::Unavailable => {
            Some("is a majority of the controllers running? `berth controller list` shows them")
        }
        Code::DeadlineExceeded => {
            Some("whether the request took effect is not known: look before you repeat it")
        }
        Code::Unimplemented if reason.is_empty() => {
            Some("the controller does not know this call: is it older than this `berth`?")
        }
        _ => None,
    }
}

/// Exception name, part of its message, remedy. The first row that fits is taken.
const REMEDIES: &[(&str, &str, &str)] = &[
    (
        "ClusterNotFoundException",
        "",
        "`berth cluster list` shows the clusters, `--cluster NAME` chooses one, `berth cluster create NAME` makes one",
    ),
    ("ServiceNotFoundException", "", "`berth service list` shows the services of the cluster"),
    (
        "ServiceNotActiveException",
        "",
        "the service is deleted or draining: `berth service create` makes it anew",
    ),
    (
        "ClusterContainsServicesException",
        "",
        "`berth service list` shows them, `berth service delete NAME --force` removes one",
    ),
    ("ClusterContainsTasksException", "", "`berth ps` shows them, `berth task stop TASK` stops one"),
    (
        "ClusterContainsContainerInstancesException",
        "",
        "`berth instance list` shows them; stop their agents, then `berth instance deregister ID --force`",
    ),
    (
        "AccessDeniedException",
        "",
        "the profile's access key may not do this: `berth profile list` shows the others",
    ),
    (
        "InvalidParameterException",
        "not idempotent",
        "a service of this name exists: change it with `berth service update`, or delete it first",
    ),
    (
        "InvalidParameterException",
        "scaled above 0",
        "add `--force` to stop its tasks, or scale it to 0 first with `berth service scale NAME 0`",
    ),
    (
        "InvalidParameterException",
        "taskId length",
        "`berth ps --all` shows the tasks of the cluster, also the stopped ones",
    ),
    (
        "InvalidParameterException",
        "task was not found",
        "`berth ps --all` shows the tasks, also the stopped ones",
    ),
    (
        "ClientException",
        "Unable to describe task definition",
        "`berth task-definition families` shows what is registered",
    ),
    (
        "ClientException",
        "TaskDefinition not found",
        "`berth task-definition families` shows what is registered",
    ),
    (
        "ClientException",
        "TaskDefinition is inactive",
        "register a new revision, or name an active one: `berth task-definition list`",
    ),
    ("ConflictException", "", "the same client token was used for another request"),
    ("ThrottlingException", "", "the controllers are busy: try again in a moment"),
];

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn refused(code: Code, reason: &str, message: &str) -> Status {
        let details = ErrorDetails::with_error_info(reason, DOMAIN, []);
        Status::with_error_details(code, message, details)
    }

    #[test]
    fn every_kind_of_refusal_has_its_exit_code() {
        let rows = [
            (refused(Code::NotFound, "ClusterNotFoundException", "Cluster not found."), Exit::Refused),
            (refused(Code::InvalidArgument, "InvalidParameterException", "no"), Exit::Refused),
            (refused(Code::PermissionDenied, "AccessDeniedException", "no"), Exit::Refused),
            (refused(Code::Internal, "ServerException", "oops"), Exit::Refused),
            (refused(Code::Unauthenticated, "UnrecognizedClientException", "who?"), Exit::Unreachable),
            (refused(Code::InvalidArgument, "ExpiredTokenException", "late"), Exit::Unreachable),
            (Status::unauthenticated("who?"), Exit::Unreachable),
            (Status::unavailable("no leader"), Exit::Unreachable),
            (Status::deadline_exceeded("late"), Exit::TimedOut),
            (Status::unimplemented(""), Exit::Refused),
        ];
        for (status, exit) in rows {
            assert_eq!(from_status(&status).exit, exit, "{status:?}");
        }
    }

    #[test]
    fn names_the_exception_and_the_remedy() {
        let failure = from_status(&refused(
            Code::InvalidArgument,
            "InvalidParameterException",
            "The service cannot be stopped while it is scaled above 0.",
        ));
        assert_eq!(
            failure.message,
            "The service cannot be stopped while it is scaled above 0. (InvalidParameterException)"
        );
        assert!(failure.hint.expect("a remedy").contains("--force"));
    }

    #[test]
    fn an_exception_of_another_domain_is_not_taken_for_ours() {
        let details = ErrorDetails::with_error_info("ClusterNotFoundException", "example.com", []);
        let status = Status::with_error_details(Code::NotFound, "gone", details);
        let failure = from_status(&status);
        assert_eq!((failure.message.as_str(), failure.hint), ("gone", None));
    }

    #[test]
    fn an_answer_of_a_controller_was_sent() {
        assert!(!was_not_sent(&Status::unavailable("no leader")));
    }
}
