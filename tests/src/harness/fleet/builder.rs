//! What a test wants of its fleet, and bringing that up.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use berth_process::identity::AdminIdentity;

use super::{Agent, Fleet, Member, Seat};
use crate::harness::api::id_of;
use crate::harness::daemon::Daemon;
use crate::harness::hosts::{Hosts, Kind};
use crate::harness::slot::{Slot, turn};
use crate::harness::wait::try_until;
use crate::harness::watchdog::LIMIT;
use crate::harness::{binary, command};

const REGISTER_DEADLINE: Duration = Duration::from_secs(30);
const CONTROLLER_PORT: u16 = 7400;
/// The attribute by which the harness knows an instance again.
const SEAT: &str = "seat";

/// See [`Fleet::builder`].
#[derive(Debug)]
pub struct Builder {
    controllers: usize,
    spare_controllers: usize,
    agents: usize,
    spare_agents: usize,
    zones: Vec<String>,
    on_hosts: bool,
    host_kind: Kind,
    simulated: bool,
    controller_flags: Vec<String>,
    agent_flags: Vec<String>,
    spare_agent_flags: Vec<String>,
    limit: Duration,
}

// === impl Builder ===

impl Default for Builder {
    fn default() -> Self {
        Self {
            controllers: 3,
            spare_controllers: 0,
            agents: 3,
            spare_agents: 0,
            zones: ["a", "b", "c"].map(str::to_owned).to_vec(),
            on_hosts: false,
            host_kind: Kind::default(),
            simulated: false,
            controller_flags: Vec::new(),
            agent_flags: Vec::new(),
            spare_agent_flags: Vec::new(),
            limit: LIMIT,
        }
    }
}

impl Builder {
    /// How many controllers are started.
    #[must_use]
    pub fn controllers(mut self, count: usize) -> Self {
        self.controllers = count;
        self
    }

    /// How many more there are, which the test starts when it wants: they join.
    #[must_use]
    pub fn spare_controllers(mut self, count: usize) -> Self {
        self.spare_controllers = count;
        self
    }

    /// How many agents there are.
    #[must_use]
    pub fn agents(mut self, count: usize) -> Self {
        self.agents = count;
        self
    }

    /// How many more there are, which the test lets join when it wants: see [`Fleet::join`].
    #[must_use]
    pub fn spare_agents(mut self, count: usize) -> Self {
        self.spare_agents = count;
        self
    }

    /// The zones that the agents are in, in turn.
    #[must_use]
    pub fn zones(mut self, zones: &[&str]) -> Self {
        self.zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
        self
    }

    /// Every process gets a host to itself, and every agent's host an engine.
    #[must_use]
    pub fn on_hosts(mut self) -> Self {
        self.on_hosts = true;
        self
    }

    /// The same, and every host is in a network of its own: what they say to each other is routed.
    #[must_use]
    pub fn on_hosts_apart(mut self) -> Self {
        (self.on_hosts, self.host_kind.apart) = (true, true);
        self
    }

    /// Every process gets a host to itself, whose engine can limit the disk of each container.
    #[must_use]
    pub fn on_hosts_with_quotas(mut self) -> Self {
        (self.on_hosts, self.host_kind.quotas) = (true, true);
        self
    }

    /// Agents only pretend to run containers.
    #[must_use]
    pub fn simulated(mut self) -> Self {
        self.simulated = true;
        self
    }

    /// One more flag for every controller: `--task-healthy-after 1s`.
    #[must_use]
    pub fn controller_flag(mut self, flag: &str) -> Self {
        self.controller_flags.extend(flag.split_whitespace().map(str::to_owned));
        self
    }

    /// One more flag for every agent.
    #[must_use]
    pub fn agent_flag(mut self, flag: &str) -> Self {
        self.agent_flags.extend(flag.split_whitespace().map(str::to_owned));
        self
    }

    /// One more flag for every agent that is a spare.
    #[must_use]
    pub fn spare_agent_flag(mut self, flag: &str) -> Self {
        self.spare_agent_flags.extend(flag.split_whitespace().map(str::to_owned));
        self
    }

