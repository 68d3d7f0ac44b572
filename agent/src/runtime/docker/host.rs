//! What the host is, as Docker sees it, and what its Docker can do for a task definition.

use bollard::Docker as Client;
use bollard::models::SystemInfo;

use super::error::explain;
use crate::runtime::{DiskUse, Error, Host};

/// Docker's API versions that task definitions may ask for, as the ECS agent lists them.
const API_MINORS: std::ops::RangeInclusive<usize> = 17..=32;
/// Log drivers that definitions may name and that need nothing but Docker.
const LOG_DRIVERS: [&str; 7] = ["json-file", "local", "syslog", "journald", "gelf", "fluentd", "splunk"];

/// The host and its Docker, of which only one on this host can be asked for its disk.
pub(super) async fn describe(client: &Client, is_local: bool) -> Result<Host, Error> {
    let about = client.info().await.map_err(explain)?;
    let minor = client.client_version().minor_version;
    let disk = if is_local { disk_use(client).await } else { None };
    Ok(Host {
        cpus: about.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(0),
        memory_mib: about.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0) >> 20,
        disk_mib: disk.map(|disk| disk.total_bytes >> 20),
        os_type: about.os_type.clone().unwrap_or_else(|| "linux".to_owned()),
        cpu_architecture: architecture(about.architecture.as_deref().unwrap_or_default()),
        version: about.server_version.clone().unwrap_or_default(),
        log_drivers: log_drivers(&about),
        volume_drivers: about.plugins.as_ref().and_then(|plugins| plugins.volume.clone()).unwrap_or_default(),
        capabilities: capabilities(&about, minor),
    })
}

/// How full the file system of Docker's directory is. A Docker on another host cannot be asked.
pub(super) async fn disk_use(client: &Client) -> Option<DiskUse> {
    let root = client.info().await.ok()?.docker_root_dir?;
    tokio::task::spawn_blocking(move || crate::cleanup::disk::of_path(std::path::Path::new(&root)))
        .await
        .ok()?
}

fn architecture(name: &str) -> String {
    match name {
        "aarch64" | "arm64" => "arm64",
        "amd64" => "x86_64",
        other => other,
    }
    .to_owned()
}

fn log_drivers(about: &SystemInfo) -> Vec<String> {
    let known = about.plugins.as_ref().and_then(|plugins| plugins.log.clone()).unwrap_or_default();
    LOG_DRIVERS
        .iter()
        .filter(|driver| known.iter().any(|known| known == *driver))
        .map(|name| (*name).to_owned())
        .collect()
}

fn capabilities(about: &SystemInfo, api_minor: usize) -> Vec<String> {
    let of_api = API_MINORS
        .filter(|minor| *minor <= api_minor)
        .map(|minor| format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}"));
    let always = [
        "com.amazonaws.ecs.capability.privileged-container",
        "ecs.capability.pid-ipc-namespace-sharing",
        "ecs.capability.efs",
        "ecs.capability.efsAuth",
        "ecs.capability.container-ordering",
        "ecs.capability.container-health-check",
        "ecs.capability.container-restart-policy",
        "ecs.capability.task-cpu-mem-limit",
        "ecs.capability.increased-task-cpu-limit",
        "ecs.capability.network.container-port-range",
    ];
    let options = about.security_options.clone().unwrap_or_default();
    let security = ["apparmor", "selinux"]
        .into_iter()
        .filter(move |name| options.iter().any(|option| option.contains(&format!("name={name}"))))
        .map(|name| format!("com.amazonaws.ecs.capability.{name}"));
    of_api.chain(always.map(str::to_owned)).chain(security).collect()
}
