//! Commands about a small world, most of them sensible, some stale, some nonsense.

use core::net::Ipv4Addr;

use crate::arn::Scope;
use crate::attribute::Attributes;
use crate::cluster::{Cluster, ClusterStatus};
use crate::command::{
    AdvanceService, Bootstrap, ChangeSecret, Command, Deletion, Forget, NewDeployment, PlaceTasks, Placing,
    PutParameter, QueueTasks, RecordRefusal, ServiceUpdate, SetInstanceStatus, StartTasks, StopTasks,
    TaskNote, TaskReport,
};
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::fit::Refused;
use crate::fixture::{self, Dice};
use crate::id::{ClusterName, DeploymentId, Generation, InstanceId, ServiceKey, TaskDefinitionKey, TaskId};
use crate::key::{AccessKey, KeyStatus, Role};
use crate::log::LogGroup;
use crate::network::security_group::{Rule, SecurityGroup};
use crate::network::{Block, Place};
use crate::parameter::{ParameterType, ParameterVersion};
use crate::resource::PortSet;
use crate::secret::{CURRENT, SecretVersion};
use crate::service::{DeploymentBounds, DeploymentStatus, Rollout, Service, ServiceStatus};
use crate::state::State;
use crate::task::{
    ContainerObservation, ContainerStatus, DesiredStatus, Health, Observed, PortBinding, Queueing, Stop,
    StopCode, Task, TaskStatus,
};
use crate::time::Timestamp;

/// The next command.
pub(super) fn command(state: &State, now: Timestamp, dice: &mut Dice) -> Command {
    match dice.below(100) {
        0..=1 => bootstrap(dice),
        2 => Command::PutAccessKey(access_key(dice, now)),
        3..=5 => Command::CreateCluster(cluster(dice)),
        6 => Command::UpdateCluster(cluster(dice)),
        7 => Command::DeleteCluster(cluster_name(dice)),
        8..=13 => Command::RegisterTaskDefinition(Box::new(definition(state, dice))),
        14 => Command::DeregisterTaskDefinition(definition_key(state, dice)),
        15 => Command::DeleteTaskDefinitions(vec![definition_key(state, dice)]),
        16..=22 => Command::CreateService(Box::new(service(state, now, dice))),
        23..=28 => Command::UpdateService(Box::new(update(state, dice))),
        29..=30 => Command::DeleteService(service_key(dice)),
        31..=36 => Command::AdvanceService(advance(state, dice)),
        37..=46 => Command::StartTasks(start(state, now, dice)),
        47 => Command::PutParameter(Box::new(parameter(state, now, dice))),
        48 => Command::ChangeSecret(Box::new(secret(state, now, dice))),
        49 => Command::DeleteParameters((0..=dice.below(2)).map(|_| parameter_name(dice)).collect()),
        50 => Command::QueueTasks(queue(state, now, dice)),
        51..=52 => Command::PlaceTasks(place(state, dice)),
        53..=57 => Command::StopTasks(stop(state, dice)),
        58..=65 => Command::RegisterInstance(Box::new(instance(dice))),
        66..=68 => Command::SetInstanceStatus(SetInstanceStatus {
            ids: vec![instance_id(dice), instance_id(dice)],
            status: *dice.pick(&[InstanceStatus::Active, InstanceStatus::Draining, InstanceStatus::Inactive]),
            deadline: dice.percent(50).then_some(now),
            stop_standalone: dice.percent(50),
        }),
        69 => Command::DeregisterInstance { id: instance_id(dice), force: dice.percent(50) },
        70..=72 => Command::SetInstanceConnected { id: instance_id(dice), connected: dice.percent(50) },
        73..=74 => Command::PutAttributes(vec![
            (instance_id(dice), attributes(dice)),
            (instance_id(dice), attributes(dice)),
        ]),
        75 => Command::DeleteAttributes(vec![(instance_id(dice), format!("a{}", dice.below(12)))]),
        97 => Command::NoteTask(TaskNote {
            task: task_id(state, dice),
            message: "somebody looked in".to_owned(),
        }),
        76..=91 => report(state, now, dice),
        92 => Command::PutLogGroup(Box::new(log_group(state, now, dice))),
        93 => Command::DeleteLogGroup { name: log_group_name(dice), id: dice.below(2) },
        94..=95 => security_group(state, dice),
        96 => Command::RecordRefusal(Box::new(refusal(state, now, dice))),
        _ => Command::Forget(forget(state, dice)),
    }
}

