//! The address of the endpoint: link-local, the same on every host, on an interface of our own.
//!
//! Containers on a bridge reach it over their gateway, which is this host; containers in the host's network reach it
//! directly. It does not listen on the standard port, which belongs to the containers of this host, though of all its
//! addresses (`super::redirect`). The interface is named after the instance, so that agents that share a host do not
//! take it from each other; a port, of course, only one of them can have.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use berth_process::net::{self, Listen as _, TcpListen};

use crate::network::program::run;

/// Where clients of AWS expect it.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// See [`ADDRESS`].
pub(super) const STANDARD_PORT: u16 = 80;
/// Where it is, if another agent of this host is not: a port that hosts keep for it. Source: the ECS agent.
pub(super) const PORT: u16 = 51_679;

const PREFIX: &str = "berth-";
/// Characters of the instance's id in the name: an interface has at most 15.
const ID_CHARACTERS: usize = 8;

/// An interface that has the address.
#[derive(Debug)]
pub(super) struct Interface {
    name: String,
}

/// Takes away the interfaces of agents that are not there any more: one that is killed leaves its own.
pub(super) async fn remove_left() -> Result<(), String> {
    let listed = run("ip", &["-o", "link", "show", "type", "bridge"], "").await?;
    // `7: berth-01234567: <BROADCAST…`
    let names = listed.lines().filter_map(|line| line.split(": ").nth(1));
    for name in names.filter(|name| is_ours(name)) {
        ip(&["link", "delete", "dev", name]).await?;
    }
    Ok(())
}

/// Whether an interface is named as those of endpoints are.
fn is_ours(name: &str) -> bool {
    let is_id = |id: &str| id.len() == ID_CHARACTERS && id.bytes().all(|one| one.is_ascii_hexdigit());
    name.strip_prefix(PREFIX).is_some_and(is_id)
}

/// Listens on the port that was taken before, so that containers find it again; else on [`PORT`]; else, when another
/// agent of this host has that, on any.
pub(super) fn listen(known: Option<u16>) -> io::Result<(TcpListen, u16)> {
    let candidates = known.into_iter().filter(|port| *port != STANDARD_PORT).chain([PORT]);
    for port in candidates {
        match net::bind(SocketAddr::from((ADDRESS, port))) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return Ok((bound?, port)),
        }
    }
    let listen = net::bind(SocketAddr::from((ADDRESS, 0)))?;
    let port = listen.local_addr()?.port();
    Ok((listen, port))
}

// === impl Interface ===

impl Interface {
    /// Makes the interface, or takes the one that an earlier run left. A bridge without ports: the one kind that every
    /// host with a container engine has.
    pub(super) async fn add(instance_id: &str) -> Result<Self, String> {
        let short = instance_id.get(..ID_CHARACTERS).unwrap_or(instance_id);
        let name = format!("{PREFIX}{short}");
        if ip(&["link", "show", "dev", &name]).await.is_err() {
            ip(&["link", "add", "name", &name, "type", "bridge"]).await?;
        }
        let interface = Self { name };
        match interface.set_up().await {
            Ok(()) => Ok(interface),
            Err(error) => {
                interface.remove().await;
                Err(error)
            }
        }
    }

    async fn set_up(&self) -> Result<(), String> {
        let address = format!("{ADDRESS}/32");
        ip(&["address", "replace", &address, "dev", &self.name]).await?;
        ip(&["link", "set", "dev", &self.name, "up"]).await
    }

    /// Takes it away, and the address with it.
    pub(super) async fn remove(self) {
        if let Err(error) = ip(&["link", "delete", "dev", &self.name]).await {
            tracing::info!(interface = self.name, error, "cannot remove an interface");
        }
    }
}

async fn ip(arguments: &[&str]) -> Result<(), String> {
    run("ip", arguments, "").await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_known_by_its_name() {
        assert!(is_ours("berth-01234567"));
        for others in ["berth-vx", "berth0123456789", "docker0", "berth-0123456", "br-0123456789ab"] {
            assert!(!is_ours(others), "{others}");
        }
    }
}
