//! Events about placement.

use std::time::Duration;

use super::World;
use crate::fixture::instance;

#[test]
fn says_once_why_a_task_found_no_place_and_goes_on_when_one_turns_up() {
    let mut world = World::new(2);
    world.deploy(|definition| definition.facts.containers[0].memory_mib = 4000);
    let mut wakes = 0;
    for _ in 0..5 {
        let plan = world.settle();
        wakes += u32::from(plan.next_wake == Some(world.machine.now.plus(Duration::from_secs(10))));
        world.wait(Duration::from_secs(10));
    }
    assert_eq!(wakes, 5);
    let about =
        |world: &World| world.messages().iter().filter(|message| message.contains("unable to place")).count();
    assert_eq!(about(&world), 1, "{:?}", world.messages());
    assert!(world.messages()[0].contains("has insufficient memory available"));

    world.machine.register(instance(7, "a", 1000, 8000));
    world.come_to_rest();
    assert_eq!((world.wanted_on(7), about(&world)), (2, 1));
}

#[test]
fn says_anew_when_the_reason_is_another() {
    let mut world = World::new(1);
    world.deploy(|definition| definition.facts.containers[0].memory_mib = 4000);
    world.settle();
    for number in 1..=6 {
        world.set_connected(number, false);
    }
    world.settle();
    let last = world.messages().last().expect("it said something").to_string();
    assert!(last.contains("doesn't have the agent connected"), "{last}");
}

#[test]
fn what_the_newest_event_says_is_not_said_again_for_another_deployment() {
    let mut world = World::new(1);
    for _ in 0..2 {
        world.deploy(|definition| definition.facts.containers[0].memory_mib = 4000);
        world.settle();
        world.wait(Duration::from_secs(7 * 3600));
        world.settle();
    }
    assert_eq!(world.messages().len(), 1, "{:?}", world.messages());
}

#[test]
fn places_what_it_can() {
    let mut world = World::new(70);
    world.settle();
    assert_eq!(world.wanted().len(), 60, "ten fit on each of six instances");
    let last = world.messages().last().expect("it said something").to_string();
    assert!(
        last.contains("has insufficient CPU units available and has insufficient memory available"),
        "{last}"
    );
}
