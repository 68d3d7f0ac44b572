//! The session with a controller: whichever answers.
//!
//! Hello, welcome, then manifests down and reports up until either side ends it; then the next controller that is known,
//! with jittered backoff. Nothing of a session has to be remembered: the ledger has the generation, the outbox what was
//! not acknowledged. While no controller answers, containers keep running.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use berth_process::backoff::Backoff;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::shutdown::Shutdown;
use berth_process::telemetry::chain;
use berth_process::token::Signer;
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::agent_message::Message as Up;
use berth_proto::agent::v1::agents_client::AgentsClient;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::conduit::Conduits;
use crate::controllers::Controllers;
use crate::engine::Handle;
use crate::inventory::Inventory;
use crate::ledger::{self, Ledger};
use crate::limits;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::presence::Presence;
use crate::report::Outbox;
use crate::runtime::Runtime;
use crate::task::hooks::image::Images;
use crate::usage::Usage;

mod channels;
mod directory;
mod logs;
mod prefetch;
mod stream;
mod usage;

pub use channels::Channels;
use directory::Directory;

/// The client of a controller.
pub(crate) type Client = AgentsClient<InterceptedService<Channel, Signer>>;

/// What a session is made of.
pub struct Parts {
    /// Addresses of controllers that the operator named, `host:port`.
    pub controllers: Vec<String>,
    /// Addresses of controllers that a controller told of, before this start.
    pub controllers_told: Vec<String>,
    /// How they are reached.
    pub channels: Arc<Channels>,
    /// How requests are signed.
    pub signer: Signer,
    /// What the instance is.
    pub inventory: Inventory,
    /// How long reports gather before they are sent.
    pub report_delay: Duration,
    /// What is remembered.
    pub ledger: Arc<Ledger>,
    /// What is done.
    pub engine: Handle,
    /// What is to be said.
    pub outbox: Arc<Outbox>,
    /// Gets the controller that tasks may ask: the one that the session is with.
    pub asked: Arc<Controllers>,
    /// What gives tasks addresses of their own, where that is possible.
    pub network: Option<Arc<Network>>,
    /// Where other hosts reach this one; none: where it is seen from, by the controllers.
    pub address: Option<Ipv4Addr>,
    /// Whose logs are read.
    pub runtime: Arc<dyn Runtime>,
    /// What people do in containers. It outlives the session that it was asked on.
    pub conduits: Conduits,
    /// What is brought to the host.
    pub images: Arc<Images>,
    /// What containers used.
    pub usage: Arc<Usage>,
    /// The present.
    pub clock: Clock,
    /// Jitter and the choice of a controller.
    pub entropy: Entropy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether there is a session, for whoever operates the agent.
    pub presence: Arc<Presence>,
    /// Where log streams are spawned.
    pub shutdown: Shutdown,
}

/// Keeps a session open.
pub struct Session {
    parts: Parts,
    directory: Directory,
    backoff: Backoff,
}

/// Why a session ended or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing may be done that cannot be remembered. Ends the agent.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The controller refused, or the connection broke.
    #[error("{}", describe(.0))]
    Status(#[from] tonic::Status),
    /// No answer to the hello.
    #[error("no welcome within {} s", limits::WELCOME_TIMEOUT.as_secs())]
    NoWelcome,
    /// Something else instead of a welcome, or nothing.
    #[error("the controller did not say welcome")]
    NotWelcome,
    /// The stream came to its end.
    #[error("the controller ended the session")]
    Ended,
    /// No heartbeat for too long.
    #[error("the controller has been silent for {silent_ms} ms")]
    Silent {
        /// For how long.
        silent_ms: u128,
    },
    /// It does not take what it is sent.
    #[error("the controller does not read")]
    Stuck,
}

// === impl Session ===

