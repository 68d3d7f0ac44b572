//! Hosts that are no machines: each a network, mount and process namespace, with a container engine of its own.
//!
//! All hosts of a slot hang on one switch, a bridge in a namespace of its own, and this process reaches them through
//! one interface. A host's init process is the root of all its processes and mounts, so killing that one process is
//! a power cut, and cleaning up needs no list of what was started. The network namespaces are named: a host that
//! lost its power keeps its address and its cable.

mod network;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::command::{child_of, signal};
use super::daemon::Place;
use super::engine::Engine;
use super::slot::Slot;
use super::wait::try_until;
use network::Network;

/// Only some tests ask for it to be made.
const SHELL_IMAGE: &str = "berth-shell:1";
const ENGINE_DEADLINE: Duration = Duration::from_secs(60);

/// What runs as the first process of a host: it only adopts and buries.
///
/// The engine would use the machine's containerd if it saw its socket, so that folder is hidden.
const INIT: &str = "mkdir -p /run/containerd && mount -t tmpfs tmpfs /run/containerd || exit 1
while :; do sleep 3600 & wait $!; done";

/// What hosts are like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// Each has a network of its own, with a router between them.
    pub apart: bool,
    /// Containers are on a file system that can limit each of them.
    pub quotas: bool,
}

/// A file system with quotas, large in name only.
const QUOTA_DISK: &str = "truncate -s 64G disk.img && mkfs.btrfs -q disk.img && mkdir engine";

/// The hosts of one slot.
#[derive(Debug)]
pub struct Hosts {
    network: Network,
    hosts: Vec<Host>,
}

#[derive(Debug)]
struct Host {
    dir: PathBuf,
    slot: u8,
    number: u8,
    quotas: bool,
    /// `unshare`, which stays in front of the init process and takes it along when it ends.
    unshare: Option<Child>,
    engine_wanted: bool,
}

/// Takes away the hosts that an earlier run left under this slot number.
pub fn sweep(slot: u8) {
    network::sweep(slot);
}

// === impl Hosts ===

impl Hosts {
    /// Makes a host for each entry, with an engine where the entry says so, and waits for the engines.
    ///
    /// # Errors
    /// When namespaces cannot be made or an engine does not start.
    pub async fn start(slot: &Slot, engines: &[bool], kind: Kind) -> Result<Self> {
        let network = Network::create(slot.number(), u8::try_from(engines.len())?, kind.apart)?;
        let mut hosts = Self { network, hosts: Vec::new() };
        for (number, engine_wanted) in (1..).zip(engines) {
            let dir = slot.dir().join(format!("host-{number}"));
            let (engine_wanted, quotas) = (*engine_wanted, kind.quotas);
            hosts.hosts.push(Host { dir, slot: slot.number(), number, quotas, unshare: None, engine_wanted });
            hosts.power_on(hosts.hosts.len() - 1).await?;
        }
        hosts.wait_for_engines().await?;
        Ok(hosts)
    }

    /// The address of a host, as everybody reaches it.
    #[must_use]
    pub fn address(&self, index: usize) -> Ipv4Addr {
        self.network.address(self.hosts[index].number)
    }

    /// The engine of a host.
    #[must_use]
    pub fn engine(&self, index: usize) -> Engine {
        Engine::at(format!("unix://{}", self.hosts[index].socket().display()))
    }

    /// Where programs of a host are started.
    ///
    /// # Errors
    /// When the host is off.
    pub fn place(&self, index: usize) -> Result<Place> {
        Ok(Place::Host { init: self.hosts[index].init()? })
    }

    /// Packets from and to the host vanish; its cable stays in.
    ///
    /// # Errors
    /// When the switch cannot be changed.
    pub fn cut_off(&self, index: usize) -> Result<()> {
        self.network.unplug(self.hosts[index].number)
    }

    /// Undoes [`Self::cut_off`].
    ///
    /// # Errors
    /// When the switch cannot be changed.
    pub fn heal(&self, index: usize) -> Result<()> {
        self.network.plug_in(self.hosts[index].number)
    }

    /// A power cut: every process of the host ends, its disk stays.
    pub fn power_off(&mut self, index: usize) {
        self.hosts[index].power_off();
    }

    /// Boots a host that is off, with its engine. The engine may not be ready yet.
    ///
    /// # Errors
    /// When its namespaces or its engine cannot be started.
    pub async fn power_on(&mut self, index: usize) -> Result<()> {
        let namespace = self.network.namespace(self.hosts[index].number);
        self.hosts[index].power_on(&namespace).await
    }