fn bootstrap(dice: &mut Dice) -> Command {
    let cluster_id = dice.pick(&["c0ffee", "decaf"]).to_string();
    Command::Bootstrap(Bootstrap { cluster_id, scope: Scope::default(), keys: Vec::new() })
}

fn access_key(dice: &mut Dice, now: Timestamp) -> AccessKey {
    let id = format!("BKA{}", dice.below(3));
    let status = if dice.percent(50) { KeyStatus::Active } else { KeyStatus::Disabled };
    AccessKey {
        id,
        sealed_secret: vec![1, 2, 3],
        role: Role::Admin,
        created_at: now,
        status,
        last_used_at: None,
        description: String::new(),
    }
}

fn cluster_name(dice: &mut Dice) -> ClusterName {
    ClusterName::new(if dice.percent(85) { fixture::CLUSTER } else { "other" })
}

fn cluster(dice: &mut Dice) -> Cluster {
    let status = if dice.percent(90) { ClusterStatus::Active } else { ClusterStatus::Inactive };
    Cluster { name: cluster_name(dice), status, ..fixture::cluster() }
}

fn definition(state: &State, dice: &mut Dice) -> crate::task_definition::TaskDefinition {
    let family = *dice.pick(&["web", "batch"]);
    let next = state.last_revision(&family.into()) + 1;
    let revision = if dice.percent(90) { next } else { dice.small(5) };
    let mut definition = fixture::definition(family, revision, dice.small(600), dice.small(600));
    let facts = &mut definition.facts;
    let sidecar = crate::task_definition::ContainerFacts {
        name: "sidecar".into(),
        cpu_units: 64,
        ..facts.containers[0].clone()
    };
    facts.containers.push(sidecar);
    if dice.percent(20) {
        facts.containers[0].tcp_ports = ports(dice);
    }
    if dice.percent(20) {
        facts.task_cpu_units = Some(dice.small(900));
    }
    definition
}

fn ports(dice: &mut Dice) -> PortSet {
    (0..dice.below(3)).map(|_| port(dice)).collect()
}

fn port(dice: &mut Dice) -> u16 {
    8000 + u16::try_from(dice.below(6)).expect("it is small")
}

fn definition_key(state: &State, dice: &mut Dice) -> TaskDefinitionKey {
    let known: Vec<&TaskDefinitionKey> = state.task_definitions().map(|definition| &definition.key).collect();
    if known.is_empty() || dice.percent(10) {
        return TaskDefinitionKey { family: "web".into(), revision: 77 };
    }
    (*dice.pick(&known)).clone()
}

fn service_key(dice: &mut Dice) -> ServiceKey {
    let name = *dice.pick(&["one", "two", "three"]);
    ServiceKey { cluster: cluster_name(dice), ..fixture::service_key(name) }
}

fn service(state: &State, now: Timestamp, dice: &mut Dice) -> Service {
    let definition = definition_key(state, dice);
    let key = service_key(dice);
    let mut service = fixture::service("one", dice.small(5), &definition);
    service.deployments[0].id = deployment_id(dice);
    service.client_token = dice.percent(30).then(|| "token".to_owned());
    service.created_at = now;
    service.key = key;
    if dice.percent(20) {
        service.spec = crate::wire::Wire::new(berth_proto::ecs::v1::Service {
            scheduling_strategy: Some(berth_proto::ecs::v1::SchedulingStrategy::Daemon.into()),
            ..Default::default()
        });
    }
    if dice.percent(8) {
        service.status = *dice.pick(&[ServiceStatus::Draining, ServiceStatus::Inactive]);
    }
    if dice.percent(8) {
        service.deployments[0].status = DeploymentStatus::Active;
    }
    if dice.percent(8) {
        service.deployments.clear();
    }
    service
}

