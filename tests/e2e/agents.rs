//! Losing agents, and losing containers under an agent's hands.

use anyhow::ensure;
use berth_proto::ecs::v1::{ContainerInstanceStatus, TaskStopCode};
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;

use super::{LATER, SOON, deploy};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_and_restarted_finds_its_containers_untouched() {
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).start().await;
    deploy(&fleet, "web", 6).await;
    let before = fleet.all_containers().unwrap();
    fleet.kill(Member::Agent(0));
    fleet.start(Member::Agent(0)).await;
    let instance = fleet.instance(0).to_owned();
    until("the agent is back under its old id", SOON, async || {
        let instances = fleet.api().instances().await?;
        let back = instances.iter().find(|it| it.container_instance_arn().ends_with(&instance));
        ensure!(back.is_some_and(|it| it.agent_connected()), "{instance} is not connected");
        fleet.running("web", 6).await.map(drop)
    })
    .await;
    // The same runtime ids and the same start times.
    assert_eq!(fleet.all_containers().unwrap(), before);
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_killed_is_replaced_and_the_others_stay() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    deploy(&fleet, "web", 6).await;
    let before = fleet.all_containers().unwrap();
    let victim = &before[0];
    fleet.engine(0).kill(&victim.id).unwrap();
    until("six tasks run, without the killed one", SOON, async || {
        let tasks = fleet.running("web", 6).await?;
        ensure!(
            !tasks.iter().any(|task| task.task_arn().ends_with(victim.task_id())),
            "the victim still counts"
        );
        Ok(())
    })
    .await;
    let after = fleet.all_containers().unwrap();
    assert!(before[1..].iter().all(|container| after.contains(container)), "the others were not touched");
    let stopped = fleet.api().describe_tasks(vec![victim.task_id().to_owned()]).await.unwrap();
    assert_eq!(stopped[0].stop_code(), TaskStopCode::EssentialContainerExited);
    assert_eq!(stopped[0].containers[0].exit_code, Some(137));
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_moves_service_tasks_and_leaves_one_off_tasks() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    deploy(&fleet, "web", 6).await;
    fleet.register("batch", "1", &[]).await.unwrap();
    let one_off = fleet.start_task_on("batch", 0).await.unwrap();
    until("the one-off task runs", SOON, async || {
        let tasks = fleet.api().describe_tasks(vec![one_off.clone()]).await?;
        ensure!(tasks[0].last_status() == "RUNNING", "it is {}", tasks[0].last_status());
        Ok(())
    })
    .await;
    let probe = fleet.probe("web");
    fleet.set_instance_status(0, ContainerInstanceStatus::Draining).await.unwrap();
    until("the service has left the host", LATER, async || {
        let tasks = fleet.running("web", 6).await?;
        let here = tasks.iter().filter(|task| fleet.agent_of(task).is_ok_and(|agent| agent == 0)).count();
        ensure!(here == 0, "{here} tasks are still there");
        Ok(())
    })
    .await;
    let seen = probe.seen();
    assert!(seen.fewest >= 6, "at least 100 % of 6 have to answer: {seen:?}");
    let left: Vec<_> = fleet.containers(0).unwrap();
    assert_eq!(left.len(), 1, "only the one-off task is left: {left:?}");
    assert!(one_off.ends_with(left[0].task_id()));

    fleet.set_instance_status(0, ContainerInstanceStatus::Active).await.unwrap();
    fleet.scale("web", 9).await.unwrap();
    until("the host takes tasks again", SOON, async || {
        let tasks = fleet.running("web", 9).await?;
        ensure!(tasks.iter().any(|task| fleet.agent_of(task).is_ok_and(|agent| agent == 0)), "none there");
        Ok(())
    })
    .await;
    fleet.finish().await;
}
