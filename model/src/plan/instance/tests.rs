//! Which silence counts as a loss.

use std::collections::BTreeMap;
use std::time::Duration;

use super::plan;
use crate::command::Command;
use crate::fixture::{Machine, instance};
use crate::id::InstanceId;
use crate::plan::{Plan, Policy};

/// Instances, numbered from 1, in these zones.
fn fleet(zones: &[&str]) -> Machine {
    let mut machine = Machine::new();
    for (number, zone) in (1..).zip(zones) {
        machine.register(instance(number, zone, 1, 1));
    }
    machine
}

fn plan_after(machine: &Machine, silent: &[(u128, u64)]) -> Plan {
    let silent: BTreeMap<InstanceId, Duration> = silent
        .iter()
        .map(|(number, silence_s)| (InstanceId::new(*number), Duration::from_secs(*silence_s)))
        .collect();
    plan(&machine.state, &silent, machine.now, &Policy::default())
}

fn lost(plan: &Plan) -> Vec<u128> {
    let lost = plan.commands.iter().map(|command| match command {
        Command::SetInstanceConnected { id, connected: false } => id.number(),
        other => panic!("it does something else: {other:?}"),
    });
    lost.collect()
}

#[test]
fn declares_lost_what_was_silent_for_long_enough() {
    let machine = fleet(&["a", "a", "a", "b"]);
    let plan = plan_after(&machine, &[(1, 9)]);
    assert_eq!(lost(&plan), []);
    assert_eq!(plan.next_wake, Some(machine.now.plus(Duration::from_secs(1))));
    assert_eq!(lost(&plan_after(&machine, &[(1, 10)])), [1]);
}

#[test]
fn declares_nobody_lost_while_everybody_is_silent() {
    for zones in [vec!["a"], vec!["a", "a", "a"], vec!["a", "b", "c"]] {
        let machine = fleet(&zones);
        let all: Vec<(u128, u64)> = (1..).zip(&zones).map(|(number, _)| (number, 1000)).collect();
        assert_eq!(lost(&plan_after(&machine, &all)), []);
    }
}

#[test]
fn slows_down_when_most_of_a_zone_is_silent() {
    // Rows: instances of zone a, silent ones among them, lost at once. Zone b has one that is heard.
    let rows = [
        (1, 1, 1),
        (2, 1, 1),
        (2, 2, 1),
        (3, 1, 1),
        (3, 2, 1),
        (4, 2, 2),
        (20, 10, 10),
        (20, 11, 1),
        (20, 20, 1),
    ];
    for (size, silent, expected) in rows {
        let mut zones = vec!["a"; size];
        zones.push("b");
        let machine = fleet(&zones);
        let silent: Vec<(u128, u64)> =
            (1..).zip(0..silent).map(|(number, _): (u128, i32)| (number, 60)).collect();
        assert_eq!(lost(&plan_after(&machine, &silent)).len(), expected, "{size} of which {silent:?}");
    }
}

#[test]
fn a_mostly_silent_zone_loses_one_instance_per_interval_longest_silence_first() {
    let mut machine = fleet(&["a", "a", "a", "a", "b"]);
    let mut silent = vec![(1, 20), (2, 30), (3, 25), (4, 12)];
    let mut order = Vec::new();
    for _ in 0..4 {
        let plan = plan_after(&machine, &silent);
        let [next] = lost(&plan)[..] else { panic!("one at a time: {plan:?}") };
        plan.commands.into_iter().for_each(|command| drop(machine.must(command)));
        order.push(next);
        silent.retain(|(number, _)| *number != next);
        if silent.is_empty() {
            break;
        }
        machine.now = machine.now.plus(Duration::from_secs(4));
        let plan = plan_after(&machine, &silent);
        assert_eq!(lost(&plan), []);
        assert_eq!(plan.next_wake, Some(machine.now.plus(Duration::from_secs(6))));
        machine.now = machine.now.plus(Duration::from_secs(6));
    }
    assert_eq!(order, [2, 3, 1, 4]);
}

#[test]
fn other_zones_are_not_held_up() {
    let machine = fleet(&["a", "a", "a", "b", "b", "b", "b"]);
    let plan = plan_after(&machine, &[(1, 60), (2, 60), (3, 60), (4, 60), (5, 60)]);
    assert_eq!(lost(&plan), [1, 4, 5]);
}

#[test]
fn instances_that_were_lost_long_ago_do_not_protect_their_zone() {
    let mut machine = fleet(&["a", "a", "a", "b"]);
    for number in [1, 2] {
        machine.must(Command::SetInstanceConnected { id: InstanceId::new(number), connected: false });
    }
    machine.now = machine.now.plus(Duration::from_secs(3600));
    assert_eq!(lost(&plan_after(&machine, &[(3, 10)])), [3]);
}

#[test]
fn deregistered_instances_do_not_count() {
    let mut machine = fleet(&["a", "a", "b"]);
    machine.must(Command::DeregisterInstance { id: InstanceId::new(3), force: false });
    assert_eq!(lost(&plan_after(&machine, &[(1, 60), (2, 60)])), [], "nobody else is heard");
}
