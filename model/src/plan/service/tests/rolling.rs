//! Deployments, DRAINING instances and unhealthy tasks: replacing within bounds.

use std::time::Duration;

use berth_proto::ecs::v1 as pb;

use super::{World, percent};
use crate::container_instance::InstanceStatus;
use crate::service::Rollout;
use crate::task::{Health, TaskStatus};
use crate::wire::Wire;

#[test]
fn replaces_all_tasks_and_then_forgets_the_old_deployment() {
    let mut world = World::new(4);
    world.come_to_rest();
    let id = world.deploy(|_| {});
    world.settle();
    assert_eq!(world.wanted().len(), 8, "100/200: the new ones are started beside the old");
    world.obey();
    world.settle();
    assert_eq!(world.wanted().len(), 8, "old ones stay until the new are healthy");
    world.wait(world.policy.healthy_after);
    world.settle();
    assert_eq!(world.wanted().len(), 4);
    assert!(world.wanted().iter().all(|task| task.deployment() == Some(id)));
    assert_eq!(world.service().deployments.len(), 2, "old tasks are still stopping");
    world.come_to_rest();
    let [only] = world.service().deployments.as_slice() else { panic!("the old one is over") };
    assert_eq!((only.id, only.rollout), (id, Rollout::Completed));
    let completed = format!("(service web) (deployment {id}) deployment completed.");
    let messages = world.messages();
    assert_eq!(
        messages[messages.len() - 2..],
        [completed.as_str(), "(service web) has reached a steady state."]
    );
}

#[test]
fn makes_room_first_where_the_ceiling_is_the_desired_count() {
    let mut world = World::with(4, percent(50, 100));
    world.come_to_rest();
    world.deploy(|_| {});
    world.settle();
    assert_eq!((world.wanted().len(), world.stopping().len()), (2, 2));
    world.settle();
    assert_eq!(world.wanted().len(), 2, "nothing starts before their places are free");
    world.obey();
    world.settle();
    assert_eq!(world.wanted().len(), 4);
    world.come_to_rest();
    assert_eq!(world.service().deployments.len(), 1);
}

#[test]
fn a_deployment_overtaken_by_another_leaves_nothing_behind() {
    let mut world = World::new(3);
    world.deploy(|_| {});
    world.settle();
    world.deploy(|_| {});
    world.settle();
    world.obey();
    let last = world.deploy(|_| {});
    world.come_to_rest();
    assert_eq!(world.service().deployments.len(), 1);
    assert!(world.wanted().iter().all(|task| task.deployment() == Some(last)));
}

#[test]
fn pending_tasks_leave_a_draining_instance_at_once() {
    let mut world = World::new(6);
    world.settle();
    world.set_status(1, InstanceStatus::Draining);
    world.settle();
    assert_eq!(world.wanted_on(1), 0);
    assert_eq!(world.wanted().len(), 6);
}

#[test]
fn running_tasks_leave_a_draining_instance_once_they_are_replaced() {
    let mut world = World::new(6);
    world.come_to_rest();
    world.set_status(1, InstanceStatus::Draining);
    world.settle();
    assert_eq!((world.wanted_on(1), world.wanted().len()), (1, 7));
    world.obey();
    world.settle();
    assert_eq!(world.wanted_on(1), 1, "its successor is not healthy yet");
    world.wait(world.policy.healthy_after);
    world.settle();
    assert_eq!((world.wanted_on(1), world.wanted().len()), (0, 6));
    world.come_to_rest();
    assert!(world.service().steady);
}

#[test]
fn running_tasks_leave_a_draining_instance_within_the_floor_if_there_is_no_room() {
    let mut world = World::with(6, percent(50, 100));
    world.come_to_rest();
    world.set_status(1, InstanceStatus::Draining);
    world.settle();
    assert_eq!((world.wanted_on(1), world.wanted().len()), (0, 5));
    world.come_to_rest();
    assert_eq!(world.wanted().len(), 6);
}

#[test]
fn an_unhealthy_task_is_replaced_before_it_is_stopped() {
    let mut world = World::new(2);
    world.come_to_rest();
    let sick = world.wanted()[0].id;
    world.machine.observe(sick, |observed| observed.health = Health::Unhealthy);
    world.settle();
    assert_eq!(world.wanted().len(), 3);
    world.obey();
    world.wait(world.policy.healthy_after);
    world.settle();
    assert_eq!(world.wanted().len(), 2);
    let stop = world.task(sick).stop_reason().expect("it was stopped").clone();
    assert_eq!(&*stop.reason, "Task failed container health checks");
    world.come_to_rest();
}

#[test]
fn a_task_may_fail_its_health_check_for_the_grace_period() {
    let mut world = World::new(1);
    world.update(|update| {
        update.spec = Some(Wire::new(pb::Service {
            health_check_grace_period_seconds: Some(30),
            ..pb::Service::default()
        }));
    });
    world.settle();
    world.obey();
    let task = world.wanted()[0].id;
    world.machine.observe(task, |observed| observed.health = Health::Unhealthy);
    let plan = world.settle();
    assert_eq!(plan.next_wake, Some(world.machine.now.plus(Duration::from_secs(30))));
    assert_eq!(world.wanted().len(), 1);
    world.wait(Duration::from_secs(30));
    world.settle();
    assert_eq!(world.wanted().len(), 2);
}

#[test]
fn with_a_health_check_only_its_verdict_counts() {
    let mut world = World::new(1);
    world.come_to_rest();
    world.deploy(|definition| definition.facts.containers[0].health_check = true);
    world.settle();
    world.obey();
    world.wait(Duration::from_secs(3600));
    world.settle();
    assert_eq!(world.wanted().len(), 2, "it runs, and nobody said that it is healthy");
    let new = world.wanted().iter().find(|task| task.definition.revision == 2).expect("it runs").id;
    world.machine.observe(new, |observed| observed.health = Health::Healthy);
    world.settle();
    assert_eq!(world.wanted().len(), 1);
}

#[test]
fn says_once_that_the_bounds_allow_nothing() {
    let mut world = World::with(2, percent(100, 100));
    world.come_to_rest();
    world.deploy(|_| {});
    for _ in 0..5 {
        world.settle();
        world.wait(Duration::from_secs(60));
    }
    let stuck = "(service web) was unable to stop or start tasks during a deployment because of the service deployment \
                 configuration. Update the minimumHealthyPercent or maximumPercent value and try again.";
    assert_eq!(world.messages().iter().filter(|message| **message == stuck).count(), 1);
    assert_eq!(world.wanted().len(), 2);
    world.update(|update| update.bounds = Some(percent(50, 100)));
    world.come_to_rest();
    assert_eq!(world.service().deployments.len(), 1);
}

#[test]
fn a_task_that_ends_by_itself_is_replaced_once_it_is_stopped() {
    let mut world = World::new(1);
    world.come_to_rest();
    let task = world.wanted()[0].id;
    world.machine.observe(task, |observed| observed.last_status = TaskStatus::Stopping);
    world.settle();
    assert_eq!(world.wanted().len(), 1);
    world.machine.end(task);
    world.settle();
    assert_eq!(world.wanted().len(), 1);
    assert_ne!(world.wanted()[0].id, task);
}
