//! The agent of one host: it runs the tasks that the controllers want there, and tells what becomes of them.
//!
//! ```text
//!  controller ⇄ session ─ ledger ─► engine ─► tasks ─► runtime (docker, sim)
//!                  ▲                  │
//!                  └──── outbox ◄─────┘   (after the ledger has it)
//! ```
//!
//! Its only instruction is a manifest: a generation and the tasks that are to be there. The ledger judges it, keeps it, and
//! only then is it acted on. Nothing in this crate decides where a task runs, and nothing but `runtime::docker` knows
//! Docker.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::AgentIdentity;
use berth_process::net::{self, Connector, Listen as _};
use berth_process::ops::{self, Readiness};
use berth_process::shutdown::{OnError, Shutdown};
use berth_process::token::Signer;
use prometheus_client::registry::Registry;

pub mod agent;
pub mod cleanup;
pub mod conduit;
pub mod config;
pub mod controllers;
pub mod definition;
pub mod endpoint;
pub mod engine;
pub mod file_system;
pub mod firelens;
pub mod inventory;
pub mod ledger;
pub mod limits;
pub mod logs;
pub mod manifest;
pub mod metrics;
pub mod network;
pub mod presence;
pub mod report;
pub mod runtime;
pub mod session;
pub mod task;
pub mod task_files;
pub mod usage;

use agent::{MakeRuntime, Setup};
use config::{Config, RuntimeKind};
use definition::Interner;
use ledger::Store;
use metrics::Metrics;
use presence::Presence;
use runtime::docker::Docker;
use runtime::sim::{self, Sim};
use session::Channels;

/// How long sessions and operations get to end when the process does.
const DRAIN: Duration = Duration::from_secs(5);
/// Simulated agents on one connection, each with a stream of its own. HTTP/2 servers allow 100 or more.
const AGENTS_PER_CONNECTION: usize = 100;

/// Runs the agent, or all the simulated ones, until a signal. Containers keep running after that.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shutdown = Shutdown::new();
    let identity = AgentIdentity::load(&config.identity).context("load the identity")?;
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let readiness = Readiness::new();
    let presence = Presence::new(config.sim_count, readiness.clone());
    let listen = net::bind(config.ops_listen).with_context(|| format!("listen on {}", config.ops_listen))?;
    let ops_address = listen.local_addr().context("read the address of the operator's port")?;
    let scope = shutdown.clone();
    shutdown.spawn(
        "ops",
        OnError::Shutdown,
        async move { ops::serve(listen, registry, readiness, &scope).await },
    );
    let start = start_all(&config, &identity, &metrics, &presence, &shutdown);
    let instances = tokio::select! {
        () = shutdown.wait_for_signal() => None,
        instances = start => Some(instances?),
    };
    if let Some(instances) = instances {
        if let Some(path) = &config.ready_file {
            write_ready_file(path, &ops_address.to_string(), &instances)?;
        }
        shutdown.wait_for_signal().await;
    }
    shutdown.drain(DRAIN).await.context("end")?;
    anyhow::ensure!(!shutdown.failed(), "a part of the agent failed");
    Ok(())
}

async fn start_all(
    config: &Config,
    identity: &AgentIdentity,
    metrics: &Arc<Metrics>,
    presence: &Arc<Presence>,
    shutdown: &Shutdown,
) -> anyhow::Result<Vec<String>> {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let connector = Connector::tcp(Some(identity.ca_pem.clone()));
    let key = &identity.agent_key;
    let signer = Signer::new(&*key.access_key_id, &*key.secret_access_key, clock.clone())
        .in_region(config.region.as_deref());
    let interner = Arc::new(Interner::default());
    let mut channels = Arc::new(Channels::new(connector.clone()));
    let mut instances = Vec::new();
    for number in 0..config.sim_count {
        if number > 0 && number % AGENTS_PER_CONNECTION == 0 {
            channels = Arc::new(Channels::new(connector.clone()));
        }
        let (store, runtime) = kind(config, &clock, &entropy)?;
        let setup = Setup {
            options: config.options(number),
            store,
            runtime,
            channels: channels.clone(),
            signer: signer.clone(),
            interner: interner.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            metrics: metrics.clone(),
            presence: presence.clone(),
        };
        instances.push(agent::start(setup, shutdown).await.context("start the agent")?.instance_id);
    }
    Ok(instances)
}

fn kind(config: &Config, clock: &Clock, entropy: &Entropy) -> anyhow::Result<(Box<dyn Store>, MakeRuntime)> {
    let clock = clock.clone();
    match config.runtime {
        RuntimeKind::Docker => {
            let store =
                ledger::disk::Disk::open(&config.data_dir.join("ledger")).context("open the ledger")?;
            let endpoint = config.docker_host.clone();
            let runtime: MakeRuntime = Box::new(move |id| Arc::new(Docker::new(endpoint, id, clock)));
            Ok((Box::new(store), runtime))
        }
        RuntimeKind::Sim => {
            let start_latency = Duration::from_millis(config.sim_start_latency_ms);
            let options = sim::Options { start_latency, ..sim::Options::default() };
            let entropy = entropy.clone();
            let runtime: MakeRuntime = Box::new(move |_| Arc::new(Sim::new(options, clock, entropy)));
            Ok((Box::new(ledger::memory::Forgetful), runtime))
        }
    }
}

/// Written beside and renamed, so that a reader never sees half of it.
fn write_ready_file(path: &Path, ops: &str, instances: &[String]) -> anyhow::Result<()> {
    let content = serde_json::json!({ "ops": ops, "container_instances": instances });
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, content.to_string()).with_context(|| format!("write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("write {}", path.display()))
}
