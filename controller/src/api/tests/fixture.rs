//! What cases begin with: definitions, instances, tasks that were reported.

use berth_model::command::{Command, StartTasks, TaskReport};
use berth_model::id::{ClusterName, DeploymentId, Ids, InstanceId, ServiceKey, ServiceName, TaskId};
use berth_model::plan::Policy;
use berth_model::service::Service;
use berth_model::task::{
    ContainerObservation, ContainerStatus, DesiredStatus, Health, Observed, Owner, PortBinding, Task,
    TaskStatus,
};
use berth_model::time::Timestamp;
use berth_proto::ecs::v1 as pb;

use super::controller::{Controller, NOW_MS};

/// A container definition that uses a little of everything.
pub(super) fn web_container() -> pb::ContainerDefinition {
    pb::ContainerDefinition {
        name: Some("web".into()),
        image: Some("example/web:1".into()),
        cpu: Some(128),
        memory: Some(256),
        essential: Some(true),
        port_mappings: vec![pb::PortMapping {
            container_port: Some(80),
            host_port: Some(8080),
            ..pb::PortMapping::default()
        }],
        ..pb::ContainerDefinition::default()
    }
}

/// A definition of two containers, one of which takes a port of the host.
pub(super) fn web_definition() -> pb::RegisterTaskDefinitionRequest {
    let log = pb::ContainerDefinition {
        name: Some("log".into()),
        image: Some("example/log:1".into()),
        memory_reservation: Some(64),
        essential: Some(false),
        ..pb::ContainerDefinition::default()
    };
    pb::RegisterTaskDefinitionRequest {
        family: Some("web".into()),
        container_definitions: vec![web_container(), log],
        tags: vec![tag("team", "shop")],
        ..pb::RegisterTaskDefinitionRequest::default()
    }
}

/// A definition of one container without a port of the host, so that many fit on an instance.
pub(super) fn small_definition(family: &str) -> pb::RegisterTaskDefinitionRequest {
    let container = pb::ContainerDefinition {
        name: Some("main".into()),
        image: Some("example/main:1".into()),
        cpu: Some(100),
        memory: Some(100),
        ..pb::ContainerDefinition::default()
    };
    pb::RegisterTaskDefinitionRequest {
        family: Some(family.to_owned()),
        container_definitions: vec![container],
        ..pb::RegisterTaskDefinitionRequest::default()
    }
}

pub(super) fn tag(key: &str, value: &str) -> pb::Tag {
    pb::Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }
}

pub(super) fn attribute(name: &str, value: &str) -> pb::Attribute {
    pb::Attribute { name: Some(name.to_owned()), value: Some(value.to_owned()), ..pb::Attribute::default() }
}

/// An offer of one core and 1 GiB.
pub(super) fn offer(zone: &str) -> pb::RegisterContainerInstanceRequest {
    let resource = |name: &str, kind: &str| pb::Resource {
        name: Some(name.to_owned()),
        r#type: Some(kind.to_owned()),
        ..pb::Resource::default()
    };
    pb::RegisterContainerInstanceRequest {
        total_resources: vec![
            pb::Resource { integer_value: Some(1024), ..resource("CPU", "INTEGER") },
            pb::Resource { integer_value: Some(1024), ..resource("MEMORY", "INTEGER") },
            pb::Resource { string_set_value: vec!["22".into()], ..resource("PORTS", "STRINGSET") },
            pb::Resource { string_set_value: vec![], ..resource("PORTS_UDP", "STRINGSET") },
        ],
        attributes: vec![
            attribute("ecs.availability-zone", zone),
            attribute("ecs.cpu-architecture", "x86_64"),
            attribute("ecs.os-type", "linux"),
            attribute("com.amazonaws.ecs.capability.docker-remote-api.1.21", ""),
        ],
        version_info: Some(pb::VersionInfo {
            agent_version: Some("0.1.0".into()),
            docker_version: Some("DockerVersion: 27.0".into()),
            agent_hash: None,
        }),
        ..pb::RegisterContainerInstanceRequest::default()
    }
}

// === impl Controller ===

impl Controller {
    /// Plans for a service until nothing is left to do now, as the leader would.
    pub(super) fn plan_service(&self, name: &str) {
        let (mut ids, policy) = (Ids::from_seed(9), Policy::default());
        let now = Timestamp::from_unix_ms(NOW_MS);
        for _ in 0..10 {
            let key = self.service_named(name).key.clone();
            let plan = berth_model::plan::service::plan(&self.view(), &key, now, &policy, &mut ids);
            for command in plan.commands {
                self.consensus.apply(command).expect("planned on this state");
            }
        }
    }

    /// Registers a definition and returns its ARN.
    pub(super) async fn define(&self, definition: pb::RegisterTaskDefinitionRequest) -> String {
        let answer = self.task_definitions().register_task_definition(definition).await.expect("registered");
        let definition = answer.into_inner().task_definition.expect("rendered");
        definition.task_definition_arn.expect("named")
    }

