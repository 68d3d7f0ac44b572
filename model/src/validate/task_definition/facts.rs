//! What planners and clients are told of a task definition: its facts, the attributes it requires and the launch types
//! it is compatible with.
//!
//! The attributes are those that ECS computes for the same definition; `tests/fixtures/task-definitions` holds what ECS
//! answered for a dozen of them.

use std::collections::BTreeSet;

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

use super::fargate;
use crate::placement::Constraint;
use crate::resource::PortSet;
use crate::task_definition::{ContainerFacts, Facts, SECRET_FILES, is_secret_file};

const AGENT: &str = "com.amazonaws.ecs.capability.";
const CAPABILITY: &str = "ecs.capability.";
const MIB_PER_GIB: u32 = 1_024;

/// The facts of a definition that was checked and has its defaults.
pub(super) fn compute(
    definition: &pb::TaskDefinition,
    cpu_units: Option<u32>,
    memory_mib: Option<u32>,
) -> Facts {
    let mode = definition.network_mode();
    let expression = |constraint: &pb::TaskDefinitionPlacementConstraint| constraint.expression().to_owned();
    Facts {
        task_cpu_units: cpu_units,
        task_memory_mib: memory_mib,
        containers: definition.container_definitions.iter().map(|one| container_facts(mode, one)).collect(),
        required_attributes: required_attributes(definition),
        constraints: definition
            .placement_constraints
            .iter()
            .map(expression)
            .map(Constraint::MemberOf)
            .collect(),
        cpu_architecture: cpu_architecture(definition),
        disk_mib: disk_mib(definition),
    }
}

fn disk_mib(definition: &pb::TaskDefinition) -> u32 {
    let gib = definition.ephemeral_storage.map_or(0, |storage| storage.size_in_gib());
    u32::try_from(gib).unwrap_or(0).saturating_mul(MIB_PER_GIB)
}

/// As instances have it in their attributes. A definition that says nothing runs anywhere.
fn cpu_architecture(definition: &pb::TaskDefinition) -> Option<String> {
    match definition.runtime_platform?.cpu_architecture() {
        pb::CpuArchitecture::X8664 => Some("x86_64".to_owned()),
        pb::CpuArchitecture::Arm64 => Some("arm64".to_owned()),
        pb::CpuArchitecture::Unspecified => None,
    }
}

/// GPUs that are asked for by number; what else there is to ask for is refused when it is to be launched.
fn gpus(container: &pb::ContainerDefinition) -> u32 {
    let of_gpus = |one: &&pb::ResourceRequirement| one.r#type() == pb::ResourceType::Gpu;
    let requirements = container.resource_requirements.iter().filter(of_gpus);
    requirements.filter_map(|requirement| requirement.value().parse::<u32>().ok()).sum()
}

fn container_facts(mode: pb::NetworkMode, container: &pb::ContainerDefinition) -> ContainerFacts {
    let memory = container.memory_reservation.or(container.memory).unwrap_or(0);
    ContainerFacts {
        name: container.name().to_owned(),
        essential: container.essential(),
        cpu_units: u32::try_from(container.cpu()).unwrap_or(0),
        memory_mib: u32::try_from(memory).unwrap_or(0),
        tcp_ports: static_ports(mode, container, pb::TransportProtocol::Tcp),
        udp_ports: static_ports(mode, container, pb::TransportProtocol::Udp),
        health_check: container.health_check.is_some(),
        gpus: gpus(container),
    }
}

/// Ports of the host that are asked for by number. A task with an interface of its own takes none.
fn static_ports(
    mode: pb::NetworkMode,
    container: &pb::ContainerDefinition,
    protocol: pb::TransportProtocol,
) -> PortSet {
    let on_host = !matches!(mode, pb::NetworkMode::Awsvpc | pb::NetworkMode::None);
    container
        .port_mappings
        .iter()
        .filter(|mapping| on_host && mapping.protocol() == protocol)
        .filter_map(|mapping| u16::try_from(mapping.host_port()).ok())
        .filter(|port| *port != 0)
        .collect()
}

/// Launch types that could run this, in the order in which ECS lists them.
pub(super) fn compatibilities(definition: &pb::TaskDefinition) -> Vec<i32> {
    let mode = definition.network_mode();
    let own_network = mode == pb::NetworkMode::Awsvpc;
    let uses_efs = definition.volumes.iter().any(|volume| volume.efs_volume_configuration.is_some());
    let rows = [
        (pb::Compatibility::External, !own_network && !uses_efs),
        (pb::Compatibility::Ec2, true),
        (pb::Compatibility::Fargate, fargate::check(definition).is_ok()),
        (pb::Compatibility::ManagedInstances, own_network || mode == pb::NetworkMode::Host),
    ];
    rows.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name.into()).collect()
}

/// Whether an image is in a private ECR repository, which takes a token to pull from.
pub(super) fn is_ecr_image(image: &str) -> bool {
    let registry = image.split('/').next().unwrap_or_default();
    registry.contains(".dkr.ecr") && registry.contains(".amazonaws.com")
}

/// Names of the attributes that an instance must have, sorted.
fn required_attributes(definition: &pb::TaskDefinition) -> Vec<String> {
    let mut required = Required::default();
    required.of_task(definition);
    for container in &definition.container_definitions {
        required.of_container(container, !definition.execution_role_arn().is_empty());
    }
    definition.volumes.iter().for_each(|volume| required.of_volume(volume));
    required.0.into_iter().collect()
}

#[derive(Default)]
struct Required(BTreeSet<String>);

// === impl Required ===

