//! What cannot be launched, and a runtime that comes and goes.

use berth_proto::ecs::v1::{ContainerCondition, TaskStopCode};

use super::super::*;
use super::host::{Host, after, container, task};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_launched_fails_with_the_text_of_ecs() {
    let rows = [
        ("sim/pull-fail", "CannotPullContainerError: pull access denied for sim/pull-fail"),
        ("sim/create-fail", "CannotCreateContainerError: the script says so"),
        ("sim/start-fail", "CannotStartContainerError: the script says so"),
    ];
    let host = Host::new();
    let mut agent = host.start().await;
    for (image, reason) in rows {
        let id = image.trim_start_matches("sim/");
        agent.want([task(id, vec![container("web", image)])]).await;
        let stopped = agent.until_status(id, "STOPPED").await;
        assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
        assert_eq!(
            (stopped.stopped_reason.as_str(), stopped.containers[0].reason.as_str()),
            (reason, reason)
        );
        assert_eq!((stopped.containers[0].exit_code, stopped.started_at), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_crashes_is_reported_with_what_it_wrote_last() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("bad", vec![container("web", "sim/exit:3")])]).await;
    let stopped = agent.until_status("bad", "STOPPED").await;
    let [line] = stopped.containers[0].last_log_lines.as_slice() else { panic!("{stopped:?}") };
    assert!(line.ends_with("is simulated and says nothing"), "{line}");
    agent.want([task("good", vec![container("web", "sim/exit:0")])]).await;
    let stopped = agent.until_status("good", "STOPPED").await;
    assert!(stopped.containers[0].last_log_lines.is_empty(), "{stopped:?}");
}

#[tokio::test(start_paused = true)]
async fn the_containers_that_did_start_are_stopped_when_another_cannot() {
    let host = Host::new();
    let mut agent = host.start().await;
    let broken = after(container("web", "sim/start-fail"), "db", ContainerCondition::Start);
    agent.want([task("t", vec![broken, container("db", "postgres")])]).await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
    assert_eq!(stopped.containers[1].exit_code, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_fails_fails_the_task() {
    let host = Host::new();
    let mut agent = host.start().await;
    let mut setup = container("setup", "sim/exit:9");
    setup.essential = Some(false);
    agent
        .want([task(
            "t",
            vec![after(container("web", "nginx"), "setup", ContainerCondition::Success), setup],
        )])
        .await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
    assert!(
        stopped
            .stopped_reason
            .starts_with("TaskDependencyError: Task dependencies cannot be resolved, taskArn: arn:")
    );
    assert_eq!(stopped.containers[1].exit_code, Some(9));
}

#[tokio::test(start_paused = true)]
async fn nonsense_on_the_manifest_fails_the_task_and_nothing_else() {
    let host = Host::new();
    let mut agent = host.start().await;
    let cycle = after(container("a", "nginx"), "a", ContainerCondition::Start);
    let mut empty = task("empty", Vec::new());
    empty.task_definition = None;
    agent.want([empty, task("cycle", vec![cycle]), task("good", vec![container("web", "nginx")])]).await;
    let stopped = agent.until_status("cycle", "STOPPED").await;
    assert!(stopped.stopped_reason.starts_with("TaskDependencyError"), "{}", stopped.stopped_reason);
    let stopped = agent.until_status("empty", "STOPPED").await;
    assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
    agent.until_status("good", "RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_for_memory_is_told_as_such() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "sim/oom-after:5s")])]).await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(stopped.containers[0].exit_code, Some(137));
    assert_eq!(stopped.containers[0].reason, "OutOfMemoryError: Container killed due to memory usage");
    assert_eq!(stopped.stop_code(), TaskStopCode::EssentialContainerExited);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_away_delays_and_breaks_nothing() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("before", vec![container("web", "nginx")])]).await;
    agent.until_status("before", "RUNNING").await;
    host.sim.set_down(true);
    agent.want([task("during", vec![container("web", "nginx")])]).await;
    agent.settle().await;
    assert_eq!(agent.status("before").await, "RUNNING");
    assert_eq!(agent.status("during").await, "PENDING");
    host.sim.set_down(false);
    agent.until_status("during", "RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_stopped_while_it_pulls_stops_at_once() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![container("web", "sim/pull:3600s")])]).await;
    agent.settle().await;
    let begun = tokio::time::Instant::now();
    agent.want_stopped("t").await;
    agent.until_status("t", "STOPPED").await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(host.sim.launches(), 0);
}
