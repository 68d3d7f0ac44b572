//! openraft's storage errors from ours. Any of them stops openraft, and with it the process.

use std::error::Error;

use openraft::{AnyError, ErrorSubject, ErrorVerb, StorageIOError};

use super::{ControllerId, StorageError};

/// Something about `subject` failed.
pub(super) fn storage_error(
    subject: ErrorSubject<ControllerId>,
    verb: ErrorVerb,
    error: &(impl Error + 'static),
) -> StorageError {
    StorageIOError::new(subject, verb, AnyError::new(error)).into()
}
