//! Log streams: a caller asks for a task's output, the agent that runs it is told, and pushes it here.
//!
//! A request is known by a random id. Whoever asked holds the receiving end; when it goes away the agent is told to
//! stop, and what still arrives is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_model::id::InstanceId;
use berth_process::entropy::Entropy;
use berth_proto::agent::v1 as pb;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

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

/// The agent's session ended before the log did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent of the instance lost its session with this controller")]
pub struct SessionEnded;

/// The receiving end of a log stream.
#[derive(Debug)]
pub struct LogStream {
    chunks: mpsc::Receiver<pb::LogChunk>,
    /// Of the agent's session, without which nobody sends anything.
    session_end: CancellationToken,
    is_over: bool,
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
        let stream = LogStream {
            chunks,
            session_end: entry.end,
            is_over: false,
            request_id: request_id.clone(),
            instance,
            logs: self.clone(),
        };
        let open = pb::OpenLogs { request_id, ..request };
        let message =
            pb::ControllerMessage { message: Some(pb::controller_message::Message::OpenLogs(open)) };
        // A session whose queue is full is about to be ended for it; the caller asks again.
        entry.outbound.try_send(message).map_err(|_| OpenError::NotHere)?;
        Ok(stream)
    }

    /// Takes what an agent pushes to whoever asked for it, until either of them ends.
    pub(super) async fn receive(
        &self,
        mut chunks: impl Stream<Item = Result<pb::LogChunk, Status>> + Unpin,
    ) -> Result<(), Status> {
        let Some(first) = chunks.next().await.transpose()? else { return Ok(()) };
        let request_id = first.request_id.clone();
        let Some(receiver) = self.waiting.lock().get(&request_id).cloned() else { return Ok(()) };
        let result = pass_on(first, &mut chunks, &receiver).await;
        self.finish(&request_id);
        result
    }

    /// No more chunks come for a request.
    fn finish(&self, request_id: &str) {
        self.waiting.lock().remove(request_id);
    }
}

async fn pass_on(
    first: pb::LogChunk,
    chunks: &mut (impl Stream<Item = Result<pb::LogChunk, Status>> + Unpin),
    receiver: &mpsc::Sender<pb::LogChunk>,
) -> Result<(), Status> {
    let mut next = Some(first);
    while let Some(chunk) = next {
        let is_announcement = chunk.bytes.is_empty() && chunk.error.is_empty();
        if !is_announcement && receiver.send(chunk).await.is_err() {
            break;
        }
        next = chunks.next().await.transpose()?;
    }
    Ok(())
}

// === impl LogStream ===

impl LogStream {
    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// Once, when the agent's session ends before the log does.
    pub async fn next(&mut self) -> Option<Result<pb::LogChunk, SessionEnded>> {
        if self.is_over {
            return None;
        }
        let next = tokio::select! {
            biased;
            // Cancel-safe: a chunk that was not taken stays in the channel.
            chunk = self.chunks.recv() => chunk.map(Ok),
            // Cancel-safe: the token stays cancelled.
            () = self.session_end.cancelled() => Some(Err(SessionEnded)),
        };
        self.is_over = !matches!(next, Some(Ok(_)));
        next
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

#[cfg(test)]
mod tests;
