//! A connection to a port of a container.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::conduit_input::Input;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

use super::outlet::Outlet;
use super::{Broken, Ended, Inputs};
use crate::limits;
use crate::runtime::Runtime;

mod namespace;

/// The network of containers that share the host's.
const HOST: &str = "host";

/// Connects, and carries bytes until both sides have sent all they had, or whoever asked is gone.
pub(super) async fn run(
    wanted: &wire::Dial,
    runtime: &dyn Runtime,
    runtime_id: &str,
    inputs: &mut Inputs,
    outlet: &Outlet,
) -> Ended {
    let port = u16::try_from(wanted.port).ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| Broken::Failed("A port is a number from 1 to 65535.".to_owned()))?;
    let stream = match wanted.host.as_str() {
        "" | "localhost" => connect(runtime, runtime_id, port).await?,
        host => connect_beyond(runtime, runtime_id, host, port).await?,
    };
    // What is sent by hand is to arrive at once.
    let _ = stream.set_nodelay(true);
    let (reading, writing) = stream.into_split();
    let (tell, told) = oneshot::channel();
    let over = async {
        push(reading, outlet).await?;
        // Its caller may still have something to send.
        told.await.map_err(|_| Broken::Abandoned)
    };
    tokio::select! {
        // Not cancel-safe, and need not be: both end here.
        over = over => over.map(|()| 0),
        broken = feed(inputs, writing, tell) => Err(broken),
    }
}

/// As the container itself would, if its network can be entered: what listens on its loopback is reached too, and a
/// container without an address of its own. Else at its address.
async fn connect(runtime: &dyn Runtime, runtime_id: &str, port: u16) -> Result<TcpStream, Broken> {
    let mut refusal = "The container has no address that its instance can reach.".to_owned();
    if let Some(first) = runtime.first_process(runtime_id).await? {
        match namespace::connect(first, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refusal = format!("Connecting to port {port} of the container: {error}."),
        }
    }
    for address in addresses(runtime, runtime_id).await? {
        match tokio::time::timeout(limits::DIAL_TIMEOUT, TcpStream::connect((address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => refusal = format!("Connecting to port {port} of the container: {error}."),
            Err(_) => refusal = format!("Port {port} of the container does not answer."),
        }
    }
    Err(Broken::Failed(refusal))
}

/// To another host, as the container itself would: what may not be reached from there is not reached. Names are those that
/// this host knows.
async fn connect_beyond(
    runtime: &dyn Runtime,
    runtime_id: &str,
    host: &str,
    port: u16,
) -> Result<TcpStream, Broken> {
    let outside = "Other hosts are reached only through containers whose network this agent can enter.";
    let first = runtime.first_process(runtime_id).await?;
    let first = first.ok_or_else(|| Broken::Failed(outside.to_owned()))?;
    let found = tokio::time::timeout(limits::DIAL_TIMEOUT, tokio::net::lookup_host((host, port))).await;
    let unknown = |reason: String| Broken::Failed(format!("Looking up {host}: {reason}."));
    let found = found.map_err(|_| unknown("nobody answers".to_owned()))?;
    let found = found.map_err(|error| unknown(error.to_string()))?;
    let mut refusal = unknown("it has no address".to_owned());
    for address in found {
        match namespace::connect(first, address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                refusal = Broken::Failed(format!("Connecting to {host}:{port} from the container: {error}."));
            }
        }
    }
    Err(refusal)
}

/// Where a container is reached from its instance.
async fn addresses(runtime: &dyn Runtime, runtime_id: &str) -> Result<Vec<IpAddr>, Broken> {
    let missing = || Broken::Failed("The container is not there any more.".to_owned());
    let networks = runtime.describe(runtime_id).await?.ok_or_else(missing)?.networks;
    if networks.contains_key(HOST) {
        return Ok(vec![IpAddr::from([127, 0, 0, 1])]);
    }
    let texts = networks.values().flat_map(|network| network.ipv4.iter().chain(&network.ipv6));
    Ok(texts.filter_map(|text| text.parse().ok()).collect())
}

/// What the container sends, until it sends no more.
async fn push(mut reading: OwnedReadHalf, outlet: &Outlet) -> Result<(), Broken> {
    let mut buffer = vec![0; limits::CONDUIT_CHUNK_BYTES];
    loop {
        let read = reading.read(&mut buffer).await;
        match read.map_err(|error| Broken::Failed(format!("Reading from the container: {error}.")))? {
            0 => return outlet.end().await,
            length => outlet.bytes(wire::LogSource::Stdout, buffer[..length].to_vec()).await?,
        }
    }
}

/// What is sent to it, until its sender is gone; tells when that one has no more to send.
async fn feed(inputs: &mut Inputs, writing: OwnedWriteHalf, tell: oneshot::Sender<()>) -> Broken {
    let mut open = Some((writing, tell));
    while let Ok(Some(message)) = inputs.message().await {
        let written = match (message.input, &mut open) {
            (Some(Input::Bytes(bytes)), Some((writing, _))) => writing.write_all(&bytes).await,
            (Some(Input::End(_)), open) => {
                if let Some((mut writing, tell)) = open.take() {
                    // Whoever closed its end already knows that there is no more.
                    let _ = writing.shutdown().await;
                    let _ = tell.send(());
                }
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = written {
            return Broken::Failed(format!("Writing to the container: {error}."));
        }
    }
    Broken::Abandoned
}
