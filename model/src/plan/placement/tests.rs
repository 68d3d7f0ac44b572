//! The placer against a full scan: the same answers, for any fleet and any rules, and refusals that are true.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Counted, Placer, Reason, Request, in_force, interval};
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::fixture::{
    CLUSTER, Dice, Machine, definition, instance, service, service_key, service_task, task,
};
use crate::id::{ClusterName, DeploymentId, InstanceId, TaskId};
use crate::limits::TASKS_PER_INSTANCE;
use crate::placement::{Constraint, Decision, PackField, PlacementRules, SpreadField, Strategy};
use crate::resource::{Requirements, Shortage, fits};
use crate::state::State;
use crate::task::{DesiredStatus, Owner, Task};
use crate::task_definition::TaskDefinition;

mod explain;

/// A fleet with tasks on it, and what is to be placed there.
struct Case {
    machine: Machine,
    rules: PlacementRules,
    definitions: [TaskDefinition; 2],
    leaving: BTreeSet<TaskId>,
    zone: Option<&'static str>,
    /// Whether tasks of the service `web` are placed, or of the group `g`.
    of_service: bool,
}

const SEED: u64 = 7;

const ARCHITECTURES: [&str; 2] = ["x86_64", "arm64"];

/// Whether an instance is one that an expression means.
type Means = fn(&State, &ContainerInstance) -> bool;

/// Expressions, and what they mean.
const EXPRESSIONS: [(&str, Means); 5] = [
    ("attribute:rack == 1", |_, instance| instance.attribute("rack") == Some("1")),
    ("attribute:rack != 1", |_, instance| instance.attribute("rack") != Some("1")),
    ("attribute:ecs.availability-zone in [a, b] or attribute:ssd exists", |_, instance| {
        ["a", "b"].contains(&instance.zone()) || instance.has_attribute("ssd")
    }),
    ("not(task:group == other)", |state, instance| !has_group(state, instance, "other")),
    ("task:group == g || task:group == 'service:web'", |state, instance| {
        has_group(state, instance, "g") || has_group(state, instance, "service:web")
    }),
];

fn has_group(state: &State, instance: &ContainerInstance, group: &str) -> bool {
    state.tasks_on(instance.id).any(|task| !task.is_stopped() && &*task.group == group)
}

fn case(dice: &mut Dice) -> Case {
    let mut machine = Machine::new();
    let mut definitions = ["web", "batch"].map(|family| {
        let mut definition = definition(family, 1, dice.small(400), dice.small(400));
        if dice.percent(25) {
            definition.facts.containers[0].tcp_ports = [8000].into_iter().collect();
        }
        if dice.percent(25) {
            definition.facts.required_attributes = vec!["ssd".into()];
        }
        if dice.percent(15) {
            definition.facts.cpu_architecture = Some((*dice.pick(&ARCHITECTURES)).into());
        }
        definition.facts.containers[0].gpus = if dice.percent(15) { 1 + dice.small(2) } else { 0 };
        definition
    });
    // Both go through one placer, which has one set of facts: the second may only differ in size.
    let first = definitions[0].facts.clone();
    definitions[1].facts.required_attributes = first.required_attributes;
    definitions[1].facts.cpu_architecture = first.cpu_architecture;
    definitions.iter().for_each(|definition| machine.define(definition));
    machine.create(&service("web", 1, &definitions[0].key));
    let hosts = dice.below(14);
    for number in 1..=hosts {
        machine.register(host(u128::from(number), dice));
    }
    let leaving = populate(&mut machine, hosts, &definitions, dice);
    for number in 1..=hosts {
        let id = InstanceId::new(u128::from(number));
        if dice.percent(10) {
            let command = crate::command::SetInstanceStatus::new(vec![id], InstanceStatus::Draining);
            machine.must(crate::command::Command::SetInstanceStatus(command));
        }
        if dice.percent(10) {
            machine.must(crate::command::Command::SetInstanceConnected { id, connected: false });
        }
    }
    let rules = rules(dice);
    let zone = dice.percent(20).then_some("b");
    Case { machine, rules, definitions, leaving, zone, of_service: dice.percent(50) }
}

