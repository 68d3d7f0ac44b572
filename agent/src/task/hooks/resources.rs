//! CPU and memory of a container, its own and its share of what the task has.

use super::Context;
use crate::runtime::Launch;

/// Docker takes 0 for "the default", which is the weight of a whole core; ECS gives a container that asks for nothing
/// next to nothing.
const LEAST_SHARES: i64 = 2;
const MOST_SHARES: i64 = 262_144;

pub(super) fn add(context: &Context<'_>, launch: &mut Launch) {
    let definition = &context.task.desired().definition;
    launch.cpu_shares = i64::from(context.container.cpu()).clamp(LEAST_SHARES, MOST_SHARES);
    launch.cpu_limit_units = definition.cpu_units.filter(|units| *units > 0);
    let own = context.container.memory.and_then(|mib| u32::try_from(mib).ok());
    // What the task may use is the most that any of its containers may.
    launch.memory_limit_mib = own.or(definition.memory_mib).filter(|mib| *mib > 0);
}
