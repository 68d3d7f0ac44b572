//! Access keys.

use super::{APPLIED, Context, UNCHANGED, gone};
use crate::change::Change;
use crate::command::Reply;
use crate::key::AccessKey;
use crate::time::Timestamp;

pub(super) fn put(context: &mut Context<'_>, key: &AccessKey) -> Reply {
    context.state.keys.insert(key.id.clone(), key.clone());
    context.changed(Change::AccessKey(key.id.clone()));
    APPLIED
}

pub(super) fn delete(context: &mut Context<'_>, id: &str) -> Reply {
    if context.state.keys.remove(id).is_none() {
        return Err(gone("access key", id));
    }
    context.changed(Change::AccessKey(id.to_owned()));
    APPLIED
}

/// Controllers tell what they saw in any order; the latest counts.
pub(super) fn note_use(context: &mut Context<'_>, uses: &[(String, Timestamp)]) -> Reply {
    let mut reply = UNCHANGED;
    for (id, at) in uses {
        let Some(key) = context.state.keys.get_mut(id) else { continue };
        if key.last_used_at.is_none_or(|known| known < *at) {
            key.last_used_at = Some(*at);
            reply = APPLIED;
        }
    }
    reply
}
