//! A whole Berth for one test: controllers and agents as processes of their own, on loopback or on hosts.
//!
//! On loopback all agents share the machine's engine, which is quick and enough for most claims. On hosts every
//! controller and every agent has a host to itself, each agent's with an engine: there, power and cables can be cut.

mod addressed;
mod builder;
mod control;
mod deploy;
mod observe;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use berth_process::identity::{AccessKey, AdminIdentity, AgentIdentity, ClusterIdentity};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::MutexGuard;

use super::api::Api;
use super::daemon::{Daemon, Place};
use super::engine::Engine;
use super::hosts::Hosts;
use super::log_scan;
use super::slot::Slot;

pub use builder::Builder;
pub use deploy::{HookTarget, ServiceSpec};

/// The consensus library raises its voice over every heartbeat that is late and every peer that is away, which on two busy
/// cores says nothing. What follows from it, another leader, our own code logs.
const BACKGROUND: [&str; 1] = [" openraft::"];

/// Warnings that follow when a process or a host goes away and comes back.
const DISTURBANCE: [&str; 1] = [
    // All that was cancelled while a peer was cut off reaches it at once: when that is too much it begins a new
    // connection.
    "remotely-reset pending-accept streams reached limit",
];

const TERMINATE_DEADLINE: Duration = Duration::from_secs(15);

/// One process of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// The controller with this number, from 0.
    Controller(usize),
    /// The agent with this number, from 0.
    Agent(usize),
}

/// A process, and where it lives.
#[derive(Debug)]
struct Seat {
    daemon: Daemon,
    /// Its number in `hosts`; none on loopback.
    host: Option<usize>,
    /// What it serves (a controller), as others reach it.
    address: String,
    /// Cut off from everybody else by the test.
    cut_off: bool,
}

/// See the module. Everything ends when it is dropped; a test that got to its end calls [`Fleet::finish`].
///
/// Fields are dropped in this order: processes, hosts, then what they left behind.
#[derive(Debug)]
pub struct Fleet {
    controllers: Vec<Seat>,
    agents: Vec<Agent>,
    hosts: Option<Hosts>,
    identity: AdminIdentity,
    allowed: Vec<String>,
    dir: PathBuf,
    slot: Slot,
    finished: bool,
    _turn: MutexGuard<'static, ()>,
}

#[derive(Debug)]
struct Agent {
    seat: Seat,
    zone: String,
    /// Known once it has registered.
    instance_id: String,
}

// === impl Fleet ===