    /// Registers an instance of `default` and returns its id.
    pub(super) async fn join(&self, zone: &str) -> InstanceId {
        let answer = self.instances().register_container_instance(offer(zone)).await.expect("registered");
        let arn = answer.into_inner().container_instance.and_then(|instance| instance.container_instance_arn);
        let arn = arn.expect("rendered");
        arn.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id")
    }

    /// Runs a task of a family in `default`.
    pub(super) async fn run(&self, family: &str) -> pb::Task {
        let request =
            pb::RunTaskRequest { task_definition: Some(family.to_owned()), ..pb::RunTaskRequest::default() };
        let mut answer = self.tasks().run_task(request).await.expect("run").into_inner();
        assert_eq!(answer.failures, vec![]);
        answer.tasks.pop().expect("one task")
    }

    /// Makes a service of a family in `default`.
    pub(super) async fn serve(&self, name: &str, family: &str, desired_count: i32) -> pb::Service {
        let request = pb::CreateServiceRequest {
            service_name: Some(name.to_owned()),
            task_definition: Some(family.to_owned()),
            desired_count: Some(desired_count),
            ..pb::CreateServiceRequest::default()
        };
        let answer = self.services().create_service(request).await.expect("made");
        answer.into_inner().service.expect("rendered")
    }

    /// A service in the state.
    pub(super) fn service_named(&self, name: &str) -> std::sync::Arc<Service> {
        let key = ServiceKey { cluster: ClusterName::new("default"), name: ServiceName::new(name) };
        self.view().service(&key).cloned().expect("made")
    }

    /// Starts a task of a service's primary deployment on an instance, as the service planner does.
    pub(super) fn start_for(&self, service: &str, instance: InstanceId, seed: u128) -> TaskId {
        let service = self.service_named(service);
        let deployment = service.primary().expect("it has one");
        let (view, definition) = (self.view(), deployment.task_definition.clone());
        let needs = view.task_definition(&definition).expect("registered").facts.requirements();
        let task = Task {
            definition,
            owner: Owner::Service { name: service.key.name.clone(), deployment: deployment.id },
            group: format!("service:{}", service.key.name).into(),
            started_by: Some(deployment.id.to_string().into()),
            needs,
            ..standalone(Ids::from_seed(seed).task(), instance)
        };
        let (id, seen) = (task.id, Some((service.key.clone(), service.generation)));
        let start = StartTasks { service: seen, tasks: vec![task] };
        self.consensus.apply(Command::StartTasks(start)).expect("started");
        id
    }

    /// Reports a task as its agent does.
    pub(super) fn report(&self, id: TaskId, observed: Observed) {
        let view = self.view();
        let task = view.task(id).expect("started");
        let report_version = task.observed.report_version + 1;
        let report = TaskReport { task: id, observed: Observed { report_version, ..observed } };
        let command = Command::ReportTasks { instance: task.instance, reports: vec![report] };
        self.consensus.apply(command).expect("reported");
    }

    /// Reports that every container of a task is in this status.
    pub(super) fn report_status(&self, id: TaskId, status: TaskStatus) {
        self.report(id, Observed { last_status: status, ..Observed::default() });
    }
}

/// A task that nobody owns and that needs nothing.
pub(super) fn standalone(id: TaskId, instance: InstanceId) -> Task {
    Task {
        id,
        cluster: ClusterName::new("default"),
        instance,
        definition: "web:1".parse().expect("a definition"),
        owner: Owner::Standalone,
        group: "family:web".into(),
        started_by: None,
        overrides: None,
        tags: Vec::new(),
        spec: None,
        traceparent: None,
        created_at: Timestamp::from_unix_ms(NOW_MS),
        needs: Default::default(),
        held: Default::default(),
        desired: DesiredStatus::Running,
        stop: None,
        observed: Observed::default(),
        scheduling: Default::default(),
        version: 1,
        images: None,
        unhealthy_at: None,
        network: None,
    }
}

/// What an agent reports of the container `web` that runs.
pub(super) fn running_web() -> ContainerObservation {
    ContainerObservation {
        name: "web".into(),
        runtime_id: "0123abcd".into(),
        image_digest: "sha256:00".into(),
        last_status: ContainerStatus::Running,
        exit_code: None,
        reason: String::new(),
        bindings: vec![PortBinding {
            bind_ip: "0.0.0.0".into(),
            container_port: 80,
            host_port: 8080,
            udp: false,
            further: 0,
        }],
        health: Health::Healthy,
        last_log_lines: Vec::new(),
    }
}

/// The id of a task, of its message.
pub(super) fn id_of(task: &pb::Task) -> TaskId {
    let arn = task.task_arn.as_deref().expect("named");
    arn.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id")
}

/// The deployment of an id as the API shows it.
pub(super) fn deployment_of(service: &pb::Service) -> DeploymentId {
    let id = service.deployments.first().and_then(|deployment| deployment.id.as_deref());
    id.and_then(|id| id.parse().ok()).expect("a deployment")
}
