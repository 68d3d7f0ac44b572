//! Small valid things to test with, and a machine that applies commands to a state.
//!
//! Used by the unit tests, the simulation and the bench, so it only knows what the crate shows to everybody.
#![allow(dead_code, reason = "each of its users takes what it needs")]

use std::sync::Arc;

use berth_model::attribute::{AVAILABILITY_ZONE, Attributes};
use berth_model::cluster::{Cluster, ClusterStatus};
use berth_model::command::{Command, Envelope, Outcome, Reply, StartTasks, TaskReport};
use berth_model::container_instance::{ContainerInstance, InstanceStatus};
use berth_model::id::{
    ClusterName, DeploymentId, Family, Ids, InstanceId, Revision, ServiceKey, ServiceName, TaskDefinitionKey,
    TaskId,
};
use berth_model::placement::PlacementRules;
use berth_model::resource::{Capacity, Requirements};
use berth_model::service::{Deployment, DeploymentBounds, Service, ServiceStatus};
use berth_model::state::State;
use berth_model::task::{DesiredStatus, Health, Observed, Owner, Scheduling, Task, TaskStatus};
use berth_model::task_definition::{ContainerFacts, Facts, TaskDefinition, TaskDefinitionStatus};
use berth_model::time::Timestamp;
use berth_model::wire::Wire;

/// The cluster that everything is in.
pub(crate) const CLUSTER: &str = "default";

/// When tests begin.
pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

pub(crate) fn cluster() -> Cluster {
    Cluster {
        name: ClusterName::new(CLUSTER),
        status: ClusterStatus::Active,
        created_at: START,
        spec: Wire::default(),
    }
}

pub(crate) fn instance(number: u128, zone: &str, cpu_units: u32, memory_mib: u32) -> ContainerInstance {
    ContainerInstance {
        id: InstanceId::new(number),
        cluster: ClusterName::new(CLUSTER),
        status: InstanceStatus::Active,
        connected: true,
        connected_at: START,
        capacity: Capacity { cpu_units, memory_mib, ..Capacity::default() },
        held: Requirements::default(),
        attributes: Attributes::from_iter([(AVAILABILITY_ZONE, Some(zone))]),
        custom_attributes: Attributes::default(),
        spec: Wire::default(),
        registered_at: START,
        manifest_generation: 0,
        running_count: 0,
        pending_count: 0,
        version: 1,
        drain: None,
        network: None,
    }
}

pub(crate) fn definition(family: &str, revision: u32, cpu_units: u32, memory_mib: u32) -> TaskDefinition {
    let container =
        ContainerFacts { name: "app".into(), essential: true, cpu_units, memory_mib, ..Default::default() };
    TaskDefinition {
        key: TaskDefinitionKey { family: Family::new(family), revision },
        status: TaskDefinitionStatus::Active,
        definition: Wire::default(),
        facts: Facts { containers: vec![container], ..Facts::default() },
        tags: Vec::new(),
        registered_at: START,
        registered_by: "test".into(),
        deregistered_at: None,
        delete_requested_at: None,
    }
}

pub(crate) fn service_key(name: &str) -> ServiceKey {
    ServiceKey { cluster: ClusterName::new(CLUSTER), name: ServiceName::new(name) }
}

pub(crate) fn service(name: &str, desired_count: u32, definition: &TaskDefinitionKey) -> Service {
    Service {
        key: service_key(name),
        generation: 1,
        status: ServiceStatus::Active,
        created_at: START,
        created_by: "test".into(),
        desired_count,
        task_definition: definition.clone(),
        bounds: DeploymentBounds::default(),
        placement: PlacementRules::default(),
        deployments: vec![deployment(1, definition)],
        events: Default::default(),
        refused: None,
        steady: false,
        client_token: None,
        controller: Default::default(),
        task_sets: Vec::new(),
        settings: Default::default(),
        records: Default::default(),
        spec: Wire::default(),
    }
}

pub(crate) fn deployment(number: u64, definition: &TaskDefinitionKey) -> Deployment {
    Deployment {
        rollout_reason: String::new(),
        ..Deployment::new(DeploymentId::new(number), definition.clone(), START)
    }
}

/// A task that no service wants, in the group `group`.
pub(crate) fn task(number: u128, on: u128, definition: &TaskDefinition, group: &str) -> Task {
    let needs = definition.facts.requirements();
    Task {
        id: TaskId::new(number),
        cluster: ClusterName::new(CLUSTER),
        instance: InstanceId::new(on),
        definition: definition.key.clone(),
        owner: Owner::Standalone,
        group: Arc::from(group),
        started_by: None,
        overrides: None,
        tags: Vec::new(),
        spec: None,
        traceparent: None,
        created_at: START,
        held: needs.clone(),
        needs,
        desired: DesiredStatus::Running,
        stop: None,
        observed: Observed::default(),
        scheduling: Scheduling::default(),
        version: 1,
        images: None,
        unhealthy_at: None,
        network: None,
    }
}

