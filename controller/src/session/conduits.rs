//! Conduits: a caller asks for one, the agent that runs the task is told, and calls back with a stream of its own, in both
//! directions.
//!
//! A conduit is known by an id that nobody can guess. Whoever asked holds its output; when that goes away, so does the
//! agent's call. Once the agent has called, the conduit lives as long as that call, and no longer needs the session.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_model::id::InstanceId;
use berth_proto::agent::v1 as pb;
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::registry::Registry;
use crate::conduit::{Outputs, is_last, over};
use crate::limits::{CONDUIT_CALL_BACK, CONDUIT_CHUNKS_IN_FLIGHT, CONDUITS};

/// Why there is no conduit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The agent's session is not here.
    #[error("the agent of the instance has no session with this controller")]
    NotHere,
    /// As many as there may be are open.
    #[error("{CONDUITS} conduits are open already, which is the most")]
    TooMany,
    /// Its id is that of another.
    #[error("a conduit of this id is open")]
    Taken,
}

/// The conduits through this controller to agents that have their sessions here. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Conduits {
    registry: Registry,
    open: Arc<Mutex<BTreeMap<String, Open>>>,
}

/// One that somebody waits for.
#[derive(Debug)]
struct Open {
    /// Taken by the agent's call.
    waiting: Option<Waiting>,
    end: CancellationToken,
}

#[derive(Debug)]
struct Waiting {
    input: mpsc::Receiver<pb::ConduitInput>,
    output: mpsc::Sender<pb::ConduitOutput>,
}

/// Takes a conduit that nobody waits for any more off the list.
struct Forget {
    request_id: String,
    conduits: Conduits,
}

/// What the holder of a conduit's output waits for.
struct Held {
    output: mpsc::Receiver<pb::ConduitOutput>,
    end: CancellationToken,
    session_end: CancellationToken,
    has_called: bool,
    is_over: bool,
    _forget: Forget,
}

// === impl Conduits ===

impl Conduits {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, open: Arc::default() }
    }

    /// Whether the agent of an instance has its session here.
    pub fn reaches(&self, instance: InstanceId) -> bool {
        self.registry.get(instance).is_some()
    }

    /// Asks the agent of an instance to open a conduit; what comes of it.
    pub fn open(
        &self,
        instance: InstanceId,
        request: pb::OpenConduit,
        input: mpsc::Receiver<pb::ConduitInput>,
    ) -> Result<Outputs, OpenError> {
        let entry = self.registry.get(instance).ok_or(OpenError::NotHere)?;
        let (sender, output) = mpsc::channel(CONDUIT_CHUNKS_IN_FLIGHT);
        let end = CancellationToken::new();
        let request_id = request.request_id.clone();
        {
            let mut open = self.open.lock();
            if open.contains_key(&request_id) {
                return Err(OpenError::Taken);
            }
            if open.len() >= CONDUITS {
                return Err(OpenError::TooMany);
            }
            let waiting = Some(Waiting { input, output: sender });
            open.insert(request_id.clone(), Open { waiting, end: end.clone() });
        }
        let forget = Forget { request_id, conduits: self.clone() };
        let message = pb::controller_message::Message::OpenConduit(request);
        // A session whose queue is full is about to be ended for it; the caller asks again.
        let told = entry.outbound.try_send(pb::ControllerMessage { message: Some(message) });
        told.map_err(|_| OpenError::NotHere)?;
        let session_end = entry.end;
        let held = Held { output, end, session_end, has_called: false, is_over: false, _forget: forget };
        let outputs = stream::unfold(held, |mut held| async { held.next().await.map(|next| (next, held)) });
        Ok(outputs.boxed())
    }

    /// Ends a conduit, or all of a session: their ids are its own and, after a hyphen, a number. Whether there was one.
    pub fn end(&self, request_id: &str) -> bool {
        let open = self.open.lock();
        let is_of_session = |id: &str| {
            let number = id.strip_prefix(request_id).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let found = open.iter().filter(|(id, _)| *id == request_id || is_of_session(id));
        found.map(|(_, open)| open.end.cancel()).count() > 0
    }

    /// Takes the call of an agent: what goes to it, and the work of passing on what comes from it until either side ends.
    pub(super) async fn attach(
        &self,
        mut outputs: Streaming<pb::ConduitOutput>,
    ) -> Result<(mpsc::Receiver<pb::ConduitInput>, impl Future<Output = ()> + use<>), Status> {
        let first = outputs.message().await?;
        let first = first.ok_or_else(|| Status::invalid_argument("the first message names the conduit"))?;
        let waiting = self.open.lock().get_mut(&first.request_id).and_then(|open| open.waiting.take());
        let Some(Waiting { input, output }) = waiting else {
            return Err(Status::not_found("nobody waits for this conduit any more"));
        };
        let pass_on = async move {
            let mut next = Some(first);
            while let Some(chunk) = next {
                if output.send(chunk).await.is_err() {
                    return;
                }
                next = tokio::select! {
                    // Cancel-safe: a message that is half-read stays in the stream's buffer.
                    message = outputs.message() => message.ok().flatten(),
                    // Cancel-safe: it stays closed.
                    () = output.closed() => return,
                };
            }
        };
        Ok((input, pass_on))
    }
}

// === impl Held ===

impl Held {
    /// What comes next. The agent has to call first, and does so at once or not at all.
    async fn next(&mut self) -> Option<Result<pb::ConduitOutput, Status>> {
        if self.is_over {
            return None;
        }
        if !self.has_called {
            let called = tokio::select! {
                // Cancel-safe: an output that was not taken stays in the channel.
                first = self.output.recv() => Ok(first),
                // Cancel-safe: the token stays cancelled.
                () = self.session_end.cancelled() => Err("lost its session with this controller"),
                // Not cancel-safe, and need not be: it ends here.
                () = tokio::time::sleep(CONDUIT_CALL_BACK) => Err("does not call back"),
            };
            self.has_called = true;
            if let Err(reason) = called {
                self.is_over = true;
                return Some(Err(Status::unavailable(format!("The agent of the task {reason}."))));
            }
        }
        let next = tokio::select! {
            biased;
            // Cancel-safe: the token stays cancelled.
            () = self.end.cancelled() => Some(over("The session was terminated.")),
            // Cancel-safe: an output that was not taken stays in the channel.
            next = self.output.recv() => next,
        };
        let next = next.ok_or_else(|| Status::unavailable("The connection to the agent of the task broke."));
        self.is_over = is_last(&next);
        Some(next)
    }
}

// === impl Forget ===

impl Drop for Forget {
    fn drop(&mut self) {
        self.conduits.open.lock().remove(&self.request_id);
    }
}
