//! What is forgotten, when, and in what order.

use std::time::Duration;

use super::{FORGOTTEN_PER_PLAN, plan};
use crate::command::Command;
use crate::fixture::{Machine, definition, instance, service, service_key, task};
use crate::id::{ClusterName, InstanceId, TaskId};
use crate::limits::TASKS_PER_COMMAND;
use crate::plan::{Plan, Policy};
use crate::state::invariant::check;

fn step(machine: &mut Machine) -> Plan {
    let plan = plan(&machine.state, machine.now, &policy());
    for command in &plan.commands {
        machine.must(command.clone());
    }
    assert_eq!(check(&machine.state), Vec::<String>::new());
    plan
}

fn policy() -> Policy {
    Policy { retention: Duration::from_secs(3600), ..Policy::default() }
}

#[test]
fn the_oldest_tasks_go_before_their_time_when_there_are_too_many() {
    let mut machine = Machine::new();
    machine.register(instance(1, "a", 1000, 1000));
    let web = definition("web", 1, 10, 10);
    machine.define(&web);
    for number in 1..=5 {
        machine.start(vec![task(number, 1, &web, "g")]);
        machine.now = machine.now.plus(Duration::from_secs(1));
        machine.end(TaskId::new(number));
    }
    let policy = Policy { stopped_tasks: 3, ..policy() };
    let plan = plan(&machine.state, machine.now, &policy);
    let [Command::Forget(forget)] = plan.commands.as_slice() else { panic!("{plan:?}") };
    assert_eq!(forget.tasks, [TaskId::new(1), TaskId::new(2)]);
}

#[test]
fn keeps_what_is_over_for_its_time_and_then_forgets_it() {
    let mut machine = Machine::new();
    let web = definition("web", 1, 1, 1);
    machine.define(&web);
    machine.register(instance(1, "a", 100, 100));
    machine.start(vec![task(1, 1, &web, "g"), task(2, 1, &web, "g")]);
    machine.end(TaskId::new(1));
    machine.now = machine.now.plus(Duration::from_secs(1800));
    machine.end(TaskId::new(2));

    let plan = step(&mut machine);
    assert!(plan.is_quiet());
    assert_eq!(plan.next_wake, Some(machine.now.plus(Duration::from_secs(1800))));
    machine.now = machine.now.plus(Duration::from_secs(1800));
    step(&mut machine);
    assert!(machine.state.task(TaskId::new(1)).is_none());
    assert!(machine.state.task(TaskId::new(2)).is_some());
    assert!(step(&mut machine).is_quiet());
}

#[test]
fn things_wait_for_what_is_in_them() {
    let mut machine = Machine::new();
    let web = definition("web", 1, 1, 1);
    machine.define(&web);
    machine.register(instance(1, "a", 100, 100));
    machine.start(vec![task(1, 1, &web, "g")]);
    machine.must(Command::DeregisterInstance { id: InstanceId::new(1), force: true });
    machine.must(Command::DeleteCluster(ClusterName::new(crate::fixture::CLUSTER)));
    machine.now = machine.now.plus(Duration::from_secs(3600));
    let mut gone = Vec::new();
    for _ in 0..4 {
        let plan = step(&mut machine);
        gone.push((
            machine.state.task_count(),
            machine.state.instances().count(),
            machine.state.clusters().count(),
        ));
        if let Some(at) = plan.next_wake {
            machine.now = at;
        }
    }
    assert_eq!(gone, [(0, 1, 1), (0, 0, 1), (0, 0, 0), (0, 0, 0)]);
}

#[test]
fn deleted_definitions_stay_as_long_as_anything_uses_them() {
    let mut machine = Machine::new();
    let web = definition("web", 1, 1, 1);
    machine.define(&web);
    machine.register(instance(1, "a", 100, 100));
    machine.create(&service("web", 0, &web.key));
    machine.start(vec![task(1, 1, &web, "g")]);
    machine.must(Command::DeregisterTaskDefinition(web.key.clone()));
    machine.must(Command::DeleteTaskDefinitions(vec![web.key.clone()]));
    assert!(step(&mut machine).is_quiet());
    machine.end(TaskId::new(1));
    assert!(step(&mut machine).is_quiet(), "the service uses it");
    machine.must(Command::DeleteService(service_key("web")));
    assert!(step(&mut machine).is_quiet());
    let mut ids = crate::id::Ids::from_seed(1);
    let retire =
        crate::plan::service::plan(&machine.state, &service_key("web"), machine.now, &policy(), &mut ids);
    retire.commands.into_iter().for_each(|command| drop(machine.must(command)));
    step(&mut machine);
    assert!(machine.state.task_definition(&web.key).is_none());
}

#[test]
fn one_plan_forgets_only_so_much() {
    let mut machine = Machine::new();
    let web = definition("web", 1, 0, 0);
    machine.define(&web);
    let count = FORGOTTEN_PER_PLAN + 10;
    for (number, ids) in (1..=count).collect::<Vec<usize>>().chunks(TASKS_PER_COMMAND).enumerate() {
        let host = u128::try_from(number + 1).expect("it fits");
        machine.register(instance(host, "a", 1, 1));
        let number = |id: &usize| u128::try_from(*id).expect("it fits");
        machine.start(ids.iter().map(|id| task(number(id), host, &web, "g")).collect());
        machine.must(Command::DeregisterInstance { id: InstanceId::new(host), force: true });
    }
    machine.now = machine.now.plus(Duration::from_secs(3600));
    let first = step(&mut machine);
    assert_eq!(
        (first.commands.len(), first.next_wake),
        (FORGOTTEN_PER_PLAN / TASKS_PER_COMMAND, Some(machine.now))
    );
    assert_eq!(machine.state.task_count(), 10);
    step(&mut machine);
    assert_eq!(machine.state.task_count(), 0);
}
