//! What Docker is told to create: a launch as a request body.

use std::collections::HashMap;

use berth_proto::AwsName;
use berth_proto::ecs::v1 as ecs;
use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HealthConfig, HostConfig, HostConfigLogConfig,
    Mount as BindMount, MountType, ResourcesUlimits,
};

use super::network;
use super::ranges::Published;
use crate::runtime::{Launch, label};

const BYTES_PER_MIB: i64 = 1 << 20;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Docker counts CPUs in billionths, ECS in 1024ths.
const NANO_CPUS_PER_UNIT: f64 = 1_000_000_000.0 / 1_024.0;

/// The request that creates the container of this launch, with these ranges of ports. Its disk is limited only if the engine
/// `can_limit_disk`.
pub(super) fn body(launch: &Launch, published: &[Published], can_limit_disk: bool) -> ContainerCreateBody {
    let container = &launch.definition;
    ContainerCreateBody {
        image: container.image.clone(),
        hostname: container.hostname.clone(),
        user: container.user.clone(),
        env: Some(container.environment.iter().map(environment).collect()),
        cmd: non_empty(&container.command),
        entrypoint: non_empty(&container.entry_point),
        working_dir: container.working_directory.clone(),
        labels: Some(labels(launch, published)),
        healthcheck: Some(health_check(container.health_check.as_ref())),
        stop_timeout: i64::try_from(launch.stop_timeout.as_secs()).ok(),
        tty: container.pseudo_terminal,
        open_stdin: container.interactive,
        network_disabled: container.disable_networking,
        exposed_ports: Some(network::exposed_ports(launch, published)),
        host_config: Some(HostConfig {
            storage_opt: launch.disk_limit_mib.filter(|_| can_limit_disk).map(storage),
            ..host_config(launch, published)
        }),
        ..Default::default()
    }
}

fn labels(launch: &Launch, published: &[Published]) -> HashMap<String, String> {
    let ranges =
        (!published.is_empty()).then(|| (label::PORT_RANGES.to_owned(), Published::to_label(published)));
    launch.labels.clone().into_iter().chain(ranges).collect()
}

fn host_config(launch: &Launch, published: &[Published]) -> HostConfig {
    let container = &launch.definition;
    let linux = container.linux_parameters.clone().unwrap_or_default();
    let capabilities = linux.capabilities.clone().unwrap_or_default();
    HostConfig {
        cpu_shares: Some(launch.cpu_shares),
        nano_cpus: launch.cpu_limit_units.map(nano_cpus),
        memory: launch.memory_limit_mib.map(|mib| i64::from(mib) * BYTES_PER_MIB),
        memory_reservation: container.memory_reservation.map(|mib| i64::from(mib) * BYTES_PER_MIB),
        memory_swap: memory_swap(launch, &linux),
        memory_swappiness: linux.max_swap.and(linux.swappiness).map(i64::from),
        network_mode: Some(network::mode(launch)),
        port_bindings: Some(network::port_bindings(launch, published)),
        links: non_empty(&launch.links),
        pid_mode: pid_mode(launch),
        ipc_mode: ipc_mode(launch),
        binds: Some(launch.mounts.iter().map(bind).collect()),
        mounts: Some(launch.files.iter().map(file).collect()),
        volumes_from: non_empty(&launch.volumes_from),
        log_config: container.log_configuration.as_ref().map(log_config),
        privileged: container.privileged,
        readonly_rootfs: container.readonly_root_filesystem,
        dns: non_empty(&container.dns_servers),
        dns_search: non_empty(&container.dns_search_domains),
        extra_hosts: Some(container.extra_hosts.iter().map(extra_host).collect()),
        security_opt: non_empty(&container.docker_security_options),
        ulimits: Some(container.ulimits.iter().map(ulimit).collect()),
        sysctls: Some(container.system_controls.iter().map(sysctl).collect()),
        cap_add: non_empty(&capabilities.add),
        cap_drop: non_empty(&capabilities.drop),
        devices: Some(linux.devices.iter().map(device).collect()),
        device_requests: gpus(&launch.gpu_ids),
        init: linux.init_process_enabled,
        shm_size: linux.shared_memory_size.map(|mib| i64::from(mib) * BYTES_PER_MIB),
        tmpfs: Some(linux.tmpfs.iter().map(tmpfs).collect()),
        ..Default::default()
    }
}

