//! Log groups. What is in them is not in the state.

use std::sync::Arc;

use super::{APPLIED, Context, gone};
use crate::command::{Rejection, Reply};
use crate::log::LogGroup;

pub(super) fn put(context: &mut Context<'_>, group: &LogGroup) -> Reply {
    let current = context.state.log_groups.get(&group.name).map_or(0, |known| known.generation);
    if group.generation != current + 1 {
        return Err(Rejection::Stale { seen: group.generation.saturating_sub(1), current });
    }
    context.state.log_groups.insert(group.name.clone(), Arc::new(group.clone()));
    APPLIED
}

pub(super) fn delete(context: &mut Context<'_>, name: &str, id: u64) -> Reply {
    match context.state.log_groups.get(name) {
        Some(group) if group.id == id => {
            context.state.log_groups.remove(name);
            APPLIED
        }
        _ => Err(gone("log group", name)),
    }
}
