//! The switch, the cables and the addresses of a slot's hosts; all of it by `ip`, which every Linux has.
//!
//! Host `n` of slot `s` is `10.250.s.(10 + n)` in the namespace `berth-s-hn`; the switch is `br0` in `berth-s-sw`. This
//! process is `10.250.s.1` through the interface `berth-s`.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::harness::command::run;

/// See the module. Removed by [`sweep`], not when dropped: the namespaces still have processes then.
#[derive(Debug)]
pub(super) struct Network {
    slot: u8,
}

/// Removes namespaces and control groups of a slot.
pub(super) fn sweep(slot: u8) {
    // It would go with the switch, but the kernel takes its time over that.
    let _ = run(&format!("ip link delete berth-{slot}"));
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        if name.starts_with(&format!("berth-{slot}-")) {
            let _ = run(&format!("ip netns delete {name}"));
        }
    }
    // With one hierarchy the folder lies at the top, with many in each of them.
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(top).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in hierarchies.chain([top.to_owned()]) {
        remove_groups(&hierarchy.join(format!("berth-e2e-{slot}")));
    }
}

/// The control group above all containers of a slot.
pub(super) fn control_group(slot: u8) -> String {
    format!("/berth-e2e-{slot}")
}

// === impl Network ===

impl Network {
    /// The switch, with cables to `hosts` hosts and to this process.
    pub(super) fn create(slot: u8, hosts: u8, apart: bool) -> Result<Self> {
        let network = Self { slot };
        let switch = network.switch();
        run(&format!("ip netns add {switch}"))?;
        run(&format!("ip -n {switch} link add br0 type bridge"))?;
        run(&format!("ip -n {switch} link set br0 up"))?;
        let own = format!("berth-{slot}");
        run(&format!("ip link add {own} type veth peer name p0 netns {switch}"))?;
        run(&format!("ip -n {switch} link set p0 master br0 up"))?;
        run(&format!("ip address add {}/24 dev {own}", network.gateway()))?;
        run(&format!("ip link set {own} up"))?;
        if apart {
            network.add_router()?;
        }
        for number in 1..=hosts {
            network.add_host(number, apart)?;
        }
        Ok(network)
    }

    pub(super) fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 250, self.slot, 10 + host)
    }

    /// The file that stands for a host's network namespace.
    pub(super) fn namespace(&self, host: u8) -> PathBuf {
        Path::new("/run/netns").join(self.host(host))
    }

    /// A port without a bridge forwards nothing, but the link at the other end stays up.
    pub(super) fn unplug(&self, host: u8) -> Result<()> {
        run(&format!("ip -n {} link set p{host} nomaster", self.switch())).map(drop)
    }

    pub(super) fn plug_in(&self, host: u8) -> Result<()> {
        run(&format!("ip -n {} link set p{host} master br0", self.switch())).map(drop)
    }

    fn add_host(&self, number: u8, apart: bool) -> Result<()> {
        let (name, switch, address) = (self.host(number), self.switch(), self.address(number));
        run(&format!("ip netns add {name}"))?;
        run(&format!("ip -n {switch} link add p{number} type veth peer name eth0 netns {name}"))?;
        run(&format!("ip -n {switch} link set p{number} master br0 up"))?;
        run(&format!("ip -n {name} link set lo up"))?;
        let prefix = if apart { 32 } else { 24 };
        run(&format!("ip -n {name} address add {address}/{prefix} dev eth0"))?;
        run(&format!("ip -n {name} link set eth0 up"))?;
        let gateway = if apart { self.router() } else { self.gateway() };
        run(&format!("ip -n {name} route add default via {gateway} dev eth0 onlink")).map(drop)
    }

    /// The switch passes on what hosts send it, and does not tell them of shorter ways.
    fn add_router(&self) -> Result<()> {
        let switch = self.switch();
        run(&format!("ip -n {switch} address add {}/24 dev br0", self.router()))?;
        for setting in ["ip_forward=1", "conf.all.send_redirects=0", "conf.br0.send_redirects=0"] {
            run(&format!("ip netns exec {switch} sysctl -qw net.ipv4.{setting}"))?;
        }
        Ok(())
    }

    fn router(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 250, self.slot, 254)
    }

    fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 250, self.slot, 1)
    }

    fn host(&self, number: u8) -> String {
        format!("berth-{}-h{number}", self.slot)
    }

    fn switch(&self) -> String {
        format!("berth-{}-sw", self.slot)
    }
}

/// Control groups cannot be removed with what is in them, only from the leaves up.
fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
