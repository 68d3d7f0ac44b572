//! What a test sees of a fleet: through the API, and past it through the engines.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1::{
    ContainerInstance, DescribeServiceDeploymentsRequest, ListServiceDeploymentsRequest, ServiceDeployment,
    Task,
};

use super::{Fleet, Member};
use crate::harness::api::id_of;
use crate::harness::command::output;
use crate::harness::daemon::Place;
use crate::harness::engine::Container;
use crate::harness::http;
use crate::harness::probe::{Endpoints, Probe};
use crate::harness::slot::task_files;

// === impl Fleet ===

impl Fleet {
    /// How many controllers the fleet was built with, spares included.
    #[must_use]
    pub fn controllers(&self) -> usize {
        self.controllers.len()
    }

    /// How many agents it has.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    /// The memory a member uses, in KiB.
    #[must_use]
    pub fn memory_kib(&self, member: Member) -> Option<u64> {
        self.seat(member).daemon.memory_kib()
    }

    /// The value of one of a member's metrics.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn metric(&self, member: Member, name: &str) -> Result<f64> {
        let address = self.seat(member).daemon.served("ops").context("it tells no metrics")?;
        let metrics = http::get(address.parse()?, "/metrics").await?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("there is no {name}"))?.parse()?)
    }

    /// What a member keeps on its disk, in KiB.
    #[must_use]
    pub fn disk_kib(&self, member: Member) -> u64 {
        let folder = self.dir.join(self.seat(member).daemon.name()).join("data");
        blocks(&folder) / 2
    }

    /// Files of all members, logs included, that have this text in them.
    #[must_use]
    pub fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        find(&self.dir, text.as_bytes(), &mut found);
        found
    }

    /// The container instance of an agent.
    #[must_use]
    pub fn instance(&self, agent: usize) -> &str {
        &self.agents[agent].instance_id
    }

    /// How a controller is known to the others.
    #[must_use]
    pub fn controller_address(&self, controller: usize) -> &str {
        &self.controllers[controller].address
    }

    /// The agent on whose host a task is.
    ///
    /// # Errors
    /// When the task is not placed on any of them.
    pub fn agent_of(&self, task: &Task) -> Result<usize> {
        let instance = id_of(task.container_instance_arn());
        let agent = self.agents.iter().position(|agent| agent.instance_id == instance);
        agent.with_context(|| format!("task {} is on an unknown instance {instance:?}", task.task_arn()))
    }

    /// The tasks of a service that are RUNNING on instances that are not lost, exactly `count` of them, with no other on
    /// the way. What became of a task on a lost instance nobody knows, so it does not count.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub async fn running(&self, service: &str, count: usize) -> Result<Vec<Task>> {
        let (api, mut connected) = (self.api(), BTreeSet::new());
        for instance in api.instances().await?.into_iter().filter(ContainerInstance::agent_connected) {
            connected.insert(instance.container_instance_arn().to_owned());
        }
        let mut tasks = api.tasks(Some(service)).await?;
        tasks.retain(|task| connected.contains(task.container_instance_arn()));
        let mut statuses = BTreeMap::new();
        for task in &tasks {
            *statuses.entry(task.last_status().to_owned()).or_insert(0_usize) += 1;
        }
        ensure!(
            statuses.get("RUNNING") == Some(&count) && tasks.len() == count,
            "{service} has {statuses:?}"
        );
        Ok(tasks)
    }

    /// The service deployments of a service, newest first.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn service_deployments(&self, service: &str) -> Result<Vec<ServiceDeployment>> {
        let mut client = self.api().service_deployments;
        let list = ListServiceDeploymentsRequest { service: Some(service.to_owned()), ..Default::default() };
        let briefs = client.list_service_deployments(list).await.context("ListServiceDeployments")?;
        let briefs = briefs.into_inner().service_deployments;
        let arns: Vec<_> = briefs.into_iter().filter_map(|brief| brief.service_deployment_arn).collect();
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let describe = DescribeServiceDeploymentsRequest { service_deployment_arns: arns };
        let all =
            client.describe_service_deployments(describe).await.context("DescribeServiceDeployments")?;
        Ok(all.into_inner().service_deployments)
    }

    /// How many of the tasks each zone has.
    ///
    /// # Errors
    /// When one is not placed.
    pub fn by_zone(&self, tasks: &[Task]) -> Result<BTreeMap<&str, usize>> {
        let mut zones = BTreeMap::new();
        for task in tasks {
            *zones.entry(self.agents[self.agent_of(task)?].zone.as_str()).or_insert(0) += 1;
        }
        Ok(zones)
    }

    /// Everything that tasks could leave on an agent's host, a line each: containers, volumes, networks, interfaces,
    /// routes, rules of packet filters, mounts, files that were made for them.
    ///
    /// # Errors
    /// When the host is off, or shares the network of this machine: then the traces of others are among them.
    pub fn traces(&self, agent: usize) -> Result<BTreeSet<String>> {
        let place = self.place(Member::Agent(agent))?;
        ensure!(!matches!(place, Place::Here), "agent {agent} has no host of its own");
        let engine = self.engine(agent);
        let mut seen = BTreeSet::new();
        let mut note = |what: &str, lines: &str| {
            seen.extend(lines.lines().filter(|line| !line.is_empty()).map(|line| format!("{what}: {line}")));
        };
        note("container", &engine.docker(&["ps", "--all", "--format", "{{.Names}}"])?);
        note("volume", &engine.docker(&["volume", "ls", "--quiet"])?);
        note("network", &engine.docker(&["network", "ls", "--format", "{{.Name}}"])?);
        let on_host = |script: &str| output(place.command().args(["sh", "-c", script]));
        note("interface", &on_host("ip -oneline link | cut -d: -f2 | cut -d@ -f1")?);
        note("route", &on_host("ip route show table all | sed '/^local/d; /^broadcast/d; /cache/d'")?);
        // Counters tell of packets, not of rules.
        note("rule", &on_host("nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*//'")?);
        note("mount", &on_host("cut -d' ' -f2 /proc/self/mounts")?);
        for folder in task_files(self.instance(agent)).filter(|folder| folder.exists()) {
            note("file", &on_host(&format!("find {} -mindepth 1", folder.display()))?);
        }
        Ok(seen)
    }

    /// The containers that really run for an agent.
    ///
    /// # Errors
    /// When its engine does not answer.
    pub fn containers(&self, agent: usize) -> Result<Vec<Container>> {
        let label = format!("berth.container-instance={}", self.agents[agent].instance_id);
        self.engine(agent).running(&label)
    }

    /// The containers that really run, on all engines.
    ///
    /// # Errors
    /// When an engine does not answer.
    pub fn all_containers(&self) -> Result<Vec<Container>> {
        let mut all = Vec::new();
        for agent in 0..self.agents.len() {
            all.extend(self.containers(agent)?);
        }
        Ok(all)
    }

    /// Where a task answers requests.
    ///
    /// # Errors
    /// When it has no port.
    pub fn endpoint(&self, task: &Task) -> Result<SocketAddr> {
        self.endpoints().of(task).with_context(|| format!("task {} has no port", task.task_arn()))
    }

    /// Watches a service's tasks with requests from now on: see [`Probe`].
    #[must_use]
    pub fn probe(&self, service: &str) -> Probe {
        Probe::start(self.api(), service.to_owned(), self.endpoints())
    }

    fn endpoints(&self) -> Endpoints {
        let address = |host: Option<usize>| match (&self.hosts, host) {
            (Some(hosts), Some(host)) => hosts.address(host),
            _ => Ipv4Addr::LOCALHOST,
        };
        let hosts =
            self.agents.iter().map(|agent| (agent.instance_id.clone(), IpAddr::V4(address(agent.seat.host))));
        Endpoints::new(hosts.collect())
    }
}

fn find(path: &Path, text: &[u8], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, text, found);
        } else if std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text)) {
            found.push(path);
        }
    }
}

/// Blocks of 512 bytes that a folder takes up; a file may be gone before it is looked at.
fn blocks(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let size = |path: &Path| match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => blocks(path),
        Ok(metadata) => metadata.blocks(),
        Err(_) => 0,
    };
    entries.map(|entry| size(&entry.path())).sum()
}
