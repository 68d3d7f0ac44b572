//! Access keys: what may be asked of them.

use super::{Accepted, Admission};
use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::key::{AccessKey, KeyStatus, Role};
use crate::limits::ACCESS_KEYS;
use crate::state::State;

/// Characters of a description.
const DESCRIPTION_LENGTH: usize = 256;

/// What somebody asks a key for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The id that it gets.
    pub id: String,
    /// Its secret, sealed.
    pub sealed_secret: Vec<u8>,
    /// What it is for.
    pub description: String,
}

/// A new key of an administrator.
pub fn create(wanted: &Wanted, view: &State, admission: &Admission) -> Accepted<String> {
    if wanted.description.chars().count() > DESCRIPTION_LENGTH {
        let text = format!("A description has at most {DESCRIPTION_LENGTH} characters.");
        return Err(ApiError::invalid(text));
    }
    if view.access_keys().count() >= ACCESS_KEYS {
        let text = format!("At most {ACCESS_KEYS} access keys are allowed. Delete one first.");
        return Err(ApiError::new(Exception::LimitExceeded, text));
    }
    let key = AccessKey {
        id: wanted.id.clone(),
        sealed_secret: wanted.sealed_secret.clone(),
        role: Role::Admin,
        created_at: admission.now,
        status: KeyStatus::Active,
        last_used_at: None,
        description: wanted.description.clone(),
    };
    Ok((key.id.clone(), Command::PutAccessKey(key)))
}

/// Disables a key, or enables it again.
pub fn set_status(id: &str, status: KeyStatus, view: &State) -> Accepted<String> {
    let key = known(id, view)?;
    if status == KeyStatus::Disabled {
        check_dispensable(key, view)?;
    }
    Ok((id.to_owned(), Command::PutAccessKey(AccessKey { status, ..key.clone() })))
}

/// Takes a key out.
pub fn delete(id: &str, view: &State) -> Accepted<()> {
    check_dispensable(known(id, view)?, view)?;
    Ok(((), Command::DeleteAccessKey(id.to_owned())))
}

fn known<'a>(id: &str, view: &'a State) -> Result<&'a AccessKey, ApiError> {
    let key = view.access_key(id);
    key.ok_or_else(|| ApiError::new(Exception::ResourceNotFound, format!("There is no access key {id}.")))
}

/// Without these, nobody could call any more, or agents and controllers could not.
fn check_dispensable(key: &AccessKey, view: &State) -> Result<(), ApiError> {
    if key.role != Role::Admin {
        let text =
            format!("The access key {} is that of the agents or the controllers of this cluster.", key.id);
        return Err(ApiError::invalid(text));
    }
    let is_other = |other: &&AccessKey| {
        other.id != key.id && other.role == Role::Admin && other.status == KeyStatus::Active
    };
    if view.access_keys().any(|other| is_other(&other)) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "The last access key that can administer this cluster cannot be disabled or deleted.",
    ))
}
