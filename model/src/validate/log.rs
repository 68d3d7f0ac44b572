//! Log groups: what may be asked of them, in the words of CloudWatch Logs. Streams and events are in [`event`].

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_proto::logs::v1 as pb;

use super::page::{self, Order};
use super::tag::TAGS_PER_RESOURCE;
use super::{Accepted, Admission, Listed};
use crate::arn;
use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::limits::LOG_GROUPS;
use crate::log::{LogGroup, RETENTION_DAYS};
use crate::state::State;

pub mod event;
pub mod tail;

/// Source: CloudWatch Logs API, `logGroupName` and `logStreamName`.
const NAME_LENGTH: usize = 512;
/// Source: CloudWatch Logs API, `DescribeLogGroups.limit` and `DescribeLogStreams.limit`.
const DESCRIBED: i32 = 50;

/// The group of this name or ARN.
pub fn find<'a>(
    name: Option<&str>,
    identifier: Option<&str>,
    view: &'a State,
) -> Result<&'a Arc<LogGroup>, ApiError> {
    let named = match (name, identifier) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("logGroupName and logGroupIdentifier cannot be given together."));
        }
        (None, None) => return Err(ApiError::invalid("A logGroupName or a logGroupIdentifier is required.")),
        (Some(name), None) | (None, Some(name)) => name,
    };
    let own = name_of(named, view)?;
    check_name("logGroupName", own)?;
    view.log_group(own).ok_or_else(no_group)
}

/// The name in an ARN of this region, or the text itself.
fn name_of<'a>(text: &'a str, view: &State) -> Result<&'a str, ApiError> {
    let Some(region) = arn::region_of(text) else { return Ok(text) };
    let (_, rest) = text.split_once(":log-group:").ok_or_else(no_group)?;
    if region != view.scope().region {
        return Err(no_group());
    }
    Ok(rest.strip_suffix(":*").unwrap_or(rest))
}

/// The group is not there.
pub fn no_group() -> ApiError {
    ApiError::new(Exception::ResourceNotFound, "The specified log group does not exist.")
}

/// CreateLogGroup.
pub fn create(request: &pb::CreateLogGroupRequest, view: &State, admission: &mut Admission) -> Accepted<()> {
    check_tags(&request.tags)?;
    let group = LogGroup {
        tags: request.tags.clone(),
        key_id: request.kms_key_id().to_owned(),
        ..new(request.log_group_name(), view, admission)?
    };
    let group = match request.log_group_class() {
        "" => group,
        class @ ("STANDARD" | "INFREQUENT_ACCESS") => LogGroup { class: class.to_owned(), ..group },
        other => {
            let text = format!("logGroupClass must be STANDARD or INFREQUENT_ACCESS, is {other}.");
            return Err(ApiError::invalid(text));
        }
    };
    Ok(((), Command::PutLogGroup(Box::new(group))))
}

/// A group for the log of a container that asked for one to be made.
pub fn create_for_container(name: &str, view: &State, admission: &mut Admission) -> Accepted<()> {
    Ok(((), Command::PutLogGroup(Box::new(new(name, view, admission)?))))
}

fn new(name: &str, view: &State, admission: &mut Admission) -> Result<LogGroup, ApiError> {
    check_name("logGroupName", name)?;
    if view.log_group(name).is_some() {
        return Err(ApiError::new(
            Exception::ResourceAlreadyExists,
            "The specified log group already exists",
        ));
    }
    if view.log_groups().count() >= LOG_GROUPS {
        let text = format!("Resource limit exceeded: there are {LOG_GROUPS} log groups.");
        return Err(ApiError::new(Exception::LimitExceeded, text));
    }
    Ok(LogGroup::new(name.to_owned(), admission.ids.short(), admission.now))
}

/// DeleteLogGroup.
pub fn delete(request: &pb::DeleteLogGroupRequest, view: &State) -> Accepted<()> {
    let group = find(Some(request.log_group_name()), None, view)?;
    Ok(((), Command::DeleteLogGroup { name: group.name.clone(), id: group.id }))
}

