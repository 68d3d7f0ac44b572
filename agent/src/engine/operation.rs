//! What takes time: calls of the runtime and writes to the ledger, each a future that ends in an [`Answer`].
//!
//! A runtime that does not answer is asked again, with backoff, until the operation's own time is over; so a restart
//! of Docker in the middle of a launch shows as a launch that took longer.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use berth_model::resource::Requirements;
use berth_model::task::step::Action;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::telemetry;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;
use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use super::{Options, Parts, retries};
use crate::controllers::Controllers;
use crate::endpoint::Endpoint;
use crate::file_system::FileSystems;
use crate::ledger::{self, Ledger};
use crate::limits;
use crate::logs::{self, Logs};
use crate::metrics::Metrics;
use crate::network::Network;
use crate::runtime::{self, Error, Listed, Runtime};
use crate::task::container::Exit;
use crate::task::hooks::{self, image::Images};
use crate::task::{Standing, Task};
use crate::task_files::TaskFiles;

mod last_words;
mod launch;

pub(super) use launch::has_port_ranges;
use launch::{Needs, Ports, Subject, host_bindings};

/// Exit code of a process that SIGKILL ended.
const KILLED: i32 = 137;
/// Containers that are inspected at a time.
const INSPECTIONS: usize = 16;
/// How an operation ended.
pub(super) enum Answer {
    Pulled {
        id: String,
        at: usize,
        image: runtime::Image,
    },
    Created(Created),
    Started {
        id: String,
        at: usize,
        bindings: Vec<ecs::NetworkBinding>,
    },
    /// The container is gone again: somebody else has ports that were chosen for it.
    PortsLost {
        id: String,
        at: usize,
        runtime_id: String,
    },
    Failed {
        id: String,
        at: usize,
        action: Action,
        reason: String,
    },
    Ended {
        runtime_id: String,
        exit: Exit,
    },
    Inspected {
        runtime_id: String,
        found: Option<runtime::Container>,
    },
    Listed(Listing),
    Resynced(Vec<(String, Option<runtime::Container>)>),
    Recorded(Vec<Arc<wire::TaskReport>>, Result<(), ledger::Error>),
    Forgotten(Result<(), ledger::Error>),
    /// A task is out of the network.
    Released(String),
}

/// A container that is there.
pub(super) struct Created {
    pub(super) id: String,
    pub(super) at: usize,
    pub(super) runtime_id: String,
    /// Its task's address, when that has one of its own.
    pub(super) address: Option<Ipv4Addr>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// A list of containers, and those that were believed to run when it was asked for.
pub(super) struct Listing {
    pub(super) believed: Vec<String>,
    pub(super) listed: Vec<Listed>,
}

/// Begins operations.
pub(super) struct Operator {
    runtime: Arc<dyn Runtime>,
    images: Arc<Images>,
    entropy: Entropy,
    clock: Clock,
    metrics: Arc<Metrics>,
    instance_id: String,
    stop_timeout: Duration,
    log_spool_bytes: u64,
    file_systems: FileSystems,
    endpoint: Option<Arc<Endpoint>>,
    files: Option<Arc<TaskFiles>>,
    network: Option<Arc<Network>>,
    controllers: Arc<Controllers>,
    logs: Option<Arc<Logs>>,
    launches: Arc<Semaphore>,
    stops: Arc<Semaphore>,
}

/// Makes reports durable.
pub(super) fn record(ledger: Arc<Ledger>, reports: Vec<Arc<wire::TaskReport>>) -> BoxFuture<'static, Answer> {
    async move {
        let result = ledger.record(reports.clone()).await;
        Answer::Recorded(reports, result)
    }
    .boxed()
}

/// Forgets a task.
pub(super) fn forget(ledger: Arc<Ledger>, id: String) -> BoxFuture<'static, Answer> {
    async move { Answer::Forgotten(ledger.forget(vec![id]).await) }.boxed()
}

// === impl Operator ===

impl Operator {
    pub(super) fn new(options: &Options, parts: &Parts) -> Arc<Self> {
        Arc::new(Self {
            runtime: parts.runtime.clone(),
            images: parts.images.clone(),
            entropy: parts.entropy.clone(),
            clock: parts.clock.clone(),
            metrics: parts.metrics.clone(),
            instance_id: parts.ledger.instance_id().to_owned(),
            stop_timeout: options.stop_timeout,
            log_spool_bytes: options.log_spool_bytes,
            file_systems: options.file_systems.clone(),
            endpoint: parts.endpoint.clone(),
            files: parts.files.clone(),
            network: parts.network.clone(),
            controllers: parts.controllers.clone(),
            logs: parts.logs.clone(),
            launches: Arc::new(Semaphore::new(options.launch_concurrency)),
            stops: Arc::new(Semaphore::new(limits::STOPS)),
        })
    }

