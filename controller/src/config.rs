//! What a controller can be told: by a file, by the environment, by flags, the later winning.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use berth_model::network::{Addressing, Block, ParseBlockError};
use berth_model::plan::Policy;
use berth_process::config::{NonZeroDuration, load_file};
use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::limits::{CALLS_PER_KEY, LOG_ARCHIVE_MIB, LOG_MIB_BEFORE_SNAPSHOT};
use crate::region::Regions;

/// A Berth controller: replicates the cluster's state and serves the API.
#[derive(Clone, Debug, Parser)]
#[command(name = "berth-controller", version)]
pub struct Args {
    /// TOML file with any of the settings below, named with underscores.
    #[arg(long, env = "BERTH_CONTROLLER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The identity that `berth init` wrote for controllers.
    #[arg(long, env = "BERTH_IDENTITY", value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Where the log, the vote and snapshots are kept.
    #[arg(long, env = "BERTH_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to listen for everything that is gRPC [default: 0.0.0.0:7400].
    #[arg(long, env = "BERTH_LISTEN", value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// Where other controllers, agents and clients reach this one [default: the address it listens on].
    #[arg(long, env = "BERTH_ADVERTISE", value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Begin a new cluster, unless this controller is in one already.
    #[arg(long, conflicts_with = "join")]
    bootstrap: bool,
    /// Join the cluster of any of these controllers, unless this one is in one already.
    #[arg(long, env = "BERTH_JOIN", value_delimiter = ',', value_name = "HOST:PORT")]
    join: Vec<String>,
    /// Where to serve /metrics, /healthz and /readyz [default: 127.0.0.1:7401].
    #[arg(long, env = "BERTH_OPS_LISTEN", value_name = "IP:PORT")]
    ops_listen: Option<SocketAddr>,
    /// Where to serve the API as AWS does, over HTTP/1.1 [default: 127.0.0.1:7402].
    #[arg(long, env = "BERTH_AWS_LISTEN", value_name = "IP:PORT")]
    aws_listen: Option<SocketAddr>,
    /// Serve it over TLS, with a certificate of the cluster's own authority.
    #[arg(long)]
    aws_tls: bool,
    /// Regions that calls may be in beside the deployment's own; `*` for any. Each has resources of its own.
    #[arg(long, alias = "aws-regions", env = "BERTH_REGIONS", value_delimiter = ',', value_name = "REGION")]
    regions: Vec<String>,
    /// Calls a second that each access key may make at this controller [default: 2000].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    calls_per_key: Option<u32>,
    /// Addresses of tasks in network mode awsvpc, over all instances [default: 100.64.0.0/10].
    #[arg(long, env = "BERTH_TASK_NETWORK", value_name = "ADDRESS/PREFIX")]
    task_network: Option<Block>,
    /// How much of it each instance has, as a prefix [default: 24, which is 254 tasks].
    #[arg(long, env = "BERTH_TASK_NETWORK_BLOCK", value_name = "PREFIX")]
    task_network_block: Option<u8>,
    /// Send what tasks say to each other over VXLAN also between hosts of the same network: clouds drop packets from
    /// addresses that they did not give.
    #[arg(long)]
    task_network_overlay: bool,
    /// Written with the addresses, as JSON, once they are served.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How long an instance may be silent before it is declared lost [default: 10s].
    #[arg(long, value_name = "DURATION")]
    instance_lost_after: Option<NonZeroDuration>,
    /// How long a task without a health check has to run before it counts as healthy [default: 5s].
    #[arg(long, value_name = "DURATION")]
    task_healthy_after: Option<NonZeroDuration>,
    /// How long a service and its instances have to be quiet before tasks move to spread better [default: 15s].
    #[arg(long, value_name = "DURATION")]
    rebalance_after: Option<NonZeroDuration>,
    /// How long stopped tasks and their last log lines stay describable [default: 7d].
    #[arg(long, value_name = "DURATION")]
    stopped_task_retention: Option<NonZeroDuration>,
    /// Authorities in PEM that may vouch for the https URLs of webhooks, beside those that this system trusts.
    #[arg(long, value_name = "FILE")]
    webhook_ca: Option<PathBuf>,
    /// Entries of the log between two snapshots [default: 20000].
    #[arg(long, value_name = "COUNT")]
    snapshot_entries: Option<u64>,
    /// Mebibytes of the log between two snapshots, should they come first [default: 128].
    #[arg(long, value_name = "MIB")]
    snapshot_mib: Option<u64>,
    /// Mebibytes that the logs of containers may take on this controller's disk [default: 10240].
    #[arg(long, value_name = "MIB")]
    log_archive_mib: Option<u64>,
    /// What to log, as in RUST_LOG [default: info,openraft=warn,fjall=warn,lsm_tree=warn].
    #[arg(long, env = "BERTH_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Log as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
    /// Send traces to this OTLP collector, over gRPC.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Check the configuration, unknown keys included, and exit.
    #[arg(long)]
    check_config: bool,
    /// Print the configuration that results, and exit.
    #[arg(long)]
    print_config: bool,
}

