//! Log streams: a caller asks for a task's output, the agent that runs it is told, and pushes it here.
//!
//! A request is known by a random id. Whoever asked holds the receiving end; when it goes away the agent is told to
//! stop, and what still arrives is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_model::id::InstanceId;
use berth_process::entropy::Entropy;
use berth_proto::agent::v1 as pb;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::registry::Registry;
use crate::limits::{LOG_CHUNKS_IN_FLIGHT, LOG_STREAMS};

/// Why there is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The agent's session is not here.
    #[error("the agent of the instance has no session with this controller")]
    NotHere,
    /// As many as there may be are open.
    #[error("{LOG_STREAMS} log streams are open already, which is the most")]
    TooMany,
}

/// The log streams through this controller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Logs {
    registry: Registry,
    entropy: Entropy,
    waiting: Arc<Mutex<BTreeMap<String, mpsc::Sender<pb::LogChunk>>>>,
}

/// The receiving end of a log stream.
#[derive(Debug)]
pub struct LogStream {
    chunks: mpsc::Receiver<pb::LogChunk>,
    request_id: String,
    instance: InstanceId,
    logs: Logs,
}

// === impl Logs ===

impl Logs {
    pub(super) fn new(registry: Registry, entropy: Entropy) -> Self {
        Self { registry, entropy, waiting: Arc::default() }
    }

    /// Asks the agent of an instance for the output of a task. The request's id is made here.
    pub fn open(&self, instance: InstanceId, request: pb::OpenLogs) -> Result<LogStream, OpenError> {
        let entry = self.registry.get(instance).ok_or(OpenError::NotHere)?;
        let request_id = format!("{:032x}", self.entropy.u128());
        let (sender, chunks) = mpsc::channel(LOG_CHUNKS_IN_FLIGHT);
        {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= LOG_STREAMS {
                return Err(OpenError::TooMany);
            }
            waiting.insert(request_id.clone(), sender);
        }
        let stream = LogStream { chunks, request_id: request_id.clone(), instance, logs: self.clone() };
        let open = pb::OpenLogs { request_id, ..request };
        let message =
            pb::ControllerMessage { message: Some(pb::controller_message::Message::OpenLogs(open)) };
        // A session whose queue is full is about to be ended for it; the caller asks again.
        entry.outbound.try_send(message).map_err(|_| OpenError::NotHere)?;
        Ok(stream)
    }

    /// Where the chunks of a request go; none when nobody waits for them any more.
    pub(super) fn receiver(&self, request_id: &str) -> Option<mpsc::Sender<pb::LogChunk>> {
        self.waiting.lock().get(request_id).cloned()
    }

    /// The agent has sent everything.
    pub(super) fn finish(&self, request_id: &str) {
        self.waiting.lock().remove(request_id);
    }
}

// === impl LogStream ===

impl LogStream {
    /// The next chunk; none at the end.
    pub async fn next(&mut self) -> Option<pb::LogChunk> {
        self.chunks.recv().await
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        self.logs.finish(&self.request_id);
        if let Some(entry) = self.logs.registry.get(self.instance) {
            let close = pb::CloseLogs { request_id: self.request_id.clone() };
            let message =
                pb::ControllerMessage { message: Some(pb::controller_message::Message::CloseLogs(close)) };
            // Not delivered: the agent's push ends by itself, because nobody takes its chunks.
            drop(entry.outbound.try_send(message));
        }
    }
}
