//! Commands in containers: a caller asks, the agent that runs the task is told, and calls back with a stream of its own,
//! in both directions.
//!
//! A command is known by a random id. Whoever asked holds its output; when that goes away, or its input ends, so does the
//! agent's call.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_model::id::InstanceId;
use berth_process::entropy::Entropy;
use berth_proto::agent::v1 as pb;
use futures::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::registry::Registry;
use crate::limits::{COMMANDS, EXEC_CHUNKS_IN_FLIGHT};

/// Why there is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The agent's session is not here.
    #[error("the agent of the instance has no session with this controller")]
    NotHere,
    /// As many as there may be are running.
    #[error("{COMMANDS} commands are running already, which is the most")]
    TooMany,
}

/// The commands through this controller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Commands {
    registry: Registry,
    entropy: Entropy,
    waiting: Arc<Mutex<BTreeMap<String, Waiting>>>,
}

/// A command whose agent has not called back yet.
#[derive(Debug)]
struct Waiting {
    input: mpsc::Receiver<pb::ExecInput>,
    output: mpsc::Sender<pb::ExecOutput>,
}

/// Takes a command that nobody waits for any more off the list.
struct Forget {
    request_id: String,
    commands: Commands,
}

// === impl Commands ===

impl Commands {
    pub(super) fn new(registry: Registry, entropy: Entropy) -> Self {
        Self { registry, entropy, waiting: Arc::default() }
    }

    /// Asks the agent of an instance to run a command; its output. The request's id is made here.
    pub fn open(
        &self,
        instance: InstanceId,
        request: pb::OpenExec,
        input: mpsc::Receiver<pb::ExecInput>,
    ) -> Result<BoxStream<'static, Result<pb::ExecOutput, Status>>, OpenError> {
        let entry = self.registry.get(instance).ok_or(OpenError::NotHere)?;
        let request_id = format!("{:032x}", self.entropy.u128());
        let (sender, output) = mpsc::channel(EXEC_CHUNKS_IN_FLIGHT);
        {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= COMMANDS {
                return Err(OpenError::TooMany);
            }
            waiting.insert(request_id.clone(), Waiting { input, output: sender });
        }
        let forget = Forget { request_id: request_id.clone(), commands: self.clone() };
        let open = pb::OpenExec { request_id, ..request };
        let message = pb::controller_message::Message::OpenExec(open);
        // A session whose queue is full is about to be ended for it; the caller asks again.
        let told = entry.outbound.try_send(pb::ControllerMessage { message: Some(message) });
        told.map_err(|_| OpenError::NotHere)?;
        let end = entry.end;
        let chunks = stream::unfold((output, forget), |(mut output, forget)| async {
            output.recv().await.map(|chunk| (Ok(chunk), (output, forget)))
        });
        let lost = Status::unavailable("the agent of the instance lost its session with this controller");
        let lost = stream::once(async move {
            end.cancelled_owned().await;
            Err(lost)
        });
        Ok(until_first_end(chunks.boxed(), lost.boxed()))
    }

    /// Takes the call of an agent: what goes to the command. What comes from it goes to whoever asked, until either ends.
    pub(super) async fn attach(
        &self,
        mut outputs: Streaming<pb::ExecOutput>,
    ) -> Result<(mpsc::Receiver<pb::ExecInput>, impl Future<Output = Result<(), Status>> + use<>), Status>
    {
        let first = outputs.message().await?;
        let first = first.ok_or_else(|| Status::invalid_argument("the first message names the command"))?;
        let waiting = self.waiting.lock().remove(&first.request_id);
        let Some(Waiting { input, output }) = waiting else {
            return Err(Status::not_found("nobody waits for this command any more"));
        };
        let pass_on = async move {
            let mut next = Some(first);
            while let Some(chunk) = next {
                if output.send(chunk).await.is_err() {
                    break;
                }
                next = outputs.message().await?;
            }
            Ok(())
        };
        Ok((input, pass_on))
    }
}

/// The chunks, until they end or the other stream has something to say.
fn until_first_end(
    chunks: BoxStream<'static, Result<pb::ExecOutput, Status>>,
    lost: BoxStream<'static, Result<pb::ExecOutput, Status>>,
) -> BoxStream<'static, Result<pb::ExecOutput, Status>> {
    let merged = stream::unfold(Some((chunks, lost)), |streams| async {
        let (mut chunks, mut lost) = streams?;
        tokio::select! {
            biased;
            // Cancel-safe: a chunk that was not taken stays in the channel.
            chunk = chunks.next() => {
                let is_last = chunk.as_ref().is_none_or(|chunk| chunk.as_ref().is_ok_and(is_last));
                Some((chunk?, (!is_last).then_some((chunks, lost))))
            }
            // Cancel-safe: the token stays cancelled.
            said = lost.next() => Some((said?, None)),
        }
    });
    merged.boxed()
}

fn is_last(chunk: &pb::ExecOutput) -> bool {
    chunk.exit_code.is_some() || !chunk.error.is_empty()
}

// === impl Forget ===

impl Drop for Forget {
    fn drop(&mut self) {
        self.commands.waiting.lock().remove(&self.request_id);
    }
}
