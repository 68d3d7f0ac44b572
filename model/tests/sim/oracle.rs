//! What must hold of every plan and every state, and what must be so in the end.

use berth_model::command::Command;
use berth_model::id::ServiceKey;
use berth_model::plan::{self, Plan, Policy};
use berth_model::service::{Rollout, Service, ServiceStatus};
use berth_model::state::State;
use berth_model::state::invariant;
use berth_model::task::{DesiredStatus, Health, Task, TaskStatus};
use berth_model::time::Timestamp;

use crate::fixture;
use crate::world::World;

/// The state is consistent, and no host is promised to more than fits on it. Looks every two seconds: what is wrong
/// then stays wrong.
pub(crate) fn check_state(world: &World) {
    if world.now.unix_ms() % 2000 != 0 {
        return;
    }
    let violations = invariant::check(&world.state);
    assert!(violations.is_empty(), "{violations:?}");
    for instance in world.state.instances() {
        let (held, capacity) = (&instance.held, &instance.capacity);
        let fits = held.cpu_units <= capacity.cpu_units && held.memory_mib <= capacity.memory_mib;
        assert!(fits, "{} offers {capacity:?} and holds {held:?}", instance.id);
    }
}

/// A plan leaves the healthy tasks above the floor, the others below the ceiling, and lost ones alone.
pub(crate) fn check_plan(state: &State, key: &ServiceKey, now: Timestamp, policy: &Policy, plan: &Plan) {
    let Some(service) = state.service(key) else {
        assert!(plan.is_quiet(), "{key} is gone: {plan:?}");
        return;
    };
    if service.is_daemon() {
        return check_daemon(state, service, plan);
    }
    if service.status != ServiceStatus::Active {
        assert_eq!(starts(plan), 0, "{key} is not wanted");
        return;
    }
    let tasks: Vec<&Task> =
        state.tasks_of(key).map(|task| &**task).filter(|task| state.is_reachable(task)).collect();
    let occupied = tasks.iter().filter(|task| task.observed.last_status <= TaskStatus::Running).count();
    let ceiling = size(service.bounds.ceiling(service.desired_count));
    assert!(
        starts(plan) == 0 || occupied + starts(plan) <= ceiling,
        "{key}: {occupied} of {ceiling}, {plan:?}"
    );

    let stopped: Vec<_> = plan.commands.iter().filter_map(stops).flatten().collect();
    let healthy: Vec<&&Task> =
        tasks.iter().filter(|task| is_healthy(state, service, task, now, policy)).collect();
    let left = healthy.iter().filter(|task| !stopped.contains(&task.id)).count();
    let floor = size(service.bounds.floor(service.desired_count));
    assert!(left >= floor.min(healthy.len()), "{key}: {left} of {} left, {floor} needed", healthy.len());

    for id in stopped {
        let task = state.task(id).expect("it stops what there is");
        let is_over = task.deployment().is_none_or(|id| service.deployment(id).is_none());
        assert!(state.is_reachable(task) || is_over, "{id} is lost, and its deployment is not over");
    }
}

/// Starts nowhere where a task of it is still to run, and only on instances that serve.
fn check_daemon(state: &State, service: &Service, plan: &Plan) {
    for task in started(plan) {
        let instance = state.instance(task.instance).expect("it is placed");
        assert!(instance.takes_tasks(), "{} on {instance:?}", service.key);
        let here =
            state.tasks_on(task.instance).filter(|other| other.service().as_ref() == Some(&service.key));
        let occupied = here.filter(|other| other.observed.last_status <= TaskStatus::Running).count();
        assert_eq!(occupied, 0, "{} has one on {} already", service.key, task.instance);
    }
}

/// A move starts within the ceiling, and only of a service that is steady.
pub(crate) fn check_moves(state: &State, plan: &Plan) {
    for command in &plan.commands {
        let Command::StartTasks(start) = command else { panic!("moves only start: {command:?}") };
        let key = start.tasks.first().and_then(Task::service).expect("it is a service's");
        let service = state.service(&key).expect("it is there");
        let tasks = state.tasks_of(&key).filter(|task| task.observed.last_status <= TaskStatus::Running);
        let ceiling = size(service.bounds.ceiling(service.desired_count));
        let reachable = tasks.filter(|task| state.is_reachable(task)).count();
        assert!(
            service.steady && reachable + start.tasks.len() <= ceiling,
            "{key}: {reachable} of {ceiling}"
        );
        assert!(start.tasks.iter().all(|task| task.scheduling.replaces.is_some()));
    }
}