impl Required {
    fn capability(&mut self, name: &str) {
        self.0.insert(format!("{CAPABILITY}{name}"));
    }

    fn agent(&mut self, name: &str) {
        self.0.insert(format!("{AGENT}{name}"));
    }

    /// Version of the container engine's API that a member came with.
    fn engine(&mut self, minor: u8) {
        self.agent(&format!("docker-remote-api.1.{minor}"));
    }

    fn of_task(&mut self, definition: &pb::TaskDefinition) {
        if !definition.task_role_arn().is_empty() {
            self.agent("task-iam-role");
            if definition.network_mode() == pb::NetworkMode::Host {
                self.agent("task-iam-role-network-host");
            }
        }
        if definition.network_mode() == pb::NetworkMode::Awsvpc {
            self.engine(18);
            self.capability("task-eni");
        }
        if definition.pid_mode.is_some() || definition.ipc_mode.is_some() {
            self.capability("pid-ipc-namespace-sharing");
        }
        if definition.proxy_configuration.is_some() {
            self.capability("aws-appmesh");
        }
        if definition.enable_fault_injection() {
            self.capability("fault-injection");
        }
    }

    fn of_container(&mut self, container: &pb::ContainerDefinition, execution_role: bool) {
        if is_ecr_image(container.image()) {
            self.agent("ecr-auth");
            if execution_role {
                self.capability("execution-role-ecr-pull");
            }
        }
        if container.repository_credentials.is_some() {
            self.capability("private-registry-authentication.secretsmanager");
        }
        if container.memory_reservation.is_some() {
            self.engine(21);
        }
        if container.working_directory.as_deref().is_some_and(|path| !path.is_empty()) {
            self.engine(17);
        }
        if container.privileged() {
            self.agent("privileged-container");
        }
        if !container.ulimits.is_empty() || !container.docker_labels.is_empty() {
            self.engine(18);
        }
        if container.health_check.is_some() {
            self.engine(29);
            self.capability("container-health-check");
        }
        if !container.depends_on.is_empty() {
            self.capability("container-ordering");
        }
        if container.restart_policy.as_ref().is_some_and(pb::ContainerRestartPolicy::enabled) {
            self.capability("container-restart-policy");
        }
        if container.port_mappings.iter().any(|mapping| mapping.container_port_range.is_some()) {
            self.capability("network.container-port-range");
        }
        if !container.environment_files.is_empty() {
            self.capability("env-files.s3");
        }
        for secret in &container.secrets {
            self.capability(&format!("secrets.{}.environment-variables", store(secret)));
            if is_secret_file(secret.name()) {
                self.0.insert(SECRET_FILES.to_owned());
            }
        }
        self.of_linux(container);
        self.of_log(container, execution_role);
    }

    fn of_linux(&mut self, container: &pb::ContainerDefinition) {
        if let Some(parameters) = &container.linux_parameters {
            if parameters.init_process_enabled() {
                self.engine(25);
            }
            if parameters.shared_memory_size.is_some() || !parameters.tmpfs.is_empty() {
                self.engine(22);
            }
        }
        for option in &container.docker_security_options {
            match option.split([':', '=']).next() {
                Some("apparmor") => self.agent("apparmor"),
                Some("label") => self.agent("selinux"),
                Some("credentialspec") => self.capability("gmsa"),
                _ => {}
            }
        }
        if !container.credential_specs.is_empty() {
            self.capability("gmsa");
        }
    }

    fn of_log(&mut self, container: &pb::ContainerDefinition, execution_role: bool) {
        if let Some(router) = &container.firelens_configuration {
            self.capability(&format!("firelens.{}", router.r#type().aws_name()));
            if let Some(kind) = router.options.get("config-file-type") {
                self.capability(&format!("firelens.options.config.{kind}"));
            }
        }
        let Some(log) = &container.log_configuration else { return };
        let driver = log.log_driver();
        self.agent(&format!("logging-driver.{}", driver.aws_name()));
        self.engine(if driver == pb::LogDriver::Awslogs { 19 } else { 18 });
        if driver == pb::LogDriver::Awslogs && execution_role {
            self.capability("execution-role-awslogs");
        }
        if log.options.contains_key("awslogs-create-group") {
            self.engine(29);
        }
        if log.options.contains_key("mode") || log.options.contains_key("max-buffer-size") {
            self.engine(28);
        }
        for secret in &log.secret_options {
            self.capability(&format!("secrets.{}.bootstrap.log-driver", store(secret)));
        }
    }

    fn of_volume(&mut self, volume: &pb::Volume) {
        if let Some(docker) = &volume.docker_volume_configuration {
            let driver = docker.driver.as_deref().filter(|driver| !driver.is_empty()).unwrap_or("local");
            self.engine(25);
            self.capability(&format!("docker-plugin.{driver}"));
        }
        if let Some(efs) = &volume.efs_volume_configuration {
            self.engine(25);
            self.capability("efs");
            if efs.authorization_config.is_some() {
                self.capability("efsAuth");
            }
        }
        if volume.s3files_volume_configuration.is_some() {
            self.capability("storage.s3-files");
        }
        if volume.fsx_windows_file_server_volume_configuration.is_some() {
            self.capability("fsxWindowsFileServer");
        }
        if volume.configured_at_launch() {
            self.capability("storage.ebs-task-volume-attach");
        }
    }
}

/// Secrets Manager ARNs name the service; everything else is a parameter of the Systems Manager.
fn store(secret: &pb::Secret) -> &'static str {
    if secret.value_from().split(':').nth(2) == Some("secretsmanager") { "asm" } else { "ssm" }
}