/// The same for a deployment of a service.
pub(crate) fn service_task(
    number: u128,
    on: u128,
    definition: &TaskDefinition,
    service: &Service,
    deployment: DeploymentId,
) -> Task {
    let group = format!("service:{}", service.key.name);
    let owner = Owner::Service { name: service.key.name.clone(), deployment };
    Task { owner, ..task(number, on, definition, &group) }
}

pub(crate) fn seen(version: u64, last_status: TaskStatus, at: Timestamp) -> Observed {
    Observed {
        report_version: version,
        last_status,
        health: Health::Unknown,
        started_at: (last_status == TaskStatus::Running).then_some(at),
        ..Observed::default()
    }
}

/// A state, its revision and its clock.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) state: State,
    pub(crate) revision: Revision,
    pub(crate) now: Timestamp,
    /// What was applied, if it is to be kept.
    pub(crate) log: Option<Vec<(Revision, Envelope)>>,
}

// === impl Machine ===

impl Machine {
    /// A state with the cluster in it.
    pub(crate) fn new() -> Self {
        let mut machine = Self { state: State::default(), revision: 0, now: START, log: None };
        machine.must(Command::CreateCluster(cluster()));
        machine
    }

    pub(crate) fn apply(&mut self, command: Command) -> Reply {
        self.revision += 1;
        let envelope = Envelope { command, issued_at: self.now, traceparent: None };
        let applied = self.state.apply(self.revision, &envelope);
        if let Some(log) = &mut self.log {
            log.push((self.revision, envelope));
        }
        applied.reply
    }

    /// Applies what cannot be refused.
    pub(crate) fn must(&mut self, command: Command) -> Outcome {
        let text = format!("{command:?}");
        match self.apply(command) {
            Ok(outcome) => outcome,
            Err(rejection) => panic!("{rejection}: {text}"),
        }
    }

    pub(crate) fn register(&mut self, instance: ContainerInstance) {
        self.must(Command::RegisterInstance(Box::new(instance)));
    }

    pub(crate) fn define(&mut self, definition: &TaskDefinition) {
        self.must(Command::RegisterTaskDefinition(Box::new(definition.clone())));
    }

    pub(crate) fn create(&mut self, service: &Service) {
        self.must(Command::CreateService(Box::new(service.clone())));
    }

    /// Starts tasks of one owner; those of services at the service's current generation.
    pub(crate) fn start(&mut self, tasks: Vec<Task>) {
        let service = tasks.first().and_then(Task::service);
        let service = service.map(|key| {
            let generation = self.state.service(&key).map_or(0, |service| service.generation);
            (key, generation)
        });
        let outcome = self.must(Command::StartTasks(StartTasks { service, tasks }));
        assert_eq!(outcome, Outcome::Started { refused: Vec::new() });
    }

    /// Reports a task at its next version, by whichever instance it is on.
    pub(crate) fn observe(&mut self, task: TaskId, change: impl FnOnce(&mut Observed)) {
        let known = self.state.task(task).expect("it was started");
        let mut observed = known.observed.clone();
        observed.report_version += 1;
        change(&mut observed);
        let instance = known.instance;
        let reports = vec![TaskReport { task, observed }];
        self.must(Command::ReportTasks { instance, reports });
    }

    /// Reports a task RUNNING from now on.
    pub(crate) fn run(&mut self, task: TaskId) {
        let now = self.now;
        self.observe(task, |observed| {
            observed.last_status = TaskStatus::Running;
            observed.started_at = Some(now);
        });
    }

    /// Reports a task STOPPED.
    pub(crate) fn end(&mut self, task: TaskId) {
        let now = self.now;
        self.observe(task, |observed| {
            observed.last_status = TaskStatus::Stopped;
            observed.stopped_at = Some(now);
        });
    }
}

/// Chance that follows from a seed.
#[derive(Clone)]
pub(crate) struct Dice(Ids);

// === impl Dice ===

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Ids::from_seed(u128::from(seed)))
    }

    pub(crate) fn ids(&mut self) -> &mut Ids {
        &mut self.0
    }

    /// A number from 0 up to `bound`, exclusive.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.short() % bound.max(1)
    }

    pub(crate) fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).expect("it is below a u32")
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(u64::try_from(from.len()).expect("it fits"));
        &from[usize::try_from(at).expect("it is an index")]
    }
}
