//! Engines that end and come back, and containers that nobody wants.

use berth_proto::ecs::v1::TaskStopCode;

use super::super::*;
use super::host::{Host, container, task};

#[tokio::test(start_paused = true)]
async fn what_runs_is_adopted_and_not_started_again() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "nginx"), container("log", "fluentd")])]).await;
    let before = agent.until_status("t", "RUNNING").await;
    agent.kill().await;
    let mut agent = host.start().await;
    let after = agent.until_status("t", "RUNNING").await;
    assert_eq!(host.sim.launches(), 2);
    assert!(after.version > before.version, "versions go on over restarts");
    let ids = |report: &wire::TaskReport| {
        report.containers.iter().map(|container| container.runtime_id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&after), ids(&before));
    assert_eq!(after.started_at, before.started_at);
    agent.want_stopped("t").await;
    agent.until_status("t", "STOPPED").await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ended_meanwhile_is_told_with_its_exit_code() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "nginx")])]).await;
    let running = agent.until_status("t", "RUNNING").await;
    agent.kill().await;
    host.sim.exit(&running.containers[0].runtime_id, 42);
    let mut agent = host.start().await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(stopped.containers[0].exit_code, Some(42));
    assert_eq!(stopped.stop_code(), TaskStopCode::EssentialContainerExited);
    assert_eq!(host.sim.launches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_removed_meanwhile_has_vanished() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "nginx")])]).await;
    let running = agent.until_status("t", "RUNNING").await;
    agent.kill().await;
    host.sim.remove(&running.containers[0].runtime_id).await.unwrap();
    let mut agent = host.start().await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(stopped.containers[0].reason, "ContainerVanishedError: No container matching saved ID found");
    assert_eq!(host.sim.launches(), 1, "it is not for the agent to replace it");
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_was_interrupted_is_finished() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "sim/pull:60s")])]).await;
    agent.settle().await;
    agent.kill().await;
    let mut agent = host.start().await;
    agent.until_status("t", "RUNNING").await;
    assert_eq!(host.sim.launches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_ended_stays_ended_over_a_restart() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "sim/exit:3")])]).await;
    agent.until_status("t", "STOPPED").await;
    agent.kill().await;
    let mut agent = host.start().await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(stopped.containers[0].exit_code, Some(3));
    assert_eq!(host.sim.launches(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_on_the_manifest_is_stopped_only_when_confirmed_for_this_generation() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "nginx")])]).await;
    agent.until_status("t", "RUNNING").await;
    agent.drop_task("t").await;
    agent.settle().await;
    let candidates = agent.candidates.clone().expect("they are offered");
    assert_eq!(
        (candidates.generation, candidates.task_ids.as_slice()),
        (agent.generation(), ["t".to_owned()].as_slice())
    );
    assert_eq!(agent.status("t").await, "RUNNING");
    agent.confirm(candidates.generation - 1, "t").await;
    agent.settle().await;
    assert_eq!(agent.status("t").await, "RUNNING", "a confirmation for another generation is void");
    agent.confirm(candidates.generation, "t").await;
    agent.until_status("t", "STOPPED").await;
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_cannot_stop_what_is_on_the_manifest() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "nginx")])]).await;
    agent.until_status("t", "RUNNING").await;
    agent.confirm(agent.generation(), "t").await;
    agent.settle().await;
    assert_eq!(agent.status("t").await, "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_is_wanted_again_goes_on() {
    let host = Host::new();
    let mut agent = host.start().await;
    let wanted = task("t", vec![container("web", "nginx")]);
    agent.want([wanted.clone()]).await;
    agent.until_status("t", "RUNNING").await;
    agent.drop_task("t").await;
    agent.want([wanted]).await;
    agent.confirm(agent.generation(), "t").await;
    agent.settle().await;
    assert_eq!(agent.status("t").await, "RUNNING");
    assert_eq!(host.sim.launches(), 1);
}

#[tokio::test(start_paused = true)]
async fn orphans_are_found_after_a_restart_too() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "nginx")])]).await;
    agent.until_status("t", "RUNNING").await;
    agent.drop_task("t").await;
    agent.settle().await;
    agent.kill().await;
    let mut agent = host.start().await;
    agent.want([]).await;
    agent.settle().await;
    assert_eq!(agent.candidates.clone().map(|candidates| candidates.task_ids), Some(vec!["t".to_owned()]));
    agent.confirm(agent.generation(), "t").await;
    agent.until_status("t", "STOPPED").await;
}
