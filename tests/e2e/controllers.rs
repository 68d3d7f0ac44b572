//! Losing, cutting off, adding and removing controllers.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use berth_proto::admin::v1::RemoveControllerRequest;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::wait::{throughout, until};
use berth_tests::harness::{require_docker, require_hosts};

use super::{LATER, SOON, deploy};

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_killed_while_scaling_to_sixty_leaves_exactly_sixty() {
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().start().await;
    deploy(&fleet, "web", 3).await;
    let leader = fleet.leader().await;
    fleet.scale("web", 60).await.unwrap();
    until("the scale-up is on its way", SOON, async || {
        let tasks = fleet.api().tasks(Some("web")).await?.len();
        ensure!((10..60).contains(&tasks) || tasks == 60, "{tasks} tasks");
        Ok(())
    })
    .await;
    fleet.kill(Member::Controller(leader));
    until("sixty tasks run", LATER, async || fleet.running("web", 60).await.map(drop)).await;
    let containers = fleet.all_containers().unwrap();
    let tasks: BTreeSet<_> = containers.iter().map(|container| container.task_id().to_owned()).collect();
    assert_eq!((containers.len(), tasks.len()), (60, 60), "one container for each task, and no other");

    fleet.start(Member::Controller(leader)).await;
    until("the killed controller catches up", SOON, async || {
        let controllers = fleet.api().controllers().await?;
        let reachable = controllers.iter().filter(|controller| controller.reachable).count();
        ensure!(reachable == 3, "{reachable} controllers are reachable");
        Ok(())
    })
    .await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_is_replaced_and_follows_once_it_is_back() {
    if !require_hosts() {
        return;
    }
    let mut fleet = Fleet::builder().on_hosts().start().await;
    deploy(&fleet, "web", 3).await;
    let before = fleet.all_containers().unwrap();
    let cut_off = fleet.leader().await;
    fleet.cut_off(Member::Controller(cut_off));
    let successor = fleet.leader().await;
    assert_ne!(successor, cut_off);
    fleet.scale("web", 6).await.unwrap();
    until("six tasks run", LATER, async || fleet.running("web", 6).await.map(drop)).await;
    fleet.heal(Member::Controller(cut_off));
    until("one leader is left, in everybody's eyes", SOON, async || {
        for controller in 0..fleet.controllers() {
            let leaders = fleet.api_of(controller).controllers().await?;
            let leaders: Vec<_> = leaders.into_iter().filter(|it| it.leader).map(|it| it.address).collect();
            ensure!(leaders.len() == 1, "controller {controller} sees the leaders {leaders:?}");
        }
        fleet.running("web", 6).await.map(drop)
    })
    .await;
    let after = fleet.all_containers().unwrap();
    assert!(before.iter().all(|container| after.contains(container)), "no task was touched");
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_join_and_leave_while_tasks_run() {
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).spare_controllers(2).start().await;
    deploy(&fleet, "web", 3).await;
    let before = fleet.all_containers().unwrap();
    for joining in [1, 2] {
        fleet.start(Member::Controller(joining)).await;
        until("the new controller votes", SOON, async || voters(&fleet).await?.has(joining + 1)).await;
    }
    fleet.scale("web", 6).await.unwrap();
    until("six tasks run", SOON, async || fleet.running("web", 6).await.map(drop)).await;

    let leaving = fleet.leader().await;
    let id = voters(&fleet).await.unwrap().id_of(fleet.controller_address(leaving));
    let request = RemoveControllerRequest { controller_id: id };
    fleet.api().admin.remove_controller(request).await.unwrap();
    fleet.kill(Member::Controller(leaving));
    until("two controllers are left, and one of them leads", SOON, async || {
        voters(&fleet).await?.has(2)?;
        fleet.find_leader().await.map(drop)
    })
    .await;
    fleet.scale("web", 9).await.unwrap();
    until("nine tasks run", LATER, async || fleet.running("web", 9).await.map(drop)).await;
    let after = fleet.all_containers().unwrap();
    assert!(before.iter().all(|container| after.contains(container)), "no task was touched");
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_that_were_all_down_start_one_by_one_and_know_everything() {
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().start().await;
    deploy(&fleet, "web", 3).await;
    let before = fleet.all_containers().unwrap();
    for controller in 0..3 {
        fleet.stop(Member::Controller(controller)).await;
    }
    // Longer than a proposal may take: whoever waits for the others has no reason to give up.
    fleet.start(Member::Controller(0)).await;
    throughout("the first one waits for a majority", Duration::from_secs(12), async || {
        ensure!(fleet.is_running(Member::Controller(0)), "it ended");
        Ok(())
    })
    .await;
    for controller in [1, 2] {
        fleet.start(Member::Controller(controller)).await;
    }
    until("the service is as it was", SOON, async || fleet.running("web", 3).await.map(drop)).await;
    fleet.scale("web", 6).await.unwrap();
    until("six tasks run", LATER, async || fleet.running("web", 6).await.map(drop)).await;
    let after = fleet.all_containers().unwrap();
    assert!(before.iter().all(|container| after.contains(container)), "no task was touched");
    fleet.allow_disturbance();
    fleet.finish().await;
}

struct Voters(Vec<(String, String)>);

async fn voters(fleet: &Fleet) -> anyhow::Result<Voters> {
    let controllers = fleet.api().controllers().await?;
    let voters = controllers.into_iter().filter(|controller| controller.voter);
    Ok(Voters(voters.map(|controller| (controller.controller_id, controller.address)).collect()))
}

// === impl Voters ===

impl Voters {
    fn has(&self, count: usize) -> anyhow::Result<()> {
        ensure!(self.0.len() == count, "{} controllers vote", self.0.len());
        Ok(())
    }

    fn id_of(&self, address: &str) -> String {
        self.0.iter().find(|(_, of)| of == address).expect("it votes").0.clone()
    }
}
