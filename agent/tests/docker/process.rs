//! What goes wrong, and health.

use berth_proto::ecs::v1::{self as ecs, HealthStatus, TaskStopCode};

use crate::host::{Host, shell, task};

#[tokio::test]
async fn a_kill_for_memory_is_told_as_such() {
    let Some(mut host) = Host::start("a_kill_for_memory_is_told_as_such").await else { return };
    let mut greedy = shell("greedy", "exec tail /dev/zero");
    greedy.memory = Some(16);
    greedy.linux_parameters = Some(ecs::LinuxParameters { max_swap: Some(0), ..Default::default() });
    let id = host.want(task(vec![greedy])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(stopped.containers[0].exit_code, Some(137));
    assert_eq!(stopped.containers[0].reason, "OutOfMemoryError: Container killed due to memory usage");
}

#[tokio::test]
async fn a_command_that_does_not_exist_cannot_be_started() {
    let Some(mut host) = Host::start("a_command_that_does_not_exist_cannot_be_started").await else { return };
    let mut broken = shell("broken", "");
    broken.command = vec!["/nowhere".to_owned()];
    let id = host.want(task(vec![broken, shell("good", "sleep 600")])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
    let text = "CannotStartContainerError: Error response from daemon: ";
    assert!(stopped.stopped_reason.starts_with(text), "{}", stopped.stopped_reason);
}

#[tokio::test]
async fn an_image_that_is_nowhere_cannot_be_pulled() {
    let Some(mut host) = Host::start("an_image_that_is_nowhere_cannot_be_pulled").await else { return };
    let mut broken = shell("broken", "");
    // Nobody listens there, so it fails at once.
    broken.image = Some("127.0.0.1:9/nowhere/nothing:1".to_owned());
    let id = host.want(task(vec![broken])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
    let text = "CannotPullContainerError: Error response from daemon: ";
    assert!(stopped.stopped_reason.starts_with(text), "{}", stopped.stopped_reason);
}

#[tokio::test]
async fn health_checks_decide_about_dependents() {
    let Some(mut host) = Host::start("health_checks_decide_about_dependents").await else { return };
    let check = |command: &str| ecs::HealthCheck {
        command: vec!["CMD-SHELL".to_owned(), command.to_owned()],
        interval: Some(1),
        ..Default::default()
    };
    let mut db = shell("db", "sleep 1; echo up > /tmp/up; sleep 600");
    db.health_check = Some(check("test -f /tmp/up"));
    let mut web = shell("web", "sleep 600");
    web.depends_on = vec![ecs::ContainerDependency {
        container_name: Some("db".to_owned()),
        condition: Some(ecs::ContainerCondition::Healthy.into()),
    }];
    let id = host.want(task(vec![web, db])).await;
    let running = host.until(&id, |report| report.health_status() == HealthStatus::Healthy).await;
    assert_eq!(running.containers[1].health_status(), HealthStatus::Healthy);
    let running = host.until_status(&id, "RUNNING").await;
    assert_eq!(running.containers[0].health_status, None, "it has no check");
}
