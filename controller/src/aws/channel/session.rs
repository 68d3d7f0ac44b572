//! One session: a command in a container on one side, a client on the other, which may lose its WebSocket and come back with
//! another.
//!
//! ```text
//!   handshake request ►  ◄ response   handshake complete ►   then output ► and input ◄, both in sequence
//! ```
//!
//! Nothing is acknowledged before the command's way has taken it, and no output is taken from the command while too much
//! of it is not acknowledged: neither side can make this one grow.

use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket};
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_proto::admin::v1::{ConduitRequest, conduit_request};
use berth_proto::agent::v1::conduit_input::Input;
use berth_proto::agent::v1::{ConduitInput, ConduitOutput, TerminalSize};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::debug;

use super::content::{
    Acknowledgement, Closed, HandshakeComplete, HandshakeRequest, HandshakeResponse, Size, json,
};
use super::message::{Kind, Message, payload};
use super::sequence::{Arrival, Incoming, Outgoing};
use crate::api::edge::RequestId;
use crate::conduit::Outputs;

/// What the client reads at a time.
const PAYLOAD_BYTES: usize = 4 << 10;
/// How long a client without a connection may take to come back.
const RESUME_WITHIN: Duration = Duration::from_secs(60);
/// How long the client may take for what it is asked first, and for the acknowledgement of what was said last.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a connection on which nothing comes is tried, and for how long nothing may come.
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENT_FOR: Duration = Duration::from_secs(60);
/// A client asks for the end of its session with this flag.
const TERMINATE: u32 = 2;

/// Opens the way to the command, once the client is ready for it.
pub(super) type Open = futures::future::BoxFuture<'static, Result<Outputs, Status>>;

/// A session that has a client.
pub(super) struct Session {
    pub(super) id: String,
    /// What the client is asked first.
    pub(super) handshake: HandshakeRequest,
    /// To the command; closed when the session ends.
    pub(super) inputs: mpsc::Sender<ConduitRequest>,
    /// New connections of the client.
    pub(super) returns: mpsc::Receiver<WebSocket>,
    /// Cancelled when somebody terminates it.
    pub(super) end: CancellationToken,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
}

/// The client's side of it.
struct Client {
    socket: Option<WebSocket>,
    /// Of the connection, or its absence.
    since: Instant,
    heard_at: Instant,
    pinged_at: Instant,
}

/// How far a session is.
enum Stage {
    /// The client is asked, and has not answered.
    Handshake(Instant),
    Running(Outputs),
    /// The command has ended, and this is to be said when all of it has arrived.
    Ending(String, Instant),
}

struct Running {
    session: Session,
    client: Client,
    stage: Stage,
    open: Option<Open>,
    outgoing: Outgoing,
    incoming: Incoming,
    /// Printed, and not sent yet.
    printed: Bytes,
}

/// What happened.
enum Event {
    Frame(Option<Result<Frame, axum::Error>>),
    Return(Box<WebSocket>),
    Output(Option<Result<ConduitOutput, Status>>),
    Terminated,
    /// The way to the command takes more.
    Room,
    Time,
}

// === impl Session ===

impl Session {
    /// Runs until the command or its client is gone for good.
    pub(super) async fn run(self, socket: WebSocket, open: Open) {
        let now = Instant::now();
        let client = Client { socket: Some(socket), since: now, heard_at: now, pinged_at: now };
        let mut running = Running {
            session: self,
            client,
            stage: Stage::Handshake(now),
            open: Some(open),
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            printed: Bytes::new(),
        };
        let handshake = json(&running.session.handshake);
        running.say(payload::HANDSHAKE_REQUEST, handshake).await;
        while running.step().await {}
    }
}

// === impl Client ===

impl Client {
    async fn send(&mut self, bytes: Bytes) {
        self.send_frame(Frame::Binary(bytes)).await;
    }

