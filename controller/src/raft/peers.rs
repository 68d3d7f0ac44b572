//! One channel for each controller there is to talk to, and when it was last heard of.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use berth_process::net::Connector;
use berth_process::token::Signer;
use berth_proto::peer::v1::peers_client::PeersClient;
use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Request, Status};
use tracing::info;

use super::{Consensus, ControllerId};
use crate::limits::{PEER_ADDRESSES, PEER_MESSAGE_BYTES};

/// A client of another controller.
pub(crate) type PeerClient = PeersClient<InterceptedService<Channel, Signer>>;

/// The other controllers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Peers {
    connector: Connector,
    signer: Signer,
    /// How long a controller may be silent before it does not count as reachable.
    silence_max: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    clients: BTreeMap<String, PeerClient>,
    contacts: BTreeMap<ControllerId, Contact>,
}

struct Contact {
    heard: Instant,
    /// Its silence was told; that it answers again will be.
    is_silent: bool,
}

/// Says whom a message is for. An address may come to belong to another controller; without this the leader would
/// count that one's answers as the former one's.
pub(super) const FOR: &str = "berth-controller";

/// Set on a refusal by who knows that the command of a proposal is in nobody's log and will not be.
pub(super) const NOT_PROPOSED: &str = "berth-not-proposed";

// === impl Consensus ===

impl Consensus {
    /// A client of the controller at this address, for what is not consensus.
    pub(crate) fn peer_at(&self, address: &str) -> PeerClient {
        self.peers().client(address)
    }

    /// The same over a connection of its own: what stalls on it does not stall consensus.
    pub(crate) fn peer_apart(&self, address: &str) -> PeerClient {
        self.peers().connect(address)
    }
}

// === impl Peers ===

impl Peers {
    pub(super) fn new(connector: Connector, signer: Signer, silence_max: Duration) -> Self {
        Self { connector, signer, silence_max, state: Arc::default() }
    }

    /// A client of the controller at `address`.
    pub(super) fn client(&self, address: &str) -> PeerClient {
        let mut state = self.state.lock();
        if let Some(client) = state.clients.get(address) {
            return client.clone();
        }
        if state.clients.len() >= PEER_ADDRESSES {
            state.clients.clear();
        }
        let client = self.connect(address);
        state.clients.insert(address.to_owned(), client.clone());
        client
    }

    fn connect(&self, address: &str) -> PeerClient {
        PeersClient::with_interceptor(self.connector.channel(address), self.signer.clone())
            .max_decoding_message_size(PEER_MESSAGE_BYTES)
            .max_encoding_message_size(PEER_MESSAGE_BYTES)
    }

    /// This controller answered just now.
    pub(super) fn heard(&self, id: ControllerId) {
        let contact = Contact { heard: Instant::now(), is_silent: false };
        let before = self.state.lock().contacts.insert(id, contact);
        if before.is_some_and(|before| before.is_silent) {
            info!(controller_id = %id, "a controller answers again");
        }
    }

    /// This controller was called and did not answer. That is told once, when it has lasted.
    pub(super) fn not_heard(&self, id: ControllerId, error: &dyn Display) {
        let mut state = self.state.lock();
        let Some(contact) = state.contacts.get_mut(&id) else { return };
        if !contact.is_silent && contact.heard.elapsed() > self.silence_max {
            contact.is_silent = true;
            info!(controller_id = %id, %error, "a controller does not answer");
        }
    }

    /// Whether this controller answered lately.
    pub(super) fn is_heard(&self, id: ControllerId) -> bool {
        self.state.lock().contacts.get(&id).is_some_and(|contact| contact.heard.elapsed() <= self.silence_max)
    }
}

/// A request for one controller and nobody else.
pub(super) fn request_for<T>(id: ControllerId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let id = id.to_string().parse().expect("hexadecimal digits are ASCII");
    request.metadata_mut().insert(FOR, id);
    request
}

/// Whether the refused or failed call certainly left nothing behind: nothing was sent, or the other side says so.
pub(super) fn is_certainly_undone(status: &Status) -> bool {
    let refused = status.metadata().contains_key(NOT_PROPOSED) || status.code() == Code::Unauthenticated;
    refused || is_unconnected(status)
}

/// Whether there was not even a connection.
pub(super) fn is_unconnected(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}
