//! One agent: a ledger, an engine, a session and a cleanup, wired together.
//!
//! A process has one, or thousands with the simulated runtime. Everything that reaches outside comes in through
//! [`Setup`], so a simulation runs the same agent over its own network, clock and runtime.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_model::network::TASK_ENI;
use berth_model::task_definition::SECRET_FILES;
use berth_process::backoff::Backoff;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::shutdown::{OnError, Shutdown};
use berth_process::token::Signer;

use crate::cleanup::{self, Cleanup};
use crate::conduit::Conduits;
use crate::controllers::Controllers;
use crate::definition::Interner;
use crate::endpoint;
use crate::engine::{self, Engine};
use crate::file_system::FileSystems;
use crate::firelens;
use crate::inventory::{Declared, Inventory};
use crate::ledger::{self, Ledger, Store};
use crate::logs::{self, Logs};
use crate::metrics::Metrics;
use crate::network::Network;
use crate::presence::Presence;
use crate::report::Outbox;
use crate::runtime::{Host, Runtime};
use crate::session::{self, Channels, Session};
use crate::task::hooks::image::{Images, PullBehavior};
use crate::task::hooks::secrets;
use crate::task_files::TaskFiles;
use crate::usage::{Usage, Watcher};

/// How an agent behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of controllers, `host:port`.
    pub controllers: Vec<String>,
    /// What the operator says of the instance.
    pub declared: Declared,
    /// Between SIGTERM and SIGKILL when the task definition does not say.
    pub stop_timeout: Duration,
    /// What the runtime keeps of the log of a container in blocking mode.
    pub log_spool_bytes: u64,
    /// Where the file systems of the network are.
    pub file_systems: FileSystems,
    /// Containers that are created and started at a time.
    pub launch_concurrency: usize,
    /// Images that are pulled at a time.
    pub pull_concurrency: usize,
    /// When an image is pulled.
    pub pull_behavior: PullBehavior,
    /// How long a task waits for resources that others still hold.
    pub admission_timeout: Duration,
    /// How often everything is compared with the runtime.
    pub resync_period: Option<Duration>,
    /// How long reports gather before they are sent.
    pub report_delay: Duration,
    /// Whether it is looked what containers use.
    pub watches_usage: bool,
    /// When things are cleaned up.
    pub cleanup: cleanup::Options,
    /// Whether tasks can have addresses of their own, where the host allows it.
    pub task_network: bool,
    /// Where other hosts reach this one; none: where it is seen from, by the controllers.
    pub address: Option<Ipv4Addr>,
    /// Where the endpoint that tasks ask keeps its key; none: there is none.
    pub endpoint_dir: Option<PathBuf>,
    /// Whether containers can be given files: their engine is on this host.
    pub gives_files: bool,
    /// Whether what containers write is sent to the controllers, when their definitions say so. Simulated ones write nothing.
    pub sends_logs: bool,
}

/// Makes the runtime of the instance with this id.
pub type MakeRuntime = Box<dyn FnOnce(&str) -> Arc<dyn Runtime> + Send>;

/// What an agent is made of.
pub struct Setup {
    /// How it behaves.
    pub options: Options,
    /// Where it keeps its ledger.
    pub store: Box<dyn Store>,
    /// What runs its containers.
    pub runtime: MakeRuntime,
    /// How it reaches controllers.
    pub channels: Arc<Channels>,
    /// How it signs its requests.
    pub signer: Signer,
    /// Definitions that it shares with the other agents of the process.
    pub interner: Arc<Interner>,
    /// The present.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where sessions are counted.
    pub presence: Arc<Presence>,
}

/// An agent that runs.
#[derive(Clone)]
pub struct Agent {
    /// The id that the instance has for ever.
    pub instance_id: String,
    /// Talks to its engine.
    pub engine: engine::Handle,
}

