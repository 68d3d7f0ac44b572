//! The task's end of its link. It is set up from within the task's namespace, which a thread of its own enters: a thread
//! that is in another network is of no use for anything else.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};

use nix::sched::{CloneFlags, setns};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};
use tokio::sync::oneshot;

use super::GATEWAY;
use super::kernel::{INSIDE, index};
use super::link::{HOST_END, TaskLink};

/// Gives the task's end its address and its ways out.
pub(super) async fn configure(link: &TaskLink) -> Result<(), String> {
    let (reply, answer) = oneshot::channel();
    let (pid, address) = (link.pid, link.address);
    let thread = std::thread::Builder::new().name("task namespace".to_owned());
    let spawned = thread.spawn(move || {
        // Whoever asked may be gone.
        let _ = reply.send(enter(pid, address));
    });
    spawned.map_err(|error| format!("start a thread: {error}"))?;
    answer.await.map_err(|_| format!("the namespace of process {pid} could not be set up"))?
}

fn enter(pid: u32, address: Ipv4Addr) -> Result<(), String> {
    let path = format!("/proc/{pid}/ns/net");
    let namespace = File::open(&path).map_err(|error| format!("open {path}: {error}"))?;
    setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(|error| format!("enter {path}: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|error| format!("start a runtime: {error}"))?;
    runtime.block_on(async {
        let (connection, handle, _unasked) =
            rtnetlink::new_connection().map_err(|error| format!("connect to the kernel: {error}"))?;
        // Cancel-safe: the connection is of no use once everything was asked.
        tokio::select! {
            () = connection => Err("the connection to the kernel ended".to_owned()),
            done = set_up(&handle, address) => done.map_err(|error| format!("set up {INSIDE} in {path}: {error}")),
        }
    })
}

async fn set_up(handle: &Handle, address: Ipv4Addr) -> Result<(), rtnetlink::Error> {
    for name in ["lo", INSIDE] {
        let up = LinkUnspec::new_with_index(index(handle, name).await?).up().build();
        handle.link().change(up).execute().await?;
    }
    let eth0 = index(handle, INSIDE).await?;
    handle.address().add(eth0, IpAddr::V4(address), 32).replace().execute().await?;
    let gateway = handle.neighbours().add(eth0, IpAddr::V4(GATEWAY)).link_layer_address(&HOST_END);
    gateway.replace().execute().await?;
    let to_gateway = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(GATEWAY, 32)
        .output_interface(eth0)
        .scope(RouteScope::Link);
    handle.route().add(to_gateway.build()).replace().execute().await?;
    let to_all = RouteMessageBuilder::<Ipv4Addr>::new().gateway(GATEWAY).output_interface(eth0);
    handle.route().add(to_all.build()).replace().execute().await
}
