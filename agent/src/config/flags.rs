//! The command line and the environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use berth_process::config::NonZeroDuration;
use clap::Parser;

use super::{Config, RuntimeKind};
use crate::file_system::FileSystem;
use crate::task::hooks::image::PullBehavior;

/// Runs the containers of one host for a Berth cluster.
#[derive(Debug, Default, Parser)]
#[command(name = "berth-agent", version)]
pub struct Flags {
    /// Configuration file (TOML); flags and environment win over it.
    #[arg(long, env = "BERTH_AGENT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Says what is wrong with the configuration, unknown keys included, and ends.
    #[arg(long)]
    pub check_config: bool,
    /// Prints the configuration as it is in effect, and ends.
    #[arg(long)]
    pub print_config: bool,
    /// `agent.json`, as `berth init` wrote it.
    #[arg(long, env = "BERTH_AGENT_IDENTITY")]
    identity: Option<PathBuf>,
    /// Controllers, any of which will do.
    #[arg(long, env = "BERTH_AGENT_CONTROLLERS", value_name = "HOST:PORT,...", value_delimiter = ',')]
    controllers: Option<Vec<String>>,
    /// Where the agent keeps its ledger.
    #[arg(long, env = "BERTH_AGENT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Cluster that the instance joins [default: default].
    #[arg(long, env = "BERTH_AGENT_CLUSTER")]
    cluster: Option<String>,
    /// Region that the cluster is in [default: the deployment's own].
    #[arg(long, env = "BERTH_AGENT_REGION")]
    region: Option<String>,
    /// Availability zone; simulated instances take turns in several.
    #[arg(long = "zone", env = "BERTH_AGENT_ZONE", value_delimiter = ',')]
    zones: Option<Vec<String>>,
    /// Custom attribute; may be repeated.
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = parse_attribute)]
    attributes: Vec<(String, String)>,
    /// NFS server of a file system that task definitions name; may be repeated. Options are those of mount.nfs;
    /// `protected` says that the way there is encrypted already.
    #[arg(long = "file-system", value_name = "ID=SERVER:/PATH[,OPTION...]", value_parser = parse_file_system)]
    file_systems: Vec<(String, FileSystem)>,
    /// Name of the host [default: its own].
    #[arg(long, env = "BERTH_AGENT_HOST_NAME")]
    host_name: Option<String>,
    /// CPU units of the instance [default: 1024 a core].
    #[arg(long, env = "BERTH_AGENT_CPU_UNITS")]
    cpu_units: Option<u32>,
    /// Memory of the instance [default: the host's].
    #[arg(long, env = "BERTH_AGENT_MEMORY_MIB")]
    memory_mib: Option<u32>,
    /// Disk that the ephemeral storage of tasks may take together [default: all that Docker's directory is on].
    #[arg(long, env = "BERTH_AGENT_DISK_MIB")]
    disk_mib: Option<u32>,
    /// CPU units that the host keeps for itself [default: 0].
    #[arg(long, env = "BERTH_AGENT_RESERVE_CPU_UNITS")]
    reserve_cpu_units: Option<u32>,
    /// Memory that the host keeps for itself [default: 0].
    #[arg(long, env = "BERTH_AGENT_RESERVE_MEMORY_MIB")]
    reserve_memory_mib: Option<u32>,
    /// Disk that the host keeps for itself, for images and logs too [default: 0].
    #[arg(long, env = "BERTH_AGENT_RESERVE_DISK_MIB")]
    reserve_disk_mib: Option<u32>,
    /// TCP ports that the host keeps for itself [default: 22,2375,2376,51678,51679,51680].
    #[arg(long, env = "BERTH_AGENT_RESERVE_PORTS", value_delimiter = ',')]
    reserve_ports: Option<Vec<u16>>,
    /// UDP ports that the host keeps for itself.
    #[arg(long, env = "BERTH_AGENT_RESERVE_PORTS_UDP", value_delimiter = ',')]
    reserve_ports_udp: Option<Vec<u16>>,
    /// What runs the containers [default: docker].
    #[arg(long, env = "BERTH_AGENT_RUNTIME")]
    runtime: Option<RuntimeKind>,
    /// Address of Docker [default: unix:///var/run/docker.sock].
    #[arg(long, env = "BERTH_AGENT_DOCKER_HOST")]
    docker_host: Option<String>,
    /// Simulated instances in this process [default: 1].
    #[arg(long, env = "BERTH_AGENT_SIM_COUNT")]
    sim_count: Option<usize>,
    /// How long a simulated container takes to start [default: 0].
    #[arg(long, env = "BERTH_AGENT_SIM_START_LATENCY_MS")]
    sim_start_latency_ms: Option<u64>,
    /// When an image is pulled [default: default].
    #[arg(long, env = "BERTH_AGENT_IMAGE_PULL_BEHAVIOR")]
    image_pull_behavior: Option<PullBehavior>,
    /// Images that are pulled at a time [default: 4].
    #[arg(long, env = "BERTH_AGENT_PULL_CONCURRENCY")]
    pull_concurrency: Option<usize>,
    /// Containers that are created and started at a time [default: 16].
    #[arg(long, env = "BERTH_AGENT_LAUNCH_CONCURRENCY")]
    launch_concurrency: Option<usize>,
    /// Between SIGTERM and SIGKILL when the task definition does not say [default: 30s].
    #[arg(long, env = "BERTH_AGENT_STOP_TIMEOUT")]
    stop_timeout: Option<NonZeroDuration>,
    /// MiB that the runtime keeps of the log of each container in blocking mode; at a quarter of it the container waits
    /// [default: 1024].
    #[arg(long, env = "BERTH_AGENT_LOG_SPOOL_MIB")]
    log_spool_mib: Option<u64>,
    /// How long a task waits for resources that others still hold [default: 5m].
    #[arg(long, env = "BERTH_AGENT_ADMISSION_TIMEOUT")]
    admission_timeout: Option<NonZeroDuration>,
    /// How long reports gather before they are sent [default: 20ms].
    #[arg(long, env = "BERTH_AGENT_REPORT_DELAY")]
    report_delay: Option<NonZeroDuration>,
    /// How long a dead container is kept [default: 3h].
    #[arg(long, env = "BERTH_AGENT_CONTAINER_CLEANUP_WAIT")]
    container_cleanup_wait: Option<NonZeroDuration>,
    /// How often unused images are looked for [default: 30m].
    #[arg(long, env = "BERTH_AGENT_IMAGE_CLEANUP_INTERVAL")]
    image_cleanup_interval: Option<NonZeroDuration>,
    /// How long an unused image is kept [default: 1h].
    #[arg(long, env = "BERTH_AGENT_IMAGE_MINIMUM_AGE")]
    image_minimum_age: Option<NonZeroDuration>,
    /// Images that are removed at a time [default: 5].
    #[arg(long, env = "BERTH_AGENT_IMAGES_PER_CLEANUP")]
    images_per_cleanup: Option<usize>,
    /// How full the disk may be before things are cleaned up early [default: 85].
    #[arg(long, env = "BERTH_AGENT_DISK_PRESSURE_PERCENT")]
    disk_pressure_percent: Option<u64>,
    /// Whether containers find metadata and credentials at 169.254.170.2 [default: true].
    #[arg(long, env = "BERTH_AGENT_TASK_ENDPOINT", action = clap::ArgAction::Set)]
    task_endpoint: Option<bool>,
    /// Whether tasks can have addresses of their own, in network mode awsvpc [default: true].
    #[arg(long, env = "BERTH_AGENT_TASK_NETWORK", action = clap::ArgAction::Set)]
    task_network: Option<bool>,
    /// Address at which other hosts reach this one [default: the one that controllers see].
    #[arg(long, env = "BERTH_AGENT_ADDRESS", value_name = "IPV4")]
    address: Option<Ipv4Addr>,
    /// Takes away all that the network of tasks left on this host, and ends. For a host that runs no agent any more.
    #[arg(long)]
    pub remove_task_network: bool,
    /// Where metrics and health are served [default: 127.0.0.1:7411].
    #[arg(long, env = "BERTH_AGENT_OPS_LISTEN")]
    ops_listen: Option<SocketAddr>,
    /// Gets the bound addresses as JSON once the agent runs.
    #[arg(long, env = "BERTH_AGENT_READY_FILE")]
    ready_file: Option<PathBuf>,
    /// What is logged [default: info].
    #[arg(long, env = "BERTH_LOG")]
    log: Option<String>,
    /// Logs are lines of JSON.
    #[arg(long, env = "BERTH_LOG_JSON")]
    log_json: bool,
    /// Where spans are sent, such as `http://127.0.0.1:4317`.
    #[arg(long, env = "BERTH_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
}

