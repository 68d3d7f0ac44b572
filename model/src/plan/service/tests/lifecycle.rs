//! From creation to deletion.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_proto::ecs::v1 as pb;

use super::World;
use crate::command::Command;
use crate::fixture::{definition, instance, service, service_key};
use crate::limits::TASKS_PER_COMMAND;
use crate::service::{Rollout, ServiceStatus};
use crate::task::{Owner, StopCode};
use crate::task_definition::Tag;
use crate::wire::Wire;

#[test]
fn starts_what_is_wanted_and_says_when_it_is_there() {
    let mut world = World::new(3);
    world.settle();
    assert_eq!(world.wanted().len(), 3);
    world.obey();
    let plan = world.settle();
    assert_eq!(plan.next_wake, Some(world.machine.now.plus(world.policy.healthy_after)));
    assert!(!world.service().steady);

    world.wait(world.policy.healthy_after);
    world.settle();
    assert!(world.service().steady);
    assert_eq!(world.service().deployments[0].rollout, Rollout::Completed);
    let id = world.service().deployments[0].id;
    assert_eq!(world.service().deployments[0].rollout_reason, format!("ECS deployment {id} completed."));
    let messages = world.messages();
    assert!(messages[0].starts_with("(service web) has started 3 tasks: (task "), "{messages:?}");
    assert_eq!(messages[1], format!("(service web) (deployment {id}) deployment completed."));
    assert_eq!(messages[2], "(service web) has reached a steady state.");
}

#[test]
fn spreads_over_zones_and_names_itself_on_its_tasks() {
    let mut world = World::new(6);
    world.settle();
    let service = world.service().clone();
    let mut zones: BTreeMap<String, u32> = BTreeMap::new();
    for task in world.wanted() {
        let zone = world.machine.state.instance(task.instance).expect("it is there").zone().to_owned();
        *zones.entry(zone).or_default() += 1;
        assert_eq!(&*task.group, "service:web");
        assert_eq!(task.started_by.as_deref(), Some(service.deployments[0].id.to_string().as_str()));
        assert_eq!(
            task.owner,
            Owner::Service { name: service.key.name.clone(), deployment: service.deployments[0].id }
        );
        assert_eq!(task.created_at, world.machine.now);
    }
    assert!(zones.values().all(|count| *count == 2), "{zones:?}");
}

#[test]
fn does_nothing_when_all_is_well() {
    let mut world = World::new(4);
    world.come_to_rest();
    for _ in 0..3 {
        world.wait(Duration::from_secs(1000));
        let plan = world.plan();
        assert_eq!(plan, crate::plan::Plan::default());
    }
}

#[test]
fn follows_the_desired_count() {
    let mut world = World::new(2);
    world.come_to_rest();
    world.scale(5);
    world.come_to_rest();
    assert_eq!(world.wanted().len(), 5);
    world.scale(0);
    world.settle();
    assert_eq!(world.wanted().len(), 0);
    let reasons: Vec<_> = world.stopping().iter().filter_map(|task| task.stop_reason()).collect();
    let id = world.service().deployments[0].id;
    for stop in reasons {
        assert_eq!(stop.code, StopCode::ServiceSchedulerInitiated);
        assert_eq!(*stop.reason, *format!("Scaling activity initiated by (deployment {id})"));
    }
    world.come_to_rest();
    assert!(world.service().steady);
}

#[test]
fn a_stopped_task_has_a_successor() {
    let mut world = World::new(2);
    world.come_to_rest();
    let victim = world.wanted()[0].id;
    world.machine.must(Command::StopTasks(crate::command::StopTasks {
        service: None,
        tasks: vec![victim],
        code: StopCode::UserInitiated,
        reason: "Task stopped by user".into(),
    }));
    world.settle();
    assert_eq!(world.wanted().len(), 2);
    world.come_to_rest();
    assert_eq!(world.messages().last(), Some(&"(service web) has reached a steady state."));
}

#[test]
fn splits_what_is_too_much_for_one_command() {
    let mut world = World::new(0);
    let small = definition("small", 1, 0, 0);
    world.machine.define(&small);
    for number in 10..14 {
        world.machine.register(instance(number, "a", 1000, 1000));
    }
    let mut many = service("many", 1200, &small.key);
    many.deployments[0].id = crate::id::DeploymentId::new(99);
    world.machine.create(&many);
    let plan = super::plan(
        &world.machine.state,
        &service_key("many"),
        world.machine.now,
        &world.policy,
        &mut world.ids,
    );
    let sizes: Vec<usize> = plan
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::StartTasks(start) => Some(start.tasks.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [TASKS_PER_COMMAND, TASKS_PER_COMMAND, 200]);
}

#[test]
fn gives_its_tasks_the_tags_it_was_asked_to() {
    let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
    let own = pb::Tag { key: Some("team".into()), value: Some("web".into()) };
    let rows = [
        (None, false, vec![]),
        (Some(pb::PropagateTags::Service), false, vec![tag("team", "web")]),
        (Some(pb::PropagateTags::TaskDefinition), false, vec![tag("from", "definition")]),
        (None, true, vec![tag("aws:ecs:clusterName", "default"), tag("aws:ecs:serviceName", "web")]),
    ];
    for (propagate, managed, expected) in rows {
        let mut world = World::new(0);
        world.update(|update| {
            update.desired_count = Some(1);
            update.spec = Some(Wire::new(pb::Service {
                tags: vec![own.clone()],
                propagate_tags: propagate.map(i32::from),
                enable_ecs_managed_tags: Some(managed),
                ..pb::Service::default()
            }));
        });
        world.deploy(|definition| definition.tags = vec![tag("from", "definition")]);
        world.settle();
        assert_eq!(world.wanted()[0].tags, expected);
    }
}

#[test]
fn a_deleted_service_stops_its_tasks_and_retires() {
    let mut world = World::new(3);
    world.come_to_rest();
    world.machine.must(Command::DeleteService(service_key("web")));
    world.settle();
    assert_eq!(world.service().status, ServiceStatus::Draining);
    assert_eq!((world.wanted().len(), world.stopping().len()), (0, 3));
    world.obey();
    world.settle();
    assert_eq!(world.service().status, ServiceStatus::Inactive);
    assert!(world.plan().is_quiet());
}

#[test]
fn a_deleted_service_does_not_wait_for_lost_instances() {
    let mut world = World::new(6);
    world.come_to_rest();
    world.set_connected(1, false);
    world.machine.must(Command::DeleteService(service_key("web")));
    world.settle();
    world.obey();
    world.settle();
    assert_eq!(world.service().status, ServiceStatus::Inactive);
    assert_eq!(world.stopping().len(), 1, "it stops when its instance is back");
}
