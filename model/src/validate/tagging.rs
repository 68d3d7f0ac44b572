//! Tags of resources that exist: what may be asked of them.

use berth_proto::ecs::v1 as pb;

use super::{Accepted, name, tag};
use crate::arn::resource_part;
use crate::command::{Command, Taggable, Tagging};
use crate::error::{ApiError, Exception};
use crate::id::{ClusterName, TaskDefinitionKey};
use crate::state::State;
use crate::task_definition::Tag;

/// Characters of a tag's key. Source: ECS API, `UntagResource.tagKeys`.
const KEY_LENGTH: usize = 128;

/// TagResource. A tag with the key of one that is there takes its place.
pub fn put(request: &pb::TagResourceRequest, view: &State) -> Accepted<()> {
    let resource = resource(request.resource_arn(), view)?;
    if request.tags.is_empty() {
        return Err(ApiError::invalid("Tags can not be empty."));
    }
    let put = tag::parse(&request.tags)?;
    Ok(((), Command::TagResource(Tagging { resource, put, remove: Vec::new() })))
}

/// UntagResource. A key that no tag has is no mistake.
pub fn remove(request: &pb::UntagResourceRequest, view: &State) -> Accepted<()> {
    let resource = resource(request.resource_arn(), view)?;
    let keys = &request.tag_keys;
    if keys.is_empty() || keys.len() > tag::TAGS_PER_RESOURCE {
        let most = tag::TAGS_PER_RESOURCE;
        return Err(ApiError::invalid(format!(
            "tagKeys must have 1 to {most} elements, has {}.",
            keys.len()
        )));
    }
    if let Some(key) = keys.iter().find(|key| key.is_empty() || key.chars().count() > KEY_LENGTH) {
        let text = format!("A tag key must have 1 to {KEY_LENGTH} characters: {key:?}.");
        return Err(ApiError::invalid(text));
    }
    Ok(((), Command::TagResource(Tagging { resource, put: Vec::new(), remove: keys.clone() })))
}

/// ListTagsForResource.
pub fn list(request: &pb::ListTagsForResourceRequest, view: &State) -> Result<Vec<pb::Tag>, ApiError> {
    let rendered = |tags: &[Tag]| tag::render(tags);
    Ok(match resource(request.resource_arn(), view)? {
        Taggable::Cluster(name) => view.cluster(&name).map(|cluster| cluster.spec.tags.clone()),
        Taggable::Service(key) => view.service(&key).map(|service| service.spec.tags.clone()),
        Taggable::TaskDefinition(key) => view.task_definition(&key).map(|found| rendered(&found.tags)),
        Taggable::Task(id) => view.task(id).map(|task| rendered(&task.tags)),
        Taggable::Instance(id) => view.instance(id).map(|instance| instance.spec.tags.clone()),
        Taggable::CapacityProvider(name) => {
            view.capacity_provider(&name).map(|found| found.spec.tags.clone())
        }
    }
    .unwrap_or_default())
}

/// The resource of an ARN, which must be there.
fn resource(arn: &str, view: &State) -> Result<Taggable, ApiError> {
    if arn.is_empty() {
        return Err(ApiError::invalid("resourceArn can not be blank."));
    }
    name::check_region(arn, view)?;
    let resource = arn.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').nth(4));
    let (kind, path) =
        resource.and_then(|resource| resource.split_once('/')).ok_or_else(|| malformed(arn))?;
    let in_cluster = || path.split_once('/').map(|(cluster, _)| cluster).ok_or_else(|| old_format(arn));
    let found = match kind {
        "cluster" => {
            let name = name::active_cluster(Some(arn), view)?.name.clone();
            Some(Taggable::Cluster(name))
        }
        "service" => {
            let key = name::service(arn, &cluster(in_cluster()?, view)?, view)?;
            view.service(&key).is_some().then_some(Taggable::Service(key))
        }
        "task" => {
            let id = name::task(arn, &cluster(in_cluster()?, view)?, view)?;
            // Stopped tasks lose their tags.
            view.task(id).filter(|task| !task.is_stopped()).map(|_| Taggable::Task(id))
        }
        "container-instance" => {
            let id = name::instance(arn, &cluster(in_cluster()?, view)?, view)?;
            view.instance(id).map(|_| Taggable::Instance(id))
        }
        "task-definition" => definition(arn, view)?.map(Taggable::TaskDefinition),
        "capacity-provider" => {
            let name = resource_part(kind, arn).map_err(|_| malformed(arn))?;
            view.capacity_provider(name).map(|found| Taggable::CapacityProvider(found.name.clone()))
        }
        _ => return Err(malformed(arn)),
    };
    found.ok_or_else(|| {
        ApiError::new(Exception::ResourceNotFound, format!("The specified resource was not found: {arn}."))
    })
}

fn cluster(name: &str, view: &State) -> Result<ClusterName, ApiError> {
    Ok(name::active_cluster(Some(name), view)?.name.clone())
}

/// Only a revision has tags, a family has none.
fn definition(arn: &str, view: &State) -> Result<Option<TaskDefinitionKey>, ApiError> {
    match name::definition_reference(arn, view)? {
        name::DefinitionReference::Latest(_) => Err(malformed(arn)),
        name::DefinitionReference::Exactly(key) => Ok(view.task_definition(&key).map(|_| key)),
    }
}

fn malformed(arn: &str) -> ApiError {
    ApiError::invalid(format!(
        "Invalid parameter at 'resourceArn': {arn} is not the ARN of a resource with tags."
    ))
}

/// ECS's own words begin the same.
fn old_format(arn: &str) -> ApiError {
    ApiError::invalid(format!(
        "Long arn format must be used for tagging operations: {arn} does not say in which cluster it is."
    ))
}
