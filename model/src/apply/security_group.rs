//! Security groups.

use std::sync::Arc;

use super::{APPLIED, Context, gone};
use crate::change::Change;
use crate::command::{Rejection, Reply};
use crate::network::security_group::SecurityGroup;

/// Void unless its generation is the next.
pub(super) fn put(context: &mut Context<'_>, group: &SecurityGroup) -> Reply {
    let current = context.state.security_groups.get(&group.id).map_or(0, |known| known.generation);
    if group.generation != current + 1 {
        return Err(Rejection::Stale { seen: group.generation.saturating_sub(1), current });
    }
    context.state.security_groups.insert(group.id.clone(), Arc::new(group.clone()));
    context.changed(Change::SecurityGroup(group.id.clone()));
    APPLIED
}

pub(super) fn delete(context: &mut Context<'_>, id: &str) -> Reply {
    if context.state.security_groups.remove(id).is_none() {
        return Err(gone("security group", id));
    }
    context.changed(Change::SecurityGroup(id.to_owned()));
    APPLIED
}