/// Everything a controller is told, with defaults filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The identity that `berth init` wrote for controllers.
    pub identity: PathBuf,
    /// Where the log, the vote and snapshots are kept.
    pub data_dir: PathBuf,
    /// Where to listen for gRPC.
    pub listen: SocketAddr,
    /// Where others reach this controller; the address it listens on when empty.
    pub advertise: String,
    /// Begin a new cluster.
    pub bootstrap: bool,
    /// Controllers whose cluster to join.
    pub join: Vec<String>,
    /// Where to serve metrics and health.
    pub ops_listen: SocketAddr,
    /// Where to serve the API as AWS does.
    pub aws_listen: SocketAddr,
    /// Serve it over TLS.
    pub aws_tls: bool,
    /// Regions that calls may be in beside the deployment's own; `*` for any.
    #[serde(alias = "aws_regions")]
    pub regions: Vec<String>,
    /// Calls a second that each access key may make.
    pub calls_per_key: u32,
    /// Addresses of tasks in network mode awsvpc, over all instances.
    pub task_network: String,
    /// How much of it each instance has, as a prefix.
    pub task_network_block: u8,
    /// Whether hosts of the same network use the overlay as well.
    pub task_network_overlay: bool,
    /// Written once addresses are served.
    pub ready_file: Option<PathBuf>,
    /// See [`Policy::instance_lost_after`].
    pub instance_lost_after: NonZeroDuration,
    /// See [`Policy::healthy_after`].
    pub task_healthy_after: NonZeroDuration,
    /// See [`Policy::rebalance_after`].
    pub rebalance_after: NonZeroDuration,
    /// See [`Policy::retention`].
    pub stopped_task_retention: NonZeroDuration,
    /// Authorities that may vouch for webhooks.
    pub webhook_ca: Option<PathBuf>,
    /// Entries of the log between two snapshots.
    pub snapshot_entries: u64,
    /// Mebibytes of the log between two snapshots, should they come first.
    pub snapshot_mib: u64,
    /// Mebibytes that the logs of containers may take on this controller's disk.
    pub log_archive_mib: u64,
    /// What to log.
    pub log: String,
    /// Log as JSON.
    pub log_json: bool,
    /// Where to send traces.
    pub otlp_endpoint: Option<String>,
}

