//! How fast real containers start under a service, beside a bare loop on the same engine.

use std::time::Duration;

use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::engine::Engine;
use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::wait::until;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{rate, report};

const CONTAINERS: usize = 60;
/// As many at a time as the loop profits from.
const AT_ONCE: usize = 6;
/// Containers that are started one by one.
const ROUNDS: usize = 100;
const LABEL: &str = "berth.bench=1";

pub(crate) async fn measure() {
    report(&format!("{CONTAINERS} containers: bare loop"), &rate(CONTAINERS, bare().await));
    report(&format!("{CONTAINERS} containers: service"), &rate(CONTAINERS, service().await));
    one_by_one().await;
}

/// From the call to a container that runs, its image being on the host: a `docker run`, and a RunTask that is asked about
/// until it says RUNNING. They take turns, so that both meet the same machine.
async fn one_by_one() {
    let fleet = Fleet::builder().agents(1).start().await;
    fleet.register("one", "1", &[]).await.expect("register a task definition");
    let (mut bare, mut tasks) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        tokio::task::spawn_blocking(run_bare).await.expect("it does not panic");
        bare.push(began.elapsed());
        Engine::local().remove_labelled(LABEL);
        tasks.push(run_task(&fleet).await);
    }
    for (what, mut took) in [("docker run", bare), ("RunTask to RUNNING", tasks)] {
        took.sort_unstable();
        for (name, at) in [("p50", ROUNDS / 2), ("p99", ROUNDS * 99 / 100)] {
            report(&format!("one container: {what}, {name}"), &format!("{} ms", took[at].as_millis()));
        }
    }
}

/// How long one task takes to run. It is stopped then.
async fn run_task(fleet: &Fleet) -> Duration {
    let mut api = fleet.api();
    let began = Instant::now();
    let request = ecs::RunTaskRequest { task_definition: Some("one".to_owned()), ..Default::default() };
    let started = api.tasks.run_task(request).await.expect("there is room").into_inner();
    let task = started.tasks[0].task_arn().to_owned();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    loop {
        ticks.tick().await;
        let found = api.describe_tasks(vec![task.clone()]).await.expect("it is there");
        if found[0].last_status() == "RUNNING" {
            break;
        }
    }
    let took = began.elapsed();
    let stop = ecs::StopTaskRequest { task: Some(task), ..Default::default() };
    api.tasks.stop_task(stop).await.expect("it is there");
    until("it has stopped", Duration::from_secs(60), async || {
        let left = fleet.all_containers()?.len();
        anyhow::ensure!(left == 0, "{left} containers run");
        Ok(())
    })
    .await;
    took
}

fn run_bare() -> String {
    let run = ["run", "--detach", "--label", LABEL, "--publish", "8080", "--memory", "32m", "berth-app:1"];
    Engine::local().docker(&run).expect("start a container")
}

async fn bare() -> Duration {
    let began = Instant::now();
    let mut starting = JoinSet::new();
    for _ in 0..CONTAINERS {
        if starting.len() == AT_ONCE {
            starting.join_next().await;
        }
        starting.spawn_blocking(run_bare);
    }
    starting.join_all().await;
    let duration = began.elapsed();
    Engine::local().remove_labelled(LABEL);
    duration
}

async fn service() -> Duration {
    let fleet = Fleet::builder().start().await;
    fleet.register("web", "1", &[]).await.expect("register a task definition");
    let began = Instant::now();
    let count = i32::try_from(CONTAINERS).expect("a few");
    fleet.create_service(&ServiceSpec::new("web", count)).await.expect("create a service");
    until("all run", Duration::from_secs(300), async || fleet.running("web", CONTAINERS).await.map(drop))
        .await;
    began.elapsed()
}