/// Starts an agent: it adopts what runs, and from then on keeps a session. It waits for the runtime as long as it
/// takes. It ends with the shutdown; containers keep running.
pub async fn start(setup: Setup, shutdown: &Shutdown) -> Result<Agent, ledger::Error> {
    let Setup { options, store, runtime, channels, signer, interner, clock, entropy, metrics, presence } =
        setup;
    let (ledger, remembered) = Ledger::open(store, interner, &entropy).await?;
    let ledger = Arc::new(ledger);
    let instance_id = ledger.instance_id().to_owned();
    let signer = signer.with_proof(ledger.proof());
    let runtime = runtime(&instance_id);
    let mut host = host(&*runtime, &entropy).await;
    let opened = match &options.endpoint_dir {
        Some(dir) => endpoint::open(dir, &instance_id, &entropy).await,
        None => None,
    };
    host.capabilities.extend(secrets::CAPABILITIES.map(str::to_owned));
    host.capabilities.extend(logs::CAPABILITIES.map(str::to_owned));
    host.log_drivers.push(logs::DRIVER.to_owned());
    if opened.is_some() {
        host.capabilities.extend(endpoint::CAPABILITIES.map(str::to_owned));
    }
    let files = options.gives_files.then(|| TaskFiles::open(&instance_id)).flatten().map(Arc::new);
    if files.is_some() {
        host.capabilities.push(SECRET_FILES.to_owned());
        host.capabilities.extend(firelens::CAPABILITIES.map(str::to_owned));
        host.log_drivers.push(firelens::DRIVER.to_owned());
    }
    let network = match options.task_network {
        true => Network::open(runtime.clone(), &instance_id, &entropy, shutdown).await,
        false => None,
    };
    if network.is_some() {
        host.capabilities.push(TASK_ENI.to_owned());
    }
    let controllers = Arc::new(Controllers::default());
    let inventory = Inventory::new(&options.declared, &host);
    let images = Images::new(
        options.pull_behavior,
        options.pull_concurrency,
        runtime.clone(),
        ledger.clone(),
        clock.clone(),
        remembered.images,
    );
    let log_parts = logs::Parts {
        runtime: runtime.clone(),
        ledger: ledger.clone(),
        remembered: remembered.logs,
        controllers: controllers.clone(),
        entropy: entropy.clone(),
        metrics: metrics.clone(),
        shutdown: shutdown.child(),
    };
    let logs = options.sends_logs.then(|| Logs::new(log_parts));
    let outbox = Arc::new(Outbox::default());
    let engine_parts = engine::Parts {
        runtime: runtime.clone(),
        ledger: ledger.clone(),
        reports: remembered.reports,
        images: images.clone(),
        endpoint: opened.as_ref().map(|opened| opened.endpoint.clone()),
        files: files.clone(),
        network: network.clone(),
        controllers: controllers.clone(),
        logs: logs.clone(),
        outbox: outbox.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        metrics: metrics.clone(),
    };
    let (engine, handle) = Engine::adopt(engine_options(&options, &inventory), engine_parts).await;
    engine.start(shutdown);
    if let Some(network) = &network {
        network.start(shutdown);
    }
    if let Some(logs) = &logs {
        logs.resume().await;
    }
    if let Some(opened) = opened {
        let parts = endpoint::Parts {
            engine: handle.clone(),
            runtime: runtime.clone(),
            controllers: controllers.clone(),
            instance_id: instance_id.clone(),
            zone: options.declared.zone.clone().unwrap_or_default(),
            network: network.clone(),
            clock: clock.clone(),
        };
        let server = endpoint::Server::run(opened, parts, shutdown.child());
        shutdown.spawn("task endpoint", OnError::Shutdown, server);
    }
    let usage = Arc::<Usage>::default();
    let watcher = Watcher::new(usage.clone(), handle.clone(), runtime.clone(), clock.clone());
    if options.watches_usage {
        shutdown.spawn("usage", OnError::Shutdown, watcher.run(shutdown.token().clone()));
    }
    let cleanup_parts = cleanup::Parts {
        runtime: runtime.clone(),
        images: images.clone(),
        engine: handle.clone(),
        logs,
        files,
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let cleanup = Cleanup::new(options.cleanup, cleanup_parts);
    shutdown.spawn("cleanup", OnError::Shutdown, cleanup.run(shutdown.token().clone()));
    let conduits =
        Conduits::new(handle.clone(), runtime.clone(), (channels.clone(), signer.clone()), shutdown.child());
    let session = Session::new(session::Parts {
        controllers: options.controllers,
        controllers_told: remembered.controllers,
        channels,
        signer,
        inventory,
        report_delay: options.report_delay,
        ledger,
        engine: handle.clone(),
        asked: controllers,
        outbox,
        network: network.clone(),
        address: options.address,
        runtime,
        conduits,
        images,
        usage,
        clock,
        entropy,
        metrics,
        presence,
        shutdown: shutdown.clone(),
    });
    shutdown.spawn("session", OnError::Shutdown, session.run());
    Ok(Agent { instance_id, engine: handle })
}

fn engine_options(options: &Options, inventory: &Inventory) -> engine::Options {
    engine::Options {
        capacity: inventory.capacity.clone(),
        stop_timeout: options.stop_timeout,
        log_spool_bytes: options.log_spool_bytes,
        file_systems: options.file_systems.clone(),
        launch_concurrency: options.launch_concurrency,
        admission_timeout: options.admission_timeout,
        resync_period: options.resync_period,
    }
}

async fn host(runtime: &dyn Runtime, entropy: &Entropy) -> Host {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5), entropy.clone());
    loop {
        match runtime.host().await {
            Ok(host) => return host,
            Err(error) => tracing::warn!(error = %error, "waiting for the container runtime"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            controllers: Vec::new(),
            declared: Declared { cluster: "default".to_owned(), ..Declared::default() },
            stop_timeout: Duration::from_secs(30),
            log_spool_bytes: crate::limits::LOG_SPOOL_MIB << 20,
            file_systems: FileSystems::new(),
            launch_concurrency: 16,
            pull_concurrency: 4,
            pull_behavior: PullBehavior::Default,
            admission_timeout: Duration::from_secs(5 * 60),
            resync_period: Some(crate::limits::RESYNC_PERIOD),
            report_delay: Duration::from_millis(20),
            watches_usage: false,
            cleanup: cleanup::Options::default(),
            task_network: false,
            address: None,
            endpoint_dir: None,
            gives_files: false,
            sends_logs: true,
        }
    }
}
