//! How fast the engine launches containers, against a bare parallel loop of create and start on the same Docker.
//!
//! `cargo bench -p berth-agent --bench launch -- IMAGE [CONTAINERS] [ROUNDS]`, with Docker at `BERTH_TEST_DOCKER_HOST` or on
//! its usual socket. The two take turns, so that both have the same cold and warm caches. To beat: 0.95 of the loop.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use berth_agent::definition::Interner;
use berth_agent::engine::{self, Engine, Handle};
use berth_agent::ledger::Ledger;
use berth_agent::ledger::disk::Disk;
use berth_agent::report::Outbox;
use berth_agent::runtime::docker::Docker;
use berth_agent::runtime::{Launch, Runtime, label};
use berth_agent::task::hooks::image::{Images, PullBehavior};
use berth_model::resource::Capacity;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::shutdown::Shutdown;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;
use futures::StreamExt as _;
use tokio::time::Instant;

/// What the agent does by default, so what the loop does too.
const CONCURRENCY: usize = 16;

fn container(image: &str) -> ecs::ContainerDefinition {
    ecs::ContainerDefinition {
        name: Some("app".to_owned()),
        image: Some(image.to_owned()),
        memory: Some(16),
        command: ["sleep", "600"].map(str::to_owned).to_vec(),
        ..Default::default()
    }
}

/// The bare loop.
async fn bare(runtime: &Arc<Docker>, instance_id: &str, image: &str, count: usize) -> Duration {
    let begun = Instant::now();
    let launches = (0..count).map(|number| {
        let launch = Launch {
            name: format!("berth-bench-{number}-{}", &instance_id[..12]),
            labels: [(label::CONTAINER_INSTANCE.to_owned(), instance_id.to_owned())].into(),
            definition: container(image),
            network_mode: ecs::NetworkMode::Bridge,
            cpu_shares: 2,
            ..Launch::default()
        };
        async move {
            let id = runtime.create(&launch).await.expect("it is created");
            runtime.start(&id).await.expect("it starts");
        }
    });
    futures::stream::iter(launches).buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await;
    begun.elapsed()
}

/// The engine, from the manifest to the last report of RUNNING.
async fn engine(ledger: &Ledger, outbox: &Outbox, handle: &Handle, image: &str, count: usize) -> Duration {
    let begun = Instant::now();
    let generation = ledger.manifest().generation + 1;
    let tasks = (0..count).map(|_| wire::ManifestTask {
        task_id: format!("{:032x}", Entropy::system().u128()),
        desired_status: wire::DesiredTaskStatus::Running.into(),
        task_definition: Some(ecs::TaskDefinition {
            family: Some("bench".to_owned()),
            container_definitions: vec![container(image)],
            ..Default::default()
        }),
        ..Default::default()
    });
    let tasks: Vec<_> = tasks.collect();
    let mut missing: BTreeSet<String> = tasks.iter().map(|task| task.task_id.clone()).collect();
    let verdict = ledger.accept(wire::Manifest { generation, tasks }).await.expect("the disk keeps it");
    handle.follow(verdict.set.expect("it is newer")).await;
    while !missing.is_empty() {
        while let Some(message) = outbox.next_message() {
            let wire::agent_message::Message::Reports(reports) = message else { continue };
            outbox.acknowledge(reports.sequence);
            for report in reports.tasks.iter().filter(|report| report.last_status == "RUNNING") {
                missing.remove(&report.task_id);
            }
        }
        if !missing.is_empty() {
            outbox.changed().await;
        }
    }
    begun.elapsed()
}

async fn remove_all(runtime: &Arc<Docker>) {
    let listed = runtime.list().await.expect("Docker answers");
    let removals = listed.into_iter().map(|listed| async move {
        runtime.stop(&listed.runtime_id, Some(Duration::ZERO)).await.expect("it stops");
        runtime.remove(&listed.runtime_id).await.expect("it is removed");
    });
    futures::stream::iter(removals).buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await;
}

#[tokio::main]
async fn main() {
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let Some(image) = args.first() else { return };
    let number =
        |at: usize, default: usize| args.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, rounds) = (number(1, 60), number(2, 3));
    let dir = tempfile::tempdir().expect("a directory");
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let endpoint =
        std::env::var("BERTH_TEST_DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let store = Box::new(Disk::open(dir.path()).expect("the disk opens"));
    let ledger =
        Ledger::open(store, Arc::new(Interner::default()), &entropy).await.expect("the disk opens").0;
    let ledger = Arc::new(ledger);
    let instance_id = ledger.instance_id().to_owned();
    let runtime = Arc::new(Docker::new(endpoint, &*instance_id, clock.clone()));
    let images =
        Images::new(PullBehavior::Default, 4, runtime.clone(), ledger.clone(), clock.clone(), Vec::new());
    let outbox = Arc::new(Outbox::default());
    let parts = engine::Parts {
        runtime: runtime.clone(),
        ledger: ledger.clone(),
        reports: Vec::new(),
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
        capacity: Capacity { cpu_units: u32::MAX, memory_mib: u32::MAX, ..Capacity::default() },
        file_systems: std::collections::BTreeMap::new(),
        stop_timeout: Duration::from_secs(30),
        log_spool_bytes: 16 << 20,
        launch_concurrency: CONCURRENCY,
        admission_timeout: Duration::from_secs(60),
        resync_period: None,
    };
    let (loop_, handle) = Engine::adopt(options, parts).await;
    let shutdown = Shutdown::new();
    loop_.start(&shutdown);
    let mut out = std::io::stdout();
    for round in 0..rounds {
        let bare = bare(&runtime, &instance_id, image, count).await;
        remove_all(&runtime).await;
        let engine = engine(&ledger, &outbox, &handle, image, count).await;
        remove_all(&runtime).await;
        let rate = |took: Duration| count as f64 / took.as_secs_f64();
        let _ = writeln!(
            out,
            "round {round}: {count} containers: bare {:.1}/s, engine {:.1}/s, ratio {:.3}",
            rate(bare),
            rate(engine),
            rate(engine) / rate(bare)
        );
    }
    shutdown.drain(Duration::from_secs(5)).await.expect("it ends");
}
