//! `berth exec`: a command in a container of a task.

use std::convert::Infallible;
use std::io::IsTerminal as _;

use berth_proto::agent::v1::conduit_input::Input;
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{Command, LogSource, TerminalSize};
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::conduit::{CHUNK_BYTES, Inlet, Of, Outlet};
use crate::context::Context;
use crate::failure::{Exit, Failure, OrUsage as _};

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: u8 = 128;

/// Run a command in a container of a task
#[derive(Debug, Args)]
#[command(after_help = "\
It ends as the command does, with its exit code. What is piped in is passed on; what is typed is with -i.

Examples:
  berth exec -it 3f2a91c0b7e4 -- sh
  berth exec 3f2a91c0b7e4 -c app -- cat /etc/hosts
  tar c . | berth exec 3f2a91c0b7e4 -- tar x -C /srv")]
pub(crate) struct Exec {
    /// The task: id, its beginning, or ARN
    task: String,
    #[command(flatten)]
    of: Of,
    /// Pass on what is typed
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
        crossterm::terminal::enable_raw_mode().or_usage(|| "preparing the terminal".to_owned())?;
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
        let task = Of::task(&session, &self.task).await?;
        let command =
            Command { arguments: self.command.clone(), tty: self.tty, size: self.tty.then(size).flatten() };
        let (inlet, mut outlet) = self.of.open(&session, task, Target::Command(command)).await?;
        let resized = listen(SignalKind::window_change())?;
        let ended = ended()?;
        let raw = self.tty.then(Raw::begin).transpose()?;
        let exit = tokio::select! {
            // Not cancel-safe, and need not be: the end of either is the end of the command line.
            exit = show(&mut outlet) => exit,
            never = self.pass_on(inlet, resized) => match never {},
            exit = ended => Ok(exit),
        };
        drop(raw);
        exit
    }

    /// Passes on what is typed and how large the terminal is.
    async fn pass_on(&self, inlet: Inlet, mut resized: Signal) -> Infallible {
        let mut stdin = tokio::io::stdin();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut is_open = self.interactive || !std::io::stdin().is_terminal();
        let mut is_taken = is_open || inlet.send(Input::End(true)).await;
        loop {
            let input = tokio::select! {
                // Cancel-safe: nothing is taken before it is ready.
                read = stdin.read(&mut buffer), if is_open && is_taken => match read {
                    Ok(0) | Err(_) => {
                        is_open = false;
                        Input::End(true)
                    }
                    Ok(length) => Input::Bytes(buffer[..length].to_vec()),
                },
                // Cancel-safe: a signal that was not taken stays.
                _ = resized.recv(), if self.tty && is_taken => match size() {
                    Some(size) => Input::Size(size),
                    None => continue,
                },
                // What is left to say comes from the other side.
                else => std::future::pending().await,
            };
            is_taken = inlet.send(input).await;
        }
    }
}

/// A signal that ends this process, which leaves the terminal as it found it.
fn ended() -> Result<impl Future<Output = Exit>, Failure> {
    let mut terminated = listen(SignalKind::terminate())?;
    let mut hung_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            // Cancel-safe, both: a signal that was not taken stays.
            _ = terminated.recv() => ended_by(SignalKind::terminate()),
            _ = hung_up.recv() => ended_by(SignalKind::hangup()),
        }
    })
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).or_usage(|| "listening to signals".to_owned())
}

fn ended_by(kind: SignalKind) -> Exit {
    Exit::Container(SIGNALLED.saturating_add(u8::try_from(kind.as_raw_value()).unwrap_or(0)))
}

fn size() -> Option<TerminalSize> {
    let (columns, rows) = crossterm::terminal::size().ok()?;
    Some(TerminalSize { columns: columns.into(), rows: rows.into() })
}

/// Shows what the command prints, byte for byte, until it has ended.
async fn show(outlet: &mut Outlet) -> Result<Exit, Failure> {
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    loop {
        let output = outlet.next().await?;
        if let Some(code) = output.exit_code {
            return Ok(Exit::Container(u8::try_from(code & 0xff).unwrap_or(u8::MAX)));
        }
        let written = async {
            if output.source() == LogSource::Stderr {
                err.write_all(&output.bytes).await?;
                err.flush().await
            } else {
                out.write_all(&output.bytes).await?;
                out.flush().await
            }
        };
        written.await.map_err(|_| Failure::closed_pipe())?;
    }
}