impl Session {
    /// A session that has not begun.
    #[must_use]
    pub fn new(mut parts: Parts) -> Self {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), parts.entropy.clone());
        let (named, told) = (mem::take(&mut parts.controllers), mem::take(&mut parts.controllers_told));
        let directory = Directory::new(named, told, parts.entropy.u64());
        Self { parts, directory, backoff }
    }

    /// Keeps a session open until the shutdown.
    pub async fn run(mut self) -> Result<(), Error> {
        let token = self.parts.shutdown.token().clone();
        while !token.is_cancelled() {
            let Some(controller) = self.directory.next() else { return Ok(()) };
            match self.hold(&controller, &token).await {
                Ok(()) => return Ok(()),
                Err(error @ Error::Ledger(_)) => return Err(error),
                Err(error) => self.lost(&controller, &error),
            }
            let delay = self.backoff.next_delay();
            // Cancel-safe, both.
            tokio::select! {
                () = token.cancelled() => {}
                () = tokio::time::sleep(delay) => {}
            }
        }
        Ok(())
    }

    fn lost(&self, controller: &str, error: &Error) {
        self.parts.metrics.session_failed();
        let cluster = &self.parts.inventory.cluster;
        let is_unknown_cluster =
            matches!(error, Error::Status(status) if status.code() == tonic::Code::NotFound);
        if is_unknown_cluster {
            tracing::warn!(cluster, controller, error = %error, "the cluster does not exist yet; asking again");
        } else {
            tracing::info!(controller, error = %chain(error), "no session; containers keep running");
        }
    }

    /// One session, from hello to end. `Ok` is the shutdown.
    async fn hold(&mut self, controller: &str, token: &CancellationToken) -> Result<(), Error> {
        self.parts.metrics.session_attempted();
        let client = self.client(controller);
        let (sender, receiver) = mpsc::channel::<Box<wire::AgentMessage>>(limits::OUTBOUND);
        let outbound = ReceiverStream::new(receiver).map(|message| *message);
        self.parts.outbox.begin_session();
        let hello = self.hello(controller).await;
        if sender.try_send(Box::new(wire::AgentMessage { message: Some(Up::Hello(hello)) })).is_err() {
            return Err(Error::Stuck);
        }
        let opening = async {
            let mut inbound = client.clone().session(outbound).await?.into_inner();
            let first = inbound.message().await?;
            Ok::<_, Error>((inbound, first))
        };
        // Cancel-safe: what is dropped half-way is a session that did not begin.
        let opened = tokio::select! {
            () = token.cancelled() => return Ok(()),
            opened = tokio::time::timeout(limits::WELCOME_TIMEOUT, opening) => opened,
        };
        let (inbound, first) = opened.map_err(|_| Error::NoWelcome)??;
        let welcome = match first.and_then(|first| first.message) {
            Some(wire::controller_message::Message::Welcome(welcome)) => welcome,
            Some(_) => return Err(Error::NotWelcome),
            None => return Err(Error::Ended),
        };
        self.backoff.reset();
        tracing::info!(
            controller,
            controller_id = welcome.controller_id,
            container_instance = welcome.container_instance_arn,
            "session opened"
        );
        let _open = self.parts.presence.open(controller);
        let channel = self.parts.channels.get(controller);
        let _connected = self.parts.asked.connect(channel, self.parts.signer.clone());
        self.parts.metrics.session_opened();
        let stream =
            stream::Stream::new(&self.parts, &mut self.directory, (controller, client), sender, &welcome);
        let result = stream.run(inbound, token).await;
        self.parts.metrics.session_closed();
        result
    }

    fn client(&self, controller: &str) -> Client {
        let channel = self.parts.channels.get(controller);
        AgentsClient::with_interceptor(channel, self.parts.signer.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES)
            .max_encoding_message_size(limits::MESSAGE_BYTES)
    }

    async fn hello(&self, controller: &str) -> wire::Hello {
        let address = match self.parts.address {
            Some(address) => Some(address),
            None => own_address(controller).await,
        };
        let inventory = &self.parts.inventory;
        wire::Hello {
            container_instance_id: self.parts.ledger.instance_id().to_owned(),
            cluster: inventory.cluster.clone(),
            total_resources: inventory.resources(),
            attributes: inventory.attributes.clone(),
            version_info: Some(inventory.version_info.clone()),
            manifest_generation: self.parts.ledger.manifest().generation,
            tasks: self.parts.engine.snapshot().await,
            host_name: inventory.host_name.clone(),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
        }
    }
}

/// The address of this host on the way to a controller. Nothing is sent.
async fn own_address(controller: &str) -> Option<Ipv4Addr> {
    let controller = tokio::net::lookup_host(controller).await.ok()?.find(SocketAddr::is_ipv4)?;
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    socket.connect(controller).await.ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    }
}

fn describe(status: &tonic::Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