fn storage(limit_mib: u32) -> HashMap<String, String> {
    HashMap::from([("size".to_owned(), format!("{limit_mib}M"))])
}

fn non_empty(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn environment(pair: &ecs::KeyValuePair) -> String {
    format!("{}={}", pair.name(), pair.value())
}

#[expect(clippy::cast_possible_truncation, reason = "192 cores are 2e11")]
fn nano_cpus(units: u32) -> i64 {
    (f64::from(units) * NANO_CPUS_PER_UNIT) as i64
}

/// ECS: no swap at all for 0, memory + swap for more; without `maxSwap` the host decides.
fn memory_swap(launch: &Launch, linux: &ecs::LinuxParameters) -> Option<i64> {
    let memory = i64::from(launch.memory_limit_mib?);
    linux.max_swap.map(|swap| (memory + i64::from(swap)) * BYTES_PER_MIB)
}

/// Containers of a task see each other's processes in the namespace of the one that holds their network.
fn pid_mode(launch: &Launch) -> Option<String> {
    match launch.pid_mode {
        ecs::PidMode::Host => Some("host".to_owned()),
        ecs::PidMode::Task => launch.network_of.as_ref().map(|holder| format!("container:{holder}")),
        ecs::PidMode::Unspecified => None,
    }
}

/// The container that holds the network of a task lets the others share its memory.
fn ipc_mode(launch: &Launch) -> Option<String> {
    match (launch.ipc_mode, &launch.network_of) {
        (ecs::IpcMode::Host, _) => Some("host".to_owned()),
        (ecs::IpcMode::None, _) => Some("none".to_owned()),
        (ecs::IpcMode::Task, Some(holder)) => Some(format!("container:{holder}")),
        (ecs::IpcMode::Task, None) => Some("shareable".to_owned()),
        (ecs::IpcMode::Unspecified, _) => None,
    }
}

/// The image's own health check is never used: ECS knows only the one of the task definition.
fn health_check(check: Option<&ecs::HealthCheck>) -> HealthConfig {
    let Some(check) = check.filter(|check| !check.command.is_empty()) else {
        return HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() };
    };
    let test = match check.command.first().map(String::as_str) {
        Some("CMD" | "CMD-SHELL" | "NONE") => check.command.clone(),
        _ => vec!["CMD-SHELL".to_owned(), check.command.join(" ")],
    };
    let nanos =
        |seconds: Option<i32>, default: i32| Some(i64::from(seconds.unwrap_or(default)) * NANOS_PER_SECOND);
    HealthConfig {
        test: Some(test),
        interval: nanos(check.interval, 30),
        timeout: nanos(check.timeout, 5),
        retries: Some(i64::from(check.retries.unwrap_or(3))),
        start_period: nanos(check.start_period, 0),
        start_interval: None,
    }
}

fn bind(mount: &crate::runtime::Mount) -> String {
    let mode = if mount.read_only { ":ro" } else { "" };
    format!("{}:{}{mode}", mount.source, mount.container_path)
}

/// Unlike a [`bind`], nothing is made in the place of what is not there.
fn file(file: &crate::runtime::Mount) -> BindMount {
    BindMount {
        typ: Some(MountType::BIND),
        source: Some(file.source.clone()),
        target: Some(file.container_path.clone()),
        read_only: Some(file.read_only),
        ..Default::default()
    }
}

fn log_config(log: &ecs::LogConfiguration) -> HostConfigLogConfig {
    HostConfigLogConfig {
        typ: Some(log.log_driver().aws_name().to_owned()),
        config: Some(log.options.clone().into_iter().collect()),
    }
}

fn extra_host(entry: &ecs::HostEntry) -> String {
    format!("{}:{}", entry.hostname(), entry.ip_address())
}

fn ulimit(limit: &ecs::Ulimit) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(limit.name().aws_name().to_owned()),
        soft: Some(limit.soft_limit().into()),
        hard: Some(limit.hard_limit().into()),
    }
}

