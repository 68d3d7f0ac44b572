//! CPU, memory, disk, GPUs and host ports: what an instance offers, what a task needs, and the one function that says
//! whether the one fits into the other.
//!
//! The placer, `apply` and the agent all ask [`fits`]; there is no second opinion.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Port numbers, kept sorted. One that several tasks hold is in it as often: it is free when the last lets go. That can
/// be, because engines choose ports too and their reports may come in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PortSet(Vec<u16>);

/// What an instance offers to tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// 1024 units are one core.
    pub cpu_units: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// TCP ports of the host that no task may have.
    pub reserved_tcp_ports: PortSet,
    /// UDP ports of the host that no task may have.
    pub reserved_udp_ports: PortSet,
    /// The ids of its GPUs.
    #[serde(default)]
    pub gpu_ids: Vec<String>,
    /// Disk that tasks may fill, in MiB; none when the instance does not say, and then any task fits.
    #[serde(default)]
    pub disk_mib: Option<u32>,
}

/// What a task needs, or what several tasks hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// 1024 units are one core.
    pub cpu_units: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// TCP ports on the host.
    pub tcp_ports: PortSet,
    /// UDP ports on the host.
    pub udp_ports: PortSet,
    /// GPUs.
    #[serde(default)]
    pub gpus: u32,
    /// Ephemeral storage in MiB.
    #[serde(default)]
    pub disk_mib: u32,
}

/// Why a task does not fit, in what ECS calls resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Shortage {
    /// Too few CPU units left.
    Cpu {
        /// Units the task needs.
        needed: u32,
        /// Units that are left.
        free: u32,
    },
    /// Too little memory left.
    Memory {
        /// MiB the task needs.
        needed: u32,
        /// MiB that are left.
        free: u32,
    },
    /// A TCP port is taken.
    TcpPort(u16),
    /// A UDP port is taken.
    UdpPort(u16),
    /// Too few GPUs left.
    Gpu {
        /// GPUs the task needs.
        needed: u32,
        /// GPUs that are left.
        free: u32,
    },
    /// Too little disk left.
    Disk {
        /// MiB the task needs.
        needed: u32,
        /// MiB that are left.
        free: u32,
    },
}

/// Says whether a task that needs `needed` fits on an instance that offers `capacity` and of which `held` is taken.
///
/// Returns every shortage, not just the first: an operator wants to know all that is in the way.
pub fn fits(needed: &Requirements, capacity: &Capacity, held: &Requirements) -> Result<(), Vec<Shortage>> {
    let cpu_free = capacity.cpu_units.saturating_sub(held.cpu_units);
    let memory_free = capacity.memory_mib.saturating_sub(held.memory_mib);
    let gpus_free = capacity.gpus().saturating_sub(held.gpus);
    let disk_free = capacity.disk_mib.map_or(u32::MAX, |mib| mib.saturating_sub(held.disk_mib));
    if needed.cpu_units <= cpu_free
        && needed.memory_mib <= memory_free
        && needed.gpus <= gpus_free
        && needed.disk_mib <= disk_free
        && needed.tcp_ports.is_empty()
        && needed.udp_ports.is_empty()
    {
        return Ok(());
    }
    let mut shortages = Vec::new();
    if needed.cpu_units > cpu_free {
        shortages.push(Shortage::Cpu { needed: needed.cpu_units, free: cpu_free });
    }
    if needed.memory_mib > memory_free {
        shortages.push(Shortage::Memory { needed: needed.memory_mib, free: memory_free });
    }
    if needed.gpus > gpus_free {
        shortages.push(Shortage::Gpu { needed: needed.gpus, free: gpus_free });
    }
    if needed.disk_mib > disk_free {
        shortages.push(Shortage::Disk { needed: needed.disk_mib, free: disk_free });
    }
    let tcp_taken =
        |port: &u16| capacity.reserved_tcp_ports.contains(*port) || held.tcp_ports.contains(*port);
    let udp_taken =
        |port: &u16| capacity.reserved_udp_ports.contains(*port) || held.udp_ports.contains(*port);
    shortages.extend(needed.tcp_ports.iter().filter(tcp_taken).map(Shortage::TcpPort));
    shortages.extend(needed.udp_ports.iter().filter(udp_taken).map(Shortage::UdpPort));
    if shortages.is_empty() { Ok(()) } else { Err(shortages) }
}

// === impl PortSet ===

impl PortSet {
    /// Whether no port is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ports are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this port is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.binary_search(&port).is_ok()
    }

    /// The ports in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }

    /// Adds a port unless it is there; says whether it was new.
    pub fn insert(&mut self, port: u16) -> bool {
        match self.0.binary_search(&port) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, port);
                true
            }
        }
    }

    /// Adds a port once more.
    fn hold(&mut self, port: u16) {
        let at = self.0.partition_point(|held| *held < port);
        self.0.insert(at, port);
    }

    /// Takes a port out once; says whether it was there.
    pub fn remove(&mut self, port: u16) -> bool {
        self.0.binary_search(&port).map(|at| self.0.remove(at)).is_ok()
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        Self(ports)
    }
}

