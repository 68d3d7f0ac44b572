//! `berth exec`: a command in a container of a task.

use std::io::{IsTerminal as _, Write as _};

use berth_proto::admin::v1::{ExecRequest, ExecStart, exec_request};
use berth_proto::agent::v1::{ExecInput, ExecOutput, LogSource, TerminalSize, exec_input};
use clap::Args;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::api;
use crate::context::Context;
use crate::failure::{Exit, Failure, from_status};

/// Read from a terminal or a pipe at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// Run a command in a container of a task
#[derive(Debug, Args)]
#[command(after_help = "\
It ends as the command does, with its exit code.

Examples:
  berth exec -it 3f2a91c0b7e4 -- sh
  berth exec 3f2a91c0b7e4 -c app -- cat /etc/hosts
  tar c . | berth exec -i 3f2a91c0b7e4 -- tar x -C /srv")]
pub(crate) struct Exec {
    /// The task: id, its beginning, or ARN
    task: String,
    /// The container; not needed when the task has one
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Pass on what is typed or piped in
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The terminal passes every key on while this lives.
struct Raw;

// === impl Raw ===

impl Raw {
    fn begin() -> Result<Self, Failure> {
        crossterm::terminal::enable_raw_mode()
            .map_err(|error| Failure::usage(format!("preparing the terminal: {error}")))?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

// === impl Exec ===

impl Exec {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.tty && !std::io::stdin().is_terminal() {
            return Err(Failure::usage("-t needs a terminal, and standard input is none"));
        }
        let session = context.connect()?;
        let ids = api::whole_task_ids(&session, std::slice::from_ref(&self.task)).await?;
        let start = ExecStart {
            cluster: session.cluster.clone(),
            task: ids.into_iter().next().unwrap_or_default(),
            container: self.container.clone().unwrap_or_default(),
            command: self.command.clone(),
            tty: self.tty,
            size: self.tty.then(size).flatten(),
        };
        let (inputs, mut outputs) = session.client.exec(start).await?;
        let raw = self.tty.then(Raw::begin).transpose()?;
        let typed = self.pass_on(inputs);
        let exit = tokio::select! {
            // Not cancel-safe, and need not be: the end of either is the end of the command line.
            exit = show(&mut outputs) => exit,
            failure = typed => Err(failure),
        };
        drop(raw);
        exit
    }

    /// Passes on what is typed and how large the terminal is. Ends only when that cannot go on.
    async fn pass_on(&self, inputs: mpsc::Sender<ExecRequest>) -> Failure {
        let resized = signal(SignalKind::window_change());
        let Ok(mut resized) = resized else { return Failure::usage("listening to the terminal") };
        let mut stdin = tokio::io::stdin();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut is_open = self.interactive;
        if !is_open {
            let _ = inputs.send(request(exec_input::Input::EndOfStdin(true))).await;
        }
        loop {
            let input = tokio::select! {
                // Cancel-safe: nothing is taken before it is ready.
                read = stdin.read(&mut buffer), if is_open => match read {
                    Ok(0) | Err(_) => {
                        is_open = false;
                        exec_input::Input::EndOfStdin(true)
                    }
                    Ok(length) => exec_input::Input::Stdin(buffer[..length].to_vec()),
                },
                // Cancel-safe: a signal that was not taken stays.
                _ = resized.recv(), if self.tty => match size() {
                    Some(size) => exec_input::Input::Size(size),
                    None => continue,
                },
                // The rest comes from the other side.
                else => std::future::pending().await,
            };
            if inputs.send(request(input)).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn request(input: exec_input::Input) -> ExecRequest {
    let input = ExecInput { input: Some(input) };
    ExecRequest { message: Some(exec_request::Message::Input(input)) }
}

fn size() -> Option<TerminalSize> {
    let (columns, rows) = crossterm::terminal::size().ok()?;
    Some(TerminalSize { columns: columns.into(), rows: rows.into() })
}

/// Shows what the command prints, byte for byte, until it has ended.
async fn show(outputs: &mut tonic::Streaming<ExecOutput>) -> Result<Exit, Failure> {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    loop {
        let output = outputs.message().await.map_err(|status| from_status(&status))?;
        let Some(output) = output else {
            return Err(Failure::unreachable("the connection ended before the command did"));
        };
        if !output.error.is_empty() {
            return Err(Failure::refused(output.error));
        }
        if let Some(code) = output.exit_code {
            return Ok(Exit::Container(u8::try_from(code & 0xff).unwrap_or(u8::MAX)));
        }
        let written = if output.source() == LogSource::Stderr {
            err.write_all(&output.bytes).and_then(|()| err.flush())
        } else {
            out.write_all(&output.bytes).and_then(|()| out.flush())
        };
        written.map_err(|_| Failure::closed_pipe())?;
    }
}
