//! What an AWS client gets when it does not get an answer, whatever the codec.

use http::StatusCode;
use tonic::Status;

use super::json::Mistake;
use super::sigv4::Refusal;
use crate::api::error::{self, Refused};

/// An error on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The exception, as AWS names it.
    pub(super) name: String,
    /// For people.
    pub(super) message: String,
    /// ARNs of what is in the way; only ConflictException has them.
    pub(super) resource_ids: Vec<String>,
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into(), resource_ids: Vec::new() }
    }

    pub(super) fn unknown_operation() -> Self {
        Self::new(error::UNKNOWN_OPERATION, "The operation is not known.")
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(error::SERIALIZATION, message)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(error::TOO_LARGE, format!("The request is larger than {limit} bytes."))
    }

    /// What the error table says.
    pub(super) fn status(&self) -> StatusCode {
        error::http_status(&self.name)
    }

    /// Whether the caller is at fault, which the query protocol tells it.
    pub(super) fn is_of_sender(&self) -> bool {
        self.status().is_client_error()
    }
}

impl From<&Status> for Fault {
    fn from(status: &Status) -> Self {
        let Refused { name, message, resource_ids } = error::refused_of(status);
        Self { name, message, resource_ids }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.name(), refusal.to_string())
    }
}

impl From<Mistake> for Fault {
    fn from(mistake: Mistake) -> Self {
        match mistake {
            Mistake::Malformed(text) => Self::malformed(text),
            Mistake::Constraint(text) => Self::new(error::INVALID_PARAMETER, text),
        }
    }
}