    /// A client that does not take it has lost its connection.
    async fn send_frame(&mut self, frame: Frame) {
        let Some(socket) = &mut self.socket else { return };
        if !matches!(timeout(PATIENCE, socket.send(frame)).await, Ok(Ok(()))) {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.socket = None;
        self.since = Instant::now();
    }

    fn meet(&mut self, socket: WebSocket) {
        let now = Instant::now();
        *self = Self { socket: Some(socket), since: now, heard_at: now, pinged_at: now };
    }

    async fn recv(&mut self) -> Option<Result<Frame, axum::Error>> {
        match &mut self.socket {
            Some(socket) => socket.recv().await,
            None => std::future::pending().await,
        }
    }

    /// When it has to be looked after.
    fn due(&self) -> Instant {
        if self.socket.is_some() { self.pinged_at + PING_EVERY } else { self.since + RESUME_WITHIN }
    }
}

// === impl Running ===

impl Running {
    /// The next thing that happens; whether there is more to come.
    async fn step(&mut self) -> bool {
        let due = self.due();
        // Not taken when it was next, because the way had no room.
        let has_waiting = self.incoming.waiting().is_some();
        let may_print = self.outgoing.has_room() && self.printed.is_empty();
        let event = tokio::select! {
            // Cancel-safe: a frame that is half-read stays in the socket.
            frame = self.client.recv() => Event::Frame(frame),
            // Cancel-safe: a connection that was not taken stays in the channel.
            Some(socket) = self.session.returns.recv() => Event::Return(Box::new(socket)),
            // Cancel-safe: a message that is half-read stays in the stream's buffer.
            output = printed(&mut self.stage), if may_print => Event::Output(output),
            // Cancel-safe: what is reserved is given back.
            _ = self.session.inputs.reserve(), if has_waiting => Event::Room,
            // Cancel-safe: the token stays cancelled.
            () = self.session.end.cancelled(), if !matches!(self.stage, Stage::Ending(..)) => Event::Terminated,
            // Cancel-safe: the moments are kept.
            () = tokio::time::sleep_until(due) => Event::Time,
        };
        match event {
            Event::Frame(Some(Ok(frame))) => self.hear(frame).await,
            Event::Frame(_) => self.client.lose(),
            Event::Return(socket) => {
                self.client.meet(*socket);
                for bytes in self.outgoing.resend_all() {
                    self.client.send(bytes).await;
                }
            }
            Event::Output(output) => self.print(output),
            Event::Room => self.take_waiting().await,
            Event::Terminated => self.end("The session was terminated."),
            Event::Time => {
                if !self.look_after().await {
                    return false;
                }
            }
        }
        self.send_printed().await;
        !self.is_over().await
    }

    /// When something is to be done though nothing happens.
    fn due(&self) -> Instant {
        let patience = match &self.stage {
            Stage::Handshake(since) | Stage::Ending(_, since) => Some(*since + PATIENCE),
            Stage::Running(_) => None,
        };
        // Without a connection there is nothing to do but wait for another.
        let is_connected = self.client.socket.is_some();
        let moments = [patience, self.outgoing.resend_at()].into_iter().flatten().filter(|_| is_connected);
        moments.fold(self.client.due(), Instant::min)
    }

    /// What is due; whether the session goes on.
    async fn look_after(&mut self) -> bool {
        let now = Instant::now();
        if self.client.socket.is_none() {
            return now < self.client.since + RESUME_WITHIN;
        }
        if now >= self.client.heard_at + SILENT_FOR {
            self.client.lose();
            return true;
        }
        if now >= self.client.pinged_at + PING_EVERY {
            self.client.pinged_at = now;
            self.client.send_frame(Frame::Ping(Bytes::new())).await;
        }
        if self.outgoing.resend_at().is_some_and(|at| at <= now)
            && let Some(bytes) = self.outgoing.resend()
        {
            self.client.send(bytes).await;
        }
        if let Stage::Handshake(since) = &self.stage
            && now >= *since + PATIENCE
        {
            self.end("The client did not answer the handshake.");
        }
        true
    }

    async fn hear(&mut self, frame: Frame) {
        self.client.heard_at = Instant::now();
        let bytes = match frame {
            Frame::Binary(bytes) => bytes,
            Frame::Close(_) => return self.client.lose(),
            Frame::Text(_) | Frame::Ping(_) | Frame::Pong(_) => return,
        };
        match Message::decode(bytes) {
            Ok(message) => self.receive(message).await,
            // It is not acknowledged, so it comes again.
            Err(error) => {
                debug!(session = self.session.id, %error, "a message on a data channel cannot be read")
            }
        }
    }

    async fn receive(&mut self, message: Message) {
        match message.kind {
            Kind::Acknowledge => {
                if let Ok(content) = serde_json::from_slice::<Acknowledgement>(&message.payload) {
                    self.outgoing.acknowledge(content.acknowledged_message_sequence_number);
                }
            }
            Kind::Input => match self.incoming.arrive(&message) {
                Arrival::Next => {
                    // That the handshake is complete is the last word for a while: a plugin that then makes itself ready for
                    // ports stops reading for good if anything comes meanwhile.
                    let is_handshake = message.payload_type == payload::HANDSHAKE_RESPONSE;
                    if is_handshake {
                        self.acknowledge(&message).await;
                    }
                    if !self.take(&message).await {
                        return;
                    }
                    if !is_handshake {
                        self.acknowledge(&message).await;
                    }
                    self.take_waiting().await;
                }
                Arrival::Noted => self.acknowledge(&message).await,
                Arrival::Dropped => {}
            },
            Kind::Output | Kind::Closed | Kind::Other => {}
        }
    }

    /// Takes what came early and is next now, as far as there is room. It is acknowledged, so it does not come again.
    async fn take_waiting(&mut self) {
        while let Some(early) = self.incoming.waiting() {
            if !self.take(&early).await {
                break;
            }
        }
    }