fn host(number: u128, dice: &mut Dice) -> ContainerInstance {
    let zone = *dice.pick(&["a", "b", "c"]);
    let mut host = instance(number, zone, dice.small(2000), dice.small(2000));
    if dice.percent(10) {
        host.attributes.remove(crate::attribute::AVAILABILITY_ZONE);
    }
    if dice.percent(80) {
        host.attributes.put(crate::attribute::CPU_ARCHITECTURE, Some(*dice.pick(&ARCHITECTURES)));
    }
    host.capacity.gpu_ids = (0..dice.below(4)).map(|number| format!("gpu-{number}")).collect();
    for name in ["rack", "ssd"] {
        if dice.percent(60) {
            host.attributes.put(name, Some(*dice.pick(&["1", "2"])));
        }
    }
    host
}

/// Starts tasks here and there, of the service, the group and others; gives the ids of some that count as leaving.
fn populate(
    machine: &mut Machine,
    hosts: u64,
    definitions: &[TaskDefinition; 2],
    dice: &mut Dice,
) -> BTreeSet<TaskId> {
    let owner = machine.state.service(&service_key("web")).expect("it was created").clone();
    let mut leaving = BTreeSet::new();
    for number in 1..=2 * hosts {
        let (id, on) = (u128::from(number), 1 + u128::from(dice.below(hosts)));
        let definition = dice.pick(definitions);
        let task = match dice.below(3) {
            0 => service_task(id, on, definition, &owner, DeploymentId::new(1)),
            1 => task(id, on, definition, "g"),
            _ => task(id, on, definition, "other"),
        };
        let service = task.service().map(|key| (key, owner.generation));
        let tasks = vec![task];
        machine.must(crate::command::Command::StartTasks(crate::command::StartTasks { service, tasks }));
        let id = TaskId::new(id);
        if machine.state.task(id).is_none() {
            continue;
        }
        match dice.below(6) {
            0 => machine.run(id),
            1 => machine.end(id),
            2 => {
                leaving.insert(id);
            }
            3 => {
                machine.must(crate::command::Command::StopTasks(crate::command::StopTasks {
                    service: None,
                    tasks: vec![id],
                    code: crate::task::StopCode::UserInitiated,
                    reason: String::new(),
                }));
            }
            _ => {}
        }
    }
    leaving
}

fn rules(dice: &mut Dice) -> PlacementRules {
    let all = [
        Strategy::Spread(SpreadField::Instance),
        Strategy::Spread(SpreadField::Attribute(crate::attribute::AVAILABILITY_ZONE.into())),
        Strategy::Spread(SpreadField::Attribute("rack".into())),
        Strategy::Binpack(PackField::Cpu),
        Strategy::Binpack(PackField::Memory),
        Strategy::Random,
    ];
    let strategy = (0..dice.below(6)).map(|_| dice.pick(&all).clone()).collect();
    let mut constraints = if dice.percent(20) { vec![Constraint::DistinctInstance] } else { Vec::new() };
    if dice.percent(30) {
        let (text, _) = *dice.pick(&EXPRESSIONS);
        constraints.push(Constraint::MemberOf(text.into()));
    }
    PlacementRules { constraints, strategy }
}

// What follows is written for being right rather than fast, and shares nothing with the placer but `fits` and the hash.

impl Case {
    fn is_counted(&self, task: &Task) -> bool {
        match (&task.owner, self.of_service) {
            (Owner::Service { name, .. }, true) => name.as_str() == "web",
            (Owner::Standalone | Owner::Hook { .. }, false) => &*task.group == "g",
            (Owner::Service { .. }, false) | (Owner::Standalone | Owner::Hook { .. }, true) => false,
        }
    }

