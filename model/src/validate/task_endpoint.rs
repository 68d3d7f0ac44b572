//! What a task asks through the agent of its instance: which task it is, and in which role it acts.

use std::sync::Arc;

use crate::arn::Scope;
use crate::error::{ApiError, Exception};
use crate::id::{InstanceId, TaskId};
use crate::state::State;
use crate::task::Task;
use crate::task_definition::TaskDefinition;

/// A task that has not ended, if it is on this instance.
pub fn find<'a>(
    container_instance: &str,
    task: &str,
    view: &'a State,
) -> Result<(&'a Arc<Task>, &'a Arc<TaskDefinition>), ApiError> {
    let found = find_even_stopped(container_instance, task, view)?;
    if found.0.is_stopped() { Err(missing(container_instance, task)) } else { Ok(found) }
}

/// A task, if it is or was on this instance.
pub fn find_even_stopped<'a>(
    container_instance: &str,
    task: &str,
    view: &'a State,
) -> Result<(&'a Arc<Task>, &'a Arc<TaskDefinition>), ApiError> {
    let missing = || missing(container_instance, task);
    let id: TaskId = task.parse().map_err(|_| missing())?;
    let instance: InstanceId = container_instance.parse().map_err(|_| missing())?;
    let found = view.task(id).filter(|task| task.instance == instance).ok_or_else(missing)?;
    let definition = view.task_definition(&found.definition).ok_or_else(missing)?;
    Ok((found, definition))
}

fn missing(container_instance: &str, task: &str) -> ApiError {
    let text = format!("Task {task} does not run on container instance {container_instance}.");
    ApiError::new(Exception::ResourceNotFound, text)
}

/// ARN of the role that a task's containers act in, if it has one.
pub fn task_role(task: &Task, definition: &TaskDefinition, scope: &Scope) -> Option<String> {
    let overridden = task.overrides.as_ref().map(|overrides| overrides.task_role_arn());
    let own = definition.definition.task_role_arn();
    role_arn(overridden.filter(|role| !role.is_empty()).unwrap_or(own), scope)
}

fn role_arn(role: &str, scope: &Scope) -> Option<String> {
    match role {
        "" => None,
        arn if arn.starts_with("arn:") => Some(arn.to_owned()),
        name => Some(format!("arn:{}:iam::{}:role/{name}", scope.partition, scope.account)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_be_named_without_its_arn() {
        let scope = Scope::default();
        assert_eq!(role_arn("web", &scope).as_deref(), Some("arn:aws:iam::000000000000:role/web"));
        let arn = "arn:aws:iam::1:role/x/web";
        assert_eq!(role_arn(arn, &scope).as_deref(), Some(arn));
        assert_eq!(role_arn("", &scope), None);
    }
}
