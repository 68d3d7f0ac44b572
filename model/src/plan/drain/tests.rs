//! Deadlines, progress, and what blockers are told to wait for.

use std::time::Duration;

use super::{Phase, plan, progress};
use crate::command::{Command, NewDeployment, ServiceUpdate, SetInstanceStatus, TaskProtection};
use crate::container_instance::InstanceStatus;
use crate::fixture::{Machine, definition, instance, service, service_task, task};
use crate::id::{DeploymentId, InstanceId, TaskId};
use crate::service::{DeploymentBounds, Service};
use crate::task::DesiredStatus;
use crate::time::Timestamp;

/// Instance 1 with a task of `web` (1), one of nobody (2), both RUNNING.
fn machine(bounds: DeploymentBounds) -> Machine {
    let mut machine = Machine::new();
    machine.register(instance(1, "a", 1000, 1000));
    let web = definition("web", 1, 100, 100);
    machine.define(&web);
    let owner = Service { bounds, ..service("web", 1, &web.key) };
    machine.create(&owner);
    machine.start(vec![service_task(1, 1, &web, &owner, DeploymentId::new(1))]);
    machine.start(vec![task(2, 1, &web, "g")]);
    for id in [1, 2] {
        machine.run(TaskId::new(id));
    }
    machine
}

fn drain(machine: &mut Machine, deadline: Option<Timestamp>, stop_standalone: bool) {
    machine.must(Command::SetInstanceStatus(SetInstanceStatus {
        ids: vec![InstanceId::new(1)],
        status: InstanceStatus::Draining,
        deadline,
        stop_standalone,
    }));
}

fn wanted(machine: &Machine) -> Vec<u128> {
    let tasks = machine.state.tasks().filter(|task| task.desired == DesiredStatus::Running);
    tasks.map(|task| task.id.number()).collect()
}

fn carry_out(machine: &mut Machine) {
    for command in plan(&machine.state, machine.now).commands {
        machine.must(command);
    }
}

#[test]
fn what_is_left_at_the_deadline_is_stopped_and_nothing_before() {
    for (stop_standalone, left) in [(false, vec![2]), (true, vec![])] {
        let mut machine = machine(DeploymentBounds::default());
        let deadline = machine.now.plus(Duration::from_secs(60));
        drain(&mut machine, Some(deadline), stop_standalone);
        let early = plan(&machine.state, machine.now);
        assert!(early.is_quiet());
        assert_eq!(early.next_wake, Some(deadline));
        machine.now = deadline;
        carry_out(&mut machine);
        assert_eq!(wanted(&machine), left);
        assert!(plan(&machine.state, machine.now).is_quiet(), "it is said once");
    }
    let mut machine = machine(DeploymentBounds::default());
    drain(&mut machine, None, true);
    machine.now = machine.now.plus(Duration::from_secs(1_000_000));
    carry_out(&mut machine);
    assert_eq!(wanted(&machine), [1, 2], "without a deadline there is none");
}

#[test]
fn names_what_it_waits_for() {
    let reasons = |machine: &Machine| {
        let instance = machine.state.instance(InstanceId::new(1)).expect("it is there");
        let progress = progress(&machine.state, instance, machine.now);
        let reasons: Vec<String> = progress.blockers.into_iter().map(|blocker| blocker.reason).collect();
        (progress.phase, reasons)
    };
    let mut machine = machine(DeploymentBounds { minimum_healthy_percent: 100, maximum_percent: 100 });
    assert_eq!(reasons(&machine), (Phase::NotDraining, vec![]));
    drain(&mut machine, None, false);
    let (phase, told) = reasons(&machine);
    assert_eq!(phase, Phase::Draining);
    assert_eq!(
        told,
        [
            "its service may neither have fewer than 1 healthy tasks nor more than 1: change its deployment \
             configuration",
            "no service wants it: it runs until it ends"
        ]
    );
    machine.end(TaskId::new(1));
    machine.must(Command::SetInstanceConnected { id: InstanceId::new(1), connected: false });
    let (phase, told) = reasons(&machine);
    assert_eq!(phase, Phase::Lost, "a dead agent does not hang it");
    assert_eq!(told, ["its agent is not connected: nobody knows what became of it"]);
    machine.must(Command::SetInstanceConnected { id: InstanceId::new(1), connected: true });
    machine.end(TaskId::new(2));
    assert_eq!(reasons(&machine), (Phase::Done, vec![]));
}

#[test]
fn a_drain_that_is_asked_for_again_gets_the_new_deadline_and_active_ends_it() {
    let mut machine = machine(DeploymentBounds::default());
    let at = |seconds| Some(machine.now.plus(Duration::from_secs(seconds)));
    let (first, second) = (at(60), at(5));
    drain(&mut machine, first, false);
    let began = machine.now;
    machine.now = machine.now.plus(Duration::from_secs(1));
    drain(&mut machine, second, true);
    let known = machine.state.instance(InstanceId::new(1)).expect("it is there").drain.clone();
    let known = known.expect("it drains");
    assert_eq!(
        (known.started_at, known.deadline, known.stop_standalone, known.tasks),
        (began, second, true, 2)
    );
    machine.must(Command::SetInstanceStatus(SetInstanceStatus {
        ids: vec![InstanceId::new(1)],
        status: InstanceStatus::Active,
        deadline: None,
        stop_standalone: false,
    }));
    assert_eq!(machine.state.instance(InstanceId::new(1)).expect("it is there").drain, None);
}

#[test]
fn protection_that_is_in_the_way_is_named() {
    let mut machine = machine(DeploymentBounds::default());
    let until = Some(machine.now.plus(Duration::from_secs(90)));
    machine.must(Command::ProtectTasks(TaskProtection { tasks: vec![TaskId::new(1)], until }));
    drain(&mut machine, None, false);
    let reason = |machine: &Machine| {
        let instance = machine.state.instance(InstanceId::new(1)).expect("it is there");
        let blockers = progress(&machine.state, instance, machine.now).blockers;
        blockers.into_iter().find(|blocker| blocker.task == TaskId::new(1)).expect("it is in the way").reason
    };
    assert!(!reason(&machine).contains("protected"), "nothing protects a task of the deployment that stays");
    let web = definition("web", 2, 100, 100);
    machine.define(&web);
    let key = service("web", 1, &web.key).key;
    let generation = machine.state.service(&key).expect("it is there").generation;
    machine.must(Command::UpdateService(Box::new(ServiceUpdate {
        key,
        generation,
        desired_count: None,
        bounds: None,
        placement: None,
        spec: None,
        deployment: Some(NewDeployment { id: DeploymentId::new(2), task_definition: web.key, record: None }),
        settings: None,
    })));
    assert_eq!(
        reason(&machine),
        "it is protected from scale-in for another 90 s, and its deployment may not stop it"
    );
    machine.now = machine.now.plus(Duration::from_secs(90));
    assert!(!reason(&machine).contains("protected"));
}