/// Puts what was given over what was there.
macro_rules! over {
    ($config:ident, $flags:ident: $($name:ident),* $(,)?) => {
        $(if let Some(value) = $flags.$name { $config.$name = value; })*
    };
}

// === impl Flags ===

impl Flags {
    /// The configuration with these flags over it.
    #[must_use]
    pub fn over(self, mut config: Config) -> Config {
        let flags = self;
        over!(config, flags: identity, controllers, data_dir, cluster, zones, host_name);
        over!(config, flags: reserve_cpu_units, reserve_memory_mib, reserve_disk_mib);
        over!(config, flags: reserve_ports, reserve_ports_udp);
        over!(config, flags: runtime, docker_host, sim_count, sim_start_latency_ms);
        over!(config, flags: image_pull_behavior, pull_concurrency, launch_concurrency, stop_timeout, admission_timeout);
        over!(config, flags: log_spool_mib);
        over!(config, flags: report_delay, container_cleanup_wait, image_cleanup_interval, image_minimum_age);
        over!(config, flags: images_per_cleanup, disk_pressure_percent, task_endpoint, task_network, ops_listen, log);
        config.region = flags.region.or(config.region);
        config.address = flags.address.or(config.address);
        config.cpu_units = flags.cpu_units.or(config.cpu_units);
        config.memory_mib = flags.memory_mib.or(config.memory_mib);
        config.disk_mib = flags.disk_mib.or(config.disk_mib);
        config.ready_file = flags.ready_file.or(config.ready_file);
        config.otlp_endpoint = flags.otlp_endpoint.or(config.otlp_endpoint);
        config.log_json = config.log_json || flags.log_json;
        config.attributes.extend(flags.attributes);
        config.file_systems.extend(flags.file_systems);
        config
    }
}

fn parse_attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn parse_file_system(text: &str) -> Result<(String, FileSystem), String> {
    let (id, place) = parse_attribute(text).map_err(|_| "expected ID=SERVER:/PATH[,OPTION...]".to_owned())?;
    Ok((id, place.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_and_attributes_add_up() {
        let config = Config { cluster: "file".to_owned(), pull_concurrency: 9, ..Config::default() };
        let args =
            ["berth-agent", "--cluster", "flag", "--attribute", "disk=ssd", "--controllers", "a:1,b:2"];
        let config = Flags::parse_from(args).over(config);
        assert_eq!((config.cluster.as_str(), config.pull_concurrency), ("flag", 9));
        assert_eq!(config.attributes["disk"], "ssd");
        assert_eq!(config.controllers, ["a:1", "b:2"]);
    }
}
