//! Connections that are made from within the network of another process.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream as Blocking};
use std::os::fd::AsFd as _;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::limits;

/// Connects as a process does that has this number. A thread goes there for it and does not come back: a connection stays
/// in the network that it was made in, and so would the thread.
pub(super) async fn connect(pid: u32, address: SocketAddr) -> io::Result<TcpStream> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("dial".to_owned()).spawn(move || {
        // Nobody waits for it any more, or it is told.
        let _ = tell.send(within(pid, address));
    })?;
    let stream = told.await.map_err(|_| io::Error::other("the thread that connects ended"))??;
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

fn within(pid: u32, address: SocketAddr) -> io::Result<Blocking> {
    let network = File::open(format!("/proc/{pid}/ns/net"))?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
    Blocking::connect_timeout(&address, limits::DIAL_TIMEOUT)
}
