//! DAEMON services: one task on every matching instance, first to start and last to stop.

use std::time::Duration;

use berth_proto::ecs::v1 as pb;

use super::{World, percent};
use crate::attribute::Attributes;
use crate::command::{Command, StopTasks};
use crate::container_instance::InstanceStatus;
use crate::fit::Reason;
use crate::fixture::{CLUSTER, Machine, definition, instance, service, service_key, task};
use crate::id::{ClusterName, InstanceId, TaskId};
use crate::placement::{Constraint, PlacementRules};
use crate::plan::placement::{Counted, Placer, Request};
use crate::service::{DeploymentBounds, Rollout, Service};
use crate::state::State;
use crate::task::{StopCode, TaskStatus};
use crate::wire::Wire;

fn spec() -> Wire<pb::Service> {
    Wire::new(pb::Service {
        scheduling_strategy: Some(pb::SchedulingStrategy::Daemon.into()),
        ..pb::Service::default()
    })
}

/// A daemon `web` in a cluster of three instances.
fn world(bounds: DeploymentBounds) -> World {
    let mut machine = Machine::new();
    for number in 1..=3 {
        machine.register(instance(number, "a", 1000, 1000));
    }
    let web = definition("web", 1, 100, 100);
    machine.define(&web);
    machine.create(&Service { bounds, spec: spec(), ..service("web", 0, &web.key) });
    World {
        machine,
        ids: crate::id::Ids::from_seed(1),
        policy: crate::plan::Policy::default(),
        definitions: 1,
    }
}

fn running(world: &World) -> usize {
    world.wanted().iter().filter(|task| task.observed.last_status == TaskStatus::Running).count()
}

#[test]
fn follows_instances_that_come_and_go() {
    let mut world = world(percent(0, 100));
    world.come_to_rest();
    assert_eq!([1, 2, 3].map(|number| world.wanted_on(number)), [1, 1, 1]);
    assert_eq!(world.service().desired_count, 3);
    assert!(world.service().steady);
    assert_eq!(world.service().deployments[0].rollout, Rollout::Completed);

    world.machine.register(instance(4, "b", 1000, 1000));
    assert!(!world.service().steady, "it has something to do again");
    world.come_to_rest();
    assert_eq!(world.wanted_on(4), 1);
    assert_eq!(world.service().desired_count, 4);

    world.machine.must(Command::DeregisterInstance { id: InstanceId::new(4), force: true });
    world.come_to_rest();
    assert_eq!(world.service().desired_count, 3);
}

#[test]
fn a_lost_instance_keeps_its_task_and_has_one_when_it_is_back() {
    let mut world = world(percent(0, 100));
    world.come_to_rest();
    let before: Vec<TaskId> = world.wanted().iter().map(|task| task.id).collect();
    world.set_connected(2, false);
    world.come_to_rest();
    world.set_connected(2, true);
    world.come_to_rest();
    let after: Vec<TaskId> = world.wanted().iter().map(|task| task.id).collect();
    assert_eq!(before, after, "nothing was taken down");
}

#[test]
fn leaves_instances_that_no_longer_match() {
    let mut world = world(percent(0, 100));
    let gpu = |number: u128| {
        let attributes = Attributes::from_iter([("kind", Some("gpu"))]);
        Command::PutAttributes(vec![(InstanceId::new(number), attributes)])
    };
    world.machine.must(gpu(1));
    world.machine.must(gpu(2));
    let constraints = vec![Constraint::MemberOf("attribute:kind == gpu".into())];
    let rules = PlacementRules { constraints, ..PlacementRules::default() };
    world.update(|update| update.placement = Some(rules));
    world.come_to_rest();
    assert_eq!([1, 2, 3].map(|number| world.wanted_on(number)), [1, 1, 0]);
    world.machine.must(Command::DeleteAttributes(vec![(InstanceId::new(1), "kind".into())]));
    world.machine.must(gpu(3));
    world.come_to_rest();
    assert_eq!([1, 2, 3].map(|number| world.wanted_on(number)), [0, 1, 1]);
}

#[test]
fn stops_last_on_a_draining_instance() {
    let mut world = world(percent(0, 100));
    world.come_to_rest();
    let other = definition("other", 1, 100, 100);
    world.machine.define(&other);
    world.machine.start(vec![task(900, 1, &other, "g")]);
    world.machine.run(TaskId::new(900));
    world.set_status(1, InstanceStatus::Draining);
    for _ in 0..5 {
        world.step();
        world.obey();
        world.wait(Duration::from_secs(5));
    }
    assert_eq!(world.wanted_on(1), 1, "a task is still there");
    world.machine.end(TaskId::new(900));
    world.come_to_rest();
    assert_eq!(world.wanted_on(1), 0);
    assert_eq!(world.service().desired_count, 2);
}

