//! Every condition, for an instance that fails it alone, and `apply`'s last word on it.

use super::{Conditions, Reason, Situation};
use crate::attribute::CPU_ARCHITECTURE;
use crate::command::{Command, Outcome, StartTasks};
use crate::container_instance::InstanceStatus;
use crate::fixture::{Machine, definition, instance, task};
use crate::id::{InstanceId, ServiceName, TaskId};
use crate::limits::TASKS_PER_INSTANCE;
use crate::placement::{Constraint, PlacementRules};
use crate::resource::Shortage;
use crate::task_definition::TaskDefinition;

fn demanding() -> TaskDefinition {
    let mut definition = definition("web", 1, 100, 100);
    definition.facts.cpu_architecture = Some("arm64".into());
    definition.facts.required_attributes = vec!["ssd".into()];
    definition.facts.containers[0].gpus = 1;
    definition.facts.constraints = vec![Constraint::MemberOf("attribute:rack == 1".into())];
    definition
}

#[test]
fn names_the_one_condition_that_fails() {
    let definition = demanding();
    let needs = definition.facts.requirements();
    let constraints = [Constraint::DistinctInstance];
    let conditions = Conditions::new(&definition.facts, &constraints);
    let mut good = instance(1, "a", 100, 100);
    good.attributes.put(CPU_ARCHITECTURE, Some("arm64"));
    good.attributes.put("ssd", None);
    good.custom_attributes.put("rack", Some("1"));
    good.capacity.gpu_ids = vec!["gpu-0".into()];
    let mut machine = Machine::new();
    machine.register(good.clone());
    let view = machine.state;
    let daemon = ServiceName::new("logs");

    type Change<'a> = Box<dyn Fn(&mut crate::container_instance::ContainerInstance, &mut Situation<'a>) + 'a>;
    let tasks = u32::try_from(TASKS_PER_INSTANCE).expect("it fits");
    let rows: Vec<(Change<'_>, Option<Reason>)> = vec![
        (Box::new(|_, _| {}), None),
        (
            Box::new(|instance, _| instance.status = InstanceStatus::Draining),
            Some(Reason::NotActive(InstanceStatus::Draining)),
        ),
        (Box::new(|instance, _| instance.connected = false), Some(Reason::Disconnected)),
        (
            Box::new(|instance, _| assert!(instance.attributes.remove("ssd"))),
            Some(Reason::Attribute("ssd".into())),
        ),
        (
            Box::new(|instance, _| instance.attributes.put(CPU_ARCHITECTURE, Some("x86_64"))),
            Some(Reason::Architecture { needed: "arm64".into(), has: "x86_64".into() }),
        ),
        (
            Box::new(|instance, _| assert!(instance.attributes.remove(CPU_ARCHITECTURE))),
            Some(Reason::Architecture { needed: "arm64".into(), has: String::new() }),
        ),
        (
            Box::new(|instance, _| instance.capacity.cpu_units = 99),
            Some(Reason::Short(Shortage::Cpu { needed: 100, free: 99 })),
        ),
        (
            Box::new(|instance, _| instance.capacity.gpu_ids.clear()),
            Some(Reason::Short(Shortage::Gpu { needed: 1, free: 0 })),
        ),
        (Box::new(move |_, situation| situation.tasks = tasks), Some(Reason::Full(tasks))),
        (
            Box::new(|instance, _| instance.custom_attributes.put("rack", Some("2"))),
            Some(Reason::MemberOf("attribute:rack == 1".into())),
        ),
        (Box::new(|_, situation| situation.group = 1), Some(Reason::DistinctInstance)),
        (
            Box::new(|_, situation| situation.awaits = Some(&daemon)),
            Some(Reason::AwaitsDaemon(daemon.clone())),
        ),
    ];
    for (change, expected) in rows {
        let mut changed = good.clone();
        let mut situation = Situation::of(&view, &good);
        change(&mut changed, &mut situation);
        let situation = Situation { instance: &changed, ..situation };
        let reasons = conditions.reasons(&situation, &needs);
        assert_eq!(reasons, expected.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(conditions.admit(&situation, &needs), expected.is_none());
    }
}

#[test]
fn apply_refuses_what_no_longer_fulfils_its_constraints() {
    let definition = definition("web", 1, 10, 10);
    let mut machine = Machine::new();
    machine.define(&definition);
    machine.register(instance(1, "a", 100, 100));
    let rules = PlacementRules {
        constraints: vec![Constraint::DistinctInstance, Constraint::MemberOf("attribute:rack == 1".into())],
        ..PlacementRules::default()
    };
    let mut first = task(1, 1, &definition, "g");
    first.scheduling.rules = Some(std::sync::Arc::new(rules));
    let second = crate::task::Task { id: TaskId::new(2), ..first.clone() };
    let start = |tasks| Command::StartTasks(StartTasks { service: None, tasks });
    let reasons = |outcome: Outcome| match outcome {
        Outcome::Started { refused } => refused.into_iter().flat_map(|one| one.reasons).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let refused = reasons(machine.must(start(vec![first.clone()])));
    assert_eq!(refused, [Reason::MemberOf("attribute:rack == 1".into())]);
    let attributes = crate::attribute::Attributes::from_iter([("rack", Some("1"))]);
    machine.must(Command::PutAttributes(vec![(InstanceId::new(1), attributes)]));
    let refused = reasons(machine.must(start(vec![first, second])));
    assert_eq!(refused, [Reason::DistinctInstance], "the first took the instance");
}