    pub(super) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    pub(super) fn network(&self) -> Option<&Arc<Network>> {
        self.network.as_ref()
    }

    /// Takes a task out of the network, however often it takes; none when it is not in it, or on its way out.
    pub(super) fn release(self: &Arc<Self>, id: &str) -> Option<BoxFuture<'static, Answer>> {
        let network = self.network.clone().filter(|network| network.begin_release(id))?;
        let (operator, id) = (self.clone(), id.to_owned());
        Some(
            async move {
                let mut backoff = retries(&operator.entropy);
                while let Err(error) = network.release(&id).await {
                    tracing::debug!(task = id, error = %error, "a task cannot leave the network now");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                Answer::Released(id)
            }
            .boxed(),
        )
    }

    /// A container writes no more.
    pub(super) fn note_end(&self, runtime_id: &str) {
        if let Some(logs) = &self.logs {
            logs.ended(runtime_id);
        }
    }

    /// The operation that carries out an action; none when there is nothing to carry out.
    pub(super) fn begin(
        self: &Arc<Self>,
        task: &Task,
        at: usize,
        action: Action,
        taken_ports: &Arc<Requirements>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<BoxFuture<'static, Answer>> {
        let definition = task.desired().definition.containers.get(at)?;
        let container = task.containers().get(at)?;
        let id = task.desired().id.clone();
        let span = span_of(action, &id, definition.name());
        // A trace of the call that asked for the task ends with its containers running.
        telemetry::set_parent(&span, &task.desired().traceparent);
        let subject = Subject { operator: self.clone(), id, at, span: span.clone() };
        let operation = match action {
            Action::Pull => {
                let name = definition.repository_credentials.is_some().then(|| definition.name().to_owned());
                subject.pull(definition.image().to_owned(), name).boxed()
            }
            Action::Create => {
                let surroundings = hooks::Surroundings {
                    instance_id: &self.instance_id,
                    stop_timeout: self.stop_timeout,
                    log_spool_bytes: self.log_spool_bytes,
                    endpoint: self.endpoint.as_deref(),
                    taken_ports,
                    files: self.files.as_deref(),
                };
                let launch = hooks::launch(task, at, surroundings)?;
                let needs = Needs {
                    secrets: hooks::secrets::are_needed(definition),
                    router: hooks::firelens::of_router(task, at),
                    log: logs::options::of(definition).map(|log| {
                        logs::options::stream(&subject.id, definition.name(), &log.options)
                            .unwrap_or_default()
                    }),
                };
                match hooks::volumes::of_task(task, &self.instance_id, &self.file_systems) {
                    Ok(volumes) => subject.create(task.desired().clone(), launch, volumes, needs).boxed(),
                    Err(reason) => std::future::ready(subject.fails(action, reason)).boxed(),
                }
            }
            Action::Start => {
                let ports = Ports {
                    any: !definition.port_mappings.is_empty(),
                    known: host_bindings(task, at),
                    may_choose_again: container.may_choose_ports_again()
                        && has_port_ranges(&task.desired().definition, at),
                };
                let runtime_id = container.runtime_id.clone()?;
                let log = logs::Options::of_definition(&subject.id, definition, &runtime_id);
                subject.start(runtime_id, ports, log, permit).boxed()
            }
            Action::Stop => {
                // What is known of an orphan may be no more than its name: its container knows its own timeout.
                let is_known = definition.stop_timeout.is_some() || task.standing() == Standing::Wanted;
                let timeout = is_known.then(|| hooks::stop_timeout(definition, self.stop_timeout));
                self.clone().stop(container.runtime_id.clone()?, timeout).boxed()
            }
            Action::Discard => return None,
        };
        Some(operation.instrument(span).boxed())
    }

