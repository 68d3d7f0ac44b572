//! Connections to controllers.

use std::collections::BTreeMap;

use berth_process::net::Connector;
use parking_lot::Mutex;
use tonic::transport::Channel;

/// One connection a controller. The agents of one process may share it: each has a stream of its own.
#[derive(Debug)]
pub struct Channels {
    connector: Connector,
    channels: Mutex<BTreeMap<String, Channel>>,
}

// === impl Channels ===

impl Channels {
    /// No connection yet.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector, channels: Mutex::default() }
    }

    /// A connection of one's own to this controller: what stalls on it stalls nothing else.
    pub(crate) fn apart(&self, address: &str) -> Channel {
        self.connector.channel(address)
    }

    /// The connection to this controller, made when it is first used.
    pub fn get(&self, address: &str) -> Channel {
        let mut channels = self.channels.lock();
        channels.entry(address.to_owned()).or_insert_with(|| self.connector.channel(address)).clone()
    }
}
