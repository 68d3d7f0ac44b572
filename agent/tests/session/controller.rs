//! A controller that is scripted by the test, and a network within the process.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use berth_process::net::{BoxedIo, Connector, Listen, serve};
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::agents_server::{Agents, AgentsServer};
use futures::{FutureExt as _, Stream, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Listeners by address.
#[derive(Clone, Default)]
pub(crate) struct Network {
    listeners: Arc<Mutex<HashMap<String, mpsc::Sender<BoxedIo>>>>,
}

struct Listener(mpsc::Receiver<BoxedIo>);

/// A controller; each session waits until the test takes it.
pub(crate) struct Controller {
    sessions: tokio::sync::Mutex<mpsc::Receiver<Waiting>>,
    chunks: tokio::sync::Mutex<mpsc::Receiver<wire::LogChunk>>,
    conduits: tokio::sync::Mutex<mpsc::Receiver<wire::ConduitOutput>>,
}

struct Waiting {
    inbound: Streaming<wire::AgentMessage>,
    answer:
        tokio::sync::oneshot::Sender<Result<mpsc::Receiver<Result<wire::ControllerMessage, Status>>, Status>>,
}

/// The controller's side of an open session.
pub(crate) struct Peer {
    inbound: Streaming<wire::AgentMessage>,
    sender: mpsc::Sender<Result<wire::ControllerMessage, Status>>,
}

struct Service {
    sessions: mpsc::Sender<Waiting>,
    chunks: mpsc::Sender<wire::LogChunk>,
    conduits: mpsc::Sender<wire::ConduitOutput>,
}

impl Network {
    pub(crate) fn connector(&self) -> Connector {
        let network = self.clone();
        Connector::custom(Arc::new(move |address| {
            let listener = network.listeners.lock().get(&address).cloned();
            async move {
                let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
                let (ours, theirs) = tokio::io::duplex(1 << 16);
                listener.ok_or_else(refused)?.send(Box::new(theirs)).await.map_err(|_| refused())?;
                Ok(Box::new(ours) as BoxedIo)
            }
            .boxed()
        }))
    }

    /// Nobody reaches this address any more.
    pub(crate) fn cut(&self, address: &str) {
        self.listeners.lock().remove(address);
    }
}

impl Listen for Listener {
    async fn accept(&mut self) -> io::Result<(BoxedIo, SocketAddr)> {
        match self.0.recv().await {
            Some(io) => Ok((io, SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
    }
}

impl Controller {
    pub(crate) fn start(network: &Network, address: &str, shutdown: &Shutdown) -> Self {
        let (connections, listener) = mpsc::channel(16);
        network.listeners.lock().insert(address.to_owned(), connections);
        let (sessions, waiting) = mpsc::channel(16);
        let (chunks, pushed) = mpsc::channel(16);
        let (conduits, opened) = mpsc::channel(16);
        let service = Service { sessions, chunks, conduits };
        let routes = tonic::service::Routes::new(AgentsServer::new(service));
        let scope = shutdown.clone();
        shutdown.spawn("controller", OnError::Log, async move {
            serve(routes, Listener(listener), None, &scope).await
        });
        Self { sessions: waiting.into(), chunks: pushed.into(), conduits: opened.into() }
    }

    /// Takes the next session and says welcome.
    pub(crate) async fn welcome(&self) -> (Peer, wire::Hello) {
        let mut waiting = self.sessions.lock().await.recv().await.expect("the service is there");
        let Some(wire::agent_message::Message::Hello(hello)) =
            waiting.inbound.message().await.expect("it says something").and_then(|first| first.message)
        else {
            panic!("not a hello");
        };
        let (sender, receiver) = mpsc::channel(16);
        waiting.answer.send(Ok(receiver)).expect("the agent waits");
        let peer = Peer { inbound: waiting.inbound, sender };
        peer.send(wire::controller_message::Message::Welcome(wire::Welcome {
            controller_id: "c".to_owned(),
            container_instance_arn: "arn".to_owned(),
            heartbeat_interval_ms: 1_000,
        }))
        .await;
        (peer, hello)
    }

    /// Takes the next session and refuses it.
    pub(crate) async fn refuse(&self, status: Status) {
        let waiting = self.sessions.lock().await.recv().await.expect("the service is there");
        assert!(waiting.answer.send(Err(status)).is_ok(), "the agent waits");
    }

    /// The next piece of a log.
    pub(crate) async fn chunk(&self) -> wire::LogChunk {
        self.chunks.lock().await.recv().await.expect("the service is there")
    }

    /// What comes next of any conduit.
    pub(crate) async fn output(&self) -> wire::ConduitOutput {
        self.conduits.lock().await.recv().await.expect("the service is there")
    }
}

impl Peer {
    pub(crate) async fn send(&self, message: wire::controller_message::Message) {
        let message = wire::ControllerMessage { message: Some(message) };
        self.sender.send(Ok(message)).await.expect("the agent is there");
    }

    pub(crate) async fn receive(&mut self) -> Option<wire::agent_message::Message> {
        self.inbound.message().await.ok().flatten().and_then(|message| message.message)
    }
}

#[tonic::async_trait]
impl Agents for Service {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<wire::ControllerMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<wire::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        assert!(request.metadata().contains_key("authorization"), "every request is signed");
        let (answer, answered) = tokio::sync::oneshot::channel();
        let waiting = Waiting { inbound: request.into_inner(), answer };
        self.sessions.send(waiting).await.map_err(|_| Status::unavailable("the test is over"))?;
        let receiver = answered.await.map_err(|_| Status::unavailable("the test is over"))??;
        Ok(Response::new(ReceiverStream::new(receiver).boxed()))
    }

    type PushConduitStream = Pin<Box<dyn Stream<Item = Result<wire::ConduitInput, Status>> + Send>>;

    /// Takes what comes, and sends nothing.
    async fn push_conduit(
        &self,
        request: Request<Streaming<wire::ConduitOutput>>,
    ) -> Result<Response<Self::PushConduitStream>, Status> {
        let taken = self.conduits.clone();
        let inputs = request.into_inner().filter_map(move |output| {
            let taken = taken.clone();
            async move {
                if let Ok(output) = output {
                    let _ = taken.send(output).await;
                }
                None
            }
        });
        Ok(Response::new(inputs.boxed()))
    }

    async fn push_logs(
        &self,
        request: Request<Streaming<wire::LogChunk>>,
    ) -> Result<Response<wire::PushLogsResponse>, Status> {
        let mut chunks = request.into_inner();
        while let Some(chunk) = chunks.message().await? {
            let _ = self.chunks.send(chunk).await;
        }
        Ok(Response::new(wire::PushLogsResponse {}))
    }
}
