//! Plain HTTP for whoever operates the process: `/metrics`, `/healthz` and `/readyz`.
//!
//! It carries nothing secret and asks for no credentials; it listens on the loopback unless told otherwise.
//! Health says that the process runs, and nothing more: restarting it because something else is down would only
//! add to the trouble. Readiness says whether to send it work.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tracing::warn;

use crate::net::{BoxedIo, Listen};
use crate::shutdown::Shutdown;

/// Whether the process should be sent work, and why not. Clones are the same.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<watch::Sender<Ready>>);

/// The answer of [`Readiness`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Whether to send it work.
    pub ready: bool,
    /// Why, for people.
    pub reason: String,
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// When accepting fails (out of file descriptors), trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a scrape may run on after a shutdown began.
const GRACE: Duration = Duration::from_secs(1);

/// Serves the metrics of `registry` and the state of `readiness` on `listen` until `shutdown`.
pub async fn serve(
    listen: impl Listen,
    registry: Registry,
    readiness: Readiness,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let token = shutdown.token().clone();
    let stopping = token.clone();
    let server = axum::serve(Accept(listen), router(registry, readiness))
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    tokio::select! {
        biased;
        // Not cancel-safe, and need not be: dropping it closes what the grace left open.
        served = server.into_future() => served,
        // Cancel-safe: waiting again would start from a cancelled token.
        () = async { token.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn router(registry: Registry, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(metrics).with_state(Arc::new(registry)))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(readiness))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            warn!(%error, "cannot encode the metrics");
            (StatusCode::INTERNAL_SERVER_ERROR, "cannot encode the metrics\n").into_response()
        }
    }
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, String) {
    let Ready { ready, reason } = readiness.current();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{reason}\n"))
}

// === impl Readiness ===

impl Readiness {
    /// Not ready yet.
    #[expect(clippy::new_without_default, reason = "not ready is a statement, not a default")]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Ready { ready: false, reason: "starting".to_owned() })))
    }

    /// Says whether the process should be sent work, and why.
    pub fn set_ready(&self, ready: bool, reason: impl Into<String>) {
        let now = Ready { ready, reason: reason.into() };
        self.0.send_if_modified(|current| {
            let changed = *current != now;
            *current = now;
            changed
        });
    }

    /// What was said last.
    pub fn current(&self) -> Ready {
        self.0.borrow().clone()
    }

    /// Follows what is said.
    pub fn watch(&self) -> watch::Receiver<Ready> {
        self.0.subscribe()
    }
}

/// Our listener as axum wants it: one that never fails.
struct Accept<L>(L);

// === impl Accept ===

impl<L: Listen> axum::serve::Listener for Accept<L> {
    type Io = BoxedIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoxedIo, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => warn!(%error, "cannot accept a connection"),
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::net::bind;
    use crate::shutdown::{OnError, Shutdown};

    const PATIENCE: Duration = Duration::from_secs(5);

    fn start(shutdown: &Shutdown, readiness: &Readiness) -> SocketAddr {
        let listen = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listen.local_addr().unwrap();
        let mut registry = Registry::default();
        let counter = Counter::<u64>::default();
        counter.inc_by(3);
        registry.register("berth_rounds", "Rounds of planning", counter);
        let (scope, readiness) = (shutdown.clone(), readiness.clone());
        shutdown.spawn(
            "ops",
            OnError::Shutdown,
            async move { serve(listen, registry, readiness, &scope).await },
        );
        address
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn readiness_follows_what_is_said_and_health_does_not() {
        let (shutdown, readiness) = (Shutdown::new(), Readiness::new());
        let address = start(&shutdown, &readiness);
        let response = get(address, "/readyz").await;
        assert!(response.starts_with("HTTP/1.1 503 ") && response.ends_with("starting\n"), "{response}");
        readiness.set_ready(true, "following the leader");
        let response = get(address, "/readyz").await;
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("following the leader\n"));
        readiness.set_ready(false, "no leader");
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503 "));
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
        shutdown.drain(PATIENCE).await.unwrap();
    }

    #[tokio::test]
    async fn metrics_are_open_metrics_text() {
        let shutdown = Shutdown::new();
        let address = start(&shutdown, &Readiness::new());
        let response = get(address, "/metrics").await;
        assert!(response.contains(&format!("content-type: {OPEN_METRICS}")), "{response}");
        assert!(response.contains("\nberth_rounds_total 3\n") && response.ends_with("# EOF\n"), "{response}");
        shutdown.drain(PATIENCE).await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_end() {
        let shutdown = Shutdown::new();
        let address = start(&shutdown, &Readiness::new());
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET /hea").await.unwrap();
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
        shutdown.drain(PATIENCE).await.unwrap();
    }

    #[test]
    fn readiness_tells_its_watchers_of_changes_only() {
        let readiness = Readiness::new();
        let mut watch = readiness.watch();
        readiness.set_ready(false, "starting");
        assert!(!watch.has_changed().unwrap());
        readiness.set_ready(true, "serving");
        assert!(watch.has_changed().unwrap());
        assert_eq!(*watch.borrow_and_update(), Ready { ready: true, reason: "serving".to_owned() });
    }
}