    fn admits(&self, state: &State, instance: &ContainerInstance, definition: &TaskDefinition) -> bool {
        let needs = definition.facts.requirements();
        let tasks = state
            .tasks_on(instance.id)
            .filter(|task| task.observed.last_status <= crate::task::TaskStatus::Running);
        let distinct = self.rules.constraints.contains(&Constraint::DistinctInstance);
        let has_one = state.tasks_on(instance.id).any(|task| !task.is_stopped() && self.is_counted(task));
        instance.takes_tasks()
            && tasks.count() < TASKS_PER_INSTANCE
            && self.rules.constraints.iter().all(|constraint| match constraint {
                Constraint::DistinctInstance => true,
                Constraint::MemberOf(text) => {
                    EXPRESSIONS.iter().any(|(known, means)| known == text && means(state, instance))
                }
            })
            && definition
                .facts
                .cpu_architecture
                .as_deref()
                .is_none_or(|needed| instance.attribute(crate::attribute::CPU_ARCHITECTURE) == Some(needed))
            && definition.facts.required_attributes.iter().all(|name| instance.has_attribute(name))
            && fits(&needs, &instance.capacity, &instance.held).is_ok()
            && !(distinct && has_one)
    }

    /// How many tasks stay on instances for which `shares` holds.
    fn staying(&self, state: &State, shares: impl Fn(&ContainerInstance) -> bool) -> u64 {
        let stays = |task: &&std::sync::Arc<Task>| {
            let instance = state.instance(task.instance).expect("tasks are on instances");
            !task.is_stopped()
                && task.desired == DesiredStatus::Running
                && self.is_counted(task)
                && !(self.of_service && self.leaving.contains(&task.id))
                && instance.takes_tasks()
                && shares(instance)
        };
        u64::try_from(state.tasks().filter(stays).count()).expect("it fits")
    }

    fn ranks(&self, state: &State, instance: &ContainerInstance, placed: u32) -> Vec<u64> {
        let rank = |strategy: &Strategy| match strategy {
            Strategy::Spread(SpreadField::Instance) => self.staying(state, |other| other.id == instance.id),
            Strategy::Spread(SpreadField::Attribute(name)) => {
                self.staying(state, |other| other.attribute(name) == instance.attribute(name))
            }
            Strategy::Binpack(PackField::Cpu) => {
                u64::from(instance.capacity.cpu_units.saturating_sub(instance.held.cpu_units))
            }
            Strategy::Binpack(PackField::Memory) => {
                u64::from(instance.capacity.memory_mib.saturating_sub(instance.held.memory_mib))
            }
            Strategy::Random => (0..=placed).map(|turn| interval(SEED, instance.id, turn)).sum(),
        };
        in_force(&self.rules.strategy).iter().map(rank).collect()
    }

    /// The best instance by a full scan of the state as it is after all earlier placements.
    fn scan(
        &self,
        state: &State,
        definition: &TaskDefinition,
        placed: &BTreeMap<InstanceId, u32>,
    ) -> Option<InstanceId> {
        let score = |instance: &ContainerInstance| {
            let elsewhere = self.zone.is_some_and(|zone| zone != instance.zone());
            let ranks = self.ranks(state, instance, placed.get(&instance.id).copied().unwrap_or(0));
            let load = |held: u32, offered: u32| u64::from(held) * 1_000_000 / u64::from(offered.max(1));
            let (held, capacity) = (&instance.held, &instance.capacity);
            let fullest =
                load(held.cpu_units, capacity.cpu_units).max(load(held.memory_mib, capacity.memory_mib));
            (elsewhere, ranks, fullest, instance.id)
        };
        let candidates = state.instances().filter(|instance| self.admits(state, instance, definition));
        candidates.min_by_key(|instance| score(instance)).map(|instance| instance.id)
    }

    /// What is told of a choice is so.
    fn check_decision(
        &self,
        state: &State,
        definition: &TaskDefinition,
        decision: &Decision,
        chosen: InstanceId,
    ) -> Result<(), TestCaseError> {
        let fitting = state.instances().filter(|instance| self.admits(state, instance, definition)).count();
        prop_assert_eq!(decision.fitting, u32::try_from(fitting).expect("it fits"));
        prop_assert_eq!(decision.asked, u32::try_from(state.instances().count()).expect("it fits"));
        let filtered: u32 = decision.filtered.iter().map(|(_, instances)| instances).sum();
        let is_complete = decision.filtered.len() < crate::limits::DECISION_FILTERS;
        prop_assert!(!is_complete || decision.fitting + filtered == decision.asked, "{:?}", decision);
        let instance = state.instance(chosen).expect("it was chosen");
        prop_assert_eq!(&*decision.zone, instance.zone());
        let strategies = in_force(&self.rules.strategy).iter().zip(self.ranks(state, instance, 0));
        let expected: Vec<(Strategy, u64)> = strategies
            .filter(|(strategy, _)| **strategy != Strategy::Random)
            .map(|(strategy, rank)| (strategy.clone(), rank))
            .collect();
        prop_assert_eq!(&decision.terms, &expected);
        Ok(())
    }

