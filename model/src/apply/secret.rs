//! Parameters and secrets.

use std::sync::Arc;

use super::{APPLIED, Context, gone};
use crate::command::{ChangeSecret, Deletion, PutParameter, Rejection, Reply};
use crate::parameter::Parameter;
use crate::secret::Secret;

pub(super) fn put_parameter(context: &mut Context<'_>, put: &PutParameter) -> Reply {
    let current = context.state.parameters.get(&put.name).map_or(0, |known| known.latest().version);
    if put.version.version != current + 1 {
        return Err(Rejection::Stale { seen: put.version.version.saturating_sub(1), current });
    }
    match context.state.parameters.get_mut(&put.name) {
        Some(known) => Arc::make_mut(known).push(put.version.clone()),
        None => {
            let parameter = Parameter { name: put.name.clone(), versions: vec![put.version.clone()] };
            context.state.parameters.insert(put.name.clone(), Arc::new(parameter));
        }
    }
    APPLIED
}

pub(super) fn delete_parameters(context: &mut Context<'_>, names: &[String]) -> Reply {
    if let Some(missing) = names.iter().find(|name| !context.state.parameters.contains_key(*name)) {
        return Err(gone("parameter", missing));
    }
    for name in names {
        context.state.parameters.remove(name);
    }
    APPLIED
}

pub(super) fn change(context: &mut Context<'_>, change: &ChangeSecret) -> Reply {
    let current = context.state.secrets.get(&change.name).map_or(0, |secret| secret.generation);
    if change.seen != current {
        return Err(Rejection::Stale { seen: change.seen, current });
    }
    let mut secret = match context.state.secrets.get(&change.name) {
        Some(secret) => Secret::clone(secret),
        None => Secret {
            name: change.name.clone(),
            suffix: change.suffix.clone(),
            description: String::new(),
            key_id: String::new(),
            created_at: context.now,
            changed_at: context.now,
            delete_at: None,
            versions: Vec::new(),
            generation: 0,
        },
    };
    secret.generation += 1;
    secret.changed_at = context.now;
    if let Some(description) = &change.description {
        secret.description.clone_from(description);
    }
    if let Some(key_id) = &change.key_id {
        secret.key_id.clone_from(key_id);
    }
    if let Some(version) = &change.version {
        secret.push(version.clone());
    }
    match change.deletion {
        None => {}
        // Without a recovery window.
        Some(Deletion::At(at)) if at <= context.now => {
            context.state.secrets.remove(&change.name);
            return APPLIED;
        }
        Some(Deletion::At(at)) => secret.delete_at = Some(at),
        Some(Deletion::Never) => secret.delete_at = None,
    }
    context.state.secrets.insert(secret.name.clone(), Arc::new(secret));
    APPLIED
}

/// Takes secrets out. One that was restored meanwhile is left alone.
pub(super) fn forget(context: &mut Context<'_>, names: &[String]) {
    for name in names {
        let deleted = context.state.secrets.get(name).and_then(|secret| secret.delete_at);
        if deleted.is_some_and(|at| at <= context.now) {
            context.state.secrets.remove(name);
        }
    }
}
