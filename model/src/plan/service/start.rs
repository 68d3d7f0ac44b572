//! The tasks to start: placed, and with everything in them that they take from their service.

use std::sync::Arc;

use berth_proto::ecs::v1 as pb;

use crate::id::{Ids, InstanceId};
use crate::network::Membership;
use crate::placement::Decision;
use crate::plan::placement::{Placer, Refusals};
use crate::resource::Requirements;
use crate::service::{Deployment, Service};
use crate::task::{DesiredStatus, Observed, Owner, Scheduling, Task};
use crate::task_definition::{Tag, TaskDefinition};
use crate::time::Timestamp;
use crate::wire::Wire;

/// The tasks that found a place, and why the first that did not found none.
#[derive(Default)]
pub(super) struct Placed {
    pub(super) tasks: Vec<Task>,
    /// How many found none.
    pub(super) unplaced: u32,
    pub(super) refusals: Option<Refusals>,
}

/// Places up to `count` tasks.
pub(super) fn place(placer: &mut Placer<'_>, template: &Template, count: u32, ids: &mut Ids) -> Placed {
    let mut placed = Placed::default();
    for tried in 0..count {
        match placer.decide(&template.needs) {
            Ok((instance, decision)) => placed.tasks.push(template.task(ids, instance, decision)),
            Err(refusals) => {
                placed.refusals = Some(refusals);
                placed.unplaced = count - tried;
                break;
            }
        }
    }
    placed
}

/// What the tasks of a deployment have in common.
pub(in crate::plan) struct Template {
    task: Task,
    needs: Requirements,
}

// === impl Template ===

impl Template {
    pub(in crate::plan) fn new(
        service: &Service,
        deployment: &Deployment,
        definition: &TaskDefinition,
        now: Timestamp,
    ) -> Self {
        let needs = definition.facts.requirements();
        let revision = service.records.revisions.get(&deployment.id);
        let images = revision.map(|revision| &revision.images).filter(|images| !images.is_empty());
        let task = Task {
            id: crate::id::TaskId::new(0),
            cluster: service.key.cluster.clone(),
            instance: InstanceId::NOWHERE,
            definition: deployment.task_definition.clone(),
            owner: Owner::Service { name: service.key.name.clone(), deployment: deployment.id },
            group: Arc::from(format!("service:{}", service.key.name)),
            started_by: Some(Arc::from(deployment.id.to_string())),
            overrides: None,
            tags: tags(service, definition),
            spec: spec(service),
            traceparent: None,
            created_at: now,
            needs: needs.clone(),
            held: needs.clone(),
            desired: DesiredStatus::Running,
            stop: None,
            observed: Observed::default(),
            scheduling: Scheduling::default(),
            version: 1,
            images: images.cloned().map(Arc::new),
            unhealthy_at: None,
            network: membership(service, deployment).map(Arc::new),
        };
        Self { task, needs }
    }

    /// What each of them needs.
    pub(in crate::plan) fn needs(&self) -> &Requirements {
        &self.needs
    }

    /// The task, on no instance yet.
    pub(super) fn into_task(self) -> Task {
        self.task
    }

    pub(in crate::plan) fn task(&self, ids: &mut Ids, instance: InstanceId, why: Decision) -> Task {
        let scheduling = Scheduling { decision: Some(Arc::new(why)), ..self.task.scheduling.clone() };
        Task { id: ids.task(), instance, scheduling, ..self.task.clone() }
    }
}

/// The tags that `propagateTags` gives to tasks, and ECS's own with `enableECSManagedTags`.
fn tags(service: &Service, definition: &TaskDefinition) -> Vec<Tag> {
    let spec = &service.spec;
    let mut tags = match spec.propagate_tags() {
        pb::PropagateTags::Service => spec.tags.iter().map(tag).collect(),
        pb::PropagateTags::TaskDefinition => definition.tags.clone(),
        pb::PropagateTags::None | pb::PropagateTags::Unspecified => Vec::new(),
    };
    if spec.enable_ecs_managed_tags() {
        let managed = [
            ("aws:ecs:clusterName", service.key.cluster.as_str()),
            ("aws:ecs:serviceName", service.key.name.as_str()),
        ];
        tags.extend(managed.map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() }));
    }
    tags
}

fn tag(tag: &pb::Tag) -> Tag {
    Tag { key: tag.key().to_owned(), value: tag.value().to_owned() }
}

/// The network that the tasks of a deployment are in: that of its revision, where there is one.
fn membership(service: &Service, deployment: &Deployment) -> Option<Membership> {
    let revision = service.records.revisions.get(&deployment.id);
    let spec = revision.map_or(&service.spec, |revision| &revision.spec);
    Membership::of(spec.network_configuration.as_ref())
}

/// What is only echoed of the service's settings; nothing for most.
fn spec(service: &Service) -> Option<Wire<pb::Task>> {
    service
        .spec
        .enable_execute_command()
        .then(|| Wire::new(pb::Task { enable_execute_command: Some(true), ..pb::Task::default() }))
}
