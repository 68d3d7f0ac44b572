//! The engine of one instance: it owns its tasks, and everything that happens to them passes through its one loop.
//!
//! Events, answers and wishes come in; operations go out. An operation never blocks the loop, so a slow stop or pull
//! holds up nobody else. The engine keeps no plans: after anything changed it asks the task what is next, so the same
//! code runs whether a task is launched, adopted or told to stop.
//!
//! ```text
//!  session ─ follow, confirm, acknowledge ─┐                ┌─ operations (pull, create, start, stop, record)
//!  runtime ─ events ───────────────────────┼─► tasks ─ next ┤
//!  operations ─ answers ───────────────────┘                └─► ledger, then outbox ─► session
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use berth_model::resource::Capacity;
use berth_model::task::step::Action;
use berth_process::backoff::Backoff;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_proto::agent::v1 as wire;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::controllers::Controllers;
use crate::endpoint::Endpoint;
use crate::file_system::FileSystems;
use crate::ledger::{self, Ledger};
use crate::limits;
use crate::logs::Logs;
use crate::manifest::{self, DesiredTask, Set};
use crate::metrics::Metrics;
use crate::network::Network;
use crate::report::Outbox;
use crate::runtime::{self, Event, Runtime};
use crate::task::container::Exit;
use crate::task::hooks::image::Images;
use crate::task::{Standing, Task};
use crate::task_files::TaskFiles;

mod admission;
mod adoption;
mod handle;
mod interface;
mod operation;
mod resync;

pub use handle::{Engine, Handle, Known, Located};

use handle::Message;
use operation::{Answer, Created, Operator};

/// How an engine behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the instance offers to tasks.
    pub capacity: Capacity,
    /// Between SIGTERM and SIGKILL when the task definition does not say.
    pub stop_timeout: Duration,
    /// What the runtime keeps of the log of a container in blocking mode.
    pub log_spool_bytes: u64,
    /// Where the file systems of the network are.
    pub file_systems: FileSystems,
    /// Containers that are created and started at a time.
    pub launch_concurrency: usize,
    /// How long a task waits for resources that others still hold.
    pub admission_timeout: Duration,
    /// How often everything is compared with the runtime; never, when the runtime cannot miss an event.
    pub resync_period: Option<Duration>,
}

/// What an engine works with.
pub struct Parts {
    /// What runs the containers.
    pub runtime: Arc<dyn Runtime>,
    /// What is remembered.
    pub ledger: Arc<Ledger>,
    /// What is remembered of tasks.
    pub reports: Vec<wire::TaskReport>,
    /// What brings images.
    pub images: Arc<Images>,
    /// What containers may ask, where that is possible.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Where files for containers are, where that is possible.
    pub files: Option<Arc<TaskFiles>>,
    /// What gives tasks addresses of their own, where that is possible.
    pub network: Option<Arc<Network>>,
    /// Who is asked on behalf of tasks.
    pub controllers: Arc<Controllers>,
    /// Who sends what containers write, where that is possible.
    pub logs: Option<Arc<Logs>>,
    /// Where reports go.
    pub outbox: Arc<Outbox>,
    /// The present.
    pub clock: Clock,
    /// Jitter of retries.
    pub entropy: Entropy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The loop's own state.
struct Loop {
    options: Options,
    ledger: Arc<Ledger>,
    outbox: Arc<Outbox>,
    clock: Clock,
    metrics: Arc<Metrics>,
    operator: Arc<Operator>,
    tasks: BTreeMap<String, Task>,
    /// The task and the position of every container that exists.
    by_runtime_id: HashMap<String, (String, usize)>,
    generation: u64,
    waiting: BTreeSet<String>,
    /// When to ask tasks again, by moment.
    wakes: BTreeSet<(i64, String)>,
    dirty: BTreeSet<String>,
    is_recording: bool,
    resync: resync::State,
    operations: FuturesUnordered<BoxFuture<'static, Answer>>,
}

/// Why an engine ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing may be done that cannot be remembered.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

// === impl Loop ===

impl Loop {
    fn new(options: Options, parts: Parts) -> Self {
        let metrics = parts.metrics.clone();
        let operator = Operator::new(&options, &parts);
        Self {
            options,
            ledger: parts.ledger,
            outbox: parts.outbox,
            clock: parts.clock,
            metrics,
            operator,
            tasks: BTreeMap::new(),
            by_runtime_id: HashMap::new(),
            generation: 0,
            waiting: BTreeSet::new(),
            wakes: BTreeSet::new(),
            dirty: BTreeSet::new(),
            is_recording: false,
            resync: resync::State::default(),
            operations: FuturesUnordered::new(),
        }
    }