    fn next_task(&self, number: u128, on: InstanceId, definition: &TaskDefinition) -> Task {
        let owner = self.machine.state.service(&service_key("web")).expect("it was created");
        match self.of_service {
            true => service_task(number, on.number(), definition, owner, DeploymentId::new(1)),
            false => task(number, on.number(), definition, "g"),
        }
    }
}

fn is_true(reason: &Reason, instance: &ContainerInstance, needs: &Requirements) -> bool {
    match reason {
        Reason::Missing => false,
        Reason::NotActive(status) => *status == instance.status && *status != InstanceStatus::Active,
        Reason::Disconnected => !instance.connected,
        Reason::Attribute(name) => !instance.has_attribute(name),
        Reason::MemberOf(_) | Reason::DistinctInstance | Reason::AwaitsDaemon(_) => true,
        Reason::Architecture { needed, .. } => {
            instance.attribute(crate::attribute::CPU_ARCHITECTURE) != Some(needed)
        }
        Reason::Full(tasks) => usize::try_from(*tasks).expect("it fits") >= TASKS_PER_INSTANCE,
        Reason::Short(shortage) => {
            let shortages = fits(needs, &instance.capacity, &instance.held).err().unwrap_or_default();
            shortages.contains(shortage)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 320, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_where_a_full_scan_would(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let case = case(&mut dice);
        // The placer sees the view once; the scan sees every placement applied.
        let mut applied = case.machine.clone();
        let key = service_key("web");
        let cluster = ClusterName::new(CLUSTER);
        let counted = match case.of_service {
            true => Counted::Service { key: &key, leaving: &case.leaving },
            false => Counted::Group("g"),
        };
        let definitions = &case.definitions;
        let mut placer = Placer::new(&Request {
            view: &case.machine.state,
            cluster: &cluster,
            rules: &case.rules,
            facts: &definitions[0].facts,
            counted,
            zone: case.zone,
            seed: SEED,
        });
        let mut placed: BTreeMap<InstanceId, u32> = BTreeMap::new();
        for number in 1000..1040 {
            let definition = &definitions[usize::from(dice.percent(20))];
            let needs = definition.facts.requirements();
            let expected = case.scan(&applied.state, definition, &placed);
            match placer.decide(&needs) {
                Ok((chosen, decision)) => {
                    prop_assert_eq!(Some(chosen), expected, "no better candidate, task {}", number);
                    case.check_decision(&applied.state, definition, &decision, chosen)?;
                    *placed.entry(chosen).or_default() += 1;
                    applied.start(vec![case.next_task(number, chosen, definition)]);
                }
                Err(refusals) => {
                    prop_assert_eq!(expected, None, "the refusal is justified");
                    prop_assert_eq!(refusals.iter().count(), applied.state.instances().count());
                    for refusal in refusals.iter() {
                        let instance = applied.state.instance(refusal.instance).expect("it is there");
                        prop_assert!(!refusal.reasons.is_empty());
                        for reason in &refusal.reasons {
                            prop_assert!(is_true(reason, instance, &needs), "{:?} of {:?}", reason, instance);
                        }
                    }
                }
            }
        }
    }
}

fn web() -> TaskDefinition {
    definition("web", 1, 100, 100)
}

/// Places `count` tasks of an empty service; gives how many went to each instance.
fn spread_out(machine: &Machine, strategy: Vec<Strategy>, count: usize) -> BTreeMap<u128, usize> {
    let rules = PlacementRules { constraints: Vec::new(), strategy };
    let (facts, key, cluster) = (web().facts, service_key("web"), ClusterName::new(CLUSTER));
    let leaving = BTreeSet::new();
    let mut placer = Placer::new(&Request {
        view: &machine.state,
        cluster: &cluster,
        rules: &rules,
        facts: &facts,
        counted: Counted::Service { key: &key, leaving: &leaving },
        zone: None,
        seed: SEED,
    });
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        let chosen = placer.place(&facts.requirements()).expect("there is room");
        *counts.entry(chosen.number()).or_default() += 1;
    }
    counts
}

fn three_zones() -> Machine {
    let mut machine = Machine::new();
    for (number, zone) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
        machine.register(instance(number, zone, 1000, 1000));
    }
    machine
}

