//! What goes to whoever asked: chunks, as fast as they are taken, and a last word.

use berth_proto::agent::v1 as wire;
use tokio::sync::mpsc;

use super::{Broken, Ended};

/// The way out of one conduit.
pub(super) struct Outlet {
    request_id: String,
    sender: mpsc::Sender<wire::ConduitOutput>,
}

// === impl Outlet ===

impl Outlet {
    pub(super) fn new(request_id: String, sender: mpsc::Sender<wire::ConduitOutput>) -> Self {
        Self { request_id, sender }
    }

    /// Says whose conduit this is.
    pub(super) fn announce(&self) {
        // There is room: it is the first.
        let _ = self.sender.try_send(self.message());
    }

    /// Waits until it is taken.
    pub(super) async fn bytes(&self, source: wire::LogSource, bytes: Vec<u8>) -> Result<(), Broken> {
        self.send(wire::ConduitOutput { source: source.into(), bytes, ..self.message() }).await
    }

    /// The container sends nothing more.
    pub(super) async fn end(&self) -> Result<(), Broken> {
        self.send(wire::ConduitOutput { end: true, ..self.message() }).await
    }

    /// The last word.
    pub(super) async fn finish(self, ended: Ended) {
        let last = match ended {
            Ok(code) => wire::ConduitOutput { exit_code: Some(code), ..self.message() },
            Err(Broken::Failed(error)) => wire::ConduitOutput { error, ..self.message() },
            Err(Broken::Abandoned) => return,
        };
        // Whoever asked may be gone.
        let _ = self.send(last).await;
    }

    async fn send(&self, output: wire::ConduitOutput) -> Result<(), Broken> {
        self.sender.send(output).await.map_err(|_| Broken::Abandoned)
    }

    fn message(&self) -> wire::ConduitOutput {
        wire::ConduitOutput { request_id: self.request_id.clone(), ..wire::ConduitOutput::default() }
    }
}
