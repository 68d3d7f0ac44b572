//! Tags of any resource.

use std::collections::BTreeSet;

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::id::{ClusterName, ServiceName};
use crate::task_definition::Tag;

/// Tags of one resource. Source: ECS API, `Tag`.
pub const TAGS_PER_RESOURCE: usize = 50;
const KEY_LENGTH: usize = 128;
const VALUE_LENGTH: usize = 256;

/// Reads tags, which must be few, short, unique, and not AWS's own.
pub fn parse(tags: &[pb::Tag]) -> Result<Vec<Tag>, ApiError> {
    if tags.len() > TAGS_PER_RESOURCE {
        let message = format!("A resource can have at most {TAGS_PER_RESOURCE} tags, got {}.", tags.len());
        return Err(ApiError::invalid(message));
    }
    let mut keys = BTreeSet::new();
    let mut parsed = Vec::with_capacity(tags.len());
    for tag in tags {
        let (key, value) = (tag.key.as_deref().unwrap_or_default(), tag.value.as_deref().unwrap_or_default());
        check(key, value)?;
        if !keys.insert(key) {
            return Err(ApiError::invalid(format!(
                "Duplicate tag keys found: {key} is there more than once."
            )));
        }
        parsed.push(Tag { key: key.to_owned(), value: value.to_owned() });
    }
    Ok(parsed)
}

/// Tags of a message that was admitted.
pub fn parse_stored(tags: &[pb::Tag]) -> Vec<Tag> {
    let parse = |tag: &pb::Tag| Tag { key: tag.key().to_owned(), value: tag.value().to_owned() };
    tags.iter().map(parse).collect()
}

/// Tags as messages.
pub fn render(tags: &[Tag]) -> Vec<pb::Tag> {
    let render = |tag: &Tag| pb::Tag { key: Some(tag.key.clone()), value: Some(tag.value.clone()) };
    tags.iter().map(render).collect()
}

/// Tags of a new task: its own, then those of what propagates to it, and the managed ones; of two with the same key
/// managed ones win over its own and those over propagated ones, and what is beyond the limit goes.
pub fn of_task(own: &[Tag], propagated: &[Tag], managed: &[Tag]) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for tag in managed.iter().chain(own).chain(propagated) {
        if tags.iter().all(|other| other.key != tag.key) && tags.len() < TAGS_PER_RESOURCE {
            tags.push(tag.clone());
        }
    }
    tags
}

/// The tags that `enableECSManagedTags` puts on tasks.
pub fn managed(cluster: &ClusterName, service: Option<&ServiceName>) -> Vec<Tag> {
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
    let mut tags = vec![tag("aws:ecs:clusterName", cluster.as_str())];
    tags.extend(service.map(|name| tag("aws:ecs:serviceName", name.as_str())));
    tags
}

fn check(key: &str, value: &str) -> Result<(), ApiError> {
    let refuse = |message: String| Err(ApiError::invalid(message));
    if key.is_empty() || key.chars().count() > KEY_LENGTH {
        return refuse(format!("A tag key must have 1 to {KEY_LENGTH} characters: {key:?}."));
    }
    if value.chars().count() > VALUE_LENGTH {
        return refuse(format!("The value of tag {key} must have at most {VALUE_LENGTH} characters."));
    }
    if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return refuse(format!("Tag keys that begin with aws: are reserved: {key}."));
    }
    if !key.chars().chain(value.chars()).all(is_allowed) {
        let message = format!("Tag {key} may only have letters, numbers, spaces and + - = . _ : / @ in it.");
        return refuse(message);
    }
    Ok(())
}

/// Letters, numbers and spaces of any script. Source: ECS API, `Tag`.
fn is_allowed(char: char) -> bool {
    char.is_alphanumeric() || char.is_whitespace() || "+-=._:/@".contains(char)
}