    async fn run(
        mut self,
        mut mailbox: mpsc::Receiver<Message>,
        token: CancellationToken,
    ) -> Result<(), Error> {
        let mut events = self.operator.runtime().events();
        let period = self.options.resync_period.unwrap_or(Duration::MAX);
        let mut resync_at = tokio::time::Instant::now().checked_add(period);
        let clock = self.clock.clone();
        loop {
            self.record();
            let wake = self.wakes.first().map(|(at_ms, _)| *at_ms);
            tokio::select! {
                biased;
                // Cancel-safe: the token stays cancelled.
                () = token.cancelled() => return Ok(()),
                // Cancel-safe: a message that is not received stays in the channel.
                Some(message) = mailbox.recv() => self.receive(message),
                // Cancel-safe: an answer that is not taken stays in the set.
                Some(answer) = self.operations.next() => self.answer(answer)?,
                // Cancel-safe: the stream keeps an event that is not taken.
                Some(event) = events.next() => self.event(event),
                // Cancel-safe: it is computed anew each time round.
                () = until(&clock, wake) => self.wake(),
                // Cancel-safe: the moment is kept outside.
                () = sleep_until(resync_at) => {
                    resync_at = tokio::time::Instant::now().checked_add(period);
                    self.resync();
                }
            }
        }
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Follow(set) => self.follow(&set),
            Message::Confirm(confirmation) => self.confirm(confirmation),
            Message::Acknowledge(reports) => self.acknowledge(reports),
            Message::Snapshot(reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(self.tasks.values().map(Task::report).collect());
            }
            Message::Active(reply) => {
                let active = self.tasks.values().filter(|task| !task.is_finished());
                let _ = reply.send(active.map(|task| task.desired().id.clone()).collect());
            }
            Message::Task(task_id, reply) => {
                let _ = reply.send(self.tasks.get(&task_id).map(Known::of));
            }
            Message::Locate { task_id, container, reply } => {
                let _ = reply.send(self.locate(&task_id, &container));
            }
        }
    }

    fn follow(&mut self, set: &Set) {
        self.generation = set.generation;
        self.metrics.manifest_generation(set.generation);
        let difference = manifest::difference(set, self.tasks.keys());
        for id in difference.wanted.iter().chain(&difference.stopped) {
            self.change(id, |task, _| task.set_standing(Standing::Wanted));
        }
        for id in difference.stopped {
            self.advance_with(&id, |task, _| task.stop());
        }
        for id in difference.removed {
            self.change(&id, |task, _| task.set_standing(Standing::Orphan));
            self.forget_if_over(&id);
        }
        for desired in difference.added {
            self.add(desired);
        }
        self.offer_candidates();
    }

    /// Orphans go on until a controller confirms, for this very generation, that they are to stop.
    fn offer_candidates(&mut self) {
        let orphans = self
            .tasks
            .values()
            .filter(|task| task.standing() == Standing::Orphan && !task.is_finished() && !task.is_stopping());
        let orphans: Vec<_> = orphans.map(|task| task.desired().id.clone()).collect();
        if !orphans.is_empty() {
            tracing::info!(
                tasks = orphans.len(),
                generation = self.generation,
                "running tasks are not on the manifest"
            );
        }
        self.outbox.offer(self.generation, orphans);
    }

