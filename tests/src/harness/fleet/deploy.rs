//! What a test deploys: task definitions with the test application, services and one-off tasks of them.

use anyhow::{Context as _, Result};
use berth_proto::ecs::v1 as ecs;

use super::Fleet;

/// The name of the only container.
const CONTAINER: &str = "app";
const CONTAINER_PORT: i32 = 8080;

/// What holds up a deployment.
#[derive(Clone, Copy, Debug)]
pub enum HookTarget<'a> {
    /// A task of a task definition has to end well, or a URL has to agree.
    Arn(&'a str),
    /// Somebody has to say that it may go on.
    Pause,
}

/// A service to create.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    name: String,
    task_definition: String,
    count: i32,
    minimum_healthy_percent: i32,
    maximum_percent: i32,
    spread_zones: bool,
    roll_back: bool,
    hooks: Vec<ecs::DeploymentLifecycleHook>,
}

// === impl ServiceSpec ===

impl ServiceSpec {
    /// A service that is named as its task definition's family.
    #[must_use]
    pub fn new(family: &str, count: i32) -> Self {
        Self {
            name: family.to_owned(),
            task_definition: family.to_owned(),
            count,
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            spread_zones: true,
            roll_back: false,
            hooks: Vec::new(),
        }
    }

    /// The percentages of a rolling deployment; 100 and 200 unless told otherwise.
    #[must_use]
    pub fn percent(mut self, minimum_healthy: i32, maximum: i32) -> Self {
        (self.minimum_healthy_percent, self.maximum_percent) = (minimum_healthy, maximum);
        self
    }

    /// With a circuit breaker that goes back to the last revision that worked.
    #[must_use]
    pub fn roll_back(mut self) -> Self {
        self.roll_back = true;
        self
    }

    /// This hook gates every deployment before it starts anything.
    #[must_use]
    pub fn gate_with(mut self, target: HookTarget<'_>) -> Self {
        let (target_type, target) = match target {
            HookTarget::Arn(arn) => (None, Some(arn.to_owned())),
            HookTarget::Pause => (Some(ecs::DeploymentLifecycleHookTargetType::Pause.into()), None),
        };
        self.hooks.push(ecs::DeploymentLifecycleHook {
            target_type,
            hook_target_arn: target,
            lifecycle_stages: vec![ecs::DeploymentLifecycleHookStage::PreScaleUp.into()],
            ..Default::default()
        });
        self
    }

    fn request(&self) -> ecs::CreateServiceRequest {
        let spread = ecs::PlacementStrategy {
            r#type: Some(ecs::PlacementStrategyType::Spread.into()),
            field: Some("attribute:ecs.availability-zone".to_owned()),
        };
        ecs::CreateServiceRequest {
            service_name: Some(self.name.clone()),
            task_definition: Some(self.task_definition.clone()),
            desired_count: Some(self.count),
            deployment_configuration: Some(ecs::DeploymentConfiguration {
                minimum_healthy_percent: Some(self.minimum_healthy_percent),
                maximum_percent: Some(self.maximum_percent),
                deployment_circuit_breaker: self.roll_back.then_some(ecs::DeploymentCircuitBreaker {
                    enable: Some(true),
                    rollback: Some(true),
                    ..Default::default()
                }),
                lifecycle_hooks: self.hooks.clone(),
                ..Default::default()
            }),
            placement_strategy: if self.spread_zones { vec![spread] } else { Vec::new() },
            ..Default::default()
        }
    }
}

// === impl Fleet ===

