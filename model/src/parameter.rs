//! Parameters: named values that task definitions refer to, as the Systems Manager keeps them.
//!
//! A value is sealed by whoever proposes it, whatever its type: the state never holds one in the clear.

use serde::{Deserialize, Serialize};

use crate::limits::PARAMETER_VERSIONS;
use crate::time::Timestamp;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterType {
    /// A text.
    String,
    /// Texts, separated by commas.
    StringList,
    /// A text that is shown only to those who ask for it.
    SecureString,
}

/// One value that a parameter had, or has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterVersion {
    /// Counts up from 1.
    pub version: u64,
    /// What it is.
    pub kind: ParameterType,
    /// The value, encrypted under the cluster's sealing key.
    pub sealed_value: Vec<u8>,
    /// What is said of the parameter from this version on.
    pub description: String,
    /// The key that the writer named. Echoed: values are sealed under the cluster's own.
    pub key_id: String,
    /// `Standard` or `Advanced`.
    pub tier: String,
    /// Such as `text`.
    pub data_type: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// By whom.
    pub written_by: String,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, a path or a word.
    pub name: String,
    /// Its values, oldest first; the oldest goes when there are too many. Never empty.
    pub versions: Vec<ParameterVersion>,
}

// === impl ParameterType ===

impl ParameterType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::String, Self::StringList, Self::SecureString];

    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::SecureString => "SecureString",
        }
    }
}

// === impl Parameter ===

impl Parameter {
    /// The value that it has.
    pub fn latest(&self) -> &ParameterVersion {
        self.versions.last().expect("a parameter is made with its first version and keeps its last")
    }

    /// A value that it has or had.
    pub fn version(&self, version: u64) -> Option<&ParameterVersion> {
        self.versions.iter().find(|known| known.version == version)
    }

    /// What a sealed value is bound to.
    pub fn seal_of(name: &str) -> String {
        format!("parameter:{name}")
    }

    pub(crate) fn push(&mut self, version: ParameterVersion) {
        self.versions.push(version);
        if self.versions.len() > PARAMETER_VERSIONS {
            self.versions.remove(0);
        }
    }
}