    /// How a container that SIGKILL ended came to its end: only the runtime knows whether it was for its memory.
    pub(super) fn inspect_kill(
        self: &Arc<Self>,
        runtime_id: String,
        at_ms: i64,
    ) -> BoxFuture<'static, Answer> {
        let operator = self.clone();
        async move {
            let found =
                operator.patiently(|| operator.runtime.inspect(&runtime_id)).await.unwrap_or_default();
            let ended = found.filter(|found| found.status == runtime::Status::Exited);
            // It may be gone already: then the event is all that will ever be known.
            let mut exit =
                ended.map_or_else(|| Exit::with_code(KILLED, at_ms), |found| Exit::of(&found, at_ms));
            exit.last_log_lines = last_words::read(&*operator.runtime, &runtime_id).await;
            Answer::Ended { runtime_id, exit }
        }
        .boxed()
    }

    /// What a container wrote before it ended in a way that somebody will want to understand.
    pub(super) fn read_last_words(
        self: &Arc<Self>,
        runtime_id: String,
        mut exit: Exit,
    ) -> BoxFuture<'static, Answer> {
        let operator = self.clone();
        async move {
            exit.last_log_lines = last_words::read(&*operator.runtime, &runtime_id).await;
            Answer::Ended { runtime_id, exit }
        }
        .boxed()
    }

    pub(super) fn list(self: &Arc<Self>, believed: Vec<String>) -> BoxFuture<'static, Answer> {
        let operator = self.clone();
        async move {
            let mut backoff = retries(&operator.entropy);
            loop {
                match operator.runtime.list().await {
                    Ok(listed) => return Answer::Listed(Listing { believed, listed }),
                    Err(error) => tracing::debug!(error = %error, "cannot list containers"),
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
        .boxed()
    }

    pub(super) fn inspect_all(self: &Arc<Self>, runtime_ids: Vec<String>) -> BoxFuture<'static, Answer> {
        let operator = self.clone();
        async move {
            let inspect = |runtime_id: String| {
                let operator = operator.clone();
                async move {
                    let found = operator.patiently(|| operator.runtime.inspect(&runtime_id)).await;
                    // Not knowing is not the same as not being there.
                    found.ok().map(|found| (runtime_id, found))
                }
            };
            let found = futures::stream::iter(runtime_ids).map(inspect).buffer_unordered(INSPECTIONS);
            Answer::Resynced(found.filter_map(std::future::ready).collect().await)
        }
        .boxed()
    }

    pub(super) fn stop_stray(self: &Arc<Self>, runtime_id: String) -> BoxFuture<'static, Answer> {
        self.clone().stop(runtime_id, None).boxed()
    }

    /// Stops a container, however often it takes: the resources of one that runs on are not free.
    async fn stop(self: Arc<Self>, runtime_id: String, timeout: Option<Duration>) -> Answer {
        let _permit = self.stops.acquire().await;
        if let Some(logs) = &self.logs {
            logs.stopping(&runtime_id).await;
        }
        let mut backoff = retries(&self.entropy);
        loop {
            match self.runtime.stop(&runtime_id, timeout).await {
                Ok(()) | Err(Error::NotFound(_)) => {
                    let found = self.patiently(|| self.runtime.inspect(&runtime_id)).await;
                    match found {
                        Ok(Some(found)) if found.status == runtime::Status::Running => {}
                        Ok(found) => return Answer::Inspected { runtime_id, found },
                        Err(error) => {
                            tracing::debug!(runtime_id, error = %error, "cannot see how a container ended")
                        }
                    }
                }
                Err(Error::Unavailable(_)) => {}
                Err(error) => {
                    tracing::warn!(runtime_id, error = %error, "CannotStopContainerError; trying again")
                }
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// Repeats a call until the runtime answers it.
    async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut backoff = retries(&self.entropy);
        loop {
            match call().await {
                Err(Error::Unavailable(_)) => tokio::time::sleep(backoff.next_delay()).await,
                result => return result,
            }
        }
    }

    /// Repeats a call until the runtime answers it or its time is over; the error is ECS's text.
    async fn within<T, F>(&self, kind: &Kind, call: impl Fn() -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match tokio::time::timeout(kind.limit, self.patiently(call)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(format!("{}: {error}", kind.error_name)),
            Err(_) => {
                let (status, limit) = (kind.status, go_duration(kind.limit));
                Err(format!(
                    "DockerTimeoutError: Could not transition to {status}; timed out after waiting {limit}"
                ))
            }
        }
    }
}

fn span_of(action: Action, task: &str, container: &str) -> tracing::Span {
    match action {
        Action::Pull => tracing::info_span!("pull image", task, container),
        Action::Create => tracing::info_span!("create container", task, container),
        Action::Start => tracing::info_span!("start container", task, container),
        Action::Stop | Action::Discard => tracing::info_span!("stop container", task, container),
    }
}

/// How an operation is spoken of when it fails.
struct Kind {
    error_name: &'static str,
    status: &'static str,
    limit: Duration,
}

const PULL: Kind =
    Kind { error_name: "CannotPullContainerError", status: "pulled", limit: limits::PULL_TIMEOUT };
const CREATE: Kind =
    Kind { error_name: "CannotCreateContainerError", status: "created", limit: limits::CREATE_TIMEOUT };
const START: Kind =
    Kind { error_name: "CannotStartContainerError", status: "started", limit: limits::START_TIMEOUT };
const NETWORK: Kind =
    Kind { error_name: "ResourceInitializationError", status: "provisioned", limit: limits::CREATE_TIMEOUT };
const VOLUME: Kind =
    Kind { error_name: "CannotCreateVolumeError", status: "created", limit: limits::CREATE_TIMEOUT };

/// A duration as the ECS agent writes it, such as `4m0s`.
fn go_duration(duration: Duration) -> String {
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_secs() % 60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}
