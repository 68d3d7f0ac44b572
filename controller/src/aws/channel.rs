//! The other end of AWS's session-manager-plugin: a WebSocket for each session that ExecuteCommand or StartSession made.
//!
//! The token that the plugin sends first says what it may do, so that any controller can take it. A session belongs to the
//! controller that its plugin connected to; there it is found again when the plugin comes back after it lost its connection.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::admin::v1::admin_client::AdminClient;
use berth_proto::admin::v1::{ConduitRequest, ConduitStart, conduit_request};
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{Command, ConduitTarget, Dial};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tracing::debug;

mod content;
mod frames;
mod message;
mod ports;
mod sequence;
mod session;

use content::{HandshakeRequest, Opening};
use session::{Open, Session};

use crate::api::auth::grant::{Granted, GrantedCommand, GrantedPort, Sessions};
use crate::api::auth::{Authenticator, Principal};
use crate::conduit::Outputs;
use crate::limits::{CONDUIT_CHUNKS_IN_FLIGHT, OPENING_CHANNELS};
use crate::region::{Chosen, Regions};

/// Where data channels are, below which is the id of the session.
pub(super) const PATH: &str = "/v1/data-channel/{session_id}";

/// How long a client may take to show its token.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest frame of a client; it sends about 1 KiB at a time.
const FRAME_BYTES: usize = 64 << 10;

/// The data channels of one controller.
pub(super) struct Channels {
    parts: Parts,
    opening: Semaphore,
    /// Where clients that come back are expected.
    returns: Mutex<BTreeMap<String, mpsc::Sender<WebSocket>>>,
}

/// What they are made of.
pub(super) struct Parts {
    pub(super) routes: Routes,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) sessions: Sessions,
    pub(super) regions: Regions,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) shutdown: Shutdown,
}

/// Opens conduits as whoever asked for a session.
struct Opener {
    routes: Routes,
    region: Chosen,
    principal: Principal,
    from: Option<TcpConnectInfo>,
}

// === impl Channels ===

impl Channels {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, opening: Semaphore::new(OPENING_CHANNELS), returns: Mutex::default() }
    }

    /// What a new WebSocket is for.
    async fn begin(self: Arc<Self>, mut socket: WebSocket, session_id: String, from: Option<TcpConnectInfo>) {
        let Ok(_opening) = self.opening.try_acquire() else { return };
        let opening = tokio::time::timeout(OPENING_TIMEOUT, opening(&mut socket)).await;
        let Ok(Some(opening)) = opening else { return };
        let granted = self.parts.authenticator.granted(&opening.token_value, self.parts.clock.unix_ms());
        let Some((granted, principal)) = granted.filter(|(granted, _)| granted.session_id == session_id)
        else {
            debug!(session = session_id, "a data channel was not opened: its token is not valid");
            return;
        };
        let known = self.returns.lock().get(&session_id).cloned();
        match known {
            // A session that ends just now is gone for whoever comes back as well.
            Some(returns) => drop(returns.send(socket).await),
            None if granted.command.is_some() || granted.port.is_some() => {
                self.run(socket, granted, principal, from)
            }
            None => debug!(session = session_id, "a data channel was not resumed: the session is not here"),
        }
    }

    fn run(
        self: &Arc<Self>,
        socket: WebSocket,
        granted: Granted,
        principal: Principal,
        from: Option<TcpConnectInfo>,
    ) {
        let id = granted.session_id.clone();
        let Some(held) = self.parts.sessions.hold(&id) else { return };
        let (returning, returns) = mpsc::channel(1);
        self.returns.lock().insert(id.clone(), returning);
        let (inputs, requests) = mpsc::channel(CONDUIT_CHUNKS_IN_FLIGHT);
        let opener =
            Opener { routes: self.parts.routes.clone(), region: self.region(&granted), principal, from };
        let (handshake, open) = open(granted, opener, requests);
        let (clock, entropy) = (self.parts.clock.clone(), self.parts.entropy.clone());
        let end = held.end.clone();
        let session = Session { id: id.clone(), handshake, inputs, returns, end, clock, entropy };
        let (this, token) = (Arc::clone(self), self.parts.shutdown.token().clone());
        self.parts.shutdown.spawn("data channel", OnError::Log, async move {
            token.run_until_cancelled(session.run(socket, open)).await;
            this.returns.lock().remove(&id);
            drop(held);
            Ok::<(), Infallible>(())
        });
    }

    fn region(&self, granted: &Granted) -> Chosen {
        let region = granted.region.as_deref().and_then(|region| self.parts.regions.choose(region));
        region.unwrap_or_default()
    }
}

