//! References to resources: short names, ids and ARNs, and the rules for names.

use std::sync::Arc;

use berth_proto::AwsName;

use crate::arn::{region_of, resource_part};
use crate::cluster::Cluster;
use crate::error::{ApiError, Exception};
use crate::id::{ClusterName, Family, InstanceId, ServiceKey, ServiceName, TaskDefinitionKey, TaskId};
use crate::state::State;
use crate::task_definition::{TaskDefinition, TaskDefinitionStatus};

/// The cluster of a request that names none.
pub const DEFAULT_CLUSTER: &str = "default";

/// Longest name of a cluster, service, family or container.
pub const NAME_LENGTH: usize = 255;

/// Whether a text can be the name of a cluster, service, family or container.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The cluster that a name or an ARN means; `default` when there is none.
pub fn cluster(reference: Option<&str>, view: &State) -> Result<ClusterName, ApiError> {
    let text = reference.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_CLUSTER);
    check_region(text, view)?;
    let wrong_kind = |_| ApiError::invalid(format!("Invalid cluster ARN: {text}."));
    let name = resource_part("cluster", text).map_err(wrong_kind)?;
    if is_name(name) { Ok(ClusterName::new(name)) } else { Err(bad_name("cluster name", name)) }
}

/// The name of a cluster to make; `default` when there is none.
pub fn new_cluster(name: Option<&str>) -> Result<ClusterName, ApiError> {
    let name = name.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_CLUSTER);
    if is_name(name) { Ok(ClusterName::new(name)) } else { Err(bad_name("cluster name", name)) }
}

/// The ACTIVE cluster that a request is about.
pub fn active_cluster<'a>(reference: Option<&str>, view: &'a State) -> Result<&'a Cluster, ApiError> {
    let name = cluster(reference, view)?;
    view.active_cluster(&name).ok_or_else(ApiError::cluster_not_found)
}

/// The service that a name or an ARN, short or long, means in a cluster.
pub fn service(reference: &str, cluster: &ClusterName, view: &State) -> Result<ServiceKey, ApiError> {
    check_region(reference, view)?;
    let name = in_cluster("service", reference, cluster)?;
    if !is_name(name) {
        return Err(bad_name("service name", name));
    }
    Ok(ServiceKey { cluster: cluster.clone(), name: ServiceName::new(name) })
}

/// The task that an id or an ARN, short or long, means in a cluster.
pub fn task(reference: &str, cluster: &ClusterName, view: &State) -> Result<TaskId, ApiError> {
    check_region(reference, view)?;
    let id = in_cluster("task", reference, cluster)?;
    check_id_length("taskId", id)?;
    hexadecimal(id).parse().map_err(|_| ApiError::invalid(format!("Invalid task identifier: {id}.")))
}

/// The container instance that an id or an ARN, short or long, means in a cluster.
pub fn instance(reference: &str, cluster: &ClusterName, view: &State) -> Result<InstanceId, ApiError> {
    check_region(reference, view)?;
    let id = in_cluster("container-instance", reference, cluster)?;
    check_id_length("containerInstanceId", id)?;
    let malformed = |_| ApiError::invalid(format!("Invalid container instance identifier: {id}."));
    hexadecimal(id).parse().map_err(malformed)
}

/// What a reference to a task definition means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionReference {
    /// The latest ACTIVE revision of a family.
    Latest(Family),
    /// One revision.
    Exactly(TaskDefinitionKey),
}

/// Reads `family`, `family:revision` or an ARN; says nothing about whether there is such a thing.
pub fn definition_reference(reference: &str, view: &State) -> Result<DefinitionReference, ApiError> {
    check_region(reference, view)?;
    let malformed = || {
        ApiError::client(format!(
            "Invalid task definition: {reference:?} is not a family, family:revision or ARN."
        ))
    };
    let text = resource_part("task-definition", reference).map_err(|_| malformed())?;
    let (family, revision) = text.split_once(':').map_or((text, None), |(family, rest)| (family, Some(rest)));
    if !is_name(family) {
        return Err(malformed());
    }
    let family = Family::new(family);
    match revision {
        None => Ok(DefinitionReference::Latest(family)),
        Some(number) => match number.parse() {
            Ok(revision) if revision > 0 => {
                Ok(DefinitionReference::Exactly(TaskDefinitionKey { family, revision }))
            }
            _ => Err(ApiError::client(format!("Invalid revision number. Number: {number}"))),
        },
    }
}

