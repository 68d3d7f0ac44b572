//! Changing what runs, under the eyes of a client.

use std::time::Duration;

use anyhow::ensure;
use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::{throughout, until};

use super::{LATER, SOON, deploy};

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_never_has_fewer_healthy_tasks_than_the_minimum() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().start().await;
    fleet.register("web", "1", &[]).await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 6).percent(50, 150)).await.unwrap();
    until("the service comes up", SOON, async || fleet.running("web", 6).await.map(drop)).await;
    let probe = fleet.probe("web");
    until("the client finds all six", SOON, async || {
        let seen = probe.seen();
        ensure!(seen.most == 6, "{seen:?}");
        Ok(())
    })
    .await;
    // What it saw while it found them is no shortage.
    let probe = fleet.probe("web");
    fleet.register("web", "2", &[("DRAIN_MS", "200")]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    until("the rollout completes", LATER, async || {
        let service = fleet.api().service("web").await?;
        ensure!(service.deployments.len() == 1, "{} deployments", service.deployments.len());
        let tasks = fleet.running("web", 6).await?;
        let old = tasks.iter().filter(|task| !task.task_definition_arn().ends_with(":2")).count();
        ensure!(old == 0, "{old} tasks of the old revision");
        Ok(())
    })
    .await;
    let seen = probe.seen();
    assert!(seen.fewest >= 3, "at least 50 % of 6 have to answer: {seen:?}");
    assert!(seen.most <= 9, "at most 150 % of 6 may run: {seen:?}");
    assert!(seen.revisions.contains("2"), "{seen:?}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_start_counts_only_once_it_answers() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    deploy(&fleet, "web", 3).await;
    let before = fleet.probe("web");
    until("the client finds all three", SOON, async || {
        ensure!(before.seen().most == 3, "{:?}", before.seen());
        Ok(())
    })
    .await;
    let probe = fleet.probe("web");
    fleet.register_checked("web", "2", &[("START_DELAY_MS", "3000")]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    until("the new revision takes over", LATER, async || {
        let tasks = fleet.running("web", 3).await?;
        ensure!(tasks.iter().all(|task| task.task_definition_arn().ends_with(":2")), "old tasks are left");
        Ok(())
    })
    .await;
    let seen = probe.seen();
    assert!(seen.fewest >= 3, "at least 100 % of 3 have to answer: {seen:?}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_service_is_left_alone() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    deploy(&fleet, "web", 6).await;
    let before = fleet.all_containers().unwrap();
    throughout("nothing is replaced", Duration::from_secs(10), async || {
        let now = fleet.all_containers()?;
        ensure!(now == before, "the containers changed: {now:?}");
        Ok(())
    })
    .await;
    fleet.finish().await;
}
