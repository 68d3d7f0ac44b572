//! In any situation whatever: the bounds hold, plans are carried out as they are, and they come to an end.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::{World, percent};
use crate::command::Command;
use crate::container_instance::InstanceStatus;
use crate::fixture::{Dice, START, service_task};
use crate::id::{DeploymentId, TaskId};
use crate::plan::Plan;
use crate::service::DeploymentBounds;
use crate::state::invariant::check;
use crate::task::{DesiredStatus, Health, Task, TaskStatus};

fn any_bounds(dice: &mut Dice) -> DeploymentBounds {
    percent(*dice.pick(&[0, 34, 50, 66, 100]), *dice.pick(&[100, 125, 150, 200]))
}

/// A service in the middle of anything: tasks of three deployments, of a fourth that is over, in every status.
fn any_world(dice: &mut Dice) -> World {
    let mut world = World::with(dice.small(8), any_bounds(dice));
    let checked = dice.percent(30);
    for _ in 0..dice.below(3) {
        world.deploy(|definition| definition.facts.containers[0].health_check = checked);
    }
    for number in 1..=dice.below(16) {
        add_task(&mut world, u128::from(number), dice);
    }
    for number in 1..=6 {
        if dice.percent(15) {
            world.set_status(number, InstanceStatus::Draining);
        }
        if dice.percent(15) {
            world.set_connected(number, false);
        }
        if dice.percent(15) {
            world.set_connected(number, false);
            world.set_connected(number, true);
        }
        world.wait(Duration::from_millis(dice.below(2500)));
    }
    if dice.percent(10) {
        world.scale(0);
    }
    world
}

fn add_task(world: &mut World, number: u128, dice: &mut Dice) {
    let service = world.service().clone();
    let deployments: Vec<DeploymentId> =
        service.deployments.iter().map(|deployment| deployment.id).chain([DeploymentId::new(77)]).collect();
    let deployment = *dice.pick(&deployments);
    let revision = service.deployment(deployment).map_or(1, |known| known.task_definition.revision);
    let definition = crate::fixture::definition("web", revision, 100, 100);
    let on = 1 + u128::from(dice.below(6));
    let task = service_task(number, on, &definition, &service, deployment);
    world.machine.start(vec![Task { created_at: world.machine.now, ..task }]);
    let id = TaskId::new(number);
    if dice.percent(70) {
        world.machine.run(id);
        let health = *dice.pick(&[Health::Unknown, Health::Unknown, Health::Healthy, Health::Unhealthy]);
        world.machine.observe(id, |observed| observed.health = health);
    }
    if dice.percent(10) {
        world.machine.observe(id, |observed| observed.last_status = TaskStatus::Stopping);
    }
    if dice.percent(15) {
        world.machine.must(Command::StopTasks(crate::command::StopTasks {
            service: None,
            tasks: vec![id],
            code: crate::task::StopCode::UserInitiated,
            reason: String::new(),
        }));
    }
    world.wait(Duration::from_millis(dice.below(1500)));
}

/// Healthy tasks, as an outsider would count them: of deployments that there are, on instances that answer.
fn healthy(world: &World) -> u32 {
    let is_healthy = |task: &&&Task| {
        let instance = world.machine.state.instance(task.instance).expect("tasks are on instances");
        let returned = task.created_at < instance.connected_at
            && world.machine.now.since(instance.connected_at) < world.policy.healthy_after;
        let definition = world.machine.state.task_definition(&task.definition).expect("it is in use");
        let ran = task.observed.started_at.map_or(Duration::ZERO, |at| world.machine.now.since(at));
        let is_well = match task.observed.health {
            Health::Healthy => true,
            Health::Unhealthy => false,
            Health::Unknown => {
                !definition.facts.containers[0].health_check && ran >= world.policy.healthy_after
            }
        };
        let known = task.deployment().is_some_and(|id| world.service().deployment(id).is_some());
        task.is_running() && instance.connected && !returned && is_well && known
    };
    u32::try_from(world.wanted().iter().filter(is_healthy).count()).expect("it fits")
}

