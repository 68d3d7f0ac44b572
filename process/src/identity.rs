//! The identity of a cluster: its authority and its access keys, and the files they are kept in.
//!
//! `berth init` makes a [`ClusterIdentity`] once and writes four files, each with no more than its holder needs:
//!
//! | File | Holder | Holds |
//! |---|---|---|
//! | [`CONTROLLER_FILE`] | controllers | everything: the authority's key, all access keys, the sealing key |
//! | [`AGENT_FILE`] | agents | the agents' access key and the authority's certificate |
//! | [`ADMIN_FILE`] | people | the administrator's access key and the authority's certificate |
//! | [`CA_FILE`] | anybody | the authority's certificate alone, as PEM, for clients of others' making |
//!
//! The other files are JSON with a version. All are readable by their owner only. The controllers' file is the one truth: the
//! others follow from it, and are written again from it whenever [`ClusterIdentity::write_all`] is run.

mod file;
mod key;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;
use crate::tls;

pub use file::Error;
pub use key::{AccessKey, Role};

/// The controllers' file in the directory of an identity.
pub const CONTROLLER_FILE: &str = "controller.json";
/// The agents' file in the directory of an identity.
pub const AGENT_FILE: &str = "agent.json";
/// The administrator's file in the directory of an identity.
pub const ADMIN_FILE: &str = "admin.json";
/// The authority's certificate in the directory of an identity.
pub const CA_FILE: &str = "ca.pem";

/// What controllers hold.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// Tells one installation from another: 32 hexadecimal digits.
    pub cluster_id: String,
    /// Issues the controllers' certificates.
    pub authority: tls::Authority,
    /// The region in ARNs and signatures.
    pub region: String,
    /// The account in ARNs.
    pub account: String,
    /// The partition in ARNs.
    pub partition: String,
    /// With which controllers call each other.
    pub peer_key: AccessKey,
    /// With which agents call controllers.
    pub agent_key: AccessKey,
    /// With which the administrator calls controllers.
    pub admin_key: AccessKey,
    /// Encrypts the secrets in the state: 32 bytes as hexadecimal digits.
    pub sealing_key_hex: String,
}

/// What agents hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentIdentity {
    /// The installation that the agent belongs to.
    pub cluster_id: String,
    /// What controllers prove themselves with.
    pub ca_pem: String,
    /// With which the agent calls controllers.
    pub agent_key: AccessKey,
}

/// What an administrator holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminIdentity {
    /// The installation that is administered.
    pub cluster_id: String,
    /// What controllers prove themselves with.
    pub ca_pem: String,
    /// With which the administrator calls controllers.
    pub admin_key: AccessKey,
    /// The region in ARNs and signatures.
    pub region: String,
}

// === impl ClusterIdentity ===

impl ClusterIdentity {
    /// A new installation, with keys that nobody else has.
    pub fn generate(
        entropy: &Entropy,
        region: &str,
        account: &str,
        partition: &str,
    ) -> Result<Self, tls::Error> {
        let cluster_id = format!("{:032x}", entropy.u128());
        let authority = tls::Authority::generate(&format!("berth {cluster_id}"))?;
        let mut sealing_key = [0; 32];
        entropy.fill(&mut sealing_key);
        Ok(Self {
            cluster_id,
            authority,
            region: region.to_owned(),
            account: account.to_owned(),
            partition: partition.to_owned(),
            peer_key: AccessKey::generate(Role::Peer, entropy),
            agent_key: AccessKey::generate(Role::Agent, entropy),
            admin_key: AccessKey::generate(Role::Admin, entropy),
            sealing_key_hex: sealing_key.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Reads a controllers' file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        file::read("controller", path)
    }

    /// Writes the files into `directory`, which is made when it is missing.
    ///
    /// When the directory holds an identity already, that one is kept, the other files are written from it,
    /// and it is returned: run twice, run again after a crash at any point, or run by two at once, this ends with
    /// files that belong together.
    pub fn write_all(&self, directory: &Path) -> Result<Self, Error> {
        let lock = file::lock(directory)?;
        let path = directory.join(CONTROLLER_FILE);
        let identity = if file::exists(&path)? {
            Self::load(&path)?
        } else {
            // First, so that the others are never of an identity that no controller has.
            file::write("controller", &path, self)?;
            self.clone()
        };
        file::write("agent", &directory.join(AGENT_FILE), &identity.agent())?;
        file::write("admin", &directory.join(ADMIN_FILE), &identity.admin())?;
        file::replace(&directory.join(CA_FILE), identity.authority.certificate_pem.as_bytes())?;
        drop(lock);
        Ok(identity)
    }

    /// What agents are given of it.
    pub fn agent(&self) -> AgentIdentity {
        AgentIdentity {
            cluster_id: self.cluster_id.clone(),
            ca_pem: self.authority.certificate_pem.clone(),
            agent_key: self.agent_key.clone(),
        }
    }

    /// What the administrator is given of it.
    pub fn admin(&self) -> AdminIdentity {
        AdminIdentity {
            cluster_id: self.cluster_id.clone(),
            ca_pem: self.authority.certificate_pem.clone(),
            admin_key: self.admin_key.clone(),
            region: self.region.clone(),
        }
    }
}

impl fmt::Debug for ClusterIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterIdentity")
            .field("cluster_id", &self.cluster_id)
            .field("region", &self.region)
            .field("account", &self.account)
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

// === impl AgentIdentity ===

impl AgentIdentity {
    /// Reads an agents' file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        file::read("agent", path)
    }
}

// === impl AdminIdentity ===

impl AdminIdentity {
    /// Reads an administrator's file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        file::read("admin", path)
    }
}

#[cfg(test)]
mod tests;
