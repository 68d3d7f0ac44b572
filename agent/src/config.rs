//! The configuration of the agent process: file, then environment, then flags; the later one wins.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use berth_process::config::NonZeroDuration;
use berth_process::region::is_well_formed;
use serde::{Deserialize, Serialize};

use crate::file_system::FileSystems;
use crate::task::hooks::image::PullBehavior;
use crate::{agent, cleanup, inventory};

mod flags;

pub use flags::Flags;

/// What runs the containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Docker.
    #[default]
    Docker,
    /// Nothing: containers are simulated, and so are as many instances as are wanted.
    Sim,
}

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `agent.json` of `berth init`.
    pub identity: PathBuf,
    /// Addresses of controllers, `HOST:PORT`.
    pub controllers: Vec<String>,
    /// Where the ledger lives. The simulated runtime needs none.
    pub data_dir: PathBuf,
    /// Cluster that the instance joins.
    pub cluster: String,
    /// Region that the cluster is in; the deployment's own when absent.
    pub region: Option<String>,
    /// Availability zone. Simulated instances take turns when there are several.
    pub zones: Vec<String>,
    /// Custom attributes.
    pub attributes: BTreeMap<String, String>,
    /// NFS servers by the ids that task definitions have for their file systems.
    pub file_systems: FileSystems,
    /// Name of the host; its own when empty.
    pub host_name: String,
    /// CPU units of the instance; the host's when absent.
    pub cpu_units: Option<u32>,
    /// Memory of the instance; the host's when absent.
    pub memory_mib: Option<u32>,
    /// Disk that tasks may fill together; that of the runtime's directory when absent.
    pub disk_mib: Option<u32>,
    /// CPU units that the host keeps for itself.
    pub reserve_cpu_units: u32,
    /// Memory that the host keeps for itself.
    pub reserve_memory_mib: u32,
    /// Disk that the host keeps for itself, for images and logs too.
    pub reserve_disk_mib: u32,
    /// TCP ports that the host keeps for itself.
    pub reserve_ports: Vec<u16>,
    /// UDP ports that the host keeps for itself.
    pub reserve_ports_udp: Vec<u16>,
    /// What runs the containers.
    pub runtime: RuntimeKind,
    /// Address of Docker.
    pub docker_host: String,
    /// Simulated instances in this process.
    pub sim_count: usize,
    /// How long a simulated container takes to start.
    pub sim_start_latency_ms: u64,
    /// When an image is pulled.
    pub image_pull_behavior: PullBehavior,
    /// Images that are pulled at a time.
    pub pull_concurrency: usize,
    /// Containers that are created and started at a time.
    pub launch_concurrency: usize,
    /// Between SIGTERM and SIGKILL when the task definition does not say.
    pub stop_timeout: NonZeroDuration,
    /// MiB that the runtime keeps of the log of each container in blocking mode.
    pub log_spool_mib: u64,
    /// How long a task waits for resources that others still hold.
    pub admission_timeout: NonZeroDuration,
    /// How long reports gather before they are sent.
    pub report_delay: NonZeroDuration,
    /// How long a dead container is kept.
    pub container_cleanup_wait: NonZeroDuration,
    /// How often unused images are looked for.
    pub image_cleanup_interval: NonZeroDuration,
    /// How long an unused image is kept.
    pub image_minimum_age: NonZeroDuration,
    /// Images that are removed at a time.
    pub images_per_cleanup: usize,
    /// How full the disk may be before things are cleaned up early.
    pub disk_pressure_percent: u64,
    /// Whether containers find metadata and credentials at 169.254.170.2.
    pub task_endpoint: bool,
    /// Whether tasks can have addresses of their own (network mode awsvpc), where the host allows it.
    pub task_network: bool,
    /// Where other hosts reach this one; where controllers see it when absent.
    pub address: Option<Ipv4Addr>,
    /// Where metrics and health are served.
    pub ops_listen: SocketAddr,
    /// Gets the bound addresses once the agent runs.
    pub ready_file: Option<PathBuf>,
    /// What is logged.
    pub log: String,
    /// Logs are lines of JSON.
    pub log_json: bool,
    /// Where spans are sent.
    pub otlp_endpoint: Option<String>,
}

