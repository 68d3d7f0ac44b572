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
}