impl Fleet {
    /// Registers a revision of `family` that runs `berth-app:<image_tag>` with this environment.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register(&self, family: &str, image_tag: &str, environment: &[(&str, &str)]) -> Result<()> {
        self.register_container(family, container(image_tag, environment)).await
    }

    /// The same with a health check: the task counts once its container is healthy.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_checked(
        &self,
        family: &str,
        image_tag: &str,
        environment: &[(&str, &str)],
    ) -> Result<()> {
        let check = ecs::HealthCheck {
            command: ["CMD", "/berth-app", "--check"].map(str::to_owned).to_vec(),
            interval: Some(5),
            timeout: Some(2),
            retries: Some(3),
            start_period: Some(10),
        };
        let container =
            ecs::ContainerDefinition { health_check: Some(check), ..container(image_tag, environment) };
        self.register_container(family, container).await
    }

    /// The same for a task with a role.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_with_role(&self, family: &str, role: &str) -> Result<()> {
        let request = ecs::RegisterTaskDefinitionRequest {
            family: Some(family.to_owned()),
            task_role_arn: Some(role.to_owned()),
            container_definitions: vec![container("1", &[])],
            ..Default::default()
        };
        let reply = self.api().task_definitions.register_task_definition(request).await;
        reply.context("RegisterTaskDefinition").map(drop)
    }

    /// The same with so many CPU units: an instance has 4096 of them.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_sized(&self, family: &str, cpu_units: i32) -> Result<()> {
        let container = ecs::ContainerDefinition { cpu: Some(cpu_units), ..container("1", &[]) };
        self.register_container(family, container).await
    }

    /// The same with any image and no environment.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_image(&self, family: &str, image: &str) -> Result<()> {
        let image = Some(image.to_owned());
        self.register_container(family, ecs::ContainerDefinition { image, ..container("", &[]) }).await
    }

    /// The same with a log that goes to this driver with these options.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_logged(
        &self,
        family: &str,
        environment: &[(&str, &str)],
        driver: ecs::LogDriver,
        options: &[(&str, &str)],
    ) -> Result<()> {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let log = ecs::LogConfiguration {
            log_driver: Some(driver.into()),
            options: options.collect(),
            ..Default::default()
        };
        let log_configuration = Some(log);
        let container = ecs::ContainerDefinition { log_configuration, ..container("1", environment) };
        self.register_container(family, container).await
    }

    /// Registers a family of two containers with ten ports in a row each: the test application listens at the first of the
    /// one and at the last of the other.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_ranges(&self, family: &str) -> Result<()> {
        let with_range = |name: &str, range: &str, port: &str| {
            let mut container = container("1", &[("PORT", port)]);
            container.name = Some(name.to_owned());
            container.port_mappings =
                vec![ecs::PortMapping { container_port_range: Some(range.to_owned()), ..Default::default() }];
            container
        };
        let request = ecs::RegisterTaskDefinitionRequest {
            family: Some(family.to_owned()),
            container_definitions: vec![
                with_range("first", "8080-8089", "8080"),
                with_range("last", "8091-8100", "8100"),
            ],
            ..Default::default()
        };
        let reply = self.api().task_definitions.register_task_definition(request).await;
        reply.context("RegisterTaskDefinition").map(drop)
    }

    /// The same with secrets among its options, which some role may read.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_with_secret_log(
        &self,
        family: &str,
        environment: &[(&str, &str)],
        log: ecs::LogConfiguration,
    ) -> Result<()> {
        let log_configuration = Some(log);
        let container = ecs::ContainerDefinition { log_configuration, ..container("1", environment) };
        let request = ecs::RegisterTaskDefinitionRequest {
            family: Some(family.to_owned()),
            execution_role_arn: Some("arn:aws:iam::000000000000:role/reads".to_owned()),
            container_definitions: vec![container],
            ..Default::default()
        };
        let reply = self.api().task_definitions.register_task_definition(request).await;
        reply.context("RegisterTaskDefinition").map(drop)
    }

    async fn register_container(&self, family: &str, container: ecs::ContainerDefinition) -> Result<()> {
        let request = ecs::RegisterTaskDefinitionRequest {
            family: Some(family.to_owned()),
            container_definitions: vec![container],
            ..Default::default()
        };
        let reply = self.api().task_definitions.register_task_definition(request).await;
        reply.context("RegisterTaskDefinition").map(drop)
    }

    /// Creates a service.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn create_service(&self, spec: &ServiceSpec) -> Result<()> {
        self.api().services.create_service(spec.request()).await.context("CreateService").map(drop)
    }

    /// Creates a DAEMON service of a family.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn create_daemon(&self, family: &str) -> Result<()> {
        let request = ecs::CreateServiceRequest {
            service_name: Some(family.to_owned()),
            task_definition: Some(family.to_owned()),
            scheduling_strategy: Some(ecs::SchedulingStrategy::Daemon.into()),
            ..Default::default()
        };
        self.api().services.create_service(request).await.context("CreateService").map(drop)
    }

    /// Changes how many tasks a service is to have.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn scale(&self, service: &str, count: i32) -> Result<()> {
        let request = ecs::UpdateServiceRequest {
            service: Some(service.to_owned()),
            desired_count: Some(count),
            ..Default::default()
        };
        self.api().services.update_service(request).await.context("UpdateService").map(drop)
    }

    /// Deploys the newest revision of the service's family.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn deploy_newest(&self, service: &str) -> Result<()> {
        let request = ecs::UpdateServiceRequest {
            service: Some(service.to_owned()),
            task_definition: Some(service.to_owned()),
            ..Default::default()
        };
        self.api().services.update_service(request).await.context("UpdateService").map(drop)
    }

    /// Starts one task of a family on the instance of an agent; returns its ARN.
    ///
    /// # Errors
    /// When the call fails or the task does not fit there.
    pub async fn start_task_on(&self, family: &str, agent: usize) -> Result<String> {
        let request = ecs::StartTaskRequest {
            task_definition: Some(family.to_owned()),
            container_instances: vec![self.instance(agent).to_owned()],
            ..Default::default()
        };
        let reply = self.api().tasks.start_task(request).await.context("StartTask")?.into_inner();
        let task = reply.tasks.first().with_context(|| format!("not placed: {:?}", reply.failures))?;
        Ok(task.task_arn().to_owned())
    }

    /// Changes the status of an agent's instance.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn set_instance_status(
        &self,
        agent: usize,
        status: ecs::ContainerInstanceStatus,
    ) -> Result<()> {
        let request = ecs::UpdateContainerInstancesStateRequest {
            container_instances: vec![self.instance(agent).to_owned()],
            status: Some(status.into()),
            ..Default::default()
        };
        let reply = self.api().instances.update_container_instances_state(request).await;
        reply.context("UpdateContainerInstancesState").map(drop)
    }
}

/// The test application, small enough that sixty of it fit anywhere.
pub(super) fn container(image_tag: &str, environment: &[(&str, &str)]) -> ecs::ContainerDefinition {
    let port = ecs::PortMapping {
        container_port: Some(CONTAINER_PORT),
        host_port: Some(0),
        protocol: Some(ecs::TransportProtocol::Tcp.into()),
        ..Default::default()
    };
    let pair = |(name, value): &(&str, &str)| ecs::KeyValuePair {
        name: Some((*name).to_owned()),
        value: Some((*value).to_owned()),
    };
    ecs::ContainerDefinition {
        name: Some(CONTAINER.to_owned()),
        image: Some(format!("berth-app:{image_tag}")),
        essential: Some(true),
        cpu: Some(64),
        memory: Some(32),
        port_mappings: vec![port],
        environment: environment.iter().map(pair).collect(),
        stop_timeout: Some(10),
        ..Default::default()
    }
}
