//! What is taken away and what is left alone: only what is ours, old enough, and not in use.

use berth_process::entropy::Entropy;
use berth_process::shutdown::Shutdown;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;

use super::*;
use crate::agent;
use crate::definition::Interner;
use crate::engine::{self, Engine};
use crate::ledger::{Ledger, memory::Shared};
use crate::report::Outbox;
use crate::runtime::sim::{self, Sim};
use crate::task::hooks::image::PullBehavior;

struct Host {
    sim: Sim,
    clock: Clock,
    ledger: Arc<Ledger>,
    images: Arc<Images>,
    engine: Handle,
    cleanup: Cleanup,
    _shutdown: Shutdown,
}

async fn host(options: Options) -> Host {
    let (clock, entropy) = (Clock::simulated(1_000_000), Entropy::seeded(3));
    let sim = Sim::new(sim::Options::default(), clock.clone(), entropy.clone());
    let runtime: Arc<dyn Runtime> = Arc::new(sim.clone());
    let opened = Ledger::open(Box::new(Shared::default()), Arc::new(Interner::default()), &entropy).await;
    let ledger = Arc::new(opened.unwrap().0);
    let images =
        Images::new(PullBehavior::Default, 4, runtime.clone(), ledger.clone(), clock.clone(), Vec::new());
    let agent = agent::Options::default();
    let engine_options = engine::Options {
        capacity: berth_model::resource::Capacity {
            cpu_units: 4_096,
            memory_mib: 4_096,
            ..Default::default()
        },
        stop_timeout: agent.stop_timeout,
        log_spool_bytes: agent.log_spool_bytes,
        file_systems: std::collections::BTreeMap::new(),
        launch_concurrency: 4,
        admission_timeout: agent.admission_timeout,
        resync_period: None,
    };
    let parts = engine::Parts {
        runtime: runtime.clone(),
        ledger: ledger.clone(),
        reports: Vec::new(),
        images: images.clone(),
        endpoint: None,
        files: None,
        network: None,
        controllers: Arc::default(),
        logs: None,
        outbox: Arc::new(Outbox::default()),
        clock: clock.clone(),
        entropy,
        metrics: Arc::default(),
    };
    let (loop_, engine) = Engine::adopt(engine_options, parts).await;
    let shutdown = Shutdown::new();
    loop_.start(&shutdown);
    let parts = Parts {
        runtime,
        images: images.clone(),
        engine: engine.clone(),
        logs: None,
        files: None,
        clock: clock.clone(),
        metrics: Arc::default(),
    };
    let cleanup = Cleanup::new(options, parts);
    Host { sim, clock, ledger, images, engine, cleanup, _shutdown: shutdown }
}

impl Host {
    async fn run(&self, generation: u64, image: &str) {
        let definition = ecs::TaskDefinition {
            family: Some("f".to_owned()),
            container_definitions: vec![ecs::ContainerDefinition {
                name: Some("c".to_owned()),
                image: Some(image.to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        };
        let task = wire::ManifestTask {
            task_id: format!("task-{generation}"),
            desired_status: wire::DesiredTaskStatus::Running.into(),
            task_definition: Some(definition),
            ..Default::default()
        };
        let verdict = self.ledger.accept(wire::Manifest { generation, tasks: vec![task] }).await.unwrap();
        self.engine.follow(verdict.set.unwrap()).await;
        pass(Duration::from_secs(1)).await;
    }

    async fn containers(&self) -> usize {
        self.sim.list().await.unwrap().len()
    }
}

async fn pass(time: Duration) {
    tokio::time::timeout(time, std::future::pending::<()>()).await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_dead_container_is_kept_for_the_wait_and_then_removed() {
    let mut host = host(Options::default()).await;
    host.run(1, "sim/exit:0").await;
    host.cleanup.look().await.unwrap();
    assert_eq!(host.containers().await, 1);
    pass(Duration::from_secs(3 * 60 * 60)).await;
    host.cleanup.look().await.unwrap();
    assert_eq!(host.containers().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_runs_is_never_removed() {
    let mut host = host(Options { container_wait: Duration::from_secs(1), ..Options::default() }).await;
    host.run(1, "nginx").await;
    pass(Duration::from_secs(1_000_000)).await;
    host.cleanup.look().await.unwrap();
    assert_eq!(host.containers().await, 1);
}

#[tokio::test(start_paused = true)]
async fn only_images_that_this_agent_brought_are_removed_and_the_oldest_first() {
    let mut host = host(Options { images_per_cycle: 1, ..Options::default() }).await;
    // Simulated images are always on the host, so none of them is the agent's.
    host.images.ensure("theirs", None).await.unwrap();
    assert!(host.images.pulled().is_empty());
    for reference in ["ours:1", "ours:2"] {
        host.images.adopt_for_test(reference, host.clock.unix_ms());
        pass(Duration::from_secs(60)).await;
    }
    pass(Duration::from_secs(2 * 60 * 60)).await;
    host.cleanup.look().await.unwrap();
    let left: Vec<_> = host.images.pulled().into_iter().map(|image| image.reference).collect();
    assert_eq!(left, ["ours:2"]);
}
