//! One agent a host has the network of tasks: a second would take away what the first one made.
//!
//! The lock is a name that belongs to the network namespace, as does everything it protects, and goes with the process.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

const NAME: &[u8] = b"berth-task-network";

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "its being there is what counts")] UnixListener);

// === impl Lock ===

impl Lock {
    pub(super) fn take() -> Result<Self, String> {
        let name = SocketAddr::from_abstract_name(NAME).map_err(|error| error.to_string())?;
        let taken = UnixListener::bind_addr(&name);
        taken
            .map(Self)
            .map_err(|error| format!("another agent has the network of tasks on this host: {error}"))
    }
}
