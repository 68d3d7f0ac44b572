//! `berth port-forward`: ports of this machine that lead to ports of a task.

use std::net::IpAddr;
use std::str::FromStr;

use berth_proto::agent::v1::Dial;
use berth_proto::agent::v1::conduit_input::Input;
use berth_proto::agent::v1::conduit_target::Target;
use clap::Args;
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::conduit::{CHUNK_BYTES, Inlet, Of, Outlet};
use crate::context::{Context, Session};
use crate::failure::{Exit, Failure, OrUsage as _};

/// Connections at a time; more wait to be accepted. An agent carries as many for all who ask it.
const CONNECTIONS: usize = 64;

/// Connect ports of this machine with those of a task
#[derive(Debug, Args)]
#[command(after_help = "\
It goes on until it is interrupted.

Examples:
  berth port-forward 3f2a91c0b7e4 8080:80
  berth port-forward 3f2a91c0b7e4 5432 :9090
  berth port-forward 3f2a91c0b7e4 5432:db.internal:5432    a host that the task reaches")]
pub(crate) struct PortForward {
    /// The task: id, its beginning, or ARN
    task: String,
    /// LOCAL:REMOTE, or one number for both; without LOCAL any free port; LOCAL:HOST:REMOTE for a port of another host
    #[arg(required = true, value_name = "LOCAL:REMOTE")]
    ports: Vec<Ports>,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    address: IpAddr,
    #[command(flatten)]
    of: Of,
}

/// A port here and the one it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ports {
    local: u16,
    /// Of the container itself when it is empty.
    host: String,
    remote: u16,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let local = |text: &str| if text.is_empty() { Some(0) } else { port(text) };
        let ports = |local: Option<u16>, host: &str, remote: &str| {
            let (local, remote) = local.zip(port(remote))?;
            Some(Self { local, host: host.to_owned(), remote })
        };
        let parsed = match *text.split(':').collect::<Vec<_>>() {
            [both] => ports(port(both), "", both),
            [here, remote] => ports(local(here), "", remote),
            [here, host, remote] if !host.is_empty() => ports(local(here), host, remote),
            _ => None,
        };
        parsed.ok_or_else(|| {
            "ports are numbers from 1 to 65535, as in 8080:80 or 5432:db.internal:5432".to_owned()
        })
    }
}

// === impl PortForward ===

impl PortForward {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        let task = Of::task(&session, &self.task).await?;
        let mut listeners = Vec::new();
        for ports in &self.ports {
            let listener = TcpListener::bind((self.address, ports.local)).await;
            let listener = listener.or_usage(|| format!("listening on {}:{}", self.address, ports.local))?;
            let local = listener.local_addr().or_usage(|| "listening".to_owned())?;
            let to = if ports.host.is_empty() { String::new() } else { format!("{} from ", ports.host) };
            context.output.line(&format!("{local} leads to port {} of {to}task {task}", ports.remote))?;
            listeners.push((listener, Dial { port: ports.remote.into(), host: ports.host.clone() }));
        }
        let accepted = stream::select_all(listeners.into_iter().map(|(listener, remote)| {
            stream::unfold((listener, remote), async |(listener, remote)| {
                let accepted = listener.accept().await.map(|(stream, _)| (stream, remote.clone()));
                Some((accepted, (listener, remote)))
            })
            .boxed()
        }));
        let mut accepted = std::pin::pin!(accepted);
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                // Cancel-safe: a connection that was not taken stays with its listener.
                next = accepted.next(), if running.len() < CONNECTIONS => {
                    let Some(next) = next else { return Ok(Exit::Success) };
                    let (stream, remote) = next.or_usage(|| "accepting a connection".to_owned())?;
                    running.push(self.carry(&session, task.clone(), stream, remote));
                }
                // Cancel-safe: what has not ended stays.
                Some(ended) = running.next() => {
                    if let Err(failure) = ended {
                        context.output.failure(&failure);
                    }
                }
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn carry(
        &self,
        session: &Session,
        task: String,
        stream: TcpStream,
        remote: Dial,
    ) -> Result<(), Failure> {
        let dial = Target::Dial(remote);
        let (inlet, outlet) = self.of.open(session, task, dial).await?;
        let (reading, writing) = stream.into_split();
        tokio::select! {
            // Not cancel-safe, and need not be: both end here.
            received = receive(outlet, writing) => received,
            () = send(reading, inlet) => Ok(()),
        }
    }
}

/// What comes from the task, until all is over.
async fn receive(mut outlet: Outlet, writing: OwnedWriteHalf) -> Result<(), Failure> {
    let mut writing = Some(writing);
    loop {
        let output = outlet.next().await?;
        if output.exit_code.is_some() {
            return Ok(());
        }
        if let Some(open) = &mut writing
            && open.write_all(&output.bytes).await.is_err()
        {
            // Whoever connected is gone.
            return Ok(());
        }
        if output.end {
            // Its own end may still have something to send.
            drop(writing.take());
        }
    }
}

/// What goes to the task. Ends only when whoever connected is gone without having said that it has no more.
async fn send(mut reading: OwnedReadHalf, inlet: Inlet) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let input = match reading.read(&mut buffer).await {
            Ok(0) => Input::End(true),
            Ok(length) => Input::Bytes(buffer[..length].to_vec()),
            Err(_) => return,
        };
        let is_end = matches!(input, Input::End(_));
        if !inlet.send(input).await || is_end {
            // What is left comes from the other side.
            return std::future::pending().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_one_or_two() {
        let ports = |local, remote| Ok(Ports { local, host: String::new(), remote });
        assert_eq!("80".parse(), ports(80, 80));
        assert_eq!("8080:80".parse(), ports(8080, 80));
        assert_eq!(":80".parse(), ports(0, 80));
        let beyond = Ports { local: 0, host: "db.internal".to_owned(), remote: 5432 };
        assert_eq!(":db.internal:5432".parse(), Ok(beyond));
        for wrong in ["", ":", "80:", "0", "a:80", "80::80", "80:h:80:80", "65536"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }
}
