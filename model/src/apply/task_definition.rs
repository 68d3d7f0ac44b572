//! Task definitions.

use std::sync::Arc;

use super::{APPLIED, Context, UNCHANGED, gone};
use crate::change::Change;
use crate::command::{Rejection, Reply};
use crate::id::TaskDefinitionKey;
use crate::task_definition::{TaskDefinition, TaskDefinitionStatus};

pub(super) fn register(context: &mut Context<'_>, definition: &TaskDefinition) -> Reply {
    let key = &definition.key;
    let next = context.state.last_revision(&key.family) + 1;
    if key.revision != next {
        return Err(Rejection::RevisionTaken { tried: key.revision, next });
    }
    context.state.families.insert(key.family.clone(), next);
    context.state.task_definitions.insert(key.clone(), Arc::new(definition.clone()));
    context.changed(Change::TaskDefinition(key.clone()));
    APPLIED
}

pub(super) fn deregister(context: &mut Context<'_>, key: &TaskDefinitionKey) -> Reply {
    let now = context.now;
    let definition = find(context, key)?;
    if definition.status != TaskDefinitionStatus::Active {
        return UNCHANGED;
    }
    definition.status = TaskDefinitionStatus::Inactive;
    definition.deregistered_at = Some(now);
    context.changed(Change::TaskDefinition(key.clone()));
    APPLIED
}

pub(super) fn delete(context: &mut Context<'_>, keys: &[TaskDefinitionKey]) -> Reply {
    for key in keys {
        if find(context, key)?.status == TaskDefinitionStatus::Active {
            return Err(Rejection::Malformed(format!("{key} is ACTIVE and cannot be deleted")));
        }
    }
    let now = context.now;
    for key in keys {
        let definition = find(context, key)?;
        definition.status = TaskDefinitionStatus::DeleteInProgress;
        definition.delete_requested_at.get_or_insert(now);
        context.changed(Change::TaskDefinition(key.clone()));
    }
    APPLIED
}

fn find<'a>(
    context: &'a mut Context<'_>,
    key: &TaskDefinitionKey,
) -> Result<&'a mut TaskDefinition, Rejection> {
    context.state.task_definitions.get_mut(key).map(Arc::make_mut).ok_or_else(|| gone("task definition", key))
}
