//! How fast tasks are placed, planned and applied, and how much memory they take. Run by `make bench`; never asserted.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use berth_model::command::{Command, TaskReport};
use berth_model::id::{ClusterName, Ids, InstanceId, TaskId};
use berth_model::placement::{PackField, PlacementRules, SpreadField, Strategy};
use berth_model::plan::Policy;
use berth_model::plan::placement::{Counted, Placer, Request};
use berth_model::plan::service::plan;
use berth_model::service::Service;
use berth_model::task::TaskStatus;

#[path = "../tests/sim/fixture.rs"]
mod fixture;

use fixture::{CLUSTER, Machine, definition, instance, service, service_key};

const ZONES: [&str; 3] = ["a", "b", "c"];

fn main() {
    for instances in [1_000, 5_000, 10_000] {
        let machine = fleet(instances);
        for (name, strategy) in strategies() {
            place(&machine, instances, name, strategy);
        }
    }
    for instances in [1_000, 5_000, 10_000] {
        call(&fleet(instances), instances);
    }
    for (instances, tasks) in [(1_000, 10_000), (5_000, 100_000)] {
        plan_and_apply(instances, tasks);
    }
}

fn strategies() -> [(&'static str, Vec<Strategy>); 7] {
    let attribute = |name: &str| Strategy::Spread(SpreadField::Attribute(name.to_owned()));
    let zone = || attribute("ecs.availability-zone");
    [
        ("random (plain)", vec![Strategy::Random]),
        ("default: zones, then instances", Vec::new()),
        ("spread over zones", vec![zone()]),
        ("binpack memory", vec![Strategy::Binpack(PackField::Memory)]),
        ("zones, then binpack memory", vec![zone(), Strategy::Binpack(PackField::Memory)]),
        ("zones, then 500 racks", vec![zone(), attribute("rack")]),
        ("binpack cpu, then zones", vec![Strategy::Binpack(PackField::Cpu), zone()]),
    ]
}

fn fleet(instances: u64) -> Machine {
    let mut machine = Machine::new();
    for number in 0..instances {
        let zone = ZONES[usize::try_from(number % 3).expect("it is small")];
        let mut host = instance(u128::from(number) + 1, zone, 64 * 1024, 256 * 1024);
        host.attributes.put("rack", Some(&format!("rack-{}", number % 500)));
        machine.register(host);
    }
    machine
}

fn place(machine: &Machine, instances: u64, name: &str, strategy: Vec<Strategy>) {
    const PLACEMENTS: u32 = 10_000;
    let rules = PlacementRules { constraints: Vec::new(), strategy };
    let (facts, cluster, key) =
        (definition("web", 1, 100, 128).facts, ClusterName::new(CLUSTER), service_key("web"));
    let (needs, leaving) = (facts.requirements(), BTreeSet::new());
    let begin = now();
    let mut placer = Placer::new(&Request {
        view: &machine.state,
        cluster: &cluster,
        rules: &rules,
        facts: &facts,
        counted: Counted::Service { key: &key, leaving: &leaving },
        zone: None,
        seed: 1,
    });
    for _ in 0..PLACEMENTS {
        black_box(placer.place(&needs).expect("there is room"));
    }
    let took = begin.elapsed();
    say(&format!("{instances:>6} instances  {name:<32} {:>12} placements/s", rate(PLACEMENTS, took)));
}

/// What placing takes of a RunTask call for ten tasks.
fn call(machine: &Machine, instances: u64) {
    const CALLS: u32 = 200;
    let (rules, cluster) = (PlacementRules::default(), ClusterName::new(CLUSTER));
    let facts = definition("web", 1, 100, 128).facts;
    let needs = facts.requirements();
    let begin = now();
    for _ in 0..CALLS {
        let mut placer = Placer::new(&Request {
            view: &machine.state,
            cluster: &cluster,
            rules: &rules,
            facts: &facts,
            counted: Counted::Group("family:web"),
            zone: None,
            seed: 1,
        });
        for _ in 0..10 {
            black_box(placer.place(&needs).expect("there is room"));
        }
    }
    say(&format!(
        "{instances:>6} instances  calls for ten tasks {:>25} calls/s",
        rate(CALLS, begin.elapsed())
    ));
}

fn plan_and_apply(instances: u64, tasks: u32) {
    let mut machine = fleet(instances);
    let web = definition("web", 1, 100, 128);
    machine.define(&web);
    machine.create(&Service { ..service("web", tasks, &web.key) });
    let (policy, key, mut ids) = (Policy::default(), service_key("web"), Ids::from_seed(1));
    let before = resident_bytes();
    let (mut planning, mut applying) = (Duration::ZERO, Duration::ZERO);
    loop {
        let view = machine.state.clone();
        let begin = now();
        let plan = plan(&view, &key, machine.now, &policy, &mut ids);
        planning += begin.elapsed();
        if plan.is_quiet() {
            break;
        }
        let begin = now();
        plan.commands.into_iter().for_each(|command| drop(machine.must(command)));
        applying += begin.elapsed();
    }
    let held = resident_bytes().saturating_sub(before) / u64::from(tasks);
    say(&format!(
        "{instances:>6} instances  plan {:>9} tasks/s, apply {:>9} tasks/s, together {:>9} tasks/s, {held} bytes a task",
        rate(tasks, planning),
        rate(tasks, applying),
        rate(tasks, planning + applying)
    ));
    report_all(&mut machine, instances, tasks);
}

/// Every agent reports its tasks RUNNING, all of an instance in one command.
fn report_all(machine: &mut Machine, instances: u64, tasks: u32) {
    let mut commands = Vec::new();
    for number in 1..=instances {
        let instance = InstanceId::new(u128::from(number));
        let on: Vec<TaskId> = machine.state.tasks_on(instance).map(|task| task.id).collect();
        let observed = fixture::seen(1, TaskStatus::Running, machine.now);
        let reports = on.into_iter().map(|task| TaskReport { task, observed: observed.clone() });
        commands.push(Command::ReportTasks { instance, reports: reports.collect() });
    }
    let begin = now();
    commands.into_iter().for_each(|command| drop(machine.must(command)));
    let took = begin.elapsed();
    let begin = now();
    let bytes = machine.state.encode_snapshot().len();
    let encoding = begin.elapsed();
    say(&format!(
        "{instances:>6} instances  report {:>9} tasks/s, snapshot {bytes} bytes in {encoding:?}",
        rate(tasks, took)
    ));
}

fn rate(count: u32, took: Duration) -> String {
    format!("{:.0}", f64::from(count) / took.as_secs_f64())
}

/// 0 where there is no procfs.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time, nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn say(line: &str) {
    println!("{line}");
}