fn deployment_id(dice: &mut Dice) -> DeploymentId {
    DeploymentId::new(dice.below(6))
}

fn generation(state: &State, key: &ServiceKey, dice: &mut Dice) -> Generation {
    let current = state.service(key).map_or(0, |service| service.generation);
    if dice.percent(85) { current } else { dice.below(4) }
}

fn update(state: &State, dice: &mut Dice) -> ServiceUpdate {
    let key = service_key(dice);
    let deployment =
        NewDeployment { id: deployment_id(dice), task_definition: definition_key(state, dice), record: None };
    ServiceUpdate {
        generation: generation(state, &key, dice),
        key,
        desired_count: dice.percent(50).then(|| dice.small(6)),
        bounds: dice.percent(30).then(DeploymentBounds::default),
        placement: None,
        spec: None,
        deployment: dice.percent(60).then_some(deployment),
        settings: None,
    }
}

fn advance(state: &State, dice: &mut Dice) -> AdvanceService {
    let key = service_key(dice);
    let rollout = *dice.pick(&[Rollout::InProgress, Rollout::Completed, Rollout::Failed]);
    AdvanceService {
        generation: generation(state, &key, dice),
        key,
        rollouts: vec![(deployment_id(dice), rollout, "because".into())],
        ended: vec![deployment_id(dice), deployment_id(dice)],
        steady: dice.percent(50),
        retire: dice.percent(20),
        events: (0..dice.below(3)).map(|number| format!("event {number}")).collect(),
        desired_count: None,
        steps: Vec::new(),
    }
}

fn refusal(state: &State, now: Timestamp, dice: &mut Dice) -> RecordRefusal {
    let key = service_key(dice);
    let refused = Refused { at: now, unplaced: 1, groups: vec![("memory".into(), 1)], closest: None };
    let refused = dice.percent(50).then_some(refused);
    RecordRefusal { generation: generation(state, &key, dice), key, refused }
}

fn start(state: &State, now: Timestamp, dice: &mut Dice) -> StartTasks {
    let key = service_key(dice);
    let owner = state.service(&key).filter(|_| dice.percent(70)).cloned();
    let service = owner.as_ref().map(|owner| (owner.key.clone(), generation(state, &owner.key, dice)));
    let count = 1 + dice.below(3);
    let tasks = (0..count).filter_map(|_| task(state, owner.as_deref(), now, dice)).collect();
    let service = if dice.percent(95) { service } else { None };
    StartTasks { service, tasks }
}

fn task(state: &State, owner: Option<&Service>, now: Timestamp, dice: &mut Dice) -> Option<Task> {
    let definition = state.task_definition(&definition_key(state, dice))?;
    let (id, on) = (1 + u128::from(dice.below(60)), 1 + u128::from(dice.below(5)));
    let group = *dice.pick(&["g", "h"]);
    let mut task = match owner {
        Some(service) => fixture::service_task(id, on, definition, service, deployment_id(dice)),
        None => fixture::task(id, on, definition, group),
    };
    if let Some(owner) = owner {
        task.cluster = owner.key.cluster.clone();
    }
    task.created_at = now;
    task.scheduling.replaces = dice.percent(10).then(|| task_id(state, dice));
    if dice.percent(10) {
        task.observed = observed(now, dice);
        task.desired = DesiredStatus::Stopped;
        task.held.cpu_units += 1;
    }
    Some(task)
}

fn queue(state: &State, now: Timestamp, dice: &mut Dice) -> QueueTasks {
    let mut tasks: Vec<Task> = (0..=dice.below(3)).filter_map(|_| task(state, None, now, dice)).collect();
    for task in &mut tasks {
        let priority = i32::try_from(dice.below(3)).expect("it is small");
        let queueing = Queueing { priority, deadline: dice.percent(50).then_some(now), claimed_at: None };
        task.scheduling.queue = dice.percent(95).then_some(queueing);
    }
    QueueTasks { cluster: cluster_name(dice), tasks }
}

