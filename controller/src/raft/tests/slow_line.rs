//! A connection that carries a bounded number of bytes a second, from one side.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use berth_process::net::{BoxedIo, Connector};
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Interval;

/// Writes a little at each tick.
struct SlowLine {
    stream: TcpStream,
    pace: Interval,
    bytes_at_once: usize,
}

const PAUSE: Duration = Duration::from_millis(5);

/// Connects over lines that carry so much.
pub(super) fn connector(bytes_per_second: usize) -> Connector {
    let bytes_at_once = bytes_per_second / 200;
    Connector::custom(Arc::new(move |address| {
        async move {
            let stream = TcpStream::connect(address).await?;
            let pace = tokio::time::interval(PAUSE);
            Ok(Box::new(SlowLine { stream, pace, bytes_at_once }) as BoxedIo)
        }
        .boxed()
    }))
}

// === impl SlowLine ===

impl AsyncRead for SlowLine {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for SlowLine {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        ready!(line.pace.poll_tick(context));
        let some = &bytes[..bytes.len().min(line.bytes_at_once)];
        Pin::new(&mut line.stream).poll_write(context, some)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
