//! How well tasks are placed: instances used against the least that could hold them and against first fit, and how
//! evenly zones share each service. Run by `make bench`; never asserted.

use std::collections::{BTreeMap, BTreeSet};

use berth_model::id::{ClusterName, InstanceId};
use berth_model::placement::{PackField, PlacementRules, SpreadField, Strategy};
use berth_model::plan::placement::{Counted, Placer, Request};
use berth_model::resource::{Requirements, fits};
use berth_model::service::Service;
use berth_model::task_definition::TaskDefinition;

#[path = "../tests/sim/fixture.rs"]
mod fixture;

use fixture::{CLUSTER, Dice, Machine, definition, instance, service, service_key, service_task};

const ZONES: [&str; 3] = ["a", "b", "c"];
/// Hosts that are all alike, and hosts of four kinds: binpack fills the smallest first, so it uses more of those.
const FLEETS: [(&str, &[(u32, u32)]); 2] = [
    ("uniform", &[(4_096, 8_192)]),
    ("mixed", &[(2_048, 4_096), (4_096, 8_192), (8_192, 16_384), (4_096, 32_768)]),
];
const TASKS: [(u32, u32); 6] =
    [(128, 256), (256, 512), (512, 512), (1_024, 2_048), (256, 4_096), (2_048, 1_024)];
const SEEDS: u64 = 5;

/// Services, each with its definition and how many tasks it wants.
type Mix = Vec<(Service, TaskDefinition, u32)>;

/// What came of placing a mix.
#[derive(Default)]
struct Outcome {
    used: BTreeSet<InstanceId>,
    unplaced: u32,
    /// The largest difference between the zones of one service.
    imbalance: usize,
}

fn main() {
    for (hosts, services) in [(60, 20), (300, 100)] {
        for (kind, sizes) in FLEETS {
            (1..=SEEDS).for_each(|seed| compare(kind, sizes, hosts, services, seed));
        }
    }
}

fn compare(kind: &str, sizes: &[(u32, u32)], hosts: u64, services: u64, seed: u64) {
    let mut dice = Dice::new(seed);
    let (empty, mix) = (fleet(sizes, hosts, &mut dice), mix(services, &mut dice));
    let least = lower_bound(&empty, &mix);
    let first_fit = first_fit(&empty, &mix);
    say(&format!(
        "{hosts:>4} {kind} hosts, {services:>3} services, seed {seed}: at least {least} instances, first fit {} ({})",
        first_fit.used.len(),
        ratio(first_fit.used.len(), least)
    ));
    for (name, strategy) in strategies() {
        let outcome = place(&empty, &mix, &strategy);
        say(&format!(
            "    {name:<30} {:>4} instances ({}), zone imbalance at most {}, {} tasks unplaced",
            outcome.used.len(),
            ratio(outcome.used.len(), least),
            outcome.imbalance,
            outcome.unplaced
        ));
    }
}

