//! The order of stopping against a full scan, and its rules one by one.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Order, Standing};
use crate::attribute::AVAILABILITY_ZONE;
use crate::fixture::{Dice, Machine, START, definition, instance, task};
use crate::placement::{PackField, SpreadField, Strategy};
use crate::plan::placement::{in_force, shuffled};
use crate::state::State;
use crate::task::Task;

const SEED: u64 = 3;

const STANDINGS: [Standing; 6] = [
    Standing::Lost,
    Standing::Draining,
    Standing::Pending,
    Standing::Unhealthy,
    Standing::Warming,
    Standing::Healthy,
];

fn zones() -> Strategy {
    Strategy::Spread(SpreadField::Attribute(AVAILABILITY_ZONE.into()))
}

/// Tasks, numbered from 1, on these instances; each a second younger than the one before it.
fn machine(zones: &[&str], on: &[u128]) -> Machine {
    let mut machine = Machine::new();
    let web = definition("web", 1, 10, 10);
    machine.define(&web);
    for (number, zone) in (1..).zip(zones) {
        machine.register(instance(number, zone, 1000, 1000));
    }
    for (number, on) in (1..).zip(on) {
        machine.now = machine.now.plus(Duration::from_secs(1));
        let task = Task { created_at: machine.now, ..task(number, *on, &web, "g") };
        machine.start(vec![task]);
    }
    machine
}

fn order(state: &State, strategy: &[Strategy], standing: impl Fn(&Task) -> Standing) -> Vec<u128> {
    let tasks = || state.tasks().map(|task| &**task);
    let candidates = tasks().map(|task| (task, standing(task)));
    Order::new(state, strategy, SEED, tasks(), candidates).map(|task| task.id.number()).collect()
}

#[test]
fn takes_from_the_fullest_zone_then_the_fullest_host_then_the_newest() {
    // Zone a has 1, 2, 3 on host 1 and 4 on host 2; zone b has 5 on host 3.
    let machine = machine(&["a", "a", "b"], &[1, 1, 1, 2, 3]);
    assert_eq!(order(&machine.state, &[], |_| Standing::Healthy), vec![3, 2, 4, 5, 1]);
}

#[test]
fn takes_what_serves_least_before_anything_else() {
    let machine = machine(&["a", "a", "b"], &[1, 1, 1, 2, 3, 3]);
    let standing = |task: &Task| STANDINGS[usize::try_from(6 - task.id.number()).expect("it is small")];
    assert_eq!(order(&machine.state, &[], standing), vec![6, 5, 4, 3, 2, 1]);
}

#[test]
fn binpack_empties_the_emptiest_instance_first() {
    let machine = machine(&["a", "b"], &[1, 1, 1, 2, 2]);
    let strategy = [Strategy::Binpack(PackField::Cpu)];
    assert_eq!(order(&machine.state, &strategy, |_| Standing::Healthy), vec![5, 4, 3, 2, 1]);
}

/// The next to stop by a full scan.
fn scan(
    state: &State,
    strategy: &[Strategy],
    left: &[(&Arc<Task>, Standing)],
    gone: &[&Task],
) -> Option<u128> {
    let best = left.iter().min_by_key(|(task, standing)| {
        let on = |task: &Task| state.instance(task.instance).expect("tasks are on instances");
        let instance = on(task);
        let sharing = |shares: &dyn Fn(&Task) -> bool| left.iter().filter(|(other, _)| shares(other)).count();
        let ranks: Vec<i64> = in_force(strategy)
            .iter()
            .map(|strategy| match strategy {
                Strategy::Spread(SpreadField::Instance) => {
                    -i64::try_from(sharing(&|other| other.instance == task.instance)).expect("it fits")
                }
                Strategy::Spread(SpreadField::Attribute(name)) => {
                    let shares = |other: &Task| on(other).attribute(name) == instance.attribute(name);
                    -i64::try_from(sharing(&shares)).expect("it fits")
                }
                Strategy::Binpack(field) => {
                    let of = |cpu: u32, memory: u32| match field {
                        PackField::Cpu => i64::from(cpu),
                        PackField::Memory => i64::from(memory),
                    };
                    let held = |task: &Task| of(task.held.cpu_units, task.held.memory_mib);
                    let freed: i64 = gone
                        .iter()
                        .filter(|other| other.instance == task.instance)
                        .map(|other| held(other))
                        .sum();
                    let offered = of(instance.capacity.cpu_units, instance.capacity.memory_mib);
                    let taken = of(instance.held.cpu_units, instance.held.memory_mib);
                    -(offered - taken + freed + held(task))
                }
                Strategy::Random => {
                    i64::try_from(shuffled(SEED, task.id.number(), 0) >> 1).expect("63 bits are left")
                }
            })
            .collect();
        (*standing, ranks, -task.created_at.unix_ms(), task.id)
    });
    best.map(|(task, _)| task.id.number())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stops_what_a_full_scan_would(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut machine = Machine::new();
        let definitions = [definition("web", 1, 10, 30), definition("batch", 1, 40, 20)];
        definitions.iter().for_each(|definition| machine.define(definition));
        let hosts = 1 + dice.below(6);
        for number in 1..=hosts {
            let zone = *dice.pick(&["a", "b"]);
            machine.register(instance(u128::from(number), zone, 2000, 2000));
        }
        for number in 1..=dice.below(25) {
            let on = 1 + u128::from(dice.below(hosts));
            let created_at = START.plus(Duration::from_secs(dice.below(5)));
            let task = Task { created_at, ..task(u128::from(number), on, dice.pick(&definitions), "g") };
            machine.start(vec![task]);
        }
        // An instance may come to offer less than its tasks hold.
        machine.register(instance(1, "a", 20, 20));
        let all = [
            Strategy::Spread(SpreadField::Instance),
            zones(),
            Strategy::Binpack(PackField::Cpu),
            Strategy::Binpack(PackField::Memory),
            Strategy::Random,
        ];
        let strategy: Vec<Strategy> = (0..dice.below(4)).map(|_| dice.pick(&all).clone()).collect();

        let state = &machine.state;
        let mut left: Vec<(&Arc<Task>, Standing)> =
            state.tasks().map(|task| (task, *dice.pick(&STANDINGS))).collect();
        let counted = || state.tasks().map(|task| &**task);
        let candidates = left.iter().map(|(task, standing)| (&***task, *standing));
        let mut gone: Vec<&Task> = Vec::new();
        for task in Order::new(state, &strategy, SEED, counted(), candidates) {
            prop_assert_eq!(Some(task.id.number()), scan(state, &strategy, &left, &gone));
            left.retain(|(other, _)| other.id != task.id);
            gone.push(task);
        }
        prop_assert!(left.is_empty());
    }
}
