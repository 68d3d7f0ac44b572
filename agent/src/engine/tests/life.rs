//! From the manifest to the end.

use berth_proto::ecs::v1::{ContainerCondition, HealthCheck, HealthStatus, TaskStopCode};
use tokio::time::Instant;

use super::super::*;
use super::host::{Host, after, container, task};

#[tokio::test(start_paused = true)]
async fn a_task_runs_until_it_is_wanted_stopped() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "nginx")])]).await;
    let running = agent.until_status("t", "RUNNING").await;
    assert_eq!(running.containers[0].last_status, "RUNNING");
    assert_eq!(running.containers[0].runtime_id.len(), 64);
    assert!(
        running.pull_started_at.is_some() && running.started_at.is_some() && running.stopped_at.is_none()
    );
    agent.want_stopped("t").await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!((stopped.stop_code, stopped.stopped_reason.as_str()), (None, ""));
    assert_eq!(stopped.containers[0].exit_code, Some(0));
    assert!(stopped.stopping_at.is_some() && stopped.stopped_at.is_some());
    let versions: Vec<_> = agent.seen["t"].iter().map(|report| report.version).collect();
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
}

#[tokio::test(start_paused = true)]
async fn an_essential_exit_stops_the_others_and_every_exit_code_is_told() {
    let host = Host::new();
    let mut agent = host.start().await;
    let mut log = container("log", "sim/ignore-term");
    log.essential = Some(false);
    log.stop_timeout = Some(7);
    agent.want([task("t", vec![container("web", "sim/crash-after:5s"), log])]).await;
    agent.until_status("t", "STOPPING").await;
    let begun = Instant::now();
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(begun.elapsed().as_secs(), 7, "killed after its own stop timeout");
    assert_eq!(stopped.stop_code(), TaskStopCode::EssentialContainerExited);
    assert_eq!(stopped.stopped_reason, "Essential container in task exited");
    assert_eq!(stopped.containers[0].exit_code, Some(1));
    assert_eq!(stopped.containers[1].exit_code, Some(137));
}

#[tokio::test(start_paused = true)]
async fn a_non_essential_exit_is_told_and_the_task_goes_on() {
    let host = Host::new();
    let mut agent = host.start().await;
    let mut setup = container("setup", "sim/exit:3");
    setup.essential = Some(false);
    agent.want([task("t", vec![container("web", "nginx"), setup])]).await;
    let report = agent.until("t", |report| report.containers[1].exit_code == Some(3)).await;
    assert_eq!(
        (report.last_status.as_str(), report.containers[0].last_status.as_str()),
        ("RUNNING", "RUNNING")
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ignores_sigterm_is_killed_after_the_default_timeout() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "sim/ignore-term")])]).await;
    agent.until_status("t", "RUNNING").await;
    let begun = Instant::now();
    agent.want_stopped("t").await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!((begun.elapsed().as_secs(), stopped.containers[0].exit_code), (30, Some(137)));
}

#[tokio::test(start_paused = true)]
async fn containers_start_in_the_order_of_their_dependencies() {
    let host = Host::new();
    let mut agent = host.start().await;
    let mut migrate = container("migrate", "sim/exit-after:20s");
    migrate.essential = Some(false);
    let mut db = container("db", "sim/healthy-after:10s");
    db.health_check = Some(HealthCheck { command: vec!["true".to_owned()], ..Default::default() });
    let migrate = after(migrate, "db", ContainerCondition::Healthy);
    let web = after(container("web", "nginx"), "migrate", ContainerCondition::Success);
    let begun = Instant::now();
    agent.want([task("t", vec![web, migrate, db])]).await;
    agent.until("t", |report| report.containers[2].last_status == "RUNNING").await;
    agent.until("t", |report| report.containers[1].last_status == "RUNNING").await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let running = agent.until_status("t", "RUNNING").await;
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(running.health_status(), HealthStatus::Healthy);
    assert_eq!(running.containers[1].exit_code, Some(0));
}

#[tokio::test(start_paused = true)]
async fn health_is_told_when_it_changes() {
    let host = Host::new();
    let mut agent = host.start().await;
    let mut web = container("web", "sim/unhealthy-after:60s");
    web.health_check = Some(HealthCheck { command: vec!["false".to_owned()], ..Default::default() });
    agent.want([task("t", vec![web])]).await;
    let running = agent.until_status("t", "RUNNING").await;
    assert_eq!(running.health_status(), HealthStatus::Unknown);
    let report = agent.until("t", |report| report.health_status() == HealthStatus::Unhealthy).await;
    assert_eq!(report.last_status, "RUNNING", "what to do about it is the service's business");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ended_is_told_until_acknowledged_and_then_forgotten() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "sim/exit:0")])]).await;
    agent.until_status("t", "STOPPED").await;
    agent.settle().await;
    assert_eq!(agent.status("t").await, "STOPPED", "it is still on the manifest");
    agent.drop_task("t").await;
    agent.settle().await;
    assert_eq!(agent.status("t").await, "");
    assert_eq!(host.sim.launches(), 1, "it was not launched again");
}

#[tokio::test(start_paused = true)]
async fn a_restart_policy_repeats_runs_that_were_long_enough() {
    let host = Host::new();
    let mut agent = host.start().await;
    let mut web = container("web", "sim/crash-after:100s");
    web.restart_policy = Some(berth_proto::ecs::v1::ContainerRestartPolicy {
        enabled: Some(true),
        restart_attempt_period: Some(60),
        ..Default::default()
    });
    agent.want([task("t", vec![web])]).await;
    agent.until_status("t", "RUNNING").await;
    tokio::time::timeout(Duration::from_secs(1_000), std::future::pending::<()>()).await.unwrap_err();
    agent.settle().await;
    assert_eq!(agent.status("t").await, "RUNNING");
    assert_eq!(host.sim.launches(), 1, "the same container");
}
