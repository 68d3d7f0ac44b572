//! Services: what a command for one may not do to another, or to its successor of the same name.

use crate::command::{
    AdvanceService, Command, NewDeployment, Rejection, ServiceUpdate, StartTasks, StopTasks,
};
use crate::fixture::{Machine, definition, instance, service, service_key, service_task, task};
use crate::id::{DeploymentId, TaskId};
use crate::service::{DeploymentStatus, ServiceStatus};
use crate::task::StopCode;

/// A machine with two services, `web` and `api`, and room for their tasks.
fn two_services() -> Machine {
    let mut machine = Machine::new();
    let definition = definition("web", 1, 1, 1);
    machine.register(instance(1, "a", 10_000, 10_000));
    machine.define(&definition);
    machine.create(&service("web", 1, &definition.key));
    machine.create(&service("api", 1, &definition.key));
    machine
}

fn generation(machine: &Machine, name: &str) -> u64 {
    machine.state.service(&service_key(name)).expect("it is there").generation
}

#[test]
fn a_service_is_born_with_one_primary_deployment_and_no_past() {
    let mut machine = two_services();
    let definition = definition("web", 1, 1, 1);
    let fresh = service("new", 1, &definition.key);
    let mut without = fresh.clone();
    without.deployments.clear();
    let mut replaced = fresh.clone();
    replaced.deployments[0].status = DeploymentStatus::Active;
    let mut draining = fresh.clone();
    draining.status = ServiceStatus::Draining;
    for malformed in [without, replaced, draining] {
        let reply = machine.apply(Command::CreateService(Box::new(malformed)));
        assert!(matches!(reply, Err(Rejection::Malformed(_))), "{reply:?}");
    }
    machine.create(&fresh);
}

#[test]
fn a_later_service_of_the_same_name_refuses_what_was_decided_for_the_earlier() {
    let mut machine = two_services();
    let key = service_key("web");
    machine.must(Command::DeleteService(key.clone()));
    let before = generation(&machine, "web");
    let retire = AdvanceService {
        key: key.clone(),
        generation: before,
        rollouts: Vec::new(),
        ended: Vec::new(),
        steady: false,
        retire: true,
        events: Vec::new(),
        desired_count: None,
        steps: Vec::new(),
    };
    machine.must(Command::AdvanceService(retire));
    machine.create(&service("web", 1, &definition("web", 1, 1, 1).key));
    assert!(generation(&machine, "web") > before);
    let stale = StartTasks { service: Some((key, before)), tasks: Vec::new() };
    assert!(matches!(machine.apply(Command::StartTasks(stale)), Err(Rejection::Stale { .. })));
}

#[test]
fn a_deployment_id_is_used_once() {
    let mut machine = two_services();
    let update = ServiceUpdate {
        key: service_key("web"),
        generation: generation(&machine, "web"),
        desired_count: None,
        bounds: None,
        placement: None,
        spec: None,
        deployment: Some(NewDeployment {
            id: DeploymentId::new(1),
            task_definition: definition("web", 1, 1, 1).key,
            record: None,
        }),
        settings: None,
    };
    let reply = machine.apply(Command::UpdateService(Box::new(update)));
    assert!(matches!(reply, Err(Rejection::Malformed(_))), "{reply:?}");
}

#[test]
fn a_service_starts_and_stops_its_own_tasks_only() {
    let mut machine = two_services();
    let web = definition("web", 1, 1, 1);
    let owner = machine.state.service(&service_key("web")).expect("it is there").clone();
    let theirs = service_task(1, 1, &web, &owner, DeploymentId::new(1));
    let api = Some((service_key("api"), generation(&machine, "api")));
    for tasks in [vec![theirs.clone()], vec![task(2, 1, &web, "g")]] {
        let reply = machine.apply(Command::StartTasks(StartTasks { service: api.clone(), tasks }));
        assert!(matches!(reply, Err(Rejection::Malformed(_))), "{reply:?}");
    }
    machine.start(vec![theirs]);
    let stop = StopTasks {
        service: api,
        tasks: vec![TaskId::new(1)],
        code: StopCode::ServiceSchedulerInitiated,
        reason: "not yours".into(),
    };
    machine.must(Command::StopTasks(stop));
    assert!(machine.state.task(TaskId::new(1)).is_some_and(|task| task.stop.is_none()));
}

#[test]
fn a_task_begins_as_placed_whatever_the_command_says_of_it() {
    let mut machine = two_services();
    let web = definition("web", 1, 1, 1);
    let mut strange = task(1, 1, &web, "g");
    strange.observed.last_status = crate::task::TaskStatus::Stopped;
    strange.desired = crate::task::DesiredStatus::Stopped;
    machine.start(vec![strange]);
    let known = machine.state.task(TaskId::new(1)).expect("it was started");
    assert!(known.is_pending());
}

#[test]
fn an_event_lists_a_few_tasks_and_counts_the_rest() {
    let mut machine = two_services();
    let web = definition("web", 1, 1, 1);
    let owner = machine.state.service(&service_key("web")).expect("it is there").clone();
    let many = (1..=120).map(|id| service_task(id, 1, &web, &owner, DeploymentId::new(1)));
    machine.start(many.collect());
    let service = machine.state.service(&service_key("web")).expect("it is there");
    let message = &service.events.back().expect("it was recorded").message;
    assert!(message.starts_with("(service web) has started 120 tasks: (task 0000"), "{message}");
    assert!(message.ends_with(" and 100 more."), "{message}");
}
