//! Commands about parameters and secrets. Values are sealed before they get here.

use serde::{Deserialize, Serialize};

use crate::id::Generation;
use crate::parameter::ParameterVersion;
use crate::secret::SecretVersion;
use crate::time::Timestamp;

/// The next value of a parameter, or the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutParameter {
    /// Its name.
    pub name: String,
    /// The value. Void unless its number is the next.
    pub version: ParameterVersion,
}

/// A change of a secret; of one that is not there, its making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSecret {
    /// Its name.
    pub name: String,
    /// The generation that was seen; 0: there was none.
    pub seen: Generation,
    /// What the ARN of a new one has after its name.
    pub suffix: String,
    /// What is said of it from now on; `None`: as before.
    pub description: Option<String>,
    /// The key that is named from now on; `None`: as before.
    pub key_id: Option<String>,
    /// A value to add.
    pub version: Option<SecretVersion>,
    /// Whether it is to go, or no longer; `None`: as before.
    pub deletion: Option<Deletion>,
}

/// Whether a secret is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deletion {
    /// At this time; at once when it is over.
    At(Timestamp),
    /// It stays.
    Never,
}
