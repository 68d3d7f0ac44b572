//! Reports: what the hosts say is taken with care.

use std::time::Duration;

use crate::fixture::{Machine, START, definition, instance, service, service_key, service_task};
use crate::id::{InstanceId, TaskId};
use crate::resource::Requirements;
use crate::service::Deployment;
use crate::task::{ContainerObservation, ContainerStatus, DesiredStatus, Health, StopCode, Task, TaskStatus};
use crate::task_definition::ContainerFacts;

/// A machine with a service `web` and `count` tasks of it on instance 1.
fn with_tasks(count: u128) -> Machine {
    let mut machine = Machine::new();
    let definition = definition("web", 1, 1, 1);
    let service = service("web", 100, &definition.key);
    machine.register(instance(1, "a", 10_000, 10_000));
    machine.define(&definition);
    machine.create(&service);
    let deployment = service.deployments[0].id;
    machine.start((1..=count).map(|id| service_task(id, 1, &definition, &service, deployment)).collect());
    machine
}

fn known(machine: &Machine, id: u128) -> &Task {
    machine.state.task(TaskId::new(id)).expect("it was started")
}

fn deployment(machine: &Machine) -> &Deployment {
    let service = machine.state.service(&service_key("web")).expect("it was created");
    service.primary().expect("it has one")
}

#[test]
fn a_task_that_stops_without_a_reason_is_given_one() {
    let mut machine = with_tasks(2);
    machine.run(TaskId::new(1));
    machine.end(TaskId::new(1));
    machine.end(TaskId::new(2));
    let code = |id| known(&machine, id).stop_reason().map(|stop| stop.code);
    assert_eq!(code(1), Some(StopCode::EssentialContainerExited));
    assert_eq!(code(2), Some(StopCode::TaskFailedToStart));
}

#[test]
fn a_wrong_clock_on_a_host_moves_no_task_out_of_its_life() {
    for skew_s in [-86_400, 86_400] {
        let mut machine = with_tasks(1);
        machine.now = START.plus(Duration::from_secs(10));
        let claimed = crate::time::Timestamp::from_unix_ms(machine.now.unix_ms() + skew_s * 1000);
        machine.observe(TaskId::new(1), |observed| {
            observed.last_status = TaskStatus::Running;
            observed.started_at = Some(claimed);
        });
        let started_at = known(&machine, 1).observed.started_at.expect("it runs");
        assert!(START <= started_at && started_at <= machine.now, "{started_at}");
    }
}

#[test]
fn a_running_task_has_a_start_even_if_its_agent_does_not_say_when() {
    let mut machine = with_tasks(1);
    machine.observe(TaskId::new(1), |observed| observed.last_status = TaskStatus::Running);
    assert_eq!(known(&machine, 1).observed.started_at, Some(START));
}

#[test]
fn tasks_that_crash_together_are_one_round_and_their_successors_another() {
    let mut machine = with_tasks(3);
    for id in 1..=3 {
        machine.now = machine.now.plus(Duration::from_millis(700));
        machine.end(TaskId::new(id));
    }
    assert_eq!((deployment(&machine).crashes, deployment(&machine).failed_tasks), (1, 3));
    let first_crash = START.plus(Duration::from_millis(700));
    assert_eq!(deployment(&machine).last_crash_at, Some(first_crash));

    let service = machine.state.service(&service_key("web")).expect("it was created").clone();
    let web = definition("web", 1, 1, 1);
    let successor = service_task(4, 1, &web, &service, deployment(&machine).id);
    machine.start(vec![Task { created_at: machine.now, ..successor }]);
    machine.now = machine.now.plus(Duration::from_secs(5));
    machine.end(TaskId::new(4));
    assert_eq!(deployment(&machine).crashes, 2);
}

#[test]
fn a_crash_after_a_stable_run_begins_a_new_count() {
    let mut machine = with_tasks(2);
    machine.end(TaskId::new(1));
    machine.run(TaskId::new(2));
    machine.now = machine.now.plus(Duration::from_secs(61));
    machine.end(TaskId::new(2));
    assert_eq!((deployment(&machine).crashes, deployment(&machine).failed_tasks), (1, 0));
    assert_eq!(deployment(&machine).last_crash_at, Some(machine.now));
}

#[test]
fn a_task_that_was_told_to_stop_has_not_crashed() {
    let mut machine = with_tasks(1);
    machine.must(crate::command::Command::StopTasks(crate::command::StopTasks {
        service: None,
        tasks: vec![TaskId::new(1)],
        code: StopCode::UserInitiated,
        reason: "enough".into(),
    }));
    machine.end(TaskId::new(1));
    assert_eq!(deployment(&machine).crashes, 0);
    assert_eq!(known(&machine, 1).stop_reason().map(|stop| &*stop.reason), Some("enough"));
}

#[test]
fn a_stopped_task_stays_so_whatever_is_reported() {
    let mut machine = with_tasks(1);
    machine.end(TaskId::new(1));
    machine.run(TaskId::new(1));
    assert!(known(&machine, 1).is_stopped());
    assert_eq!(known(&machine, 1).desired, DesiredStatus::Stopped);
}

#[test]
fn what_a_caller_changed_is_held_until_its_container_stops() {
    // The definition: app 100 and sidecar 50. The call: 400 for app.
    let mut machine = Machine::new();
    let mut web = definition("web", 1, 100, 10);
    let sidecar =
        ContainerFacts { name: "sidecar".into(), cpu_units: 50, memory_mib: 5, ..ContainerFacts::default() };
    web.facts.containers.push(sidecar);
    machine.register(instance(1, "a", 1000, 1000));
    machine.define(&web);
    let mut task = crate::fixture::task(1, 1, &web, "g");
    task.needs = Requirements { cpu_units: 450, memory_mib: 15, ..Requirements::default() };
    machine.start(vec![task]);
    let ended = |name: &str, ended: bool| ContainerObservation {
        name: name.into(),
        runtime_id: String::new(),
        image_digest: String::new(),
        last_status: if ended { ContainerStatus::Stopped } else { ContainerStatus::Running },
        exit_code: None,
        reason: String::new(),
        bindings: Vec::new(),
        health: Health::Unknown,
        last_log_lines: Vec::new(),
    };
    let mut held_after = |app: bool, sidecar: bool| {
        machine.observe(TaskId::new(1), |observed| {
            observed.containers = vec![ended("app", app), ended("sidecar", sidecar)];
        });
        machine.state.instance(InstanceId::new(1)).expect("it is there").held.cpu_units
    };
    assert_eq!(held_after(false, false), 450);
    assert_eq!(held_after(false, true), 400);
    assert_eq!(held_after(true, true), 0);
}
