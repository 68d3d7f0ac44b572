//! Crash loops: slowed down, never given up, and nobody else's business.

use std::time::Duration;

use super::World;
use crate::id::TaskId;

fn crash_all(world: &mut World) {
    let tasks: Vec<TaskId> = world.wanted().iter().map(|task| task.id).collect();
    for id in tasks {
        world.machine.end(id);
    }
}

#[test]
fn the_first_crash_is_followed_at_once_and_the_next_ones_later_and_later() {
    let mut world = World::new(1);
    let mut waits = Vec::new();
    for _ in 0..6 {
        world.settle();
        assert_eq!(world.wanted().len(), 1);
        world.wait(Duration::from_millis(500));
        crash_all(&mut world);
        let plan = world.settle();
        match plan.next_wake.filter(|_| world.wanted().is_empty()) {
            Some(at) => {
                waits.push(at.since(world.machine.now).as_millis());
                world.machine.now = at;
            }
            None => waits.push(0),
        }
    }
    for (wait, expected) in waits.iter().zip([0, 1000, 2000, 4000, 8000, 16000]) {
        assert!((expected..=expected + expected / 8).contains(wait), "{waits:?}");
    }
    let said = "(service web) is unable to consistently start tasks successfully.";
    assert_eq!(world.messages().iter().filter(|message| **message == said).count(), 1);
}

#[test]
fn only_the_successors_of_crashed_tasks_wait() {
    let mut world = World::new(4);
    for _ in 0..3 {
        world.wait(Duration::from_secs(60));
        world.settle();
        crash_all(&mut world);
    }
    world.settle();
    assert_eq!(world.wanted().len(), 0);
    world.scale(6);
    world.settle();
    assert_eq!(world.wanted().len(), 2, "four wait after their crash, two are new");
}

#[test]
fn a_new_deployment_starts_without_waiting() {
    let mut world = World::new(2);
    for _ in 0..5 {
        world.wait(Duration::from_secs(30));
        world.settle();
        crash_all(&mut world);
    }
    world.settle();
    assert_eq!(world.wanted().len(), 0);
    world.deploy(|_| {});
    world.settle();
    assert_eq!(world.wanted().len(), 2);
}

#[test]
fn a_deployment_in_a_crash_loop_is_not_called_complete_between_two_crashes() {
    let mut world = World::new(1);
    for _ in 0..4 {
        world.settle();
        world.obey();
        world.wait(Duration::from_secs(20));
        world.settle();
        crash_all(&mut world);
        world.settle();
        world.wait(Duration::from_secs(20));
    }
    let completions = world.messages().iter().filter(|message| message.contains("completed")).count();
    // The first crash came after it was healthy; the loop only showed afterwards.
    assert_eq!(completions, 1);
    world.settle();
    world.obey();
    world.wait(Duration::from_secs(59));
    world.settle();
    assert!(!world.service().steady);
    world.wait(Duration::from_secs(1));
    world.settle();
    assert!(world.service().steady);
}