/// The task definition that `family`, `family:revision` or an ARN means, whatever its status; a family alone means
/// its latest ACTIVE revision.
pub fn task_definition<'a>(
    reference: &str,
    view: &'a State,
) -> Result<Option<&'a Arc<TaskDefinition>>, ApiError> {
    Ok(match definition_reference(reference, view)? {
        DefinitionReference::Exactly(key) => view.task_definition(&key),
        DefinitionReference::Latest(family) => {
            view.family(&family).rev().find(|definition| definition.status == TaskDefinitionStatus::Active)
        }
    })
}

/// The ACTIVE task definition that new tasks are to run.
pub fn usable_task_definition<'a>(
    reference: Option<&str>,
    view: &'a State,
) -> Result<&'a Arc<TaskDefinition>, ApiError> {
    let reference = reference
        .filter(|text| !text.is_empty())
        .ok_or_else(|| ApiError::invalid("TaskDefinition can not be blank."))?;
    let definition =
        task_definition(reference, view)?.ok_or_else(|| ApiError::client("TaskDefinition not found."))?;
    if definition.status == TaskDefinitionStatus::Active {
        Ok(definition)
    } else {
        Err(ApiError::client("TaskDefinition is inactive"))
    }
}

/// Members of an enum list such as `include`; a number that the schema does not know is refused.
pub fn members<E: TryFrom<i32> + AwsName>(member: &str, numbers: &[i32]) -> Result<Vec<E>, ApiError> {
    let read = |number: &i32| {
        E::try_from(*number).ok().filter(|value| !value.aws_name().is_empty()).ok_or_else(|| {
            let known: Vec<&str> = E::ALL.iter().map(|value| value.aws_name()).collect();
            ApiError::invalid(format!("{member} takes {}.", known.join(", ")))
        })
    };
    numbers.iter().map(read).collect()
}

/// A member of an enum that may be absent; a number that the schema does not know is refused.
pub fn member<E: TryFrom<i32> + AwsName>(member: &str, number: Option<i32>) -> Result<Option<E>, ApiError> {
    Ok(members(member, number.as_slice())?.pop())
}

/// Refuses the ARN of something in another region: what has its name here is something else.
pub fn check_region(reference: &str, view: &State) -> Result<(), ApiError> {
    match region_of(reference) {
        Some(region) if region != view.scope().region => Err(ApiError::invalid("Invalid Region in ARN")),
        _ => Ok(()),
    }
}

/// The last part of a reference, if its ARN, when it has a cluster in it, has this one. A short name stays as it is.
fn in_cluster<'a>(kind: &str, reference: &'a str, cluster: &ClusterName) -> Result<&'a str, ApiError> {
    let wrong_kind =
        |_| ApiError::invalid(format!("Invalid identifier: {reference} is not the ARN of a {kind}."));
    let part = resource_part(kind, reference).map_err(wrong_kind)?;
    match part.rsplit_once('/').filter(|_| reference.starts_with("arn:")) {
        None => Ok(part),
        Some((of, last)) if of == cluster.as_str() => Ok(last),
        Some((of, _)) => {
            let problem = format!("Identifier is for cluster {of}. Your cluster is {cluster}");
            Err(ApiError::invalid(format!("Invalid identifier: {problem}")))
        }
    }
}

fn bad_name(what: &str, name: &str) -> ApiError {
    ApiError::new(
        Exception::InvalidParameter,
        format!(
            "Invalid {what}: {name:?} must have 1 to {NAME_LENGTH} letters, numbers, hyphens and underscores."
        ),
    )
}

/// Ids have 32 hexadecimal digits; before 2018 they were UUIDs.
fn check_id_length(what: &str, id: &str) -> Result<(), ApiError> {
    match id.len() {
        32 | 36 => Ok(()),
        _ => Err(ApiError::invalid(format!("{what} length should be one of [32,36]"))),
    }
}

fn hexadecimal(id: &str) -> String {
    id.chars().filter(|char| *char != '-').collect()
}
