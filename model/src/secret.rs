//! Secrets: values with versions and stages, as the Secrets Manager keeps them.
//!
//! A value is sealed by whoever proposes it: the state never holds one in the clear. A deleted secret stays for its
//! recovery window, in which it can be restored and not be read.

use serde::{Deserialize, Serialize};

use crate::id::Generation;
use crate::limits::SECRET_VERSIONS;
use crate::time::Timestamp;

/// The stage of the value that a secret has.
pub const CURRENT: &str = "AWSCURRENT";
/// The stage of the value that it had before.
pub const PREVIOUS: &str = "AWSPREVIOUS";

/// One value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// Chosen by whoever wrote it, or for them.
    pub id: String,
    /// The value, encrypted under the cluster's sealing key.
    pub sealed_value: Vec<u8>,
    /// Whether it is the base 64 text of bytes.
    pub is_binary: bool,
    /// The stages that it is at. Without any it is kept for a while and found by its id only.
    pub stages: Vec<String>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What its ARN has after the name, so that a secret made again under the name is another.
    pub suffix: String,
    /// What it is, in the words of whoever made it.
    pub description: String,
    /// The key that the writer named. Echoed: values are sealed under the cluster's own.
    pub key_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub changed_at: Timestamp,
    /// When it is forgotten, once it is deleted.
    pub delete_at: Option<Timestamp>,
    /// Its values, oldest first.
    pub versions: Vec<SecretVersion>,
    /// Counts its changes.
    pub generation: Generation,
}

// === impl Secret ===

impl Secret {
    /// What a sealed value is bound to.
    pub fn seal_of(name: &str) -> String {
        format!("secret:{name}")
    }

    /// The value of an id, of a stage, or of both.
    pub fn version(&self, id: Option<&str>, stage: Option<&str>) -> Option<&SecretVersion> {
        let stage = stage.or_else(|| id.is_none().then_some(CURRENT));
        let is_wanted = |version: &&SecretVersion| {
            id.is_none_or(|id| version.id == id)
                && stage.is_none_or(|stage| version.stages.iter().any(|at| at == stage))
        };
        self.versions.iter().find(is_wanted)
    }

    /// Adds a value, which takes its stages from those that had them. The one that was current is the previous one then.
    pub(crate) fn push(&mut self, version: SecretVersion) {
        let takes_over = version.stages.iter().any(|stage| stage == CURRENT);
        if takes_over {
            let is_current = |known: &SecretVersion| known.stages.iter().any(|stage| stage == CURRENT);
            let current = self.versions.iter().position(is_current);
            for (at, known) in self.versions.iter_mut().enumerate() {
                known.stages.retain(|stage| stage != PREVIOUS);
                if Some(at) == current {
                    known.stages.push(PREVIOUS.to_owned());
                }
            }
        }
        for known in &mut self.versions {
            known.stages.retain(|stage| !version.stages.contains(stage));
        }
        self.versions.push(version);
        while self.versions.len() > SECRET_VERSIONS {
            let oldest = self.versions.iter().position(|version| version.stages.is_empty()).unwrap_or(0);
            self.versions.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, stages: &[&str]) -> SecretVersion {
        SecretVersion {
            id: id.to_owned(),
            sealed_value: Vec::new(),
            is_binary: false,
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            created_at: Timestamp::default(),
        }
    }

    fn secret() -> Secret {
        Secret {
            name: "db".to_owned(),
            suffix: "AbCdEf".to_owned(),
            description: String::new(),
            key_id: String::new(),
            created_at: Timestamp::default(),
            changed_at: Timestamp::default(),
            delete_at: None,
            versions: Vec::new(),
            generation: 1,
        }
    }

    #[test]
    fn a_new_value_makes_the_current_one_the_previous() {
        let mut secret = secret();
        for id in ["1", "2", "3"] {
            secret.push(version(id, &[CURRENT]));
        }
        let at = |stage| secret.version(None, Some(stage)).map(|version| version.id.as_str());
        assert_eq!((at(CURRENT), at(PREVIOUS)), (Some("3"), Some("2")));
        assert_eq!(secret.version(None, None).map(|version| version.id.as_str()), Some("3"));
        assert!(secret.version(Some("1"), None).is_some_and(|version| version.stages.is_empty()));
        assert_eq!(secret.version(Some("1"), Some(CURRENT)), None);
    }

    #[test]
    fn what_is_at_a_stage_outlives_what_is_not() {
        let mut secret = secret();
        secret.push(version("kept", &["mine"]));
        for id in 0..2 * SECRET_VERSIONS {
            secret.push(version(&id.to_string(), &[CURRENT]));
        }
        assert_eq!(secret.versions.len(), SECRET_VERSIONS);
        assert!(secret.version(None, Some("mine")).is_some());
    }
}
