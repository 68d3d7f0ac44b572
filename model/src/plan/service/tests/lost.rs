//! Lost instances: their tasks are absent, not over.

use super::World;
use crate::id::InstanceId;
use crate::task::DesiredStatus;

#[test]
fn tasks_on_a_lost_instance_are_replaced_and_left_alone() {
    let mut world = World::new(6);
    world.come_to_rest();
    world.set_connected(1, false);
    world.settle();
    assert_eq!(world.wanted().len(), 7);
    assert_eq!(world.wanted_on(1), 1);
    assert!(world.stopping().is_empty());
    world.come_to_rest();
    assert!(world.service().steady, "steady without the lost one");
}

#[test]
fn what_is_too_many_is_stopped_once_the_returned_had_time_to_report() {
    let mut world = World::new(6);
    world.come_to_rest();
    world.set_connected(1, false);
    world.come_to_rest();
    world.set_connected(1, true);
    let plan = world.settle();
    assert_eq!(world.wanted().len(), 7, "nobody knows yet what became of it");
    assert_eq!(plan.next_wake, Some(world.machine.now.plus(world.policy.healthy_after)));
    world.wait(world.policy.healthy_after);
    world.settle();
    assert_eq!(world.wanted().len(), 6);
    world.come_to_rest();
    assert!(world.service().steady);
}

#[test]
fn a_returned_task_that_is_dead_costs_no_living_one() {
    let mut world = World::new(6);
    world.come_to_rest();
    world.set_connected(1, false);
    world.come_to_rest();
    world.set_connected(1, true);
    world.settle();
    let dead = world.wanted().iter().find(|task| task.instance == InstanceId::new(1)).expect("it is").id;
    world.machine.end(dead);
    world.wait(world.policy.healthy_after);
    world.settle();
    assert_eq!(world.wanted().len(), 6);
    assert!(world.stopping().is_empty());
}

#[test]
fn lost_tasks_of_a_deployment_are_kept_while_it_lives_and_stopped_after_it() {
    let mut world = World::new(6);
    world.come_to_rest();
    let on_lost = world.wanted().iter().find(|task| task.instance == InstanceId::new(1)).expect("it is").id;
    world.set_connected(1, false);
    world.deploy(|_| {});
    world.settle();
    assert_eq!(world.task(on_lost).desired, DesiredStatus::Running);
    world.come_to_rest();
    assert_eq!(world.service().deployments.len(), 1, "a lost task does not hold up the deployment");
    assert_eq!(world.task(on_lost).desired, DesiredStatus::Stopped, "its deployment is over");
    assert!(world.service().steady);
}
