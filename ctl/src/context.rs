//! What every command is given: where to print, which cluster to talk to, what time it is.

use std::path::PathBuf;

use berth_process::clock::Clock;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::profile::{Overrides, Profiles};

/// The surroundings of one run.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) clock: Clock,
    /// Berth's home directory.
    pub(crate) home: PathBuf,
    pub(crate) overrides: Overrides,
}

/// A client, and the ECS cluster that is meant when none is named.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) cluster: String,
}

// === impl Context ===

impl Context {
    /// Reads the profile. Nothing is connected before the first call.
    pub(crate) fn connect(&self) -> Result<Session, Failure> {
        let connection = Profiles::load(&self.home)?.connection(&self.overrides, &self.home)?;
        Ok(Session { client: Client::new(&connection, &self.clock), cluster: connection.cluster })
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_unix_ms(&self) -> i64 {
        self.clock.unix_ms()
    }
}

// === impl Session ===

impl Session {
    /// The cluster in the form that requests want.
    pub(crate) fn cluster(&self) -> Option<String> {
        Some(self.cluster.clone())
    }

    /// The same session in the cluster of this name; in its own when the name is empty.
    pub(crate) fn in_cluster(&self, name: &str) -> Self {
        let cluster = if name.is_empty() { self.cluster.clone() } else { name.to_owned() };
        Self { client: self.client.clone(), cluster }
    }

    /// The same session, for waits.
    pub(crate) fn patient(&self) -> Self {
        Self { client: self.client.patient(), cluster: self.cluster.clone() }
    }
}