/// What to do with a configuration.
#[derive(Debug)]
pub enum Intent {
    /// Run with it.
    Run(Box<Config>),
    /// It was only to be checked, and is fine.
    Checked,
    /// It was only to be printed.
    Print(String),
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] berth_process::config::Error),
    /// Values do not fit together.
    #[error("the configuration has mistakes:\n{}", .0.join("\n"))]
    Mistakes(Vec<String>),
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            identity: PathBuf::new(),
            data_dir: PathBuf::new(),
            listen: SocketAddr::from(([0, 0, 0, 0], 7400)),
            advertise: String::new(),
            bootstrap: false,
            join: Vec::new(),
            ops_listen: SocketAddr::from(([127, 0, 0, 1], 7401)),
            aws_listen: SocketAddr::from(([127, 0, 0, 1], 7402)),
            aws_tls: false,
            regions: Vec::new(),
            calls_per_key: CALLS_PER_KEY,
            task_network: Addressing::DEFAULT.range.to_string(),
            task_network_block: Addressing::DEFAULT.block_prefix,
            task_network_overlay: false,
            ready_file: None,
            instance_lost_after: NonZeroDuration::from_secs(10),
            task_healthy_after: NonZeroDuration::from_secs(5),
            rebalance_after: NonZeroDuration::from_secs(15),
            stopped_task_retention: NonZeroDuration::from_secs(7 * 24 * 3600),
            webhook_ca: None,
            snapshot_entries: 20_000,
            snapshot_mib: LOG_MIB_BEFORE_SNAPSHOT,
            log_archive_mib: LOG_ARCHIVE_MIB,
            log: "info,openraft=warn,fjall=warn,lsm_tree=warn".into(),
            log_json: false,
            otlp_endpoint: None,
        }
    }
}

impl Config {
    /// What planners are told.
    pub fn policy(&self) -> Policy {
        Policy {
            healthy_after: self.task_healthy_after.get(),
            instance_lost_after: self.instance_lost_after.get(),
            retention: self.stopped_task_retention.get(),
            rebalance_after: self.rebalance_after.get(),
            ..Policy::default()
        }
    }

    /// Where tasks get addresses from.
    pub fn addressing(&self) -> Result<Addressing, String> {
        let range = self.task_network.parse().map_err(|error: ParseBlockError| error.to_string())?;
        let overlay_only = self.task_network_overlay;
        let addressing = Addressing { range, block_prefix: self.task_network_block, overlay_only };
        addressing.mistake().map_or(Ok(addressing), Err)
    }

    /// What consensus is told.
    pub fn consensus(&self) -> crate::raft::Config {
        let defaults = crate::raft::Config::default();
        crate::raft::Config {
            snapshot_every_entries: self.snapshot_entries,
            snapshot_every_mib: self.snapshot_mib,
            keep_entries: defaults.keep_entries.min(self.snapshot_entries),
            ..defaults
        }
    }

    /// Names and addresses that the certificate is for, beyond the one that every certificate has.
    pub fn certificate_names(&self) -> Vec<String> {
        let host =
            self.advertise.rsplit_once(':').map(|(host, _port)| host.trim_matches(['[', ']']).to_owned());
        host.into_iter().chain([self.listen.ip().to_string()]).collect()
    }

    /// Everything that does not fit together.
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.identity.as_os_str().is_empty() {
            mistakes.push("--identity is missing: give the controller.json that `berth init` wrote".into());
        }
        if self.data_dir.as_os_str().is_empty() {
            mistakes.push("--data-dir is missing: give a directory that survives a restart".into());
        }
        if self.instance_lost_after.get() < Duration::from_secs(3) {
            let given = self.instance_lost_after;
            mistakes.push(format!(
                "instance_lost_after is {given}: below 3s a lost packet looks like a lost host"
            ));
        }
        let bad = self.regions.iter().filter(|name| !Regions::may_list(name));
        mistakes.extend(bad.map(|name| {
            format!(
                "--regions has {name:?}: a region is made of lower-case letters, digits and hyphens, or `*`"
            )
        }));
        mistakes.extend(self.consensus().mistakes());
        mistakes.extend(self.addressing().err().map(|mistake| format!("task_network: {mistake}")));
        if self.advertise.is_empty() && self.listen.ip().is_unspecified() {
            mistakes.push(format!(
                "--advertise is missing: others cannot reach this controller at {}",
                self.listen
            ));
        }
        mistakes
    }
}

// === impl Args ===

