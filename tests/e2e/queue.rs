//! One-off tasks that wait for a place.

use anyhow::{Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;

use super::SOON;

/// Runs a task of `large` with these flags; its id.
async fn run(fleet: &Fleet, flags: &[&str]) -> String {
    let ran = fleet
        .berth(&[&["task", "run", "large", "-o", "name"], flags].concat())
        .await
        .expect("it is asked for");
    ran.trim().to_owned()
}

async fn in_status(fleet: &Fleet, id: &str, status: &str) -> Result<ecs::Task> {
    let task = fleet.api().task(id).await?;
    ensure!(task.last_status() == status, "it is {}: {}", task.last_status(), task.stopped_reason());
    Ok(task)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_waits_for_its_turn_and_is_told_why() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.register_sized("large", 3000).await.unwrap();
    let first = run(&fleet, &["--queue"]).await;
    until("the first has room", SOON, async || in_status(&fleet, &first, "RUNNING").await).await;

    // Without a queue it is refused, as ECS does.
    let refused = fleet.berth_output(&["task", "run", "large"]).await.unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("RESOURCE:CPU"), "{told}");

    let patient = run(&fleet, &["--queue"]).await;
    let urgent = run(&fleet, &["--queue", "--priority", "5"]).await;
    let hasty = run(&fleet, &["--queue", "--queue-timeout", "2s"]).await;
    in_status(&fleet, &patient, "PROVISIONING").await.unwrap();
    let text = fleet.berth(&["task", "explain", &patient]).await.unwrap();
    assert!(
        text.contains("waits for a place") && text.contains("No instance can take it now: 1 instance: cpu"),
        "{text}"
    );
    let task = until("its time is over", SOON, async || in_status(&fleet, &hasty, "STOPPED").await).await;
    assert_eq!(task.stop_code(), ecs::TaskStopCode::TaskFailedToStart);
    assert!(
        task.stopped_reason().contains("has insufficient CPU units available"),
        "{}",
        task.stopped_reason()
    );

    fleet.berth(&["task", "stop", &first]).await.unwrap();
    until("the urgent one takes the place", SOON, async || in_status(&fleet, &urgent, "RUNNING").await).await;
    in_status(&fleet, &patient, "PROVISIONING").await.unwrap();
    let described = fleet.berth(&["task", "describe", &urgent]).await.unwrap();
    assert!(described.contains("1 of 1 instances could take it"), "{described}");

    fleet.berth(&["task", "stop", &patient]).await.unwrap();
    in_status(&fleet, &patient, "STOPPED").await.unwrap();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_outlives_its_leader() {
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(3).agents(1).start().await;
    fleet.allow_disturbance();
    fleet.register_sized("large", 3000).await.unwrap();
    let first = run(&fleet, &["--queue"]).await;
    until("the first has room", SOON, async || in_status(&fleet, &first, "RUNNING").await).await;
    let second = run(&fleet, &["--queue"]).await;
    let leader = fleet.leader().await;
    fleet.kill(berth_tests::harness::fleet::Member::Controller(leader));
    fleet.leader().await;
    fleet.berth(&["task", "stop", &first]).await.unwrap();
    until("the second has its place", SOON, async || in_status(&fleet, &second, "RUNNING").await).await;
    fleet.finish().await;
}