    /// Does what the next message says, if the command's way has room for it.
    async fn take(&mut self, message: &Message) -> bool {
        let content = &message.payload;
        let is_taken = match message.payload_type {
            payload::OUTPUT => self.pass_on(Input::Bytes(content.to_vec())),
            payload::SIZE => match serde_json::from_slice::<Size>(content) {
                Ok(size) => self.pass_on(Input::Size(TerminalSize { columns: size.cols, rows: size.rows })),
                Err(_) => true,
            },
            payload::HANDSHAKE_RESPONSE => {
                self.shake_hands(content).await;
                true
            }
            payload::FLAG => {
                if content.as_ref() == TERMINATE.to_be_bytes() {
                    self.end("");
                }
                true
            }
            _ => true,
        };
        if is_taken {
            self.incoming.took();
        }
        is_taken
    }

    /// Whether there was room, or nobody any more who could want it.
    fn pass_on(&self, input: Input) -> bool {
        let message = conduit_request::Message::Input(ConduitInput { input: Some(input) });
        let sent = self.session.inputs.try_send(ConduitRequest { message: Some(message) });
        !matches!(sent, Err(mpsc::error::TrySendError::Full(_)))
    }

    /// The client is ready, or is not going to be.
    async fn shake_hands(&mut self, content: &[u8]) {
        let Stage::Handshake(since) = &self.stage else { return };
        let elapsed = since.elapsed();
        let response = serde_json::from_slice::<HandshakeResponse>(content);
        let failure = response.as_ref().ok().and_then(HandshakeResponse::failure).map(str::to_owned);
        if let Some(failure) = failure {
            return self.end(format!("The client cannot be what it is asked to be: {failure}."));
        }
        self.say(payload::HANDSHAKE_COMPLETE, json(&HandshakeComplete::after(elapsed))).await;
        let Some(open) = self.open.take() else { return };
        match open.await {
            Ok(outputs) => self.stage = Stage::Running(outputs),
            Err(status) => self.end(status.message()),
        }
    }

    /// What the command printed, or that it has ended.
    fn print(&mut self, output: Option<Result<ConduitOutput, Status>>) {
        match output {
            Some(Ok(output)) if !output.error.is_empty() => self.end(output.error),
            Some(Ok(output)) if output.exit_code.is_some() => self.end(""),
            Some(Ok(output)) => self.printed = output.bytes.into(),
            Some(Err(status)) => self.end(status.message()),
            None => self.end("The connection to the agent of the task broke."),
        }
    }

    async fn send_printed(&mut self) {
        while !self.printed.is_empty() && self.outgoing.has_room() {
            let piece = self.printed.split_to(self.printed.len().min(PAYLOAD_BYTES));
            self.say(payload::OUTPUT, piece).await;
        }
    }

    fn end(&mut self, reason: impl Into<String>) {
        if !matches!(self.stage, Stage::Ending(..)) {
            self.stage = Stage::Ending(reason.into(), Instant::now());
        }
    }

    /// Says so, once the client has got everything or takes too long.
    async fn is_over(&mut self) -> bool {
        let Stage::Ending(reason, since) = &self.stage else { return false };
        let has_all = self.printed.is_empty() && self.outgoing.is_empty();
        if !has_all && since.elapsed() < PATIENCE {
            return false;
        }
        let id = RequestId::new(self.session.entropy.u128());
        let content = Closed {
            message_id: id.to_string(),
            created_date: self.session.clock.unix_ms().to_string(),
            destination_id: &self.session.id,
            session_id: &self.session.id,
            message_type: Kind::Closed.name(),
            schema_version: 1,
            output: reason,
        };
        let closed = self.message(Kind::Closed, 0, (0, json(&content)));
        self.client.send(closed).await;
        self.client.send_frame(Frame::Close(None)).await;
        true
    }

    /// Sends a message in sequence.
    async fn say(&mut self, payload_type: u32, content: Bytes) {
        let bytes = self.message(Kind::Output, self.outgoing.next(), (payload_type, content));
        self.outgoing.keep(bytes.clone());
        self.client.send(bytes).await;
    }

    async fn acknowledge(&mut self, message: &Message) {
        let content = json(&Acknowledgement::of(message));
        let bytes = self.message(Kind::Acknowledge, 0, (0, content));
        self.client.send(bytes).await;
    }

    fn message(&self, kind: Kind, sequence: i64, (payload_type, payload): (u32, Bytes)) -> Bytes {
        let id = self.session.entropy.u128();
        Message { kind, sequence, flags: 0, id, payload_type, payload }.encode(self.session.clock.unix_ms())
    }
}

async fn printed(stage: &mut Stage) -> Option<Result<ConduitOutput, Status>> {
    match stage {
        Stage::Running(outputs) => outputs.next().await,
        Stage::Handshake(_) | Stage::Ending(..) => std::future::pending().await,
    }
}