#[test]
fn spreads_over_zones_then_hosts_by_default() {
    let counts = spread_out(&three_zones(), Vec::new(), 12);
    assert_eq!(counts, BTreeMap::from([(1, 2), (2, 2), (3, 4), (4, 4)]));
}

#[test]
fn among_equals_the_least_loaded_takes_it() {
    let mut machine = Machine::new();
    let other = definition("other", 1, 500, 10);
    machine.define(&other);
    for number in 1..=3 {
        machine.register(instance(number, "a", 1000, 1000));
    }
    machine.start(vec![task(1, 1, &other, "other"), task(2, 2, &other, "other")]);
    machine.end(TaskId::new(2));
    machine.start(vec![task(3, 2, &definition("other", 1, 500, 10), "other")]);
    assert_eq!(spread_out(&machine, Vec::new(), 1), BTreeMap::from([(3, 1)]));
}

#[test]
fn binpack_fills_one_instance_before_the_next() {
    let counts = spread_out(&three_zones(), vec![Strategy::Binpack(PackField::Memory)], 12);
    assert_eq!(counts, BTreeMap::from([(1, 10), (2, 2)]));
}

#[test]
fn random_is_the_same_for_a_seed_and_uses_the_whole_fleet() {
    let counts = spread_out(&three_zones(), vec![Strategy::Random], 24);
    assert_eq!(counts, spread_out(&three_zones(), vec![Strategy::Random], 24));
    assert_eq!(counts.len(), 4, "{counts:?}");
}

#[test]
fn goes_on_where_zones_are_full() {
    let mut machine = three_zones();
    machine.register(instance(3, "b", 100, 100));
    let counts = spread_out(&machine, Vec::new(), 10);
    assert_eq!(counts[&3], 1);
    assert_eq!(counts[&1] + counts[&2], counts[&4] + 1, "{counts:?}");
}

#[test]
fn an_instance_takes_only_so_many_tasks_however_small() {
    let mut machine = Machine::new();
    machine.register(instance(1, "a", 0, 0));
    let (rules, facts, cluster) =
        (PlacementRules::default(), definition("web", 1, 0, 0).facts, ClusterName::new(CLUSTER));
    let mut placer = Placer::new(&Request {
        view: &machine.state,
        cluster: &cluster,
        rules: &rules,
        facts: &facts,
        counted: Counted::Group("g"),
        zone: None,
        seed: SEED,
    });
    for _ in 0..TASKS_PER_INSTANCE {
        placer.place(&facts.requirements()).expect("it needs nothing");
    }
    let refusals = placer.place(&facts.requirements()).expect_err("it is full");
    assert_eq!(refusals.failures()[0].reason, "RESOURCE:TASKS");
}

#[test]
fn a_named_instance_is_asked_alone() {
    let machine = three_zones();
    let (rules, facts, cluster) = (PlacementRules::default(), web().facts, ClusterName::new(CLUSTER));
    let mut placer = Placer::new(&Request {
        view: &machine.state,
        cluster: &cluster,
        rules: &rules,
        facts: &facts,
        counted: Counted::Group("g"),
        zone: None,
        seed: SEED,
    });
    let needs = Requirements { cpu_units: 600, ..facts.requirements() };
    assert_eq!(placer.place_on(InstanceId::new(1), &needs), Ok(()));
    let refusal = placer.place_on(InstanceId::new(1), &needs).expect_err("400 units are left");
    assert_eq!(refusal.reasons, vec![Reason::Short(Shortage::Cpu { needed: 600, free: 400 })]);
    assert_eq!(refusal.failure().reason, "RESOURCE:CPU");
    let refusal = placer.place_on(InstanceId::new(77), &needs).expect_err("there is none");
    assert_eq!(refusal.failure().reason, "MISSING");
}