impl Fleet {
    /// A fleet of three controllers and three agents in zones a, b and c, unless told otherwise.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The API at a controller that is up and not cut off.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn api(&self) -> Api {
        let up = self.controllers.iter().find(|seat| seat.is_reachable());
        Api::at(&up.expect("a test keeps one controller").address, &self.identity)
    }

    /// Where the first controller serves the API as AWS does (`host:port`).
    ///
    /// # Panics
    /// When it was never ready.
    #[must_use]
    pub fn aws_address(&self) -> String {
        let served = self.controllers[0].daemon.served("aws");
        served.expect("a controller that was brought up serves it")
    }

    /// The key of the controllers, which may do nothing that clients do.
    ///
    /// # Panics
    /// When their identity cannot be read.
    #[must_use]
    pub fn peer_key(&self) -> AccessKey {
        let file = self.dir.join("identity/controller.json");
        ClusterIdentity::load(&file).expect("`berth init` wrote it").peer_key
    }

    /// The key that all agents share.
    ///
    /// # Panics
    /// When their identity cannot be read.
    #[must_use]
    pub fn agent_key(&self) -> AccessKey {
        AgentIdentity::load(&self.dir.join("identity/agent.json")).expect("`berth init` wrote it").agent_key
    }

    /// The administrator's key.
    #[must_use]
    pub fn admin_key(&self) -> &AccessKey {
        &self.identity.admin_key
    }

    /// The certificate of the authority that all of its controllers have theirs from.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("identity/ca.pem")
    }

    /// The API at one controller.
    #[must_use]
    pub fn api_of(&self, controller: usize) -> Api {
        Api::at(&self.controllers[controller].address, &self.identity)
    }

    /// Runs the command line and returns what it printed.
    ///
    /// # Errors
    /// When it exits with another code than 0.
    pub async fn berth(&self, arguments: &[&str]) -> Result<String> {
        let output = self.berth_output(arguments).await?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "berth {arguments:?}: {}: {}", output.status, stderr.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs the command line for its JSON.
    ///
    /// # Errors
    /// When it fails or prints something else.
    pub async fn berth_json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.berth(&[arguments, &["--output", "json"]].concat()).await?;
        serde_json::from_str(&text).with_context(|| format!("berth {arguments:?} did not print JSON: {text}"))
    }

    /// Runs the command line, whatever comes of it.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub async fn berth_output(&self, arguments: &[&str]) -> Result<std::process::Output> {
        self.berth_piped(arguments, &[]).await
    }

    /// The command line with these arguments, as an administrator of this fleet runs it.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn berth_command(&self, arguments: &[&str]) -> Result<Command> {
        let controllers: Vec<_> = self.controllers.iter().filter(|seat| seat.is_reachable()).collect();
        let addresses = controllers.iter().map(|seat| seat.address.as_str()).collect::<Vec<_>>().join(",");
        let mut command = Command::new(super::binary::path("berth")?);
        command.args(arguments).env("HOME", &self.dir).env("BERTH_HOME", self.dir.join("identity"));
        command.env("BERTH_ENDPOINTS", addresses).env("NO_COLOR", "1").kill_on_drop(true);
        Ok(command)
    }

    /// The same, run with this as its standard input.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub async fn berth_piped(&self, arguments: &[&str], input: &[u8]) -> Result<std::process::Output> {
        let mut command = self.berth_command(arguments)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = async {
            let mut child = command.spawn()?;
            let mut stdin = child.stdin.take();
            let feed = async {
                if let Some(mut stdin) = stdin.take() {
                    // Who reads no further has ended, or is about to.
                    let _ = stdin.write_all(input).await;
                }
            };
            let (output, ()) = tokio::join!(child.wait_with_output(), feed);
            output
        };
        running.await.with_context(|| format!("run berth {arguments:?}"))
    }

    /// WARN and ERROR lines that contain this text are part of what the test does.
    pub fn allow(&mut self, text: &str) {
        self.allowed.push(text.to_owned());
    }

    /// What everybody logs whose peer was killed, cut off or restarted is part of what the test does.
    pub fn allow_disturbance(&mut self) {
        self.allowed.extend(DISTURBANCE.map(str::to_owned));
    }

    /// The engine that an agent uses.
    #[must_use]
    pub fn engine(&self, agent: usize) -> Engine {
        match (&self.hosts, self.agents[agent].seat.host) {
            (Some(hosts), Some(host)) => hosts.engine(host),
            _ => Engine::local(),
        }
    }

    /// Ends every process as an operator would, then reads the logs.
    ///
    /// # Panics
    /// When a process does not end well, or logged a WARN or an ERROR that the test did not [`Self::allow`].
    pub async fn finish(mut self) {
        let mut complaints = Vec::new();
        let agents = self.agents.iter_mut().map(|agent| &mut agent.seat.daemon);
        for daemon in agents.chain(self.controllers.iter_mut().map(|seat| &mut seat.daemon)) {
            if !daemon.is_started() {
                continue;
            }
            match daemon.terminate(TERMINATE_DEADLINE).await {
                Ok(status) if status.success() => {}
                Ok(status) => complaints.push(format!("{} ended with {status}", daemon.name())),
                Err(error) => complaints.push(format!("{error:#}")),
            }
        }
        let allowed: Vec<&str> =
            BACKGROUND.into_iter().chain(self.allowed.iter().map(String::as_str)).collect();
        for daemon in self.daemons() {
            let lines = log_scan::unexpected(&daemon.log(), &allowed);
            complaints.extend(lines.into_iter().map(|line| format!("{}: {line}", daemon.name())));
        }
        assert!(complaints.is_empty(), "the fleet did not end well:\n{}", complaints.join("\n"));
        self.finished = true;
    }

    fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        let agents = self.agents.iter().map(|agent| &agent.seat.daemon);
        self.controllers.iter().map(|seat| &seat.daemon).chain(agents)
    }

    fn seat(&self, member: Member) -> &Seat {
        match member {
            Member::Controller(index) => &self.controllers[index],
            Member::Agent(index) => &self.agents[index].seat,
        }
    }

    fn seat_mut(&mut self, member: Member) -> &mut Seat {
        match member {
            Member::Controller(index) => &mut self.controllers[index],
            Member::Agent(index) => &mut self.agents[index].seat,
        }
    }

    fn place(&self, member: Member) -> Result<Place> {
        match (&self.hosts, self.seat(member).host) {
            (Some(hosts), Some(host)) => hosts.place(host),
            _ => Ok(Place::Here),
        }
    }
}

impl Drop for Fleet {
    #[expect(clippy::print_stderr, reason = "the logs are what a failed test leaves to its reader")]
    fn drop(&mut self) {
        if !self.finished && std::thread::panicking() {
            for daemon in self.daemons() {
                eprintln!("--- the end of the log of {} ---\n{}", daemon.name(), daemon.log_tail());
            }
        }
    }
}

// === impl Seat ===

impl Seat {
    fn is_reachable(&self) -> bool {
        self.daemon.is_started() && !self.cut_off
    }
}