// === impl Config ===

impl Config {
    /// Everything that is wrong with it; empty when nothing is.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let is_sim = self.runtime == RuntimeKind::Sim;
        let bad: Vec<_> = self.controllers.iter().filter(|text| !is_address(text)).cloned().collect();
        let checks = [
            (self.identity.as_os_str().is_empty(), "identity: the path of agent.json is needed".to_owned()),
            (self.controllers.is_empty(), "controllers: at least one HOST:PORT is needed".to_owned()),
            (!bad.is_empty(), format!("controllers: not HOST:PORT: {}", bad.join(", "))),
            (!is_sim && self.data_dir.as_os_str().is_empty(), "data-dir: a directory is needed".to_owned()),
            (!is_sim && self.zones.len() > 1, "zone: an instance is in one zone".to_owned()),
            (!is_sim && self.sim_count != 1, "sim-count: only with runtime sim".to_owned()),
            (self.sim_count == 0, "sim-count: at least 1".to_owned()),
            (self.launch_concurrency == 0, "launch-concurrency: at least 1".to_owned()),
            (self.pull_concurrency == 0, "pull-concurrency: at least 1".to_owned()),
            (!(1..=100).contains(&self.disk_pressure_percent), "disk-pressure-percent: 1 to 100".to_owned()),
            (self.log_spool_mib == 0, "log-spool-mib: at least 1".to_owned()),
            (self.cluster.is_empty(), "cluster: a name is needed".to_owned()),
            (
                self.region.as_deref().is_some_and(|region| !is_well_formed(region)),
                "region: lower-case letters, digits and hyphens".to_owned(),
            ),
        ];
        checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, mistake)| mistake).collect()
    }

    /// How the agent with this number behaves.
    #[must_use]
    pub fn options(&self, number: usize) -> agent::Options {
        agent::Options {
            controllers: self.controllers.clone(),
            declared: self.declared(number),
            stop_timeout: self.stop_timeout.get(),
            log_spool_bytes: self.log_spool_mib << 20,
            file_systems: self.file_systems.clone(),
            launch_concurrency: self.launch_concurrency,
            pull_concurrency: self.pull_concurrency,
            pull_behavior: self.image_pull_behavior,
            admission_timeout: self.admission_timeout.get(),
            // A simulated runtime cannot miss an event.
            resync_period: (self.runtime == RuntimeKind::Docker).then_some(crate::limits::RESYNC_PERIOD),
            report_delay: self.report_delay.get(),
            // The namespaces of a Docker elsewhere are not to be entered from here.
            task_network: self.task_network && self.is_docker_here(),
            address: self.address,
            sends_logs: self.runtime == RuntimeKind::Docker,
            // A simulated container asks nothing, and one of a Docker elsewhere cannot reach this host.
            gives_files: self.is_docker_here(),
            endpoint_dir: (self.task_endpoint && self.is_docker_here()).then(|| self.data_dir.clone()),
            // A simulated container uses nothing.
            watches_usage: self.runtime == RuntimeKind::Docker,
            cleanup: cleanup::Options {
                container_wait: self.container_cleanup_wait.get(),
                image_interval: self.image_cleanup_interval.get(),
                image_minimum_age: self.image_minimum_age.get(),
                images_per_cycle: self.images_per_cleanup,
                disk_pressure_percent: self.disk_pressure_percent,
            },
        }
    }

    fn is_docker_here(&self) -> bool {
        self.runtime == RuntimeKind::Docker && self.docker_host.starts_with("unix://")
    }

    fn declared(&self, number: usize) -> inventory::Declared {
        let zone = self.zones.get(number % self.zones.len().max(1)).cloned();
        let host_name = if self.host_name.is_empty() { own_name() } else { self.host_name.clone() };
        let host_name = if self.sim_count > 1 { format!("{host_name}-{number}") } else { host_name };
        inventory::Declared {
            cluster: self.cluster.clone(),
            host_name,
            zone,
            attributes: self.attributes.clone(),
            cpu_units: self.cpu_units,
            memory_mib: self.memory_mib,
            disk_mib: self.disk_mib,
            reserved_cpu_units: self.reserve_cpu_units,
            reserved_memory_mib: self.reserve_memory_mib,
            reserved_disk_mib: self.reserve_disk_mib,
            reserved_ports: self.reserve_ports.iter().copied().collect::<BTreeSet<_>>(),
            reserved_ports_udp: self.reserve_ports_udp.iter().copied().collect(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let (agent, cleanup) = (agent::Options::default(), cleanup::Options::default());
        let duration = |duration: Duration| NonZeroDuration::new(duration).expect("a default is above zero");
        Self {
            identity: PathBuf::new(),
            controllers: Vec::new(),
            data_dir: PathBuf::new(),
            cluster: "default".to_owned(),
            region: None,
            zones: Vec::new(),
            attributes: BTreeMap::new(),
            file_systems: FileSystems::new(),
            host_name: String::new(),
            cpu_units: None,
            memory_mib: None,
            disk_mib: None,
            reserve_cpu_units: 0,
            reserve_memory_mib: 0,
            reserve_disk_mib: 0,
            // SSH, Docker, and what the ECS agent keeps.
            reserve_ports: vec![22, 2375, 2376, 51678, 51679, 51680],
            reserve_ports_udp: Vec::new(),
            runtime: RuntimeKind::Docker,
            docker_host: "unix:///var/run/docker.sock".to_owned(),
            sim_count: 1,
            sim_start_latency_ms: 0,
            image_pull_behavior: agent.pull_behavior,
            pull_concurrency: agent.pull_concurrency,
            launch_concurrency: agent.launch_concurrency,
            stop_timeout: duration(agent.stop_timeout),
            log_spool_mib: crate::limits::LOG_SPOOL_MIB,
            admission_timeout: duration(agent.admission_timeout),
            report_delay: duration(agent.report_delay),
            container_cleanup_wait: duration(cleanup.container_wait),
            image_cleanup_interval: duration(cleanup.image_interval),
            image_minimum_age: duration(cleanup.image_minimum_age),
            images_per_cleanup: cleanup.images_per_cycle,
            disk_pressure_percent: cleanup.disk_pressure_percent,
            task_endpoint: true,
            task_network: true,
            address: None,
            ops_listen: SocketAddr::from(([127, 0, 0, 1], 7411)),
            ready_file: None,
            log: "info".to_owned(),
            log_json: false,
            otlp_endpoint: None,
        }
    }
}

fn own_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// Whether this is `HOST:PORT`.
pub(crate) fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let config =
            Config { controllers: vec!["nowhere".to_owned()], launch_concurrency: 0, ..Config::default() };
        let mistakes = config.mistakes().join("\n");
        for name in ["identity", "not HOST:PORT: nowhere", "data-dir", "launch-concurrency"] {
            assert!(mistakes.contains(name), "{name} is missing in {mistakes}");
        }
    }

    #[test]
    fn simulated_instances_take_turns_in_the_zones() {
        let zones = ["a", "b"].map(str::to_owned).to_vec();
        let config = Config { runtime: RuntimeKind::Sim, zones, sim_count: 3, ..Config::default() };
        let zones: Vec<_> = (0..3).filter_map(|number| config.options(number).declared.zone).collect();
        assert_eq!(zones, ["a", "b", "a"]);
    }

    #[test]
    fn the_defaults_survive_a_file() {
        let text = toml_of(&Config::default());
        assert!(text.contains("stop_timeout"), "{text}");
    }

    fn toml_of(config: &Config) -> String {
        serde_json::to_string(config).expect("it has only plain values")
    }
}
