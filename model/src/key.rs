//! Access keys: who may call.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A key pair by which a principal is known. The secret is sealed by whoever proposes it: the state never holds it in
/// the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// What the caller names itself by.
    pub id: String,
    /// The secret, encrypted under the cluster's sealing key.
    pub sealed_secret: Vec<u8>,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it opens anything.
    #[serde(default)]
    pub status: KeyStatus,
    /// When it was last used, to within a few minutes.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// What it is for, in the words of whoever made it.
    #[serde(default)]
    pub description: String,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStatus {
    /// It does.
    #[default]
    Active,
    /// It does not, until it is enabled again.
    Disabled,
}

/// What a principal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Everything a person or a tool may ask for.
    Admin,
    /// What an agent needs: register, hold a session, push logs.
    Agent,
    /// What a controller needs of another.
    Peer,
    /// What a task may ask of its own cluster. No key has it: its credentials end by themselves and with the task.
    Task,
}