/// Places only what waits, and only where tasks may go.
pub(crate) fn check_queue(state: &State, plan: &Plan) {
    let placings = plan.commands.iter().flat_map(|command| match command {
        Command::PlaceTasks(place) => place.placings.as_slice(),
        _ => &[],
    });
    for placing in placings {
        assert!(state.task(placing.task).is_some_and(|task| task.is_queued()), "{placing:?}");
        assert!(state.instance(placing.instance).is_some_and(|on| on.takes_tasks()), "{placing:?}");
    }
}

fn started(plan: &Plan) -> impl Iterator<Item = &Task> {
    plan.commands.iter().flat_map(|command| match command {
        Command::StartTasks(start) => start.tasks.as_slice(),
        _ => &[],
    })
}

fn starts(plan: &Plan) -> usize {
    started(plan).filter(|task| task.service().is_some()).count()
}

fn stops(command: &Command) -> Option<Vec<berth_model::id::TaskId>> {
    match command {
        Command::StopTasks(stop) => Some(stop.tasks.clone()),
        _ => None,
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).expect("it fits")
}

fn is_healthy(state: &State, service: &Service, task: &Task, now: Timestamp, policy: &Policy) -> bool {
    let Some(instance) = state.instance(task.instance) else { return false };
    let just_back =
        task.created_at < instance.connected_at && now.since(instance.connected_at) < policy.healthy_after;
    let is_checked =
        state.task_definition(&task.definition).is_some_and(|definition| definition.facts.has_health_check());
    let ran = task.observed.started_at.map(|at| now.since(at)).unwrap_or_default();
    let is_well = match task.observed.health {
        Health::Healthy => true,
        Health::Unhealthy => false,
        Health::Unknown => !is_checked && ran >= policy.healthy_after,
    };
    let is_known = task.deployment().is_some_and(|id| service.deployment(id).is_some());
    task.is_running() && !just_back && is_well && is_known
}

/// Every service is where it should be, every host runs what it should and nothing else, and nobody wants anything.
pub(crate) fn check_recovered(world: &mut World) {
    let services: Vec<_> = world.state.services().cloned().collect();
    for service in services {
        let messages: Vec<&String> =
            service.events.iter().rev().take(5).map(|event| &event.message).collect();
        let key = &service.key;
        match service.status {
            ServiceStatus::Inactive => {}
            ServiceStatus::Draining => panic!("{key} is still DRAINING: {messages:?}"),
            ServiceStatus::Active => check_service(world, &service, &messages),
        }
        let plan = plan::service::plan(&world.state, key, world.now, &world.policy, world.dice.ids());
        assert_eq!(plan, Plan::default(), "{key} wants something");
    }
    let cluster = fixture::CLUSTER.into();
    let waiting: Vec<&Task> = world.state.queued_in(&cluster).map(|task| &**task).collect();
    assert!(waiting.is_empty(), "nothing is in the way of what still waits: {waiting:?}");
    let (now, ids) = (world.now, world.dice.ids());
    let moves = plan::rebalance::plan(&world.state, &cluster, now, &world.policy, ids);
    assert!(moves.is_quiet(), "something is still to move: {moves:?}");
    for agent in world.agents.values() {
        for (id, local) in &agent.tasks {
            let known = world.state.task(*id);
            let should_run =
                known.is_some_and(|task| task.desired == DesiredStatus::Running && !task.is_stopped());
            let runs = local.observed.last_status == TaskStatus::Running;
            assert_eq!(runs, should_run, "{id}: {:?}, known as {known:?}", local.observed);
        }
    }
}

fn check_service(world: &World, service: &Service, messages: &[&String]) {
    let key = &service.key;
    assert!(service.steady, "{key} is not steady: {messages:?}");
    let [only] = service.deployments.as_slice() else { panic!("{key} has deployments left: {messages:?}") };
    assert!(service.records.current().is_none(), "{key} has a deployment that never ends: {messages:?}");
    assert_eq!(only.rollout, Rollout::Completed, "{key}: {messages:?}");
    let tasks = world.state.tasks_of(key).filter(|task| !task.is_stopped());
    let wanted: Vec<&Task> = tasks.map(|task| &**task).collect();
    assert_eq!(wanted.len(), size(service.desired_count), "{key}: {messages:?}");
    for task in wanted {
        assert!(task.is_running() && world.state.is_reachable(task), "{task:?}");
        assert_eq!(task.deployment(), Some(only.id));
        let agent = world.agents.get(&task.instance).expect("it runs somewhere");
        assert!(agent.tasks.contains_key(&task.id), "no agent knows {task:?}");
    }
}