/// PENDING and RUNNING tasks on instances that answer.
fn occupied(world: &World) -> u32 {
    let tasks = world.machine.state.tasks();
    let there = tasks.filter(|task| {
        task.observed.last_status <= TaskStatus::Running && world.machine.state.is_reachable(task)
    });
    u32::try_from(there.count()).expect("it fits")
}

fn started(plan: &Plan) -> u32 {
    let starts = plan.commands.iter().map(|command| match command {
        Command::StartTasks(start) => start.tasks.len(),
        _ => 0,
    });
    u32::try_from(starts.sum::<usize>()).expect("it fits")
}

fn stopped(plan: &Plan) -> BTreeSet<TaskId> {
    let stops = plan.commands.iter().filter_map(|command| match command {
        Command::StopTasks(stop) => Some(stop.tasks.iter().copied()),
        _ => None,
    });
    stops.flatten().collect()
}

/// Plans and carries it out; whether there was nothing to do. No plan may leave the bounds.
pub(super) fn step_within_bounds(world: &mut World) -> Result<bool, TestCaseError> {
    let service = world.service().clone();
    let (floor, ceiling) =
        (service.bounds.floor(service.desired_count), service.bounds.ceiling(service.desired_count));
    let (healthy_before, occupied_before) = (healthy(world), occupied(world));
    let before = world.machine.state.clone();
    let plan = world.step();

    let starts = started(&plan);
    prop_assert!(
        starts == 0 || occupied_before + starts <= ceiling,
        "{starts} on {occupied_before} of {ceiling}"
    );
    prop_assert!(service.desired_count > 0 || starts == 0, "nothing is wanted, {starts} were started");
    let left = healthy(world);
    prop_assert!(left >= floor.min(healthy_before), "{healthy_before} healthy, {left} left of {floor}");
    for id in stopped(&plan) {
        let task = before.task(id).expect("it is there");
        let over = task.deployment().is_none_or(|id| service.deployment(id).is_none());
        prop_assert!(before.is_reachable(task) || over, "{id} is lost, not over");
        prop_assert!(task.desired == DesiredStatus::Running, "{id} was told already");
    }
    prop_assert!(check(&world.machine.state).is_empty());
    Ok(plan.is_quiet())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stays_within_the_bounds_and_comes_to_an_end(seed in any::<u64>()) {
        let mut world = any_world(&mut Dice::new(seed));
        let mut rounds = 0;
        while !step_within_bounds(&mut world)? {
            rounds += 1;
            prop_assert!(rounds < 10, "it goes on without time going on: {:?}", world.plan());
        }
    }

    #[test]
    fn gets_any_service_to_where_it_should_be(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut world = any_world(&mut dice);
        // Nothing is in the way any more, and the bounds allow to move.
        for number in 1..=6 {
            world.set_connected(number, true);
            world.set_status(number, InstanceStatus::Active);
        }
        let bounds = percent(*dice.pick(&[0, 50]), *dice.pick(&[100, 150, 200]));
        let desired = 2 + dice.small(6);
        world.update(|update| {
            update.bounds = Some(bounds);
            update.desired_count = Some(desired);
        });
        world.deploy(|_| {});
        let mut now = world.machine.now;
        for _ in 0..300 {
            let is_quiet = step_within_bounds(&mut world)?;
            let is_idle = !world.obey() && is_quiet;
            let wake = world.plan().next_wake;
            if is_idle && wake.is_none() {
                break;
            }
            // Only as far as it asks: a wake that is missing shows as a service that never gets there.
            now = wake.unwrap_or(now).max(now);
            world.machine.now = now;
        }
        prop_assert!(world.service().steady, "{:?}", world.messages());
        prop_assert_eq!(world.wanted().len(), usize::try_from(desired).expect("it fits"));
        prop_assert_eq!(world.service().deployments.len(), 1);
        prop_assert!(world.machine.now.since(START) < Duration::from_secs(300));
    }
}