    /// Kills a host's engine, and nothing else of the host: containers run on without it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_engine(&self, index: usize) -> Result<()> {
        let host = &self.hosts[index];
        let mut command = self.place(index)?.command();
        command.args(["sh", "-c", "kill -KILL $(cat \"$0\")"]).arg(host.pid_file());
        super::command::output(&mut command).map(drop)
    }

    /// Starts the engine that [`Self::kill_engine`] ended, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_engine(&self, index: usize) -> Result<()> {
        self.hosts[index].start_engine()?;
        self.wait_for_engines().await
    }

    /// Waits until the engine of every host that is on and has one answers, with the test images loaded.
    ///
    /// # Errors
    /// When one does not within a minute.
    pub async fn wait_for_engines(&self) -> Result<()> {
        for (index, host) in self.hosts.iter().enumerate().filter(|(_, host)| host.engine_wanted) {
            let engine = self.engine(index);
            let answers = try_until(ENGINE_DEADLINE, async || engine.docker(&["version"]).map(drop)).await;
            answers.with_context(|| super::log_scan::tail(&host.dir.join("engine.log"), 20))?;
            load_images(&engine)?;
        }
        Ok(())
    }
}

// === impl Host ===

impl Host {
    fn socket(&self) -> PathBuf {
        self.dir.join("engine.sock")
    }

    fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    fn pid_file(&self) -> PathBuf {
        self.run().join("engine.pid")
    }

    fn init(&self) -> Result<u32> {
        let unshare = self.unshare.as_ref().with_context(|| format!("host {} is off", self.number))?;
        child_of(unshare.id()).with_context(|| format!("host {} has no init process", self.number))
    }

    async fn power_on(&mut self, namespace: &Path) -> Result<()> {
        std::fs::create_dir_all(&self.dir).with_context(|| format!("create {}", self.dir.display()))?;
        let mut command = Place::Here.command();
        command.arg("nsenter").arg(format!("--net={}", namespace.display())).arg("--");
        command.args(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "sh", "-c", INIT]).stdin(Stdio::null());
        self.unshare = Some(command.spawn().with_context(|| format!("start {command:?}"))?);
        // The namespaces are whole once the init process got past its mount.
        try_until(Duration::from_secs(10), async || self.is_mounted()).await?;
        if !self.engine_wanted {
            return Ok(());
        }
        // A machine boots with an empty /run. The engine relies on that: it believes the process ids it finds there.
        let _ = std::fs::remove_dir_all(self.run());
        std::fs::create_dir(self.run()).with_context(|| format!("create {}", self.run().display()))?;
        if self.quotas {
            self.mount_quota_disk()?;
        }
        self.start_engine()
    }

    /// Mounted for this host alone: it goes with the host.
    fn mount_quota_disk(&self) -> Result<()> {
        if !self.dir.join("disk.img").exists() {
            let mut make = Place::Here.command();
            super::command::output(make.args(["sh", "-c", QUOTA_DISK]).current_dir(&self.dir))?;
        }
        let mut mount = Place::Host { init: self.init()? }.command();
        mount.args(["mount", "-o", "loop"]).arg(self.dir.join("disk.img")).arg(self.dir.join("engine"));
        super::command::output(&mut mount).map(drop)
    }

    fn is_mounted(&self) -> Result<()> {
        let mounts = std::fs::read_to_string(format!("/proc/{}/mounts", self.init()?))?;
        let mounted = mounts.lines().any(|line| line.split(' ').nth(1) == Some("/run/containerd"));
        mounted.then_some(()).with_context(|| format!("host {} is not set up yet", self.number))
    }

    /// The engine is started by the host's own process tree and needs no watching: it ends with the host.
    fn start_engine(&self) -> Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("engine.log"))?;
        let mut command = Place::Host { init: self.init()? }.command();
        command.args(["setsid", "--fork", "dockerd", "--log-level", "warn", "--bip", "172.31.250.1/24"]);
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs"]);
        command.arg("--cgroup-parent").arg(network::control_group(self.slot));
        command.arg("--host").arg(format!("unix://{}", self.socket().display()));
        command.arg("--data-root").arg(self.dir.join("engine"));
        command.arg("--exec-root").arg(self.run()).arg("--pidfile").arg(self.pid_file());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        super::command::output(&mut command).map(drop)
    }

    fn power_off(&mut self) {
        let Some(mut unshare) = self.unshare.take() else { return };
        if let Some(init) = child_of(unshare.id()) {
            signal(init, "KILL");
        }
        let _ = unshare.kill();
        let _ = unshare.wait();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.power_off();
    }
}

/// The test images, copied from the machine's own engine unless they are there.
fn load_images(engine: &Engine) -> Result<()> {
    let mut images = vec!["berth-app:1", "berth-app:2"];
    if Engine::local().docker(&["image", "inspect", SHELL_IMAGE]).is_ok() {
        images.push(SHELL_IMAGE);
    }
    if engine.docker(&[&["image", "inspect"], images.as_slice()].concat()).is_ok() {
        return Ok(());
    }
    let mut save = Engine::local().command(&[&["save"], images.as_slice()].concat());
    let mut save = save.stdout(Stdio::piped()).spawn().context("start docker save")?;
    let archive = save.stdout.take().context("docker save has no output")?;
    let mut load: Command = engine.command(&["load", "--quiet"]);
    let loaded = super::command::output(load.stdin(archive));
    save.wait().context("wait for docker save")?;
    loaded.map(drop)
}
