//! What follows instances: daemons, rebalancing, drains; and asking why.

use std::collections::BTreeMap;

use anyhow::ensure;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;

use super::{LATER, SOON, deploy};

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_follows_a_new_host() {
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).agents(2).spare_agents(1).start().await;
    fleet.register("logs", "1", &[]).await.unwrap();
    fleet.create_daemon("logs").await.unwrap();
    until("it runs on both hosts", SOON, async || fleet.running("logs", 2).await.map(drop)).await;
    let before = fleet.all_containers().unwrap();
    fleet.join(2).await;
    until("it runs on the new host as well", SOON, async || {
        let tasks = fleet.running("logs", 3).await?;
        let mut agents: Vec<usize> = tasks.iter().filter_map(|task| fleet.agent_of(task).ok()).collect();
        agents.sort_unstable();
        ensure!(agents == [0, 1, 2], "tasks are on {agents:?}");
        Ok(())
    })
    .await;
    let after = fleet.all_containers().unwrap();
    assert!(before.iter().all(|container| after.contains(container)), "the others were not touched");
    let service = fleet.api().service("logs").await.unwrap();
    assert_eq!(service.desired_count, Some(3));
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_after_a_host_joins_drops_no_request() {
    if !require_docker() {
        return;
    }
    let flags = "--rebalance-after 5s --task-healthy-after 1s";
    let builder = Fleet::builder().controllers(1).agents(2).spare_agents(1).controller_flag(flags);
    let mut fleet = builder.start().await;
    deploy(&fleet, "web", 6).await;
    fleet.join(2).await;
    let probe = fleet.probe("web");
    until("the client finds all six", SOON, async || {
        ensure!(probe.seen().most >= 6, "{:?}", probe.seen());
        Ok(())
    })
    .await;
    // What it saw while it found them is no shortage.
    let probe = fleet.probe("web");
    until("the new host has its share", LATER, async || {
        let tasks = fleet.running("web", 6).await?;
        let zones = fleet.by_zone(&tasks)?;
        ensure!(zones == BTreeMap::from([("a", 2), ("b", 2), ("c", 2)]), "{zones:?}");
        Ok(())
    })
    .await;
    let seen = probe.seen();
    assert!(seen.fewest >= 6, "all six have to answer all the time: {seen:?}");
    assert!(seen.most <= 7, "one moves at a time: {seen:?}");
    let plan = fleet.berth_json(&["service", "rebalance", "--dry-run"]).await.unwrap();
    assert!(plan["moves"].as_array().is_none_or(Vec::is_empty), "nothing is left to move: {plan}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_at_its_deadline_and_refusals_are_explained() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    deploy(&fleet, "web", 3).await;
    let in_zone_a = "memberOf=attribute:ecs.availability-zone == a";
    let asked = ["task", "explain", "--run", "web", "--placement-constraint", in_zone_a];
    let text = fleet.berth(&asked).await.unwrap();
    assert!(
        text.contains("Refused by 2 instances: memberOf attribute:ecs.availability-zone == a."),
        "{text}"
    );

    let one_off = fleet.start_task_on("web", 0).await.unwrap();
    until("the one-off task runs", SOON, async || {
        let tasks = fleet.api().describe_tasks(vec![one_off.clone()]).await?;
        ensure!(tasks[0].last_status() == "RUNNING", "it is {}", tasks[0].last_status());
        Ok(())
    })
    .await;
    let instance = fleet.instance(0);
    let drain = ["instance", "drain", instance, "--deadline", "10s", "--stop-standalone", "--wait"];
    fleet.berth(&drain).await.unwrap();
    assert_eq!(fleet.containers(0).unwrap(), vec![], "nothing runs there any more");
    let stopped = fleet.api().describe_tasks(vec![one_off]).await.unwrap();
    assert!(stopped[0].stopped_reason().contains("The deadline to drain"), "{}", stopped[0].stopped_reason());
    fleet.running("web", 3).await.unwrap();
    let text = fleet.berth(&["service", "explain", "web"]).await.unwrap();
    assert!(
        text.contains("3 of 3 tasks run") && text.contains("the container instance is DRAINING"),
        "{text}"
    );
    fleet.finish().await;
}
