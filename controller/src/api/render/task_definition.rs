//! Task definitions as messages.
//!
//! Deploy tools feed what they get back into RegisterTaskDefinition: a member that AWS does not return must never be
//! added here.

use berth_model::arn::Scope;
use berth_model::task_definition::{TaskDefinition, TaskDefinitionStatus};
use berth_proto::ecs::v1 as pb;

use super::{count, text, time};

/// A revision of a task definition. Its tags go beside it.
pub(crate) fn task_definition(definition: &TaskDefinition, scope: &Scope) -> pb::TaskDefinition {
    pb::TaskDefinition {
        task_definition_arn: Some(scope.task_definition(&definition.key)),
        family: Some(definition.key.family.to_string()),
        revision: Some(count(definition.key.revision)),
        status: Some(status(definition.status).into()),
        registered_at: Some(definition.registered_at.to_message()),
        registered_by: text(&definition.registered_by),
        deregistered_at: time(definition.deregistered_at),
        delete_requested_at: time(definition.delete_requested_at),
        ..definition.definition.to_owned_message()
    }
}

fn status(status: TaskDefinitionStatus) -> pb::TaskDefinitionStatus {
    match status {
        TaskDefinitionStatus::Active => pb::TaskDefinitionStatus::Active,
        TaskDefinitionStatus::Inactive => pb::TaskDefinitionStatus::Inactive,
        TaskDefinitionStatus::DeleteInProgress => pb::TaskDefinitionStatus::DeleteInProgress,
    }
}
