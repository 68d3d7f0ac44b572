//! Names of links, and the two ends of a task's.

use std::net::Ipv4Addr;

use berth_model::network::hardware_address;

/// The one link over which hosts of other networks are reached.
pub(super) const OVERLAY: &str = "berth-vx";
/// The host's end of every task's link has it: nobody ever asks for it.
pub(super) const HOST_END: [u8; 6] = [0xee; 6];

const PREFIX: &str = "berth";
/// With the prefix as many characters as a name can have.
const ID_CHARACTERS: usize = 10;

/// The link of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskLink {
    /// Of the host's end.
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    /// A process in the task's namespace.
    pub(super) pid: u32,
}

/// The name of the host's end of a task's link.
pub(super) fn name(task_id: &str) -> String {
    format!("{PREFIX}{}", task_id.get(..ID_CHARACTERS).unwrap_or(task_id))
}

/// Whether a link is a task's, or the one to other networks. No other part of Berth names links so.
pub(super) fn is_ours(name: &str) -> bool {
    let is_task = |id: &str| id.len() == ID_CHARACTERS && id.bytes().all(|one| one.is_ascii_hexdigit());
    name == OVERLAY || name.strip_prefix(PREFIX).is_some_and(is_task)
}

// === impl TaskLink ===

impl TaskLink {
    pub(super) fn new(task_id: &str, address: Ipv4Addr, pid: u32) -> Self {
        Self { name: name(task_id), address, pid }
    }

    /// Whether the process is there in whose namespace the task's end is.
    pub(super) fn has_end(&self) -> bool {
        std::path::Path::new(&format!("/proc/{}/ns/net", self.pid)).exists()
    }

    /// The hardware address of the task's end.
    pub(super) fn hardware(&self) -> [u8; 6] {
        hardware_address(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_and_is_known_again() {
        let name = name("0123456789abcdef0123456789abcdef");
        assert_eq!((name.as_str(), name.len()), ("berth0123456789", 15));
        assert!(is_ours(&name) && is_ours(OVERLAY));
        for others in ["eth0", "berth", "berth-0", "berth-01234567", "berthxyz4567890", "docker0"] {
            assert!(!is_ours(others), "{others}");
        }
    }
}