fn place(state: &State, dice: &mut Dice) -> PlaceTasks {
    let placing = |dice: &mut Dice| Placing {
        task: task_id(state, dice),
        instance: instance_id(dice),
        gpu_ids: Vec::new(),
        decision: None,
    };
    PlaceTasks {
        placings: (0..dice.below(4)).map(|_| placing(dice)).collect(),
        claim: dice.percent(30).then(|| task_id(state, dice)),
    }
}

fn parameter_name(dice: &mut Dice) -> String {
    format!("/p/{}", dice.below(3))
}

fn parameter(state: &State, now: Timestamp, dice: &mut Dice) -> PutParameter {
    let name = parameter_name(dice);
    let latest = state.parameter(&name).map_or(0, |known| known.latest().version);
    let version = ParameterVersion {
        version: if dice.percent(85) { latest + 1 } else { dice.below(4) },
        kind: *dice.pick(&ParameterType::ALL),
        sealed_value: vec![1, 2, 3],
        description: String::new(),
        key_id: String::new(),
        tier: "Standard".into(),
        data_type: "text".into(),
        written_at: now,
        written_by: "somebody".into(),
    };
    PutParameter { name, version }
}

fn secret(state: &State, now: Timestamp, dice: &mut Dice) -> ChangeSecret {
    let name = format!("s{}", dice.below(3));
    let generation = state.secret(&name).map_or(0, |known| known.generation);
    let version = SecretVersion {
        sealed_value: vec![4, 5, 6],
        is_binary: false,
        id: dice.below(9).to_string(),
        stages: vec![CURRENT.to_owned()],
        created_at: now,
    };
    let deletion = *dice.pick(&[
        Deletion::At(now),
        Deletion::At(now.plus(std::time::Duration::from_secs(60))),
        Deletion::Never,
    ]);
    ChangeSecret {
        name,
        seen: if dice.percent(85) { generation } else { dice.below(4) },
        suffix: "AbCdEf".into(),
        description: dice.percent(50).then(|| "of tests".into()),
        key_id: None,
        version: dice.percent(70).then_some(version),
        deletion: dice.percent(30).then_some(deletion),
    }
}

fn task_id(state: &State, dice: &mut Dice) -> TaskId {
    let known: Vec<TaskId> = state.tasks().map(|task| task.id).collect();
    if known.is_empty() || dice.percent(5) { TaskId::new(999) } else { *dice.pick(&known) }
}

fn stop(state: &State, dice: &mut Dice) -> StopTasks {
    let key = service_key(dice);
    let generation = generation(state, &key, dice);
    StopTasks {
        service: dice.percent(40).then_some((key, generation)),
        tasks: (0..3).map(|_| task_id(state, dice)).collect(),
        code: StopCode::UserInitiated,
        reason: "because".into(),
    }
}

fn instance_id(dice: &mut Dice) -> InstanceId {
    InstanceId::new(1 + u128::from(dice.below(5)))
}

fn instance(dice: &mut Dice) -> ContainerInstance {
    let zone = *dice.pick(&["a", "b"]);
    let mut instance = fixture::instance(0, zone, dice.small(4000), dice.small(4000));
    instance.id = instance_id(dice);
    instance.cluster = cluster_name(dice);
    if dice.percent(60) {
        let prefix = *dice.pick(&[24, 24, 24, 23]);
        instance.network =
            Some(Place { address: address(dice), block: Block::around(address(dice), prefix) });
    }
    if dice.percent(10) {
        instance.status = *dice.pick(&[InstanceStatus::Draining, InstanceStatus::Inactive]);
        instance.connected = false;
        instance.running_count = 3;
        instance.held.cpu_units = 7;
    }
    instance
}

/// Of one of eight blocks.
fn address(dice: &mut Dice) -> Ipv4Addr {
    let block = u8::try_from(dice.below(8)).expect("it is small");
    Ipv4Addr::new(10, 0, block, 7)
}