// === impl Capacity ===

impl Capacity {
    /// How many GPUs it has.
    pub fn gpus(&self) -> u32 {
        u32::try_from(self.gpu_ids.len()).unwrap_or(u32::MAX)
    }
}

// === impl Requirements ===

impl Requirements {
    /// Adds what one more task holds.
    pub fn add(&mut self, more: &Self) {
        self.cpu_units = self.cpu_units.saturating_add(more.cpu_units);
        self.memory_mib = self.memory_mib.saturating_add(more.memory_mib);
        self.gpus = self.gpus.saturating_add(more.gpus);
        self.disk_mib = self.disk_mib.saturating_add(more.disk_mib);
        for port in more.tcp_ports.iter() {
            self.tcp_ports.hold(port);
        }
        for port in more.udp_ports.iter() {
            self.udp_ports.hold(port);
        }
    }

    /// Takes away what a task no longer holds.
    pub fn subtract(&mut self, less: &Self) {
        self.cpu_units = self.cpu_units.saturating_sub(less.cpu_units);
        self.memory_mib = self.memory_mib.saturating_sub(less.memory_mib);
        self.gpus = self.gpus.saturating_sub(less.gpus);
        self.disk_mib = self.disk_mib.saturating_sub(less.disk_mib);
        for port in less.tcp_ports.iter() {
            self.tcp_ports.remove(port);
        }
        for port in less.udp_ports.iter() {
            self.udp_ports.remove(port);
        }
    }

    /// Whether nothing is needed.
    pub fn is_nothing(&self) -> bool {
        self.cpu_units == 0
            && self.memory_mib == 0
            && self.gpus == 0
            && self.disk_mib == 0
            && self.tcp_ports.is_empty()
            && self.udp_ports.is_empty()
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { needed, free } => write!(formatter, "cpu {needed} needed, {free} free"),
            Self::Memory { needed, free } => write!(formatter, "memory {needed} MiB needed, {free} MiB free"),
            Self::TcpPort(port) => write!(formatter, "port {port} taken"),
            Self::UdpPort(port) => write!(formatter, "udp port {port} taken"),
            Self::Gpu { needed, free } => write!(formatter, "{needed} GPUs needed, {free} free"),
            Self::Disk { needed, free } => write!(formatter, "disk {needed} MiB needed, {free} MiB free"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(cpu_units: u32, memory_mib: u32, ports: &[u16]) -> Requirements {
        Requirements {
            cpu_units,
            memory_mib,
            tcp_ports: ports.iter().copied().collect(),
            ..Requirements::default()
        }
    }

    #[test]
    fn names_everything_that_is_in_the_way() {
        let capacity = Capacity {
            cpu_units: 1024,
            memory_mib: 512,
            reserved_tcp_ports: [22].into_iter().collect(),
            ..Capacity::default()
        };
        let rows = [
            (needs(1024, 512, &[]), needs(0, 0, &[]), vec![]),
            (
                needs(1024, 513, &[]),
                needs(1, 0, &[]),
                vec![Shortage::Cpu { needed: 1024, free: 1023 }, Shortage::Memory { needed: 513, free: 512 }],
            ),
            (
                needs(0, 0, &[22, 80, 81]),
                needs(0, 0, &[80]),
                vec![Shortage::TcpPort(22), Shortage::TcpPort(80)],
            ),
            (needs(1, 0, &[]), needs(5000, 0, &[]), vec![Shortage::Cpu { needed: 1, free: 0 }]),
        ];
        for (needed, held, expected) in rows {
            assert_eq!(fits(&needed, &capacity, &held).err().unwrap_or_default(), expected);
        }
    }

    #[test]
    fn disk_is_counted_where_an_instance_says_how_much_it_has() {
        let needed = Requirements { disk_mib: 60, ..Requirements::default() };
        let instance = |disk_mib| Capacity { disk_mib, ..Capacity::default() };
        assert_eq!(fits(&needed, &instance(Some(100)), &Requirements::default()), Ok(()));
        assert_eq!(
            fits(&needed, &instance(Some(100)), &needed),
            Err(vec![Shortage::Disk { needed: 60, free: 40 }])
        );
        assert_eq!(fits(&needed, &instance(None), &needed), Ok(()));
    }

    #[test]
    fn subtracting_undoes_adding() {
        let mut held = needs(100, 200, &[80]);
        let before = held.clone();
        let task = Requirements { gpus: 1, disk_mib: 5, ..needs(7, 9, &[80, 81, 443]) };
        held.add(&task);
        held.subtract(&task);
        assert_eq!(held, before);
    }
}
