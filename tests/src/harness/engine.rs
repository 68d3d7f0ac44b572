//! A container engine, seen past Berth: what really runs.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::command::output;

/// One container as the engine itself tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it runs now.
    pub running: bool,
    /// When it last started, as the engine spells it.
    pub started_at: String,
}

/// A container engine.
#[derive(Clone, Debug)]
pub struct Engine {
    address: Option<String>,
}

// === impl Container ===

impl Container {
    /// The id of the task it belongs to.
    #[must_use]
    pub fn task_id(&self) -> &str {
        self.labels.get("berth.task").map_or("", String::as_str)
    }
}

// === impl Engine ===

impl Engine {
    /// The machine's own.
    #[must_use]
    pub fn local() -> Self {
        Self { address: None }
    }

    /// The one at an address, such as `unix:///run/x.sock`.
    #[must_use]
    pub fn at(address: String) -> Self {
        Self { address: Some(address) }
    }

    /// Where it listens: what an agent on its host is told.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.as_deref().unwrap_or("unix:///var/run/docker.sock")
    }

    /// A `docker` command line for this engine.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        if let Some(address) = &self.address {
            command.args(["--host", address]);
        }
        command.args(arguments);
        command
    }

    /// Runs a `docker` command.
    ///
    /// # Errors
    /// When it fails.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        output(&mut self.command(arguments))
    }

    /// The containers with a label (`name=value`), running or not, in the order of their ids.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn containers(&self, label: &str) -> Result<Vec<Container>> {
        let ids =
            self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &format!("label={label}")])?;
        let mut containers = Vec::new();
        for id in ids.split_whitespace() {
            // One that is gone since the listing does not count.
            if let Ok(text) = self.docker(&["container", "inspect", id]) {
                containers.push(container(&text)?);
            }
        }
        containers.sort();
        Ok(containers)
    }

    /// Those of them that run.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn running(&self, label: &str) -> Result<Vec<Container>> {
        Ok(self.containers(label)?.into_iter().filter(|container| container.running).collect())
    }

    /// Kills a container at once, as the kernel does when memory is short.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, id: &str) -> Result<()> {
        self.docker(&["kill", id]).map(drop)
    }

    /// Removes every container with the label; what cannot be removed stays.
    pub fn remove_labelled(&self, label: &str) {
        let Ok(ids) = self.docker(&["ps", "--all", "--quiet", "--filter", &format!("label={label}")]) else {
            return;
        };
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            let _ = self.docker(&[&["rm", "--force", "--volumes"], ids.as_slice()].concat());
        }
    }
}

fn container(inspect: &str) -> Result<Container> {
    let value: Value = serde_json::from_str(inspect).context("parse what the engine tells of a container")?;
    let value = &value[0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = value["Config"]["Labels"].as_object();
    Ok(Container {
        id: text(&value["Id"]),
        labels: labels.into_iter().flatten().map(|(name, label)| (name.clone(), text(label))).collect(),
        running: value["State"]["Running"].as_bool().unwrap_or(false),
        started_at: text(&value["State"]["StartedAt"]),
    })
}
