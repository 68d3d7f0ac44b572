//! Docker's errors in the agent's terms.

use bollard::errors::Error as Docker;

use crate::runtime::Error;

/// What an error means for the operation it ended.
pub(super) fn explain(error: Docker) -> Error {
    match error {
        Docker::DockerResponseServerError { status_code: 404, message } => {
            Error::NotFound(from_daemon(&message))
        }
        Docker::DockerResponseServerError { message, .. } if is_port_taken(&message) => {
            Error::PortTaken(from_daemon(&message))
        }
        Docker::DockerResponseServerError { message, .. } => Error::Refused(from_daemon(&message)),
        Docker::DockerStreamError { error } => Error::Refused(from_daemon(&error)),
        Docker::RequestTimeoutError => Error::Unavailable("it did not answer in time".to_owned()),
        Docker::SocketNotFoundError(path) => Error::Unavailable(format!("there is no socket {path}")),
        Docker::IOError { err } => Error::Unavailable(err.to_string()),
        Docker::HyperResponseError { err } => Error::Unavailable(err.to_string()),
        Docker::HyperLegacyError { err } => Error::Unavailable(err.to_string()),
        other => Error::Refused(other.to_string()),
    }
}

/// Whether Docker answered with this HTTP status.
pub(super) fn is_status(error: &Docker, status: u16) -> bool {
    matches!(error, Docker::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// Whether a limit of a container's disk is what Docker refused: only some of its storage drivers have one.
pub(super) fn is_about_storage(error: &Docker) -> bool {
    matches!(error, Docker::DockerResponseServerError { message, .. } if message.contains("storage-opt"))
}

/// ECS shows what Docker's own client shows.
fn from_daemon(message: &str) -> String {
    format!("Error response from daemon: {}", message.trim())
}

fn is_port_taken(message: &str) -> bool {
    message.contains("port is already allocated") || message.contains("address already in use")
}
