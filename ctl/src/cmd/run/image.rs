//! A task definition made from an image, and registered only when it differs from the last one.

use berth_proto::ecs::v1::{
    ContainerDefinition, PortMapping, RegisterTaskDefinitionRequest, TaskDefinition, TaskDefinitionStatus,
};
use serde_json::Value;

use crate::cmd::task_definition;
use crate::context::Session;
use crate::failure::{Exit, Failure};
use crate::json;

/// What is set aside for a task that does not say how much memory it needs.
const RESERVED_MIB: i32 = 128;

/// The request that registers the task definition of an image.
pub(super) fn definition(
    image: &str,
    cpu_units: i32,
    memory_mib: Option<i32>,
    ports: Vec<PortMapping>,
) -> RegisterTaskDefinitionRequest {
    let name = name_of(image);
    let container = ContainerDefinition {
        name: Some(name.clone()),
        image: Some(image.to_owned()),
        essential: Some(true),
        cpu: Some(cpu_units),
        memory: memory_mib,
        memory_reservation: memory_mib.is_none().then_some(RESERVED_MIB),
        port_mappings: ports,
        ..ContainerDefinition::default()
    };
    RegisterTaskDefinitionRequest {
        family: Some(format!("run-{name}")),
        container_definitions: vec![container],
        ..RegisterTaskDefinitionRequest::default()
    }
}

/// `registry.example:5000/team/web:v2` is `web`.
fn name_of(image: &str) -> String {
    let without_digest = image.split('@').next().unwrap_or(image);
    let last = without_digest.rsplit('/').next().unwrap_or(without_digest);
    let bare = last.split(':').next().unwrap_or(last);
    let name: String =
        bare.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    if name.is_empty() { "image".to_owned() } else { name }
}

/// The newest revision of the family when it is the same, a new one otherwise.
pub(super) async fn registered(
    session: &Session,
    wanted: RegisterTaskDefinitionRequest,
) -> Result<TaskDefinition, Failure> {
    match task_definition::fetch(session, wanted.family()).await {
        Ok(found) => {
            let definition = found.task_definition.unwrap_or_default();
            if definition.status() == TaskDefinitionStatus::Active && is_same(&wanted, &definition) {
                return Ok(definition);
            }
        }
        // There is none of the family yet.
        Err(failure) if failure.exit == Exit::Refused => {}
        Err(failure) => return Err(failure),
    }
    Ok(session.client.call(wanted).await?.task_definition.unwrap_or_default())
}

/// True when the definition has all that is wanted, and what it has beyond that is only what the API fills in.
fn is_same(wanted: &RegisterTaskDefinitionRequest, found: &TaskDefinition) -> bool {
    let ([wanted], [found]) =
        (wanted.container_definitions.as_slice(), found.container_definitions.as_slice())
    else {
        return false;
    };
    wanted.memory.is_some() == found.memory.is_some()
        && wanted.port_mappings.len() == found.port_mappings.len()
        && found.command.is_empty()
        && found.environment.is_empty()
        && contains(&json::to_value(found), &json::to_value(wanted))
}

/// True when every member of `part` is in `whole`, with the same value.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| contains(whole, part)))
        }
        (Value::Array(_), Value::Array(part)) if part.is_empty() => true,
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| contains(whole, part))
        }
        _ => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_named_after_the_image() {
        let rows = [
            ("alpine", "alpine"),
            ("alpine:3.20", "alpine"),
            ("registry.example:5000/team/web:v2", "web"),
            ("team/my_app.web@sha256:0123", "my-app-web"),
            ("", "image"),
        ];
        for (image, name) in rows {
            assert_eq!(name_of(image), name, "{image}");
        }
    }

    #[test]
    fn a_revision_is_used_again_while_nothing_changed() {
        let wanted = definition("alpine", 0, None, Vec::new());
        let filled_in = |wanted: &RegisterTaskDefinitionRequest| {
            let mut container = wanted.container_definitions[0].clone();
            container.privileged = Some(false);
            TaskDefinition { container_definitions: vec![container], ..TaskDefinition::default() }
        };
        assert!(is_same(&wanted, &filled_in(&wanted)));
        assert!(!is_same(&definition("alpine", 256, None, Vec::new()), &filled_in(&wanted)));
        assert!(!is_same(&definition("alpine:3", 0, None, Vec::new()), &filled_in(&wanted)));
        assert!(!is_same(&definition("alpine", 0, Some(64), Vec::new()), &filled_in(&wanted)));
        let limited = definition("alpine", 0, Some(64), Vec::new());
        assert!(!is_same(&wanted, &filled_in(&limited)));
        let port = crate::syntax::port_mapping("80").expect("a port");
        assert!(!is_same(&wanted, &filled_in(&definition("alpine", 0, None, vec![port]))));
    }
}