/// DescribeLogGroups.
pub fn describe(request: &pb::DescribeLogGroupsRequest, view: &State) -> Listed<Arc<LogGroup>> {
    let bounds = page_of(request.next_token.as_deref(), request.limit)?;
    if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
        let text = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
        return Err(ApiError::invalid(text));
    }
    let (prefix, pattern) =
        (request.log_group_name_prefix(), request.log_group_name_pattern().to_lowercase());
    let named = request.log_group_identifiers.iter().map(|named| name_of(named, view));
    let named = named.collect::<Result<Vec<_>, _>>()?;
    let is_wanted = |group: &&Arc<LogGroup>| {
        group.name.starts_with(prefix)
            && group.name.to_lowercase().contains(&pattern)
            && (named.is_empty() || named.contains(&group.name.as_str()))
            && request.log_group_class.as_ref().is_none_or(|class| *class == group.class)
    };
    let found = view.log_groups().filter(is_wanted).cloned();
    Ok(bounds.cut(found, Order::Ascending, |group| group.name.clone()))
}

/// PutRetentionPolicy.
pub fn put_retention(request: &pb::PutRetentionPolicyRequest, view: &State) -> Accepted<()> {
    let group = find(Some(request.log_group_name()), None, view)?;
    let days = u32::try_from(request.retention_in_days()).ok().filter(|days| RETENTION_DAYS.contains(days));
    let Some(days) = days else {
        let text = format!(
            "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member must \
             satisfy enum value set: {RETENTION_DAYS:?}",
            request.retention_in_days()
        );
        return Err(ApiError::invalid(text));
    };
    Ok(((), changed(group, |group| group.retention_days = Some(days))))
}

/// DeleteRetentionPolicy.
pub fn delete_retention(request: &pb::DeleteRetentionPolicyRequest, view: &State) -> Accepted<()> {
    let group = find(Some(request.log_group_name()), None, view)?;
    Ok(((), changed(group, |group| group.retention_days = None)))
}

/// TagResource.
pub fn tag(request: &pb::TagResourceRequest, view: &State) -> Accepted<()> {
    check_tags(&request.tags)?;
    let group = tagged(request.resource_arn(), view)?;
    let mut tags = group.tags.clone();
    tags.extend(request.tags.clone());
    if tags.len() > TAGS_PER_RESOURCE {
        let text = format!("A resource can have at most {TAGS_PER_RESOURCE} tags, got {}.", tags.len());
        return Err(ApiError::invalid(text));
    }
    Ok(((), changed(group, |group| group.tags = tags)))
}

/// UntagResource.
pub fn untag(request: &pb::UntagResourceRequest, view: &State) -> Accepted<()> {
    let group = tagged(request.resource_arn(), view)?;
    Ok(((), changed(group, |group| group.tags.retain(|key, _| !request.tag_keys.contains(key)))))
}

/// ListTagsForResource.
pub fn tags(
    request: &pb::ListTagsForResourceRequest,
    view: &State,
) -> Result<BTreeMap<String, String>, ApiError> {
    tagged(request.resource_arn(), view).map(|group| group.tags.clone())
}

fn tagged<'a>(arn: &str, view: &'a State) -> Result<&'a Arc<LogGroup>, ApiError> {
    if arn::region_of(arn).is_none() {
        return Err(ApiError::invalid(format!("resourceArn is not an ARN: {arn}")));
    }
    view.log_group(name_of(arn, view)?).ok_or_else(no_group)
}

fn changed(group: &LogGroup, change: impl FnOnce(&mut LogGroup)) -> Command {
    let mut group = LogGroup { generation: group.generation + 1, ..group.clone() };
    change(&mut group);
    Command::PutLogGroup(Box::new(group))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    use berth_proto::ecs::v1::Tag;
    let tag = |(key, value): (&String, &String)| Tag { key: Some(key.clone()), value: Some(value.clone()) };
    super::tag::parse(&tags.iter().map(tag).collect::<Vec<_>>()).map(drop)
}

fn page_of(next_token: Option<&str>, limit: Option<i32>) -> Result<page::Bounds, ApiError> {
    if let Some(limit) = limit.filter(|limit| !(1..=DESCRIBED).contains(limit)) {
        return Err(ApiError::invalid(format!("limit must be between 1 and {DESCRIBED}, is {limit}.")));
    }
    page::parse(next_token, Some(limit.unwrap_or(DESCRIBED)), page::DEFAULT_RESULTS)
}

fn check_name(member: &str, name: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
    if (1..=NAME_LENGTH).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let text = format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\.\\-_/#A-Za-z0-9]+ and have 1 to {NAME_LENGTH} characters"
    );
    Err(ApiError::invalid(text))
}

#[cfg(test)]
mod tests;
