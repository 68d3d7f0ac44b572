//! Capacity providers.

use super::{APPLIED, Context, UNCHANGED, gone};
use crate::capacity_provider::{CapacityProvider, used_by};
use crate::command::Reply;
use crate::error::ApiError;

pub(super) fn put(context: &mut Context<'_>, provider: &CapacityProvider) -> Reply {
    let before = context.state.capacity_providers.insert(provider.name.clone(), provider.clone());
    if before.as_ref() == Some(provider) { UNCHANGED } else { APPLIED }
}

pub(super) fn delete(context: &mut Context<'_>, name: &str) -> Reply {
    if let Some(cluster) = used_by(context.state, name) {
        let text = format!("The capacity provider {name} came to be used by cluster {cluster} meanwhile.");
        return Err(ApiError::invalid(text).into());
    }
    let removed = context.state.capacity_providers.remove(name);
    removed.map_or_else(|| Err(gone("capacity provider", name)), |_| APPLIED)
}
