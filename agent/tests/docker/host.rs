//! An instance on a real Docker, on which engines come and go. Its containers are removed at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_agent::definition::Interner;
use berth_agent::engine::{self, Engine, Handle};
use berth_agent::ledger::Ledger;
use berth_agent::ledger::memory::Shared;
use berth_agent::report::Outbox;
use berth_agent::runtime::docker::Docker;
use berth_agent::runtime::label;
use berth_agent::task::hooks::image::{Images, PullBehavior};
use berth_model::resource::Capacity;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::shutdown::Shutdown;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;

use crate::image::{IMAGE, docker, run};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Host {
    pub(crate) docker_host: String,
    pub(crate) runtime: Arc<Docker>,
    pub(crate) ledger: Arc<Ledger>,
    store: Shared,
    engine: Handle,
    outbox: Arc<Outbox>,
    shutdown: Shutdown,
    seen: BTreeMap<String, wire::TaskReport>,
    tasks: BTreeMap<String, wire::ManifestTask>,
}

/// A container of the test image that runs this in a shell.
pub(crate) fn shell(name: &str, script: &str) -> ecs::ContainerDefinition {
    ecs::ContainerDefinition {
        name: Some(name.to_owned()),
        image: Some(IMAGE.to_owned()),
        memory: Some(32),
        stop_timeout: Some(1),
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..Default::default()
    }
}

/// A task of these containers, with an id that no other test has.
pub(crate) fn task(containers: Vec<ecs::ContainerDefinition>) -> wire::ManifestTask {
    let definition = ecs::TaskDefinition {
        family: Some("berth-test".to_owned()),
        revision: Some(1),
        container_definitions: containers,
        ..Default::default()
    };
    let id = format!("{:032x}", Entropy::system().u128());
    wire::ManifestTask {
        task_arn: format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}"),
        task_id: id,
        desired_status: wire::DesiredTaskStatus::Running.into(),
        task_definition: Some(definition),
        cluster: "default".to_owned(),
        ..Default::default()
    }
}

impl Host {
    /// None, said aloud, when there is no Docker.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let docker_host = docker(test)?;
        Some(Self::over(docker_host, Shared::default()).await)
    }

    pub(crate) async fn over(docker_host: String, store: Shared) -> Self {
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let opened = Ledger::open(Box::new(store.clone()), Arc::new(Interner::default()), &entropy).await;
        let (ledger, remembered) = opened.expect("memory opens");
        let ledger = Arc::new(ledger);
        let runtime = Arc::new(Docker::new(docker_host.clone(), ledger.instance_id(), clock.clone()));
        let behavior = PullBehavior::Default;
        let images = Images::new(behavior, 4, runtime.clone(), ledger.clone(), clock.clone(), Vec::new());
        let outbox = Arc::new(Outbox::default());
        let parts = engine::Parts {
            runtime: runtime.clone(),
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
            entropy,
            metrics: Arc::default(),
        };
        let options = engine::Options {
            capacity: Capacity { cpu_units: 1 << 20, memory_mib: 1 << 20, ..Default::default() },
            stop_timeout: Duration::from_secs(30),
            log_spool_bytes: 16 << 20,
            file_systems: [("fs-1".to_owned(), "127.0.0.1:/srv,soft,retrans=0".parse().expect("it is one"))]
                .into(),
            launch_concurrency: 16,
            admission_timeout: Duration::from_secs(60),
            resync_period: Some(Duration::from_secs(5)),
        };
        let (loop_, engine) = Engine::adopt(options, parts).await;
        let shutdown = Shutdown::new();
        loop_.start(&shutdown);
        let tasks =
            ledger.manifest().tasks.values().map(|task| (task.id.clone(), task.to_message())).collect();
        Self { docker_host, runtime, ledger, store, engine, outbox, shutdown, seen: BTreeMap::new(), tasks }
    }

    /// Ends the engine and starts another over what it left; in between this is done.
    pub(crate) async fn restart(self, between: impl FnOnce()) -> Self {
        self.shutdown.drain(PATIENCE).await.expect("ends");
        between();
        Self::over(self.docker_host.clone(), self.store.clone()).await
    }

    pub(crate) async fn want(&mut self, task: wire::ManifestTask) -> String {
        let id = task.task_id.clone();
        self.tasks.insert(id.clone(), task);
        self.send().await;
        id
    }

    pub(crate) async fn want_stopped(&mut self, id: &str) {
        self.tasks.get_mut(id).expect("it is wanted").set_desired_status(wire::DesiredTaskStatus::Stopped);
        self.send().await;
    }

    async fn send(&mut self) {
        let generation = self.ledger.manifest().generation + 1;
        let manifest = wire::Manifest { generation, tasks: self.tasks.values().cloned().collect() };
        let verdict = self.ledger.accept(manifest).await.expect("memory keeps it");
        self.engine.follow(verdict.set.expect("it is newer")).await;
    }

    pub(crate) async fn until(
        &mut self,
        id: &str,
        wanted: impl Fn(&wire::TaskReport) -> bool,
    ) -> wire::TaskReport {
        let read = async {
            loop {
                while let Some(message) = self.outbox.next_message() {
                    if let wire::agent_message::Message::Reports(reports) = message {
                        self.outbox.acknowledge(reports.sequence);
                        self.seen
                            .extend(reports.tasks.into_iter().map(|report| (report.task_id.clone(), report)));
                    }
                }
                if let Some(report) = self.seen.get(id).filter(|report| wanted(report)) {
                    return report.clone();
                }
                self.outbox.changed().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, read).await;
        found.unwrap_or_else(|_| panic!("task {id} never got there: {:?}", self.seen.get(id)))
    }

    pub(crate) async fn until_status(&mut self, id: &str, status: &str) -> wire::TaskReport {
        self.until(id, |report| report.last_status == status).await
    }

    /// What Docker says of a container, by a template.
    pub(crate) fn inspect(&self, runtime_id: &str, template: &str) -> String {
        run(&self.docker_host, &["inspect", "-f", template, runtime_id]).expect("it is there")
    }

    pub(crate) fn logs(&self, runtime_id: &str) -> String {
        run(&self.docker_host, &["logs", runtime_id]).expect("it is there")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A host that is restarted keeps its containers.
        if self.shutdown.token().is_cancelled() {
            return;
        }
        let filter = format!("label={}={}", label::CONTAINER_INSTANCE, self.ledger.instance_id());
        let found = run(&self.docker_host, &["ps", "-aq", "--filter", &filter]).unwrap_or_default();
        let mut args = vec!["rm", "-f"];
        args.extend(found.lines());
        if args.len() > 2 {
            run(&self.docker_host, &args);
        }
    }
}