    fn confirm(&mut self, confirmation: wire::StopConfirmation) {
        if confirmation.generation != self.generation {
            let (generation, ours) = (confirmation.generation, self.generation);
            tracing::info!(generation, ours, "a stop confirmation for another manifest is void");
            return;
        }
        for id in confirmation.task_ids {
            let is_orphan = self.tasks.get(&id).is_some_and(|task| task.standing() == Standing::Orphan);
            if is_orphan {
                tracing::info!(task = id, "stopping a task that is not on the manifest");
                self.advance_with(&id, |task, _| task.stop());
            }
        }
    }

    fn acknowledge(&mut self, reports: Vec<(String, u64)>) {
        for (id, version) in reports {
            self.change(&id, |task, _| task.acknowledge(version));
            self.forget_if_over(&id);
        }
    }

    fn forget_if_over(&mut self, id: &str) {
        if !self.tasks.get(id).is_some_and(Task::is_over) {
            return;
        }
        if let Some(task) = self.tasks.remove(id) {
            for runtime_id in task.containers().iter().filter_map(|container| container.runtime_id.as_ref()) {
                self.by_runtime_id.remove(runtime_id);
            }
        }
        self.wakes.retain(|(_, of)| of != id);
        self.operations.push(operation::forget(self.ledger.clone(), id.to_owned()));
    }