fn sysctl(control: &ecs::SystemControl) -> (String, String) {
    (control.namespace().to_owned(), control.value().to_owned())
}

fn gpus(ids: &[String]) -> Option<Vec<DeviceRequest>> {
    let ids = non_empty(ids)?;
    let request = DeviceRequest {
        driver: Some("nvidia".to_owned()),
        device_ids: Some(ids),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..Default::default()
    };
    Some(vec![request])
}

fn device(device: &ecs::Device) -> DeviceMapping {
    let letter = |permission| match permission {
        ecs::DeviceCgroupPermission::Read => "r",
        ecs::DeviceCgroupPermission::Write => "w",
        ecs::DeviceCgroupPermission::Mknod => "m",
        ecs::DeviceCgroupPermission::Unspecified => "",
    };
    let permissions: String = device.permissions().map(letter).collect();
    let inside = device.container_path.clone().unwrap_or_else(|| device.host_path().to_owned());
    DeviceMapping {
        path_on_host: device.host_path.clone(),
        path_in_container: Some(inside),
        cgroup_permissions: Some(if permissions.is_empty() { "rwm".to_owned() } else { permissions }),
    }
}

fn tmpfs(tmpfs: &ecs::Tmpfs) -> (String, String) {
    let size = format!("size={}m", tmpfs.size());
    let options = std::iter::once(size).chain(tmpfs.mount_options.iter().cloned());
    (tmpfs.container_path().to_owned(), options.collect::<Vec<_>>().join(","))
}

/// An empty object, which Docker wants for a port it shall publish.
pub(super) type Ports = HashMap<String, Option<Vec<bollard::models::PortBinding>>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_health_check_that_of_the_image_is_off() {
        assert_eq!(health_check(None).test, Some(vec!["NONE".to_owned()]));
    }

    #[test]
    fn a_bare_health_command_runs_in_a_shell_and_seconds_become_nanoseconds() {
        let check =
            ecs::HealthCheck { command: vec!["true".to_owned()], interval: Some(7), ..Default::default() };
        let config = health_check(Some(&check));
        assert_eq!(config.test, Some(vec!["CMD-SHELL".to_owned(), "true".to_owned()]));
        assert_eq!(config.interval, Some(7_000_000_000));
        assert_eq!((config.timeout, config.retries), (Some(5_000_000_000), Some(3)));
    }

    #[test]
    fn containers_of_a_task_share_what_its_definition_says_with_the_one_that_holds_its_network() {
        let holder = Launch { ipc_mode: ecs::IpcMode::Task, ..Default::default() };
        let member =
            Launch { pid_mode: ecs::PidMode::Task, network_of: Some("pause".to_owned()), ..holder.clone() };
        assert_eq!((pid_mode(&holder), ipc_mode(&holder).as_deref()), (None, Some("shareable")));
        assert_eq!(pid_mode(&member).as_deref(), Some("container:pause"));
        assert_eq!(ipc_mode(&member).as_deref(), Some("container:pause"));
        assert_eq!((pid_mode(&Launch::default()), ipc_mode(&Launch::default())), (None, None));
    }

    #[test]
    fn memory_and_cpu_reach_docker_in_its_units() {
        let definition = ecs::ContainerDefinition { memory_reservation: Some(64), ..Default::default() };
        let launch = Launch {
            definition,
            cpu_shares: 256,
            cpu_limit_units: Some(512),
            memory_limit_mib: Some(128),
            gpu_ids: vec!["GPU-1".to_owned()],
            ..Default::default()
        };
        let host = host_config(&launch, &[]);
        assert_eq!(host.cpu_shares, Some(256));
        assert_eq!(host.nano_cpus, Some(500_000_000));
        assert_eq!(host.memory, Some(128 << 20));
        assert_eq!(host.memory_reservation, Some(64 << 20));
        let requests = host.device_requests.expect("it has a GPU");
        assert_eq!(requests[0].device_ids.as_deref(), Some(["GPU-1".to_owned()].as_slice()));
        assert_eq!(host_config(&Launch::default(), &[]).device_requests, None);
    }
}
