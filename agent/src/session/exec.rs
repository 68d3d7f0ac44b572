//! Commands in containers, for people: a controller asks for them on the session, and gets a call for each, on which
//! input comes down and output goes up.

use std::sync::Arc;

use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::exec_input::Input;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Client;
use crate::engine::Handle;
use crate::limits;
use crate::runtime::{ExecOptions, ExecStreams, Runtime, TerminalSize};

/// The commands of one session. They end with it.
pub(super) struct Commands {
    client: Client,
    engine: Handle,
    runtime: Arc<dyn Runtime>,
    scope: Shutdown,
    running: Arc<Mutex<usize>>,
}

/// One of those that may run.
struct Slot(Arc<Mutex<usize>>);

// === impl Commands ===

impl Commands {
    pub(super) fn new(client: Client, engine: Handle, runtime: Arc<dyn Runtime>, scope: Shutdown) -> Self {
        Self { client, engine, runtime, scope, running: Arc::default() }
    }

    pub(super) fn open(&self, request: wire::OpenExec) {
        let slot = Slot::take(&self.running);
        let (engine, runtime) = (self.engine.clone(), self.runtime.clone());
        let (client, token) = (self.client.clone(), self.scope.token().clone());
        self.scope.spawn::<_, tonic::Status>("exec", OnError::Log, async move {
            let started = match &slot {
                Some(_) => start(&request, &engine, &*runtime).await,
                None => Err(format!("more than {} commands run on this instance", limits::COMMANDS)),
            };
            let call = call(client, request.request_id, started, &*runtime);
            token.run_until_cancelled(call).await.unwrap_or(Ok(()))
        });
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.scope.trigger();
    }
}

// === impl Slot ===

impl Slot {
    fn take(running: &Arc<Mutex<usize>>) -> Option<Self> {
        let mut count = running.lock();
        (*count < limits::COMMANDS).then(|| {
            *count += 1;
            Self(running.clone())
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}

async fn start(
    request: &wire::OpenExec,
    engine: &Handle,
    runtime: &dyn Runtime,
) -> Result<ExecStreams, String> {
    let located = engine.locate(&request.task_id, &request.container).await;
    let Some(container) = located.first() else {
        return Err(format!(
            "task {} has no container {} on this instance",
            request.task_id, request.container
        ));
    };
    let options = ExecOptions {
        command: request.command.clone(),
        tty: request.tty,
        size: request.size.as_ref().map(size),
    };
    runtime.exec(&container.runtime_id, &options).await.map_err(|error| error.to_string())
}

/// Joins a command with whoever asked for it, until it has ended or they are gone.
async fn call(
    mut client: Client,
    request_id: String,
    started: Result<ExecStreams, String>,
    runtime: &dyn Runtime,
) -> Result<(), tonic::Status> {
    let (sender, receiver) = mpsc::channel(limits::EXEC_CHUNKS);
    let head = wire::ExecOutput { request_id, ..Default::default() };
    let error = started.as_ref().err().cloned().unwrap_or_default();
    // There is room: it is the first. It says whose output this is.
    let _ = sender.try_send(wire::ExecOutput { error, ..head.clone() });
    let inputs = client.push_exec(ReceiverStream::new(receiver)).await?.into_inner();
    let Ok(streams) = started else { return Ok(()) };
    let ExecStreams { id, output, input } = streams;
    let outputs = push(output, &head, &sender);
    tokio::select! {
        // Not cancel-safe, and need not be: both end here.
        () = outputs => {}
        () = feed(inputs, input, &id, runtime) => return Ok(()),
    }
    let last = match runtime.exec_exit_code(&id).await {
        Ok(code) => wire::ExecOutput { exit_code: code, ..head },
        Err(error) => wire::ExecOutput { error: error.to_string(), ..head },
    };
    // Whoever asked may be gone.
    let _ = sender.send(last).await;
    Ok(())
}

/// What the command prints, until it has ended or nobody reads.
async fn push(
    mut output: crate::runtime::Output,
    head: &wire::ExecOutput,
    sender: &mpsc::Sender<wire::ExecOutput>,
) {
    while let Some(record) = output.next().await {
        let (chunk, is_last) = match record {
            Ok((is_stderr, bytes)) => {
                let source = if is_stderr { wire::LogSource::Stderr } else { wire::LogSource::Stdout };
                (wire::ExecOutput { source: source.into(), bytes: bytes.to_vec(), ..head.clone() }, false)
            }
            Err(error) => (wire::ExecOutput { error: error.to_string(), ..head.clone() }, true),
        };
        if sender.send(chunk).await.is_err() || is_last {
            return;
        }
    }
}

/// What is typed, until whoever types is gone.
async fn feed(
    mut inputs: tonic::Streaming<wire::ExecInput>,
    input: crate::runtime::Input,
    id: &str,
    runtime: &dyn Runtime,
) {
    let mut input = Some(input);
    while let Ok(Some(message)) = inputs.message().await {
        match message.input {
            Some(Input::Stdin(bytes)) => {
                let Some(open) = &mut input else { continue };
                let written = async {
                    open.write_all(&bytes).await?;
                    open.flush().await
                };
                if written.await.is_err() {
                    input = None;
                }
            }
            Some(Input::EndOfStdin(_)) => {
                if let Some(mut open) = input.take() {
                    // A command that has ended reads no more.
                    let _ = open.shutdown().await;
                }
            }
            Some(Input::Size(wanted)) => {
                if let Err(error) = runtime.exec_resize(id, size(&wanted)).await {
                    tracing::debug!(error = %error, "cannot resize a terminal");
                }
            }
            None => {}
        }
    }
}

fn size(size: &wire::TerminalSize) -> TerminalSize {
    let bounded = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
    TerminalSize { columns: bounded(size.columns), rows: bounded(size.rows) }
}
