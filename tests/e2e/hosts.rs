//! Losing whole hosts: cables and power.

use std::time::Duration;

use anyhow::ensure;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::hosts::{Hosts, Kind};
use berth_tests::harness::require_hosts;
use berth_tests::harness::slot::{Slot, turn};
use berth_tests::harness::wait::{throughout, until};

use super::{LATER, SOON, deploy};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_host_is_replaced_and_stops_what_is_superfluous_when_it_is_back() {
    if !require_hosts() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).on_hosts().start().await;
    deploy(&fleet, "web", 6).await;
    let lost = Member::Agent(0);
    fleet.cut_off(lost);
    until("the instance is declared lost and its tasks are replaced", LATER, async || {
        let tasks = fleet.running("web", 6).await?;
        let there = tasks.iter().filter(|task| fleet.agent_of(task).is_ok_and(|agent| agent == 0)).count();
        ensure!(there == 0, "{there} tasks still count on the lost host");
        Ok(())
    })
    .await;
    // Nobody could tell the lost host: its containers go on.
    assert_eq!(fleet.containers(0).unwrap().len(), 2);
    fleet.heal(lost);
    until("the host is back and stopped what is not wanted any more", LATER, async || {
        fleet.running("web", 6).await?;
        let left = fleet.all_containers()?.len();
        ensure!(left == 6, "{left} containers run");
        let instances = fleet.api().instances().await?;
        let connected = instances.iter().filter(|instance| instance.agent_connected()).count();
        ensure!(connected == 3, "{connected} agents are connected");
        Ok(())
    })
    .await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_costs_only_the_tasks_of_its_host() {
    if !require_hosts() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).on_hosts().start().await;
    deploy(&fleet, "web", 6).await;
    let elsewhere = [fleet.containers(1).unwrap(), fleet.containers(2).unwrap()].concat();
    fleet.power_off(Member::Agent(0));
    until("six tasks run on the other hosts", LATER, async || {
        let tasks = fleet.running("web", 6).await?;
        ensure!(
            tasks.iter().all(|task| fleet.agent_of(task).is_ok_and(|agent| agent != 0)),
            "one is on the dead host"
        );
        Ok(())
    })
    .await;
    let now = [fleet.containers(1).unwrap(), fleet.containers(2).unwrap()].concat();
    assert!(
        elsewhere.iter().all(|container| now.contains(container)),
        "the other hosts' tasks were not touched"
    );

    fleet.power_on(Member::Agent(0)).await;
    fleet.scale("web", 9).await.unwrap();
    until("the host takes tasks again", LATER, async || {
        let tasks = fleet.running("web", 9).await?;
        ensure!(fleet.containers(0)?.len() >= 2, "fewer than two there");
        ensure!(fleet.all_containers()?.len() == tasks.len(), "a container without a task runs");
        Ok(())
    })
    .await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_engine_that_goes_away_and_comes_back_costs_no_task_elsewhere() {
    if !require_hosts() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).agents(2).on_hosts().start().await;
    deploy(&fleet, "web", 4).await;
    let elsewhere = fleet.containers(1).unwrap();
    fleet.kill_engine(0);
    throughout("what cannot be asked about is not taken for stopped", Duration::from_secs(5), async || {
        fleet.running("web", 4).await.map(drop)
    })
    .await;
    // This engine ends the containers that it finds when it starts.
    fleet.restart_engine(0).await;
    until("four tasks run again, and nothing else", LATER, async || {
        fleet.running("web", 4).await?;
        let running = fleet.all_containers()?.len();
        ensure!(running == 4, "{running} containers run");
        ensure!(fleet.containers(0)?.len() == 2, "the host takes tasks again");
        Ok(())
    })
    .await;
    let now = fleet.containers(1).unwrap();
    assert!(elsewhere.iter().all(|container| now.contains(container)), "those of the other host stayed");
    fleet.allow("lost the container runtime");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_the_harness_lose_and_regain_network_and_power() {
    if !require_hosts() {
        return;
    }
    let _turn = turn().await;
    let slot = Slot::take().unwrap();
    let mut hosts = Hosts::start(&slot, &[true, false], Kind::default()).await.unwrap();
    let engine = hosts.engine(0);
    engine.docker(&["run", "--detach", "--publish", "9000:8080", "--label", "it=1", "berth-app:1"]).unwrap();
    let address = (hosts.address(0), 9000).into();
    let answers = async || berth_tests::harness::http::get(address, "/").await.map(drop);
    until("the container answers from outside", SOON, answers).await;
    hosts.cut_off(0).unwrap();
    assert!(answers().await.is_err(), "a host that is cut off does not answer");
    hosts.heal(0).unwrap();
    until("it answers again", SOON, answers).await;

    hosts.power_off(0);
    assert!(engine.docker(&["version"]).is_err(), "nothing runs without power");
    hosts.power_on(0).await.unwrap();
    hosts.wait_for_engines().await.unwrap();
    let containers = engine.containers("it=1").unwrap();
    assert_eq!(containers.iter().map(|container| container.running).collect::<Vec<_>>(), [false]);
}