// === impl Opener ===

impl Opener {
    /// Opens a conduit through the API's own routes, as whoever asked for the session.
    fn conduit(
        &self,
        start: ConduitStart,
        requests: mpsc::Receiver<ConduitRequest>,
    ) -> BoxFuture<'static, Result<Outputs, Status>> {
        let mut client = AdminClient::new(self.routes.clone());
        let first = ConduitRequest { message: Some(conduit_request::Message::Start(start)) };
        let requests = stream::iter([first]).chain(ReceiverStream::new(requests));
        let mut request = tonic::Request::new(requests);
        request.extensions_mut().insert(self.principal.clone());
        request.extensions_mut().insert(self.region.clone());
        if let Some(from) = self.from.clone() {
            request.extensions_mut().insert(from);
        }
        async move { Ok(client.open_conduit(request).await?.into_inner().boxed()) }.boxed()
    }
}

/// What a session asks of its client first, and the way to what was granted.
fn open(
    granted: Granted,
    opener: Opener,
    requests: mpsc::Receiver<ConduitRequest>,
) -> (HandshakeRequest, Open) {
    let session_id = granted.session_id;
    let Some(port) = granted.port else {
        let GrantedCommand { cluster, task, container, arguments } = granted.command.unwrap_or_default();
        let target = Target::Command(Command { arguments, tty: true, size: None });
        let open = opener.conduit(start((cluster, task, container), target, session_id), requests);
        return (HandshakeRequest::terminal(), open);
    };
    let handshake = HandshakeRequest::port(&port);
    let GrantedPort { cluster, task, container, host, port, is_single, .. } = port;
    let place = (cluster, task, container);
    let target = Target::Dial(Dial { port: port.into(), host });
    if is_single {
        return (handshake, opener.conduit(start(place, target, session_id), requests));
    }
    let dial: ports::Dial = Box::new(move |number, requests| {
        opener.conduit(start(place.clone(), target.clone(), format!("{session_id}-{number}")), requests)
    });
    (handshake, std::future::ready(Ok(ports::carry(dial, requests))).boxed())
}

fn start(
    (cluster, task, container): (String, String, String),
    target: Target,
    session_id: String,
) -> ConduitStart {
    let target = Some(ConduitTarget { target: Some(target) });
    ConduitStart { cluster, task, container, target, force: false, session_id }
}

/// Takes a WebSocket.
pub(super) async fn connect(
    State(channels): State<Arc<Channels>>,
    Path(session_id): Path<String>,
    upgrade: WebSocketUpgrade,
    request: Request,
) -> Response {
    let from = request.extensions().get::<TcpConnectInfo>().cloned();
    let upgrade = upgrade.max_message_size(FRAME_BYTES).max_frame_size(FRAME_BYTES);
    upgrade.on_upgrade(move |socket| channels.begin(socket, session_id, from)).into_response()
}

/// The first text of a client.
async fn opening(socket: &mut WebSocket) -> Option<Opening> {
    loop {
        match socket.recv().await?.ok()? {
            Frame::Text(text) => return serde_json::from_str(text.as_str()).ok(),
            Frame::Ping(_) | Frame::Pong(_) => {}
            Frame::Binary(_) | Frame::Close(_) => return None,
        }
    }
}