#[test]
fn a_deployment_stops_before_it_starts_and_keeps_the_floor() {
    let mut world = world(percent(50, 100));
    world.come_to_rest();
    let id = world.deploy(|_| {});
    let mut least = usize::MAX;
    for _ in 0..60 {
        world.step();
        world.obey();
        for number in 1..=3 {
            assert!(world.wanted_on(number) <= 1, "never two on an instance");
        }
        least = least.min(running(&world));
        world.wait(Duration::from_secs(1));
    }
    assert!(least >= 2, "ceil(3 x 50 %) stay, {least} did");
    assert!(world.wanted().iter().all(|task| task.deployment() == Some(id)));
    assert!(world.service().steady);
}

#[test]
fn a_crashed_task_waits_and_the_others_do_not() {
    let mut world = world(percent(0, 100));
    world.come_to_rest();
    let crashing = world.wanted()[0].id;
    let on = world.task(crashing).instance;
    for _ in 0..3 {
        let ids: Vec<TaskId> =
            world.wanted().iter().filter(|task| task.instance == on).map(|task| task.id).collect();
        ids.into_iter().for_each(|id| world.machine.end(id));
        world.step();
    }
    world.settle();
    assert_eq!(world.wanted_on(on.number()), 0, "its successor waits");
    world.machine.register(instance(7, "a", 1000, 1000));
    world.settle();
    assert_eq!(world.wanted_on(7), 1, "a new instance does not");
}

/// Whom the placer would choose for a task of the service `app`, or why nobody.
fn place_app(view: &State, cpu_units: u32) -> Result<InstanceId, Vec<Reason>> {
    let (key, cluster) = (service_key("app"), ClusterName::new(CLUSTER));
    let (rules, leaving) = (PlacementRules::default(), std::collections::BTreeSet::new());
    let app = definition("app", 1, cpu_units, 10);
    let mut placer = Placer::new(&Request {
        view,
        cluster: &cluster,
        rules: &rules,
        facts: &app.facts,
        counted: Counted::Service { key: &key, leaving: &leaving },
        zone: None,
        seed: 0,
    });
    let refused = |refusals: crate::plan::placement::Refusals| {
        refusals.iter().flat_map(|refusal| refusal.reasons.clone()).collect()
    };
    placer.place(&app.facts.requirements()).map_err(refused)
}

#[test]
fn is_the_first_on_an_instance_and_its_resources_are_kept() {
    let mut world = world(percent(0, 100));
    world.come_to_rest();
    for number in 1..=3 {
        world.set_status(number, InstanceStatus::Draining);
    }
    world.machine.register(instance(9, "a", 1000, 1000));
    let awaits = Reason::AwaitsDaemon(service_key("web").name);
    let refused = place_app(&world.machine.state, 10).expect_err("the daemon comes first");
    assert!(refused.contains(&awaits), "{refused:?}");
    world.settle();
    assert_eq!(world.wanted_on(9), 1);
    assert_eq!(place_app(&world.machine.state, 900), Ok(InstanceId::new(9)));

    // While its task is being replaced nobody takes its place.
    let id = world.wanted().iter().find(|task| task.instance == InstanceId::new(9)).expect("it is there").id;
    world.machine.run(id);
    world.machine.must(Command::StopTasks(StopTasks {
        service: None,
        tasks: vec![id],
        code: StopCode::UserInitiated,
        reason: String::new(),
    }));
    world.machine.end(id);
    let refused = place_app(&world.machine.state, 901).expect_err("100 units are kept");
    assert!(refused.iter().any(|reason| reason.shortage().is_some()), "{refused:?}");
    assert_eq!(place_app(&world.machine.state, 900), Ok(InstanceId::new(9)));
}

#[test]
fn says_which_instance_has_no_room() {
    let mut world = world(percent(0, 100));
    let big = definition("big", 1, 950, 10);
    world.machine.define(&big);
    world.machine.start(vec![task(900, 1, &big, "g")]);
    world.settle();
    assert_eq!([1, 2, 3].map(|number| world.wanted_on(number)), [0, 1, 1]);
    let refused = world.service().refused.clone().expect("it is kept");
    assert_eq!(refused.groups, [("cpu".to_owned(), 1)]);
    assert_eq!(refused.closest, Some((InstanceId::new(1), "cpu 100 needed, 50 free".to_owned())));
    assert!(world.messages().iter().any(|text| text.contains("has insufficient CPU units available")));
    world.machine.end(TaskId::new(900));
    world.come_to_rest();
    assert_eq!(world.wanted_on(1), 1);
    assert_eq!(world.service().refused, None);
}
