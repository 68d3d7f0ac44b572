//! Tags of resources that exist, and settings of the account.

use std::sync::Arc;

use super::{APPLIED, Context, UNCHANGED, gone};
use crate::change::Change;
use crate::command::{AccountSetting, Rejection, Reply, Taggable, Tagging};
use crate::error::{ApiError, Exception};
use crate::task_definition::Tag;
use crate::validate::tag::{TAGS_PER_RESOURCE, parse_stored, render};
use crate::wire::Wire;

pub(super) fn tag(context: &mut Context<'_>, tagging: &Tagging) -> Reply {
    let state = &mut *context.state;
    let change = match &tagging.resource {
        Taggable::Cluster(name) => {
            let cluster = state.clusters.get_mut(name).ok_or_else(|| gone("cluster", name))?;
            let mut spec = cluster.spec.to_owned_message();
            spec.tags = render(&merged(&parse_stored(&spec.tags), tagging)?);
            cluster.spec = Wire::new(spec);
            Some(Change::Cluster(name.clone()))
        }
        Taggable::Service(key) => {
            let service = state.services.get_mut(key).ok_or_else(|| gone("service", key))?;
            let mut spec = service.spec.to_owned_message();
            spec.tags = render(&merged(&parse_stored(&spec.tags), tagging)?);
            Arc::make_mut(service).spec = Wire::new(spec);
            Some(Change::Service(key.clone()))
        }
        Taggable::TaskDefinition(key) => {
            let definition = state.task_definitions.get_mut(key);
            let definition = definition.ok_or_else(|| gone("task definition", key))?;
            let tags = merged(&definition.tags, tagging)?;
            Arc::make_mut(definition).tags = tags;
            Some(Change::TaskDefinition(key.clone()))
        }
        Taggable::Task(id) => {
            let task = state.tasks.get_mut(id).ok_or_else(|| gone("task", id))?;
            let tags = merged(&task.tags, tagging)?;
            Arc::make_mut(task).tags = tags;
            Some(Change::Task { id: *id, instance: task.instance, service: task.service() })
        }
        Taggable::Instance(id) => {
            let instance = state.instances.get_mut(id).ok_or_else(|| gone("container instance", id))?;
            let mut spec = instance.spec.to_owned_message();
            spec.tags = render(&merged(&parse_stored(&spec.tags), tagging)?);
            Arc::make_mut(instance).spec = Wire::new(spec);
            Some(Change::Instance { id: *id, cluster: instance.cluster.clone(), offers_more: false })
        }
        Taggable::CapacityProvider(name) => {
            let provider = state.capacity_providers.get_mut(name);
            let provider = provider.ok_or_else(|| gone("capacity provider", name))?;
            let mut spec = provider.spec.to_owned_message();
            spec.tags = render(&merged(&parse_stored(&spec.tags), tagging)?);
            provider.spec = Wire::new(spec);
            None
        }
    };
    change.into_iter().for_each(|change| context.changed(change));
    APPLIED
}

pub(super) fn put_account_setting(context: &mut Context<'_>, setting: &AccountSetting) -> Reply {
    let key = (setting.principal.clone().unwrap_or_default(), setting.name.clone());
    let settings = &mut context.state.account_settings;
    let before = match &setting.value {
        Some(value) => settings.insert(key, value.clone()),
        None => settings.remove(&key),
    };
    if before == setting.value { UNCHANGED } else { APPLIED }
}

/// The tags after the change; what takes the place of another keeps its place.
fn merged(tags: &[Tag], tagging: &Tagging) -> Result<Vec<Tag>, Rejection> {
    let mut merged: Vec<Tag> = tags.to_vec();
    merged.retain(|tag| !tagging.remove.contains(&tag.key));
    for tag in &tagging.put {
        match merged.iter_mut().find(|known| known.key == tag.key) {
            Some(known) => known.value.clone_from(&tag.value),
            None => merged.push(tag.clone()),
        }
    }
    if merged.len() > TAGS_PER_RESOURCE {
        let text =
            format!("A resource can have at most {TAGS_PER_RESOURCE} tags, it would have {}.", merged.len());
        return Err(ApiError::new(Exception::LimitExceeded, text).into());
    }
    Ok(merged)
}
