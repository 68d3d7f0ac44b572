//! Attributes of container instances: an agent's, and an operator's own.

use std::collections::{BTreeMap, BTreeSet};

use berth_proto::ecs::v1 as pb;

use crate::attribute::Attributes;
use crate::command::Command;
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::error::{ApiError, Exception};
use crate::id::{ClusterName, InstanceId};
use crate::limits::ATTRIBUTES_PER_CALL;
use crate::state::State;
use crate::validate::page::{self, Order};
use crate::validate::{Accepted, Listed, name};

const NAME_LENGTH: usize = 128;
const VALUE_LENGTH: usize = 128;
/// Attributes of one agent; a hello with more is refused.
const AGENT_ATTRIBUTES: usize = 256;
/// What only an agent can say of itself: a task must not be placed where somebody merely claims that it could run.
const RESERVED: [&str; 2] = ["ecs.capability.", "com.amazonaws.ecs.capability."];

/// PutAttributes; answers with the attributes as they were put.
pub fn put_attributes(request: &pb::PutAttributesRequest, view: &State) -> Accepted<Vec<pb::Attribute>> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    check_count(&request.attributes)?;
    let mut puts: BTreeMap<InstanceId, Attributes> = BTreeMap::new();
    let mut answer = Vec::new();
    for attribute in &request.attributes {
        let target = target(attribute, cluster, view)?;
        let (name, value) = (attribute.name(), attribute.value.as_deref());
        check_name(name)?;
        check_value(name, value)?;
        if RESERVED.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(ApiError::invalid(format!("The attribute {name} is reserved for the agent.")));
        }
        puts.entry(target).or_default().put(name, value);
        answer.push(render(view, cluster, target, name, value));
    }
    Ok((answer, Command::PutAttributes(puts.into_iter().collect())))
}

/// DeleteAttributes; answers with the attributes that were asked to go, as they were.
pub fn delete_attributes(
    request: &pb::DeleteAttributesRequest,
    view: &State,
) -> Accepted<Vec<pb::Attribute>> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    check_count(&request.attributes)?;
    let mut deletes = BTreeSet::new();
    let mut answer = Vec::new();
    for attribute in &request.attributes {
        let target = target(attribute, cluster, view)?;
        check_name(attribute.name())?;
        deletes.insert((target, attribute.name().to_owned()));
        let own =
            view.instance(target).and_then(|instance| instance.custom_attributes.value(attribute.name()));
        answer.push(render(view, cluster, target, attribute.name(), own));
    }
    Ok((answer, Command::DeleteAttributes(deletes.into_iter().collect())))
}

/// ListAttributes.
pub fn list_attributes(request: &pb::ListAttributesRequest, view: &State) -> Listed<pb::Attribute> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    if name::member::<pb::TargetType>("targetType", request.target_type)?.is_none() {
        return Err(ApiError::invalid("targetType must be container-instance."));
    }
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, page::DEFAULT_RESULTS)?;
    let wanted_name = request.attribute_name.as_deref().filter(|name| !name.is_empty());
    let wanted_value = request.attribute_value.as_deref().filter(|value| !value.is_empty());
    let found = view
        .instances_in(cluster)
        .filter(|instance| instance.status != InstanceStatus::Inactive)
        .flat_map(|instance| all_of(instance).into_iter().map(|(name, value)| (instance.id, name, value)))
        .filter(|(_, name, value)| {
            wanted_name.is_none_or(|wanted| wanted == *name)
                && wanted_value.is_none_or(|wanted| Some(wanted) == *value)
        });
    let page = bounds.cut(found, Order::Ascending, |(id, name, _)| format!("{id}{name}"));
    let items =
        page.items.into_iter().map(|(id, name, value)| render(view, cluster, id, name, value)).collect();
    Ok(page::Page { items, next_token: page.next_token })
}

/// The attributes that an agent says its host has.
pub(super) fn of_agent(attributes: &[pb::Attribute]) -> Result<Attributes, ApiError> {
    if attributes.len() > AGENT_ATTRIBUTES {
        return Err(ApiError::invalid(format!("At most {AGENT_ATTRIBUTES} attributes can be registered.")));
    }
    let mut parsed = Attributes::default();
    for attribute in attributes {
        check_name(attribute.name())?;
        check_agent_value(attribute.name(), attribute.value())?;
        parsed.put(attribute.name(), attribute.value.as_deref());
    }
    Ok(parsed)
}

/// An operator's attributes win over the agent's.
fn all_of(instance: &ContainerInstance) -> BTreeMap<&str, Option<&str>> {
    instance.attributes.iter().chain(instance.custom_attributes.iter()).collect()
}

fn target(attribute: &pb::Attribute, cluster: &ClusterName, view: &State) -> Result<InstanceId, ApiError> {
    name::member::<pb::TargetType>("targetType", attribute.target_type)?;
    let reference = attribute.target_id();
    let not_found =
        || ApiError::new(Exception::TargetNotFound, format!("Could not find target {reference}."));
    if reference.is_empty() {
        return Err(ApiError::invalid("targetId can not be blank."));
    }
    let id = name::instance(reference, cluster, view)?;
    view.instance(id)
        .filter(|instance| instance.cluster == *cluster && instance.status != InstanceStatus::Inactive)
        .map(|instance| instance.id)
        .ok_or_else(not_found)
}

fn check_count(attributes: &[pb::Attribute]) -> Result<(), ApiError> {
    if (1..=ATTRIBUTES_PER_CALL).contains(&attributes.len()) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Between 1 and {ATTRIBUTES_PER_CALL} attributes can be given in one call."
    )))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/\\.".contains(&byte);
    if (1..=NAME_LENGTH).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let rule = "letters, numbers, hyphens, underscores, slashes and periods";
    Err(ApiError::invalid(format!("An attribute name must have 1 to {NAME_LENGTH} {rule}: {name:?}.")))
}

fn check_value(name: &str, value: Option<&str>) -> Result<(), ApiError> {
    let Some(value) = value else { return Ok(()) };
    let allowed = |char: char| char.is_ascii_alphanumeric() || "-_./\\@:+ ".contains(char);
    let short = value.chars().count() <= VALUE_LENGTH;
    if short && value.trim() == value && value.chars().all(allowed) {
        return Ok(());
    }
    let rule = "letters, numbers, spaces and - _ . / \\ @ : + without spaces at the ends";
    Err(ApiError::invalid(format!("The value of attribute {name} must have at most {VALUE_LENGTH} {rule}.")))
}

/// An agent says of its host what the host says of itself, such as `Debian GNU/Linux 12 (bookworm)`.
fn check_agent_value(name: &str, value: &str) -> Result<(), ApiError> {
    if value.chars().count() <= VALUE_LENGTH && !value.chars().any(char::is_control) {
        return Ok(());
    }
    let rule = "without control characters";
    Err(ApiError::invalid(format!(
        "The value of attribute {name} must have at most {VALUE_LENGTH} characters {rule}."
    )))
}

fn render(
    view: &State,
    cluster: &ClusterName,
    target: InstanceId,
    name: &str,
    value: Option<&str>,
) -> pb::Attribute {
    pb::Attribute {
        name: Some(name.to_owned()),
        value: value.map(str::to_owned),
        // There is one type of target only, and ECS does not show it.
        target_type: None,
        target_id: Some(view.scope().container_instance(cluster, target)),
    }
}