    /// How long it may be in use; beyond it the process is ended, because something hangs.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts it all, and waits until every agent is registered and connected.
    ///
    /// # Panics
    /// When something does not come up; the logs of what did are printed.
    pub async fn start(self) -> Fleet {
        let turn = turn().await;
        let mut fleet = self.prepare(turn).await.expect("prepare the fleet");
        if let Err(error) = bring_up(&mut fleet, self.controllers, self.agents).await {
            panic!("the fleet does not come up: {error:#}");
        }
        fleet
    }

    /// Everything but the processes.
    async fn prepare(&self, turn: tokio::sync::MutexGuard<'static, ()>) -> Result<Fleet> {
        let slot = Slot::take_for(self.limit)?;
        let dir = slot.dir().to_owned();
        let identity = init(&dir)?;
        let hosts = match self.on_hosts {
            true => Some(Hosts::start(&slot, &self.engines(), self.host_kind).await?),
            false => None,
        };
        let addresses = self.controller_addresses(&slot, hosts.as_ref());
        let mut fleet = Fleet {
            controllers: Vec::new(),
            agents: Vec::new(),
            hosts,
            identity,
            allowed: Vec::new(),
            dir,
            slot,
            finished: false,
            _turn: turn,
        };
        for number in 0..addresses.len() {
            fleet.controllers.push(self.controller_seat(number, &addresses, &fleet.dir)?);
        }
        for number in 0..self.agents_in_all() {
            // Of spares, agents have to hear.
            let agent = self.agent(number, &addresses[..self.controllers], &fleet)?;
            fleet.agents.push(agent);
        }
        Ok(fleet)
    }

    fn controllers_in_all(&self) -> usize {
        self.controllers + self.spare_controllers
    }

    fn agents_in_all(&self) -> usize {
        self.agents + self.spare_agents
    }

    /// One entry for each host: whether it needs an engine. Controllers come first.
    fn engines(&self) -> Vec<bool> {
        let controllers = std::iter::repeat_n(false, self.controllers_in_all());
        controllers.chain(std::iter::repeat_n(!self.simulated, self.agents_in_all())).collect()
    }

    fn controller_addresses(&self, slot: &Slot, hosts: Option<&Hosts>) -> Vec<String> {
        let address = |number: usize| match hosts {
            Some(hosts) => format!("{}:{CONTROLLER_PORT}", hosts.address(number)),
            None => format!("127.0.0.1:{}", slot.port(u16::try_from(number).expect("a fleet is small"))),
        };
        (0..self.controllers_in_all()).map(address).collect()
    }

    fn controller_seat(&self, number: usize, addresses: &[String], fleet_dir: &Path) -> Result<Seat> {
        let name = format!("controller-{number}");
        let dir = new_dir(fleet_dir, &name)?;
        let address = addresses[number].clone();
        let mut arguments = vec![
            "--identity".to_owned(),
            path(&fleet_dir.join("identity/controller.json")),
            "--data-dir".to_owned(),
            path(&dir.join("data")),
            "--listen".to_owned(),
            address.clone(),
            "--advertise".to_owned(),
            address.clone(),
            "--ops-listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--aws-listen".to_owned(),
            format!("{}:0", address.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host)),
        ];
        if number == 0 {
            arguments.push("--bootstrap".to_owned());
        } else {
            arguments.extend(["--join".to_owned(), addresses[..self.controllers.min(number)].join(",")]);
        }
        arguments.extend(self.controller_flags.iter().cloned());
        let daemon = Daemon::new(&name, binary::path("berth-controller")?, arguments, &dir);
        Ok(Seat { daemon, host: self.on_hosts.then_some(number), address, cut_off: false })
    }

    fn agent(&self, number: usize, controllers: &[String], fleet: &Fleet) -> Result<Agent> {
        let name = format!("agent-{number}");
        let dir = new_dir(&fleet.dir, &name)?;
        let host = self.on_hosts.then(|| self.controllers_in_all() + number);
        let zone = self.zones[number % self.zones.len()].clone();
        let mut arguments = vec![
            "--identity".to_owned(),
            path(&fleet.dir.join("identity/agent.json")),
            "--controllers".to_owned(),
            controllers.join(","),
            "--data-dir".to_owned(),
            path(&dir.join("data")),
            "--zone".to_owned(),
            zone.clone(),
            "--attribute".to_owned(),
            format!("{SEAT}={number}"),
            "--ops-listen".to_owned(),
            "127.0.0.1:0".to_owned(),
        ];
        // The same on every machine, whatever it has: tests count on what fits.
        arguments.extend(["--cpu-units", "4096", "--memory-mib", "4096"].map(str::to_owned));
        // The test images come from no registry, and a host without a way out would wait for one.
        arguments.extend(["--image-pull-behavior", "prefer-cached"].map(str::to_owned));
        // How full this machine is says nothing about Berth.
        arguments.extend(["--disk-pressure-percent", "100"].map(str::to_owned));
        if self.simulated {
            arguments.extend(["--runtime", "sim"].map(str::to_owned));
        } else if let (Some(hosts), Some(host)) = (&fleet.hosts, host) {
            arguments.extend(["--docker-host".to_owned(), hosts.engine(host).address().to_owned()]);
        }
        if !self.on_hosts {
            // The network of this machine is not a test's to change.
            arguments.extend(["--task-network", "false"].map(str::to_owned));
        }
        arguments.extend(self.agent_flags.iter().cloned());
        if number >= self.agents {
            arguments.extend(self.spare_agent_flags.iter().cloned());
        }
        let daemon = Daemon::new(&name, binary::path("berth-agent")?, arguments, &dir);
        let seat = Seat { daemon, host, address: String::new(), cut_off: false };
        Ok(Agent { seat, zone, instance_id: String::new() })
    }
}

