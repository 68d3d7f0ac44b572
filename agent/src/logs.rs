//! Logs of containers with the driver `awslogs`: read from the runtime as they are written, sent to a controller.
//!
//! ```text
//! container ► runtime's own files (bounded) ► reader ► buffer (bounded) ► sender ► a controller ► a majority's disks
//! ```
//!
//! Each container has a reader and a sender of its own. How far the sender is stands in the ledger; a reader that begins
//! again begins a little before that, and an event that is sent twice has the same position both times, so the archive has it
//! once. A container that ended is followed until everything it wrote has arrived, and not removed before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_process::entropy::Entropy;
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::controllers::{self, Controllers};
use crate::ledger::{Ledger, LogProgress};
use crate::limits;
use crate::metrics::Metrics;
use crate::runtime::{Runtime, Status};

mod buffer;
mod follower;
mod lines;
pub(crate) mod options;
mod progress;
mod timeformat;
mod valve;

pub use options::Options;

use buffer::Budget;
use follower::Follower;
use progress::Progress;
use valve::Valve;

/// What every agent can do: it sends to its controllers what others send to AWS.
pub const CAPABILITIES: [&str; 1] = ["ecs.capability.execution-role-awslogs"];

/// The driver's name.
pub const DRIVER: &str = "awslogs";

/// What logs are made of.
pub struct Parts {
    /// Whose containers they are of.
    pub runtime: Arc<dyn Runtime>,
    /// What is remembered of how far they were sent.
    pub ledger: Arc<Ledger>,
    /// The same, as it was when the agent started.
    pub remembered: Vec<LogProgress>,
    /// Where they go.
    pub controllers: Arc<Controllers>,
    /// Between attempts.
    pub entropy: Entropy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Ends them.
    pub shutdown: Shutdown,
}

/// The logs of one instance.
pub struct Logs {
    runtime: Arc<dyn Runtime>,
    controllers: Arc<Controllers>,
    instance_id: String,
    entropy: Entropy,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    progress: Arc<Progress>,
    budget: Arc<Budget>,
    senders: Arc<Semaphore>,
    followed: Mutex<BTreeMap<String, Followed>>,
}

/// A container that is followed.
#[derive(Default)]
struct Followed {
    /// How often it was started since that began.
    starts: u64,
    /// Cancelled when it ended.
    ended: CancellationToken,
    /// In blocking mode.
    valve: Option<Arc<Valve>>,
}

// === impl Logs ===

impl Logs {
    /// Logs of the containers that this instance will start.
    pub fn new(parts: Parts) -> Arc<Self> {
        let progress = Progress::new(parts.ledger.clone(), parts.remembered);
        parts.shutdown.spawn(
            "log progress",
            OnError::Shutdown,
            progress.clone().keep(parts.shutdown.token().clone()),
        );
        Arc::new(Self {
            runtime: parts.runtime,
            controllers: parts.controllers,
            instance_id: parts.ledger.instance_id().to_owned(),
            entropy: parts.entropy,
            metrics: parts.metrics,
            shutdown: parts.shutdown,
            progress,
            budget: Arc::new(Budget::new(limits::LOG_BUFFERS_BYTES)),
            senders: Arc::new(Semaphore::new(limits::LOG_SENDERS)),
            followed: Mutex::default(),
        })
    }

    /// Goes on with the containers that an earlier run of the agent followed. What the runtime cannot tell now is told
    /// when a container is started or the agent is.
    pub async fn resume(self: &Arc<Self>) {
        let listed = match self.runtime.list().await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(error = %error, "cannot see whose logs are to be sent");
                return;
            }
        };
        self.progress.forget_all_but(|id| listed.iter().any(|listed| listed.runtime_id == id));
        for listed in &listed {
            if !self.progress.is_done(&listed.runtime_id)
                && let Some(options) = Options::of_labels(&listed.labels, &listed.runtime_id)
            {
                self.follow(&listed.runtime_id, options);
                if listed.status != Status::Running {
                    self.ended(&listed.runtime_id);
                }
            }
        }
    }

    /// Follows a container that was just started, from where it was left when it ran before.
    pub fn follow(self: &Arc<Self>, runtime_id: &str, options: Options) {
        let valve = (options.mode == options::Mode::Blocking)
            .then(|| Valve::new(self.runtime.clone(), runtime_id.to_owned(), self.metrics.clone()));
        let ended = CancellationToken::new();
        let mut followed = self.followed.lock();
        if let Some(known) = followed.get_mut(runtime_id) {
            *known = Followed { starts: known.starts + 1, ended, valve };
            return;
        }
        followed.insert(runtime_id.to_owned(), Followed { starts: 0, ended, valve });
        drop(followed);
        let follower = Follower::new(self.clone(), runtime_id.to_owned(), options);
        let token = self.shutdown.token().clone();
        let (logs, id) = (self.clone(), runtime_id.to_owned());
        self.shutdown.spawn("container log", OnError::Log, async move {
            if token.run_until_cancelled(follower.run()).await.is_none() {
                // Nobody would resume it.
                logs.stopping(&id).await;
            }
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// A container is about to be stopped: from now on it does not wait for its log.
    pub async fn stopping(&self, runtime_id: &str) {
        if let Some(valve) = self.valve_of(runtime_id) {
            valve.end().await;
        }
    }

    fn valve_of(&self, runtime_id: &str) -> Option<Arc<Valve>> {
        self.followed.lock().get(runtime_id).and_then(|known| known.valve.clone())
    }

    /// A container writes no more.
    pub fn ended(&self, runtime_id: &str) {
        if let Some(known) = self.followed.lock().get(runtime_id) {
            known.ended.cancel();
        }
    }

    /// Whether something that a container wrote has yet to be sent.
    #[must_use]
    pub fn is_unsent(&self, runtime_id: &str) -> bool {
        self.followed.lock().contains_key(runtime_id)
    }

    /// Whether the container was not started again after so many starts; if so, it is followed no more.
    fn leave(&self, runtime_id: &str, starts: u64) -> bool {
        let mut followed = self.followed.lock();
        let is_over = followed.get(runtime_id).is_none_or(|now| now.starts == starts);
        if is_over {
            followed.remove(runtime_id);
        }
        is_over
    }

    fn starts(&self, runtime_id: &str) -> u64 {
        self.followed.lock().get(runtime_id).map_or(0, |known| known.starts)
    }

    fn end_of(&self, runtime_id: &str) -> CancellationToken {
        self.followed.lock().get(runtime_id).map(|known| known.ended.clone()).unwrap_or_default()
    }
}

/// Sees that there is a place for the log of a container that is about to be made. The error is ECS's text.
pub(crate) async fn open(
    controllers: &Controllers,
    request: wire::OpenContainerLogRequest,
) -> Result<(), String> {
    let ask = |mut client: controllers::Client| {
        let request = controllers::request(request.clone());
        async move { client.open_container_log(request).await }
    };
    match controllers::patiently(controllers, limits::SECRETS_TIMEOUT, ask).await {
        Some(Ok(_)) => Ok(()),
        Some(Err(status)) => Err(format!("ResourceInitializationError: {}", status.message())),
        None => {
            let seconds = limits::SECRETS_TIMEOUT.as_secs();
            Err(format!(
                "ResourceInitializationError: failed to validate logger args: no controller answered within {seconds} seconds"
            ))
        }
    }
}

/// A pause between attempts that is never long: whoever waits holds what was written.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
