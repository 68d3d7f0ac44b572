//! Client channels: lazy, reconnecting, and over TLS when the cluster's authority is known.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::{BoxedIo, CONNECT_TIMEOUT, CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};
use crate::tls;

/// Makes a connection to `host:port`.
pub type Dial = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<BoxedIo>> + Send + Sync>;

/// Makes channels. Cheap to clone.
#[derive(Clone)]
pub struct Connector(Dial);

/// A peer that vanished is noticed after the interval and the timeout, whether or not anything is being called.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

// === impl Connector ===

impl Connector {
    /// Connects over TCP; over TLS when the cluster's authority is given, and then only to who has its certificate.
    /// A `ca_pem` that is not a certificate shows as the failure to connect.
    pub fn tcp(ca_pem: Option<String>) -> Self {
        let tls =
            ca_pem.map(|pem| tls::client_config(&pem).map(|config| TlsConnector::from(Arc::new(config))));
        let tls = Arc::new(tls.transpose());
        Self::custom(Arc::new(move |address| {
            let tls = Arc::clone(&tls);
            async move {
                match &*tls {
                    Ok(tls) => open(&address, tls.as_ref()).await,
                    Err(error) => Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        crate::telemetry::chain(error).to_string(),
                    )),
                }
            }
            .boxed()
        }))
    }

    /// Connects by `dial`, without TLS: for simulated networks.
    pub fn custom(dial: Dial) -> Self {
        Self(dial)
    }

    /// A channel to `address`, a `host:port`. It connects when it is first used and again whenever the connection
    /// broke; while it cannot, every call fails at once with `Unavailable`.
    pub fn channel(&self, address: &str) -> Channel {
        let (dial, address) = (Arc::clone(&self.0), address.to_owned());
        // The address goes to `dial` as it is, so it needs no parsing; the URI only names the authority of requests.
        Endpoint::from_static("http://berth")
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(service_fn(move |_authority: Uri| {
                let connecting = dial(address.clone());
                let address = address.clone();
                async move { connecting.await.map(TokioIo::new).map_err(|error| describe(&address, &error)) }
            }))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

async fn open(address: &str, tls: Option<&TlsConnector>) -> io::Result<BoxedIo> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(tls::SERVER_NAME).expect("a constant DNS name");
    Ok(Box::new(tls.connect(name, stream).await?))
}

/// Which address failed: a caller that tries several only sees the channel's error.
fn describe(address: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot connect to {address}: {error}"))
}
