//! Services that are deployed with task sets.

use std::time::Duration;

use super::World;
use crate::command::{ChangeTaskSets, Command, TaskSetChange};
use crate::fixture::{Machine, definition, instance, service, service_key};
use crate::id::{DeploymentId, Ids, TaskDefinitionKey};
use crate::plan::Policy;
use crate::service::task_set::{Controller, TaskSet, TaskSetStatus};
use crate::service::{Deployment, Service};
use crate::wire::Wire;

fn world(desired: u32) -> World {
    let mut machine = Machine::new();
    for (number, zone) in (1..).zip(["a", "b", "c"]) {
        machine.register(instance(number, zone, 1000, 1000));
    }
    let web = definition("web", 1, 100, 100);
    machine.define(&web);
    let none = TaskDefinitionKey { family: "".into(), revision: 0 };
    let service = service("web", desired, &none);
    machine.create(&Service { controller: Controller::External, deployments: Vec::new(), ..service });
    World { machine, ids: Ids::from_seed(1), policy: Policy::default(), definitions: 1 }
}

fn change(world: &mut World, change: TaskSetChange) {
    let (key, generation) = (service_key("web"), world.service().generation);
    world.machine.must(Command::ChangeTaskSets(Box::new(ChangeTaskSets { key, generation, change })));
}

fn add(world: &mut World, number: u64, percent: u32) -> DeploymentId {
    let now = world.machine.now;
    let id = DeploymentId::new(number);
    let set = TaskSet {
        deployment: Deployment::new(id, definition("web", 1, 100, 100).key, now),
        status: TaskSetStatus::Active,
        scale_basis_points: percent * 100,
        stable: false,
        stable_at: now,
        client_token: None,
        spec: Wire::default(),
    };
    change(world, TaskSetChange::Create(Box::new(set)));
    id
}

fn tasks_of(world: &World, id: DeploymentId) -> usize {
    world.wanted().iter().filter(|task| task.deployment() == Some(id)).count()
}

#[test]
fn each_task_set_is_kept_at_its_share_and_says_when_it_is_stable() {
    let mut world = world(3);
    let blue = add(&mut world, 1, 100);
    let green = add(&mut world, 2, 50);
    world.settle();
    assert_eq!((tasks_of(&world, blue), tasks_of(&world, green)), (3, 2));
    assert!(world.service().task_sets.iter().all(|set| !set.stable));
    world.come_to_rest();
    assert!(world.service().task_sets.iter().all(|set| set.stable));
    change(&mut world, TaskSetChange::Scale { id: green, basis_points: 10_000 });
    world.settle();
    assert_eq!(tasks_of(&world, green), 3);
    assert!(!world.service().task_sets[1].stable);
    let one = world.wanted()[0].id;
    world.come_to_rest();
    world.machine.end(one);
    world.settle();
    world.wait(Duration::from_secs(1));
    world.come_to_rest();
    assert_eq!((tasks_of(&world, blue), tasks_of(&world, green)), (3, 3), "what ends is replaced");
}

#[test]
fn the_primary_one_lends_its_definition_and_a_deleted_one_goes_when_it_is_empty() {
    let mut world = world(2);
    let blue = add(&mut world, 1, 100);
    let green = add(&mut world, 2, 100);
    world.come_to_rest();
    change(&mut world, TaskSetChange::Promote(green));
    assert_eq!(world.service().task_definition, definition("web", 1, 1, 1).key);
    let statuses: Vec<_> = world.service().task_sets.iter().map(|set| (set.id(), set.status)).collect();
    assert_eq!(statuses, [(green, TaskSetStatus::Primary), (blue, TaskSetStatus::Active)]);
    change(&mut world, TaskSetChange::Delete(blue));
    world.settle();
    assert_eq!(tasks_of(&world, blue), 0);
    assert_eq!(world.service().task_sets.len(), 2, "its tasks are stopping");
    world.come_to_rest();
    let left: Vec<_> = world.service().task_sets.iter().map(TaskSet::id).collect();
    assert_eq!((left, tasks_of(&world, green)), (vec![green], 2));
}