impl Args {
    /// The configuration that these arguments, the environment and the file they name amount to.
    pub fn resolve(self) -> Result<Intent, Error> {
        let (check_config, print_config) = (self.check_config, self.print_config);
        let (file, unknown) = match &self.config {
            Some(path) => load_file::<Config>(path)?,
            None => (Config::default(), Vec::new()),
        };
        let config = self.over(file);
        let mut mistakes = config.mistakes();
        if check_config {
            mistakes.extend(unknown.iter().map(|key| format!("{key} is not a setting")));
        } else if !unknown.is_empty() {
            tracing::warn!(keys = ?unknown, "the configuration file has settings that this build does not know");
        }
        if !mistakes.is_empty() {
            return Err(Error::Mistakes(mistakes));
        }
        if check_config {
            return Ok(Intent::Checked);
        }
        if print_config {
            return Ok(Intent::Print(toml::to_string(&config).expect("every setting has a TOML form")));
        }
        Ok(Intent::Run(Box::new(config)))
    }

    /// These arguments over what a file said.
    fn over(self, file: Config) -> Config {
        Config {
            identity: self.identity.unwrap_or(file.identity),
            data_dir: self.data_dir.unwrap_or(file.data_dir),
            listen: self.listen.unwrap_or(file.listen),
            advertise: self.advertise.unwrap_or(file.advertise),
            bootstrap: self.bootstrap || file.bootstrap,
            join: if self.join.is_empty() { file.join } else { self.join },
            ops_listen: self.ops_listen.unwrap_or(file.ops_listen),
            aws_listen: self.aws_listen.unwrap_or(file.aws_listen),
            aws_tls: self.aws_tls || file.aws_tls,
            regions: if self.regions.is_empty() { file.regions } else { self.regions },
            calls_per_key: self.calls_per_key.unwrap_or(file.calls_per_key),
            task_network: self.task_network.map_or(file.task_network, |range| range.to_string()),
            task_network_block: self.task_network_block.unwrap_or(file.task_network_block),
            task_network_overlay: self.task_network_overlay || file.task_network_overlay,
            ready_file: self.ready_file.or(file.ready_file),
            instance_lost_after: self.instance_lost_after.unwrap_or(file.instance_lost_after),
            task_healthy_after: self.task_healthy_after.unwrap_or(file.task_healthy_after),
            rebalance_after: self.rebalance_after.unwrap_or(file.rebalance_after),
            stopped_task_retention: self.stopped_task_retention.unwrap_or(file.stopped_task_retention),
            webhook_ca: self.webhook_ca.or(file.webhook_ca),
            snapshot_entries: self.snapshot_entries.unwrap_or(file.snapshot_entries),
            snapshot_mib: self.snapshot_mib.unwrap_or(file.snapshot_mib),
            log_archive_mib: self.log_archive_mib.unwrap_or(file.log_archive_mib),
            log: self.log.unwrap_or(file.log),
            log_json: self.log_json || file.log_json,
            otlp_endpoint: self.otlp_endpoint.or(file.otlp_endpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(args: &[&str]) -> Result<Intent, Error> {
        Args::try_parse_from([&["berth-controller"], args].concat()).expect("the arguments parse").resolve()
    }

    #[test]
    fn reports_every_mistake_at_once() {
        let Err(Error::Mistakes(mistakes)) = resolve(&["--instance-lost-after", "1s"]) else {
            panic!("accepted");
        };
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("controller.toml");
        std::fs::write(&file, "task_healthy_after = \"40s\"\ninstance_lost_after = \"20s\"\n").unwrap();
        let file = file.display().to_string();
        let args = [
            "--config",
            &file,
            "--identity",
            "i",
            "--data-dir",
            "d",
            "--advertise",
            "a:1",
            "--task-healthy-after",
            "1s",
        ];
        let Ok(Intent::Run(config)) = resolve(&args) else { panic!("refused") };
        assert_eq!(config.task_healthy_after, NonZeroDuration::from_secs(1));
        assert_eq!(config.instance_lost_after, NonZeroDuration::from_secs(20));
    }

    #[test]
    fn unknown_settings_fail_only_the_check() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("controller.toml");
        std::fs::write(&file, "colour = \"blue\"\n").unwrap();
        let file = file.display().to_string();
        let args = ["--config", &file, "--identity", "i", "--data-dir", "d", "--advertise", "a:1"];
        assert!(resolve(&args).is_ok());
        assert!(resolve(&[&args[..], &["--check-config"]].concat()).is_err());
    }
}
