//! The simulated network as listener and connector.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use berth_process::net::{BoxedIo, Connector, Listen};
use futures::FutureExt;
use turmoil::net::{TcpListener, TcpStream};

pub(super) struct Listener(pub(super) TcpListener);

impl Listen for Listener {
    async fn accept(&mut self) -> io::Result<(BoxedIo, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((Box::new(stream), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

pub(super) fn connector() -> Connector {
    Connector::custom(Arc::new(|address| {
        async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::new(stream) as BoxedIo)
        }
        .boxed()
    }))
}
