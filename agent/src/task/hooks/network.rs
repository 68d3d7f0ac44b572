//! Links between containers of a task in bridge mode. Modes and ports are the runtime's.

use berth_proto::ecs::v1 as ecs;

use super::Context;
use crate::runtime::Launch;

pub(super) fn add(context: &Context<'_>, launch: &mut Launch) {
    if launch.network_mode != ecs::NetworkMode::Bridge {
        return;
    }
    let links = context.container.links.iter().map(|link| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        format!("{}:{alias}", context.unique_name(name))
    });
    launch.links = links.collect();
}