fn security_group(state: &State, dice: &mut Dice) -> Command {
    let id = format!("sg-{}", dice.below(3));
    if dice.percent(20) {
        return Command::DeleteSecurityGroup(id);
    }
    let current = state.security_group(&id).map_or(0, |group| group.generation);
    let generation = if dice.percent(80) { current + 1 } else { dice.below(4) };
    let group = SecurityGroup {
        name: id.clone(),
        id,
        description: String::new(),
        ingress: vec![Rule::everything()],
        egress: Vec::new(),
        generation,
    };
    Command::PutSecurityGroup(Box::new(group))
}

fn attributes(dice: &mut Dice) -> Attributes {
    let mut attributes = Attributes::default();
    for _ in 0..dice.below(8) {
        attributes.put(&format!("a{}", dice.below(12)), Some("v"));
    }
    attributes
}

fn report(state: &State, now: Timestamp, dice: &mut Dice) -> Command {
    let mut instance = instance_id(dice);
    let mut reports = Vec::new();
    for _ in 0..1 + dice.below(3) {
        let task = task_id(state, dice);
        if let Some(known) = state.task(task).filter(|_| dice.percent(90)) {
            instance = known.instance;
        }
        reports.push(TaskReport { task, observed: observed(now, dice) });
    }
    Command::ReportTasks { instance, reports }
}

fn observed(now: Timestamp, dice: &mut Dice) -> Observed {
    let time = |dice: &mut Dice| {
        dice.percent(50).then(|| {
            Timestamp::from_unix_ms(now.unix_ms() - 60_000)
                .plus(std::time::Duration::from_millis(dice.below(120_000)))
        })
    };
    let stop = Stop { code: StopCode::EssentialContainerExited, reason: "it did".into(), at: now };
    Observed {
        report_version: dice.below(40),
        last_status: *dice.pick(&TaskStatus::ALL),
        containers: vec![container("app", dice), container("sidecar", dice)],
        health: *dice.pick(&[Health::Unknown, Health::Healthy, Health::Unhealthy]),
        pull_started_at: time(dice),
        pull_stopped_at: time(dice),
        started_at: time(dice),
        stopping_at: time(dice),
        execution_stopped_at: time(dice),
        stopped_at: time(dice),
        stop: dice.percent(50).then_some(stop),
        address: dice.percent(20).then(|| address(dice)),
    }
}

fn container(name: &str, dice: &mut Dice) -> ContainerObservation {
    let binding = PortBinding {
        bind_ip: "0.0.0.0".into(),
        container_port: 80,
        host_port: port(dice),
        udp: dice.percent(20),
        further: if dice.percent(10) { 3 } else { 0 },
    };
    ContainerObservation {
        name: name.into(),
        runtime_id: String::new(),
        image_digest: String::new(),
        last_status: *dice.pick(&[
            ContainerStatus::Pending,
            ContainerStatus::Running,
            ContainerStatus::Stopped,
        ]),
        exit_code: None,
        reason: String::new(),
        bindings: if dice.percent(40) { vec![binding] } else { Vec::new() },
        health: Health::Unknown,
        last_log_lines: Vec::new(),
    }
}

fn log_group_name(dice: &mut Dice) -> String {
    format!("/ecs/{}", dice.below(3))
}

fn log_group(state: &State, now: Timestamp, dice: &mut Dice) -> LogGroup {
    let name = log_group_name(dice);
    let known = state.log_group(&name).map_or(0, |known| known.generation);
    LogGroup {
        id: dice.below(2),
        retention_days: dice.percent(50).then_some(7),
        generation: if dice.percent(80) { known + 1 } else { dice.below(4) },
        ..LogGroup::new(name, 0, now)
    }
}

fn forget(state: &State, dice: &mut Dice) -> Forget {
    Forget {
        tasks: (0..8).map(|_| task_id(state, dice)).collect(),
        services: vec![service_key(dice)],
        instances: vec![instance_id(dice)],
        task_definitions: vec![definition_key(state, dice)],
        clusters: vec![cluster_name(dice)],
        secrets: vec![format!("s{}", dice.below(3))],
    }
}
