//! A host with a simulated runtime, on which engines come and go.

use std::collections::BTreeMap;

use berth_process::shutdown::Shutdown;

use super::super::*;
use crate::definition::Interner;
use crate::ledger::memory::Shared;
use crate::runtime::sim::{self, Sim};
use crate::task::hooks::image::PullBehavior;

/// Far more than anything here takes in simulated time.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Host {
    pub(super) sim: Sim,
    store: Shared,
    clock: Clock,
    entropy: Entropy,
    pub(super) options: Options,
}

pub(super) struct Running {
    pub(super) engine: Handle,
    pub(super) ledger: Arc<Ledger>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) shutdown: Shutdown,
    pub(super) seen: BTreeMap<String, Vec<wire::TaskReport>>,
    pub(super) candidates: Option<wire::StopCandidates>,
    tasks: BTreeMap<String, wire::ManifestTask>,
    generation: u64,
}

pub(super) fn container(name: &str, image: &str) -> ecs::ContainerDefinition {
    ecs::ContainerDefinition {
        name: Some(name.to_owned()),
        image: Some(image.to_owned()),
        cpu: Some(100),
        memory: Some(64),
        ..Default::default()
    }
}

pub(super) fn after(
    mut container: ecs::ContainerDefinition,
    on: &str,
    condition: ecs::ContainerCondition,
) -> ecs::ContainerDefinition {
    let dependency =
        ecs::ContainerDependency { container_name: Some(on.to_owned()), condition: Some(condition.into()) };
    container.depends_on.push(dependency);
    container
}

pub(super) fn task(id: &str, containers: Vec<ecs::ContainerDefinition>) -> wire::ManifestTask {
    let definition = ecs::TaskDefinition {
        task_definition_arn: Some(format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{id}:1")),
        family: Some(id.to_owned()),
        revision: Some(1),
        container_definitions: containers,
        ..Default::default()
    };
    wire::ManifestTask {
        task_id: id.to_owned(),
        task_arn: format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}"),
        desired_status: wire::DesiredTaskStatus::Running.into(),
        task_definition: Some(definition),
        cluster: "default".to_owned(),
        ..Default::default()
    }
}

use berth_proto::ecs::v1 as ecs;

impl Host {
    pub(super) fn new() -> Self {
        let (clock, entropy) = (Clock::simulated(1_000_000), Entropy::seeded(1));
        let options = Options {
            capacity: Capacity { cpu_units: 1_024, memory_mib: 1_024, ..Capacity::default() },
            stop_timeout: Duration::from_secs(30),
            log_spool_bytes: 16 << 20,
            file_systems: BTreeMap::new(),
            launch_concurrency: 16,
            admission_timeout: Duration::from_secs(300),
            resync_period: None,
        };
        Self {
            sim: Sim::new(sim::Options::default(), clock.clone(), entropy.clone()),
            store: Shared::default(),
            clock,
            entropy,
            options,
        }
    }

    /// Starts an engine over what the one before left.
    pub(super) async fn start(&self) -> Running {
        let opened =
            Ledger::open(Box::new(self.store.clone()), Arc::new(Interner::default()), &self.entropy).await;
        let (ledger, remembered) = opened.expect("memory opens");
        let ledger = Arc::new(ledger);
        let runtime: Arc<dyn Runtime> = Arc::new(self.sim.clone());
        let clock = self.clock.clone();
        let images =
            Images::new(PullBehavior::Default, 4, runtime.clone(), ledger.clone(), clock.clone(), Vec::new());
        let outbox = Arc::new(Outbox::default());
        let parts = Parts {
            runtime,
            ledger: ledger.clone(),
            reports: remembered.reports,
            images,
            endpoint: None,
            files: None,
            network: None,
            controllers: Arc::default(),
            logs: None,
            outbox: outbox.clone(),
            clock,
            entropy: self.entropy.clone(),
            metrics: Arc::default(),
        };
        let (engine, handle) = Engine::adopt(self.options.clone(), parts).await;
        let shutdown = Shutdown::new();
        engine.start(&shutdown);
        let tasks =
            ledger.manifest().tasks.values().map(|task| (task.id.clone(), task.to_message())).collect();
        let generation = ledger.manifest().generation;
        Running {
            engine: handle,
            ledger,
            outbox,
            shutdown,
            seen: BTreeMap::new(),
            candidates: None,
            tasks,
            generation,
        }
    }
}

impl Running {
    /// Adds tasks to the manifest.
    pub(super) async fn want(&mut self, tasks: impl IntoIterator<Item = wire::ManifestTask>) {
        self.tasks.extend(tasks.into_iter().map(|task| (task.task_id.clone(), task)));
        self.send().await;
    }

    /// Wants a task on the manifest stopped.
    pub(super) async fn want_stopped(&mut self, id: &str) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.set_desired_status(wire::DesiredTaskStatus::Stopped);
        }
        self.send().await;
    }

    /// Takes a task off the manifest.
    pub(super) async fn drop_task(&mut self, id: &str) {
        self.tasks.remove(id);
        self.send().await;
    }

    async fn send(&mut self) {
        self.generation += 1;
        let manifest =
            wire::Manifest { generation: self.generation, tasks: self.tasks.values().cloned().collect() };
        let verdict = self.ledger.accept(manifest).await.expect("memory keeps it");
        self.engine.follow(verdict.set.expect("it is newer")).await;
    }

    pub(super) async fn confirm(&self, generation: u64, id: &str) {
        self.engine.confirm(wire::StopConfirmation { generation, task_ids: vec![id.to_owned()] }).await;
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Reads reports, acknowledging each, until this task has one like that.
    pub(super) async fn until(
        &mut self,
        id: &str,
        wanted: impl Fn(&wire::TaskReport) -> bool,
    ) -> wire::TaskReport {
        let read = async {
            loop {
                self.read().await;
                if let Some(report) =
                    self.seen.get(id).and_then(|seen| seen.last()).filter(|last| wanted(last))
                {
                    return report.clone();
                }
                self.outbox.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("task {id} never got there"))
    }

    pub(super) async fn until_status(&mut self, id: &str, status: &str) -> wire::TaskReport {
        self.until(id, |report| report.last_status == status).await
    }

    /// Reads what there is, after everything that is due has happened.
    pub(super) async fn settle(&mut self) {
        for _ in 0..10 {
            // Each question passes through the engine's loop once, and time moves only when nobody has anything to do.
            tokio::time::timeout(Duration::from_millis(10), std::future::pending::<()>()).await.ok();
            self.engine.snapshot().await;
            self.read().await;
        }
    }

    pub(super) async fn status(&self, id: &str) -> String {
        let snapshot = self.engine.snapshot().await;
        snapshot
            .into_iter()
            .find(|report| report.task_id == id)
            .map(|report| report.last_status)
            .unwrap_or_default()
    }

    async fn read(&mut self) {
        use wire::agent_message::Message;
        while let Some(message) = self.outbox.next_message() {
            match message {
                Message::Reports(reports) => {
                    for report in reports.tasks {
                        self.seen.entry(report.task_id.clone()).or_default().push(report);
                    }
                    self.engine.acknowledge(self.outbox.acknowledge(reports.sequence)).await;
                }
                Message::StopCandidates(candidates) => self.candidates = Some(candidates),
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// Ends the engine as a kill would: nothing is told, nothing is stopped.
    pub(super) async fn kill(self) {
        self.shutdown.drain(PATIENCE).await.expect("ends");
    }
}