fn strategies() -> [(&'static str, Vec<Strategy>); 4] {
    let zone = || Strategy::Spread(SpreadField::Attribute("ecs.availability-zone".to_owned()));
    [
        ("binpack memory", vec![Strategy::Binpack(PackField::Memory)]),
        ("binpack cpu", vec![Strategy::Binpack(PackField::Cpu)]),
        ("zones, then binpack memory", vec![zone(), Strategy::Binpack(PackField::Memory)]),
        ("default: zones, then instances", Vec::new()),
    ]
}

fn fleet(sizes: &[(u32, u32)], hosts: u64, dice: &mut Dice) -> Machine {
    let mut machine = Machine::new();
    for number in 0..hosts {
        let (cpu_units, memory_mib) = *dice.pick(sizes);
        let zone = ZONES[usize::try_from(number % 3).expect("it is small")];
        machine.register(instance(u128::from(number) + 1, zone, cpu_units, memory_mib));
    }
    machine
}

fn mix(services: u64, dice: &mut Dice) -> Mix {
    let one = |number: u64| {
        let (cpu_units, memory_mib) = *dice.pick(&TASKS);
        let name = format!("s{number}");
        let definition = definition(&name, 1, cpu_units, memory_mib);
        let count = 3 + dice.small(9);
        (service(&name, count, &definition.key), definition, count)
    };
    (0..services).map(one).collect()
}

/// As many of the largest instances as it takes for the sum of the demand: by each resource, the greater of the two.
fn lower_bound(machine: &Machine, mix: &Mix) -> usize {
    let demand = |of: fn(&Requirements) -> u32| {
        let one = |(_, definition, count): &(Service, TaskDefinition, u32)| {
            u64::from(of(&definition.facts.requirements())) * u64::from(*count)
        };
        mix.iter().map(one).sum::<u64>()
    };
    let needed = |mut offers: Vec<u32>, demand: u64| {
        offers.sort_unstable_by(|one, other| other.cmp(one));
        let mut sum = 0;
        offers
            .into_iter()
            .take_while(|offer| {
                let is_short = sum < demand;
                sum += u64::from(*offer);
                is_short
            })
            .count()
    };
    let instances = || machine.state.instances();
    let cpu =
        needed(instances().map(|one| one.capacity.cpu_units).collect(), demand(|needs| needs.cpu_units));
    let memory =
        needed(instances().map(|one| one.capacity.memory_mib).collect(), demand(|needs| needs.memory_mib));
    cpu.max(memory)
}

/// Each task on the first instance that has room.
fn first_fit(machine: &Machine, mix: &Mix) -> Outcome {
    let mut held: BTreeMap<InstanceId, Requirements> = BTreeMap::new();
    let nothing = Requirements::default();
    let mut outcome = Outcome::default();
    for (_, definition, count) in mix {
        let needs = definition.facts.requirements();
        for _ in 0..*count {
            let found = machine
                .state
                .instances()
                .find(|one| fits(&needs, &one.capacity, held.get(&one.id).unwrap_or(&nothing)).is_ok());
            match found {
                Some(one) => {
                    held.entry(one.id).or_default().add(&needs);
                    outcome.used.insert(one.id);
                }
                None => outcome.unplaced += 1,
            }
        }
    }
    outcome
}

fn place(empty: &Machine, mix: &Mix, strategy: &[Strategy]) -> Outcome {
    let mut machine = empty.clone();
    let rules = PlacementRules { constraints: Vec::new(), strategy: strategy.to_vec() };
    let mut outcome = Outcome::default();
    for (number, (service, definition, count)) in (1_u128..).zip(mix) {
        machine.define(definition);
        machine.create(service);
        let chosen = choose(&machine, &rules, service, definition, *count);
        outcome.unplaced += *count - u32::try_from(chosen.len()).expect("no more than asked for");
        let mut zones: BTreeMap<String, usize> = ZONES.map(|zone| (zone.to_owned(), 0)).into();
        let deployment = service.deployments[0].id;
        let mut tasks = Vec::new();
        for (place, id) in (0..).zip(chosen) {
            outcome.used.insert(id);
            let zone = machine.state.instance(id).expect("it was chosen").zone().to_owned();
            *zones.entry(zone).or_default() += 1;
            tasks.push(service_task(number * 10_000 + place, id.number(), definition, service, deployment));
        }
        machine.start(tasks);
        let (most, least) = (zones.values().max(), zones.values().min());
        outcome.imbalance = outcome.imbalance.max(most.unwrap_or(&0) - least.unwrap_or(&0));
    }
    outcome
}

fn choose(
    machine: &Machine,
    rules: &PlacementRules,
    service: &Service,
    definition: &TaskDefinition,
    count: u32,
) -> Vec<InstanceId> {
    let (cluster, leaving) = (ClusterName::new(CLUSTER), BTreeSet::new());
    let key = service_key(service.key.name.as_str());
    let needs = definition.facts.requirements();
    let mut placer = Placer::new(&Request {
        view: &machine.state,
        cluster: &cluster,
        rules,
        facts: &definition.facts,
        counted: Counted::Service { key: &key, leaving: &leaving },
        zone: None,
        seed: 1,
    });
    (0..count).map_while(|_| placer.place(&needs).ok()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "fleets are small")]
fn ratio(used: usize, least: usize) -> String {
    format!("{:.2}x", used as f64 / least.max(1) as f64)
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn say(line: &str) {
    println!("{line}");
}
