//! The network: a gRPC server over an injected listener, and client channels over an injected connector.
//!
//! Nobody else in Berth opens a socket for gRPC. A process takes [`bind`] and [`Connector::tcp`]; a simulation
//! brings a [`Listen`] of its own and [`Connector::custom`], and the same code runs over its network.
//!
//! Both sides send HTTP/2 pings, also while nothing is called: a peer that vanished without a word (power, a pulled
//! cable, a NAT that forgot) is noticed in seconds and its streams end.

mod client;
mod server;
mod web;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};

use crate::tls;

pub use client::{Connector, Dial};
pub use server::{Error, Protocol, serve, serve_as};
pub use web::Web;

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection, whatever it runs over.
pub type BoxedIo = Box<dyn Io>;

/// Where connections come in.
pub trait Listen: Send + 'static {
    /// The next connection and where it comes from. Must be cancel-safe: dropped before it is ready, it has taken
    /// no connection. An error is one connection's bad luck; the listener goes on.
    fn accept(&mut self) -> impl Future<Output = io::Result<(BoxedIo, SocketAddr)>> + Send;

    /// The address that it listens on.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Listens on TCP.
#[derive(Debug)]
pub struct TcpListen(TcpListener);

/// Connections that wait to be accepted: enough for every agent of a controller that just died.
const BACKLOG: u32 = 4_096;

/// A connection that is not up after this is tried elsewhere. A SYN is repeated after 1 s and after 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Large enough to fill 10 Gbit/s over 3 ms, and a bound on what one peer can make us hold.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;

/// Several streams may be read slowly before the others on the connection stall.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Listens on a TCP address. Port 0 takes a free one: [`Listen::local_addr`] tells which.
///
/// Must be called within a tokio runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListen> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted process takes its port back while connections of the old one still linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG).map(TcpListen)
}

// === impl TcpListen ===

impl Listen for TcpListen {
    async fn accept(&mut self) -> io::Result<(BoxedIo, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl fmt::Debug for dyn Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}

impl From<tls::Error> for io::Error {
    fn from(error: tls::Error) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests;
