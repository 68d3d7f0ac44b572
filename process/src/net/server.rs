//! The servers: gRPC over HTTP/2, and HTTP/1.1 for clients that speak it. One accept loop, one task per connection.
//!
//! It is not tonic's own, for three reasons: a slow TLS handshake must not hold up the others, every connection is
//! a task that the drain knows, and a shutdown must end streams that would never end by themselves, as the
//! agents' sessions and watches.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::{BoxedIo, CONNECTION_WINDOW_BYTES, Listen, STREAM_WINDOW_BYTES};
use crate::shutdown::{OnError, Shutdown};
use crate::tls;

/// Why a server could not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate cannot be used.
    #[error("cannot serve TLS")]
    Tls(#[source] tls::Error),
    /// The listener does not know its address.
    #[error("cannot tell which address is served")]
    LocalAddress(#[source] io::Error),
}

/// Connections at a time. At the limit no more are accepted, and clients wait in the backlog.
const CONNECTIONS_MAX: usize = 20_000;

/// Streams of one connection at a time; more calls wait at the client.
const STREAMS_MAX: u32 = 1_000;

/// Headers of one request: a signed token and a trace, with plenty to spare.
const HEADER_LIST_BYTES: u32 = 16 << 10;

/// A peer that vanished is noticed after the interval and the timeout.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A handshake that takes longer is somebody who does not mean to finish it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long calls may run on after a shutdown began. Unary calls take milliseconds; what is left then are
/// streams, whose clients reconnect elsewhere.
const GRACE: Duration = Duration::from_secs(2);

/// When accepting fails (out of file descriptors), trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A client that has not sent the headers of its next request after this is somebody who does not mean to.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 from the first byte, as gRPC wants it.
    Http2,
    /// HTTP/1.1, as the AWS clients speak it.
    Http1,
}

/// What all connections share.
struct Server {
    routes: Routes,
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    local_addr: SocketAddr,
    shutdown: Shutdown,
}

/// Serves `routes` for gRPC on `listen` until `shutdown`; see [`serve_as`].
pub async fn serve(
    routes: Routes,
    listen: impl Listen,
    tls: Option<&tls::Certificate>,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    serve_as(Protocol::Http2, routes, listen, tls, shutdown).await
}

/// Serves `routes` on `listen` until `shutdown`: then no more connections are accepted, running calls get a
/// moment to finish, and the streams that are left are ended. Returns when accepting ended; the connections are
/// tasks of `shutdown`, and its drain waits for them.
pub async fn serve_as(
    protocol: Protocol,
    routes: Routes,
    mut listen: impl Listen,
    tls: Option<&tls::Certificate>,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let tls =
        tls.map(|certificate| tls::server_config(certificate, protocol)).transpose().map_err(Error::Tls)?;
    let server = Arc::new(Server {
        routes: routes.prepare(),
        protocol,
        tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
        local_addr: listen.local_addr().map_err(Error::LocalAddress)?,
        shutdown: shutdown.clone(),
    });
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            // Cancel-safe: the token stays cancelled.
            () = shutdown.token().cancelled() => return Ok(()),
            // Cancel-safe: a slot that was taken is given back, and the trait asks it of `accept`.
            accepted = accept(&mut listen, &slots) => accepted,
        };
        match accepted {
            Ok((io, peer, slot)) => {
                let server = Arc::clone(&server);
                shutdown.spawn("connection", OnError::Log, async move {
                    server.connection(io, peer).await;
                    drop(slot);
                    Ok::<(), Error>(())
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(
    listen: &mut impl Listen,
    slots: &Arc<Semaphore>,
) -> io::Result<(BoxedIo, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("never closed");
    let (io, peer) = listen.accept().await?;
    Ok((io, peer, slot))
}

// === impl Server ===

impl Server {
    /// What goes wrong on a connection is the peer's affair, and is told at debug.
    async fn connection(&self, io: BoxedIo, peer: SocketAddr) {
        match self.handshake(io).await {
            Ok(io) => {
                if let Err(error) = self.calls(io, peer).await {
                    debug!(%peer, %error, "connection ended");
                }
            }
            Err(error) => debug!(%peer, %error, "TLS handshake failed"),
        }
    }

    async fn handshake(&self, io: BoxedIo) -> io::Result<BoxedIo> {
        let Some(tls) = &self.tls else {
            return Ok(io);
        };
        let stream = tokio::select! {
            biased;
            // Cancel-safe: the token stays cancelled.
            () = self.shutdown.token().cancelled() => return Err(io::ErrorKind::ConnectionAborted.into()),
            // Not cancel-safe, and need not be: the connection is dropped with it.
            stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(io)) => stream??,
        };
        Ok(Box::new(stream))
    }

    async fn calls(&self, io: BoxedIo, peer: SocketAddr) -> Result<(), hyper::Error> {
        let addresses = TcpConnectInfo { local_addr: Some(self.local_addr), remote_addr: Some(peer) };
        let service = self.routes.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(addresses.clone());
            request
        });
        let (io, service) = (TokioIo::new(io), TowerToHyperService::new(service));
        match self.protocol {
            Protocol::Http2 => {
                let connection = http2().serve_connection(io, service);
                self.run(connection, http2::Connection::graceful_shutdown).await
            }
            Protocol::Http1 => {
                let connection = http1().serve_connection(io, service).with_upgrades();
                self.run(connection, http1::UpgradeableConnection::graceful_shutdown).await
            }
        }
    }

    async fn run<C: Future<Output = Result<(), hyper::Error>>>(
        &self,
        connection: C,
        wind_down: impl FnOnce(Pin<&mut C>),
    ) -> Result<(), hyper::Error> {
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            // Cancel-safe: it is polled in place, and goes on below.
            ended = &mut connection => return ended,
            // Cancel-safe: the token stays cancelled.
            () = self.shutdown.token().cancelled() => {}
        }
        wind_down(connection.as_mut());
        // Past the grace the connection is dropped, which ends its streams.
        tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).half_close(true);
    builder
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}
