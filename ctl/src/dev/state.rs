//! What is known of a dev cluster between two runs of the command line: `state.json` in its directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::process;
use crate::failure::{Failure, OrUsage as _};
use crate::profile::write_private;

/// The processes of a dev cluster, and what has to be put back when it goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    pub(crate) members: Vec<Member>,
    /// `docker` or `sim`.
    pub(crate) runtime: String,
    #[serde(default)]
    pub(crate) docker_host: Option<String>,
    /// The profile that was current before.
    #[serde(default)]
    pub(crate) previous_profile: Option<String>,
    /// Ids of the container instances that were seen: their containers are this cluster's.
    #[serde(default)]
    pub(crate) instance_ids: Vec<String>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    /// `controller-1`, `agent-2`; also the name of its directory.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) pid: Option<u32>,
}

/// What a process is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Kind {
    #[serde(rename_all = "camelCase")]
    Controller {
        port: u16,
        ops_port: u16,
        /// Where it serves the API as AWS does; 0 is any free one, of a cluster from before there was one.
        #[serde(default)]
        aws_port: u16,
    },
    #[serde(rename_all = "camelCase")]
    Agent { zone: String, cpu_units: u64, memory_mib: u64 },
}

// === impl State ===

impl State {
    fn path(dir: &Path) -> PathBuf {
        dir.join("state.json")
    }

    /// The state of the dev cluster in `dir`, when there is one.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(dir);
        let reading = || format!("reading {}", path.display());
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).or_usage(reading).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).or_usage(reading),
        }
    }

    /// Writes it back.
    pub(crate) fn store(&self, dir: &Path) -> Result<(), Failure> {
        let path = Self::path(dir);
        let writing = || format!("writing {}", path.display());
        let text = serde_json::to_string_pretty(self).or_usage(writing)?;
        write_private(&path, &text).or_usage(writing)
    }

    pub(crate) fn controllers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| matches!(member.kind, Kind::Controller { .. }))
    }

    pub(crate) fn agents(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| matches!(member.kind, Kind::Agent { .. }))
    }

    /// Adds the container instances that the agents have named themselves, and others that are known.
    pub(crate) fn learn_instances(&mut self, dir: &Path, others: impl IntoIterator<Item = String>) {
        let own: Vec<String> = self.agents().flat_map(|agent| instances_of(&agent.ready_file(dir))).collect();
        self.instance_ids.extend(own);
        self.instance_ids.extend(others);
        self.instance_ids.sort();
        self.instance_ids.dedup();
    }

    /// Where the controllers are.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.controllers().filter_map(Member::address).collect()
    }
}

/// What an agent's ready file says of it; nothing while there is none.
fn instances_of(ready_file: &Path) -> Vec<String> {
    #[derive(Default, Deserialize)]
    struct Ready {
        #[serde(default)]
        container_instances: Vec<String>,
    }
    let text = std::fs::read_to_string(ready_file).unwrap_or_default();
    serde_json::from_str::<Ready>(&text).unwrap_or_default().container_instances
}

// === impl Member ===

impl Member {
    /// Where a controller listens.
    pub(crate) fn address(&self) -> Option<String> {
        match self.kind {
            Kind::Controller { port, .. } => Some(format!("127.0.0.1:{port}")),
            Kind::Agent { .. } => None,
        }
    }

    /// What it keeps.
    pub(crate) fn data_dir(&self, dir: &Path) -> PathBuf {
        dir.join(&self.name)
    }

    /// What it says.
    pub(crate) fn log_file(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.log", self.name))
    }

    /// What it writes when it is ready.
    pub(crate) fn ready_file(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.ready.json", self.name))
    }

    /// True while the process that was started for it runs.
    pub(crate) fn is_running(&self, dir: &Path) -> bool {
        self.pid.is_some_and(|pid| process::is_running(pid, &self.data_dir(dir)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_every_instance_it_ever_had() {
        let dir = tempfile::tempdir().expect("a directory");
        let kind = Kind::Agent { zone: "a".to_owned(), cpu_units: 1, memory_mib: 1 };
        let agent = Member { name: "agent-1".to_owned(), kind, pid: Some(7) };
        let mut state = State { members: vec![agent.clone()], ..State::default() };
        state.learn_instances(dir.path(), ["b".to_owned()]);
        assert_eq!(state.instance_ids, ["b"]);
        std::fs::write(agent.ready_file(dir.path()), r#"{"ops":"127.0.0.1:1","container_instances":["a"]}"#)
            .expect("written");
        state.learn_instances(dir.path(), ["b".to_owned()]);
        assert_eq!(state.instance_ids, ["a", "b"]);
        state.store(dir.path()).expect("written");
        assert_eq!(State::load(dir.path()).expect("read"), Some(state));
    }
}