/// The files that make a cluster, and the administrator's among them.
fn init(dir: &Path) -> Result<AdminIdentity> {
    let identity = new_dir(dir, "identity")?;
    let mut init = Command::new(binary::path("berth")?);
    init.arg("init").arg("--dir").arg(&identity).env("HOME", dir).env("BERTH_HOME", &identity);
    command::output(&mut init)?;
    AdminIdentity::load(&identity.join("admin.json")).context("read what `berth init` wrote")
}

async fn bring_up(fleet: &mut Fleet, controllers: usize, agents: usize) -> Result<()> {
    for number in 0..controllers {
        fleet.try_start(Member::Controller(number)).await?;
    }
    for number in 0..agents {
        fleet.try_start(Member::Agent(number)).await?;
    }
    know_instances(fleet, agents).await
}

impl Fleet {
    /// Starts an agent that was a spare, and waits until its instance is registered.
    ///
    /// # Panics
    /// When it does not come up, or another spare before it has not joined.
    pub async fn join(&mut self, agent: usize) {
        self.start(Member::Agent(agent)).await;
        if let Err(error) = know_instances(self, agent + 1).await {
            panic!("agent {agent} does not join: {error:#}");
        }
    }
}

/// Waits until so many agents are registered, and keeps the ids of their instances.
async fn know_instances(fleet: &mut Fleet, agents: usize) -> Result<()> {
    let instance_ids = try_until(REGISTER_DEADLINE, async || registered(fleet, agents).await).await?;
    fleet.slot.remember_instances(&instance_ids)?;
    for (agent, id) in fleet.agents.iter_mut().zip(instance_ids) {
        agent.instance_id = id;
    }
    Ok(())
}

/// The instances of the first agents, in the agents' order.
async fn registered(fleet: &Fleet, agents: usize) -> Result<Vec<String>> {
    let instances = fleet.api().instances().await?;
    let of_seat = |seat: usize| {
        instances.iter().filter(|instance| instance.agent_connected()).find(|instance| {
            instance.attributes.iter().any(|it| it.name() == SEAT && it.value() == seat.to_string())
        })
    };
    let found: Vec<_> = (0..agents).filter_map(of_seat).collect();
    ensure!(found.len() == agents, "{} of {agents} agents are registered", found.len());
    Ok(found.into_iter().map(|instance| id_of(instance.container_instance_arn()).to_owned()).collect())
}

fn new_dir(parent: &Path, name: &str) -> Result<std::path::PathBuf> {
    let dir = parent.join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    Ok(dir)
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
