//! Connections to servers that are not the cluster's: those of whoever a URL names.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::BoxedIo;
use crate::tls;

/// Connects to servers of others. Cheap to clone.
#[derive(Clone)]
pub struct Web(TlsConnector);

// === impl Web ===

impl Web {
    /// Trusts the authorities that this system trusts, and those in `extra_pem`.
    pub fn new(extra_pem: Option<&str>) -> Result<Self, tls::Error> {
        Ok(Self(TlsConnector::from(Arc::new(tls::web_config(extra_pem)?))))
    }

    /// Connects without TLS.
    pub async fn open(&self, host: &str, port: u16) -> io::Result<BoxedIo> {
        let stream = TcpStream::connect((bare(host), port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    /// Connects over TLS, to who can prove to be `host`.
    pub async fn open_tls(&self, host: &str, port: u16) -> io::Result<BoxedIo> {
        let name = ServerName::try_from(bare(host).to_owned());
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = self.open(host, port).await?;
        Ok(Box::new(self.0.connect(name, stream).await?))
    }
}

/// An IPv6 address stands in brackets in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Web")
    }
}