    fn add(&mut self, desired: Arc<DesiredTask>) {
        let id = desired.id.clone();
        self.tasks.insert(id.clone(), Task::new(desired, self.clock.unix_ms()));
        self.advance(&id);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Resync => self.resync(),
            // 137 may mean that it used too much memory: the runtime knows.
            Event::Exited { runtime_id, exit_code: 137, at_ms } if !self.is_network(&runtime_id) => {
                self.operations.push(self.operator.inspect_kill(runtime_id, at_ms))
            }
            Event::Exited { runtime_id, exit_code, at_ms } => {
                let exit = Exit::with_code(exit_code, at_ms);
                if self.is_network(&runtime_id) {
                    self.lose_network(&runtime_id);
                } else if exit_code != 0 && self.is_unasked(&runtime_id) {
                    self.operations.push(self.operator.read_last_words(runtime_id, exit));
                } else {
                    self.exited(&runtime_id, &exit);
                }
            }
            Event::Health { runtime_id, health } => {
                if let Some((id, at)) = self.by_runtime_id.get(&runtime_id).cloned() {
                    self.advance_with(&id, |task, _| task.checked(at, health));
                }
            }
        }
    }

    /// Whether nobody asked this container to end.
    fn is_unasked(&self, runtime_id: &str) -> bool {
        let task = self.by_runtime_id.get(runtime_id).and_then(|(id, _)| self.tasks.get(id));
        task.is_some_and(|task| !task.is_stopping())
    }

    fn exited(&mut self, runtime_id: &str, exit: &Exit) {
        self.operator.note_end(runtime_id);
        let Some((id, at)) = self.by_runtime_id.get(runtime_id).cloned() else { return };
        tracing::debug!(task = id, runtime_id, exit_code = exit.code, "container ended");
        self.advance_with(&id, |task, _| task.exited(at, exit));
        // What it held may be what another waits for.
        self.admit_waiting();
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Error> {
        match answer {
            Answer::Pulled { id, at, image } => {
                self.advance_with(&id, |task, now| task.pulled(at, image, now))
            }
            Answer::Created(created) => self.created(created),
            Answer::Released(id) => {
                self.change(&id, Task::left_network);
                self.dirty.insert(id);
            }
            Answer::Started { id, at, bindings } => {
                self.advance_with(&id, |task, now| task.started(at, bindings, now));
            }
            Answer::PortsLost { id, at, runtime_id } => {
                tracing::info!(
                    task = id,
                    runtime_id,
                    "the ports chosen for a container were taken; choosing others"
                );
                self.by_runtime_id.remove(&runtime_id);
                self.advance_with(&id, |task, _| task.lost_ports(at));
            }
            Answer::Failed { id, at, action, reason } => {
                tracing::info!(task = id, reason, "container failed to start");
                self.metrics.launch_failed();
                self.leave_network(&id);
                self.advance_with(&id, |task, _| task.failed(at, action, &reason));
                self.admit_waiting();
            }
            Answer::Ended { runtime_id, exit } => self.exited(&runtime_id, &exit),
            Answer::Inspected { runtime_id, found } => self.inspected(&runtime_id, found.as_ref()),
            Answer::Listed(listed) => self.listed(listed),
            Answer::Resynced(found) => self.resynced(found),
            Answer::Recorded(reports, result) => {
                result?;
                self.is_recording = false;
                self.outbox.put(reports);
            }
            Answer::Forgotten(result) => result?,
        }
        Ok(())
    }

    fn created(&mut self, created: Created) {
        let Created { id, at, runtime_id, address, permit } = created;
        self.leave_network(&id);
        self.by_runtime_id.insert(runtime_id.clone(), (id.clone(), at));
        self.change(&id, |task, _| {
            task.created(at, runtime_id);
            address.into_iter().for_each(|address| task.addressed(address));
        });
        // The permit goes on to the start of the same container, or is given back here.
        self.advance_holding(&id, permit);
    }

    fn inspected(&mut self, runtime_id: &str, found: Option<&runtime::Container>) {
        let now = self.clock.unix_ms();
        match found {
            None => self.exited(runtime_id, &Exit::vanished(now)),
            Some(found) if found.status == runtime::Status::Exited => {
                self.exited(runtime_id, &Exit::of(found, now))
            }
            Some(found) => {
                if let Some((id, at)) = self.by_runtime_id.get(runtime_id).cloned() {
                    self.advance_with(&id, |task, _| task.checked(at, found.health));
                }
            }
        }
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Task, i64)) {
        let now = self.clock.unix_ms();
        if let Some(task) = self.tasks.get_mut(id) {
            change(task, now);
        }
    }

    fn advance_with(&mut self, id: &str, change: impl FnOnce(&mut Task, i64)) {
        self.change(id, change);
        self.advance(id);
    }

    fn advance(&mut self, id: &str) {
        self.advance_holding(id, None);
    }

    /// Asks a task what is next, and begins it.
    fn advance_holding(&mut self, id: &str, mut permit: Option<OwnedSemaphorePermit>) {
        self.admit(id);
        let now = self.clock.unix_ms();
        let Some(next) = self.tasks.get_mut(id).map(|task| task.next(now)) else { return };
        let wake = next.wake_at_ms.map(|at| (at, id.to_owned()));
        let taken_ports = self.taken_ports(id, &next.begin);
        for (at, action) in next.begin {
            let Some(task) = self.tasks.get(id) else { return };
            let held = if action == Action::Start { permit.take() } else { None };
            if let Some(operation) = self.operator.begin(task, at, action, &taken_ports, held) {
                self.operations.push(operation);
            }
        }
        self.wakes.extend(wake);
        self.leave_network(id);
        self.dirty.insert(id.to_owned());
    }

    fn wake(&mut self) {
        let now = self.clock.unix_ms();
        while let Some((at_ms, id)) = self.wakes.first().cloned() {
            if at_ms > now {
                break;
            }
            self.wakes.pop_first();
            self.advance(&id);
        }
    }

    /// Makes what changed durable, and only then something to send. While one write is under way the next changes
    /// gather.
    fn record(&mut self) {
        if self.is_recording {
            return;
        }
        let mut reports = Vec::new();
        while reports.len() < limits::REPORTS_PER_MESSAGE {
            let Some(id) = self.dirty.pop_first() else { break };
            let report = self.tasks.get_mut(&id).and_then(Task::take_report);
            reports.extend(report.map(Arc::new));
        }
        if reports.is_empty() {
            return;
        }
        self.is_recording = true;
        self.operations.push(operation::record(self.ledger.clone(), reports));
    }
}

async fn until(clock: &Clock, wake_at_ms: Option<i64>) {
    match wake_at_ms {
        None => std::future::pending().await,
        Some(at_ms) => {
            let left = at_ms.saturating_sub(clock.unix_ms());
            tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0))).await;
        }
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Retries of an operation that the runtime did not answer.
pub(crate) fn retries(entropy: &Entropy) -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5), entropy.clone())
}

#[cfg(test)]
mod tests;
