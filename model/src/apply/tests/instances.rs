//! Instances: who hears of their changes, and what they hold.

use crate::attribute::Attributes;
use crate::change::Change;
use crate::command::{Command, Envelope, Forget, Rejection, SetInstanceStatus};
use crate::container_instance::InstanceStatus;
use crate::error::Exception;
use crate::fixture::{Machine, definition, instance, service, service_key, service_task, task};
use crate::id::{InstanceId, TaskId};
use crate::resource::PortSet;
use crate::task::{ContainerObservation, ContainerStatus, Health, PortBinding, TaskStatus};

/// A machine with instances 1 and 2, a service `web` at rest with task 1 on instance 1.
fn at_rest() -> Machine {
    let mut machine = Machine::new();
    let definition = definition("web", 1, 100, 100);
    let mut service = service("web", 1, &definition.key);
    service.steady = true;
    machine.register(instance(1, "a", 1000, 1000));
    machine.register(instance(2, "b", 1000, 1000));
    machine.define(&definition);
    machine.create(&service);
    let deployment = service.deployments[0].id;
    machine.start(vec![service_task(1, 1, &definition, &service, deployment)]);
    machine
}

fn changes(machine: &mut Machine, command: Command) -> Vec<Change> {
    machine.revision += 1;
    let envelope = Envelope { command, issued_at: machine.now, traceparent: None };
    machine.state.apply(machine.revision, &envelope).changes
}

#[test]
fn services_hear_when_an_instance_of_theirs_drains_is_lost_or_returns() {
    let id = InstanceId::new(1);
    let mut machine = at_rest();
    let woken = Change::Service(service_key("web"));
    let drain = SetInstanceStatus::new(vec![id], InstanceStatus::Draining);
    assert!(changes(&mut machine, Command::SetInstanceStatus(drain)).contains(&woken));
    assert!(changes(&mut machine, Command::SetInstanceConnected { id, connected: false }).contains(&woken));
    let again = Command::RegisterInstance(Box::new(instance(1, "a", 1000, 1000)));
    assert!(changes(&mut machine, again).contains(&woken));
    assert!(changes(&mut machine, Command::DeregisterInstance { id, force: true }).contains(&woken));
}

#[test]
fn only_an_instance_that_offers_more_says_so() {
    let id = InstanceId::new(2);
    let mut machine = at_rest();
    let offers = |changes: Vec<Change>| {
        changes.iter().find_map(|change| match change {
            Change::Instance { offers_more, .. } => Some(*offers_more),
            _ => None,
        })
    };
    let lost = changes(&mut machine, Command::SetInstanceConnected { id, connected: false });
    assert_eq!(offers(lost), Some(false));
    let back = changes(&mut machine, Command::SetInstanceConnected { id, connected: true });
    assert_eq!(offers(back), Some(true));
    let gone = changes(&mut machine, Command::DeregisterInstance { id, force: false });
    assert_eq!(offers(gone), Some(false));
}

#[test]
fn a_cluster_lists_its_instances_by_id_however_many_others_there_are() {
    for (ours, theirs) in [(5, 1), (1, 5), (3, 3)] {
        let mut machine = Machine::new();
        let other = crate::cluster::Cluster { name: "other".into(), ..crate::fixture::cluster() };
        machine.must(Command::CreateCluster(other.clone()));
        for number in 0..ours {
            machine.register(instance(2 * number, "a", 1, 1));
        }
        for number in 0..theirs {
            let mut host = instance(2 * number + 1, "a", 1, 1);
            host.cluster = other.name.clone();
            machine.register(host);
        }
        let listed = |name: &str| -> Vec<u128> {
            machine.state.instances_in(&name.into()).map(|instance| instance.id.number()).collect()
        };
        assert_eq!(listed(crate::fixture::CLUSTER), (0..ours).map(|number| 2 * number).collect::<Vec<_>>());
        assert_eq!(listed("other"), (0..theirs).map(|number| 2 * number + 1).collect::<Vec<_>>());
    }
}

#[test]
fn attributes_put_in_one_call_count_together() {
    let mut machine = at_rest();
    let ten = |prefix: &str| {
        let mut attributes = Attributes::default();
        (0..6).for_each(|number| attributes.put(&format!("{prefix}{number}"), None));
        (InstanceId::new(1), attributes)
    };
    let reply = machine.apply(Command::PutAttributes(vec![ten("x"), ten("y")]));
    let Err(Rejection::Refused(error)) = reply else { panic!("twelve attributes were put: {reply:?}") };
    assert_eq!(error.exception, Exception::AttributeLimitExceeded);
    assert!(machine.apply(Command::PutAttributes(vec![ten("x"), ten("x")])).is_ok());
}

#[test]
fn an_instance_cannot_become_inactive_but_by_deregistration() {
    let mut machine = at_rest();
    let set = SetInstanceStatus::new(vec![InstanceId::new(1)], InstanceStatus::Inactive);
    assert!(matches!(machine.apply(Command::SetInstanceStatus(set)), Err(Rejection::Malformed(_))));
    let mut offer = instance(9, "a", 1, 1);
    offer.status = InstanceStatus::Inactive;
    let reply = machine.apply(Command::RegisterInstance(Box::new(offer)));
    assert!(matches!(reply, Err(Rejection::Malformed(_))));
}

#[test]
fn what_is_forgotten_is_announced() {
    let mut machine = at_rest();
    let (task, id) = (TaskId::new(1), InstanceId::new(1));
    machine.must(Command::DeregisterInstance { id, force: true });
    let forget = Forget { tasks: vec![task], instances: vec![id], ..Forget::default() };
    let changes = changes(&mut machine, Command::Forget(forget));
    assert!(changes.iter().any(|change| matches!(change, Change::Task { id, .. } if *id == task)));
    assert!(changes.iter().any(|change| matches!(change, Change::Instance { id: gone, .. } if *gone == id)));
    assert!(machine.state.instance(id).is_none());
}

#[test]
fn a_port_that_two_tasks_hold_is_free_when_both_let_go() {
    let mut machine = at_rest();
    let batch = definition("batch", 1, 1, 1);
    machine.define(&batch);
    machine.start(vec![task(11, 2, &batch, "g"), task(12, 2, &batch, "g")]);
    let bound =
        PortBinding { bind_ip: String::new(), container_port: 80, host_port: 32768, udp: false, further: 0 };
    for id in [11, 12] {
        machine.observe(TaskId::new(id), |observed| {
            observed.last_status = TaskStatus::Running;
            observed.containers = vec![ContainerObservation {
                name: "app".into(),
                runtime_id: String::new(),
                image_digest: String::new(),
                last_status: ContainerStatus::Running,
                exit_code: None,
                reason: String::new(),
                bindings: vec![bound.clone()],
                health: Health::Unknown,
                last_log_lines: Vec::new(),
            }];
        });
    }
    let held = |machine: &Machine| -> PortSet {
        machine.state.instance(InstanceId::new(2)).expect("it is there").held.tcp_ports.clone()
    };
    machine.end(TaskId::new(11));
    assert!(held(&machine).contains(32768), "task 12 still has it");
    machine.end(TaskId::new(12));
    assert!(held(&machine).is_empty());
}
