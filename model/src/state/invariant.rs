//! What must hold of every state. Tests run [`check`] after every command; it says nothing when all is well.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ended, State};
use crate::cluster::ClusterStatus;
use crate::container_instance::InstanceStatus;
use crate::id::InstanceId;
use crate::resource::Requirements;
use crate::service::task_set::Controller;
use crate::service::{DeploymentStatus, Service, ServiceStatus};
use crate::task::{DesiredStatus, Task, TaskStatus};

/// Something that does not hold, for people.
pub type Violation = String;

/// Everything that does not hold.
pub fn check(state: &State) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_index(state, &mut violations);
    check_regions(state, &mut violations);
    check_blocks(state, &mut violations);
    for region in state.every_region() {
        check_instances(region, &mut violations);
        check_tasks(region, &mut violations);
        check_services(region, &mut violations);
        check_ended(region, &mut violations);
        for (name, group) in region.log_groups.iter().filter(|(name, group)| **name != group.name) {
            violations.push(format!("log group {} is kept under {name}", group.name));
        }
    }
    violations
}

/// A region is one level deep, has nothing of the deployment's, and no instance that another has.
fn check_regions(state: &State, violations: &mut Vec<Violation>) {
    let mut instances: BTreeSet<InstanceId> = BTreeSet::new();
    for region in state.every_region() {
        for id in region.instances.keys().filter(|id| !instances.insert(**id)) {
            violations.push(format!("{id} is in two regions"));
        }
    }
    for (name, region) in &state.regions {
        let is_own = region.region.as_ref() == Some(name) && region.scope.region == name.as_str();
        let is_plain = region.keys.is_empty() && region.regions.is_empty() && region.cluster_id.is_empty();
        if !is_own || !is_plain || region.is_vacant() || region.revision > state.revision {
            violations.push(format!("region {name} is not what a region is"));
        }
    }
}

/// No address is in two blocks in use, over all regions.
fn check_blocks(state: &State, violations: &mut Vec<Violation>) {
    let mut blocks: Vec<_> = state.blocks_in_use().map(|(id, block)| (block, id)).collect();
    blocks.sort();
    for pair in blocks.windows(2) {
        // The larger of two that begin at the same address comes first, so neighbours tell.
        if pair[0].0.overlaps(pair[1].0) {
            violations
                .push(format!("{} of {} overlaps {} of {}", pair[0].0, pair[0].1, pair[1].0, pair[1].1));
        }
    }
    for region in state.every_region() {
        for group in region.security_groups.iter().filter(|(id, group)| **id != group.id) {
            violations.push(format!("security group {} is kept as {}", group.1.id, group.0));
        }
    }
}

fn check_index(state: &State, violations: &mut Vec<Violation>) {
    let mut rebuilt = state.clone();
    rebuilt.rebuild_index();
    if rebuilt.index != state.index {
        violations.push("the indexes are not those of the tables".into());
    }
}

#[derive(Default)]
struct Sum {
    held: Requirements,
    running: u32,
    pending: u32,
}

fn check_instances(state: &State, violations: &mut Vec<Violation>) {
    let mut sums: BTreeMap<InstanceId, Sum> = BTreeMap::new();
    for task in state.tasks.values() {
        let sum = sums.entry(task.instance).or_default();
        sum.held.add(&task.held);
        sum.running += u32::from(task.observed.last_status == TaskStatus::Running);
        sum.pending += u32::from(task.observed.last_status < TaskStatus::Running);
    }
    for instance in state.instances.values() {
        let sum = sums.remove(&instance.id).unwrap_or_default();
        if instance.held != sum.held {
            violations.push(format!("{} holds {:?}, its tasks {:?}", instance.id, instance.held, sum.held));
        }
        if (instance.running_count, instance.pending_count) != (sum.running, sum.pending) {
            violations.push(format!(
                "{} counts {} running and {} pending, has {} and {}",
                instance.id, instance.running_count, instance.pending_count, sum.running, sum.pending
            ));
        }
        if instance.manifest_generation > state.revision {
            violations.push(format!("the manifest of {} is from the future", instance.id));
        }
    }
}

fn check_tasks(state: &State, violations: &mut Vec<Violation>) {
    for task in state.tasks.values() {
        check_task(state, task, violations);
    }
}

fn check_task(state: &State, task: &Task, violations: &mut Vec<Violation>) {
    let id = task.id;
    if task.is_stopped() && !task.held.is_nothing() {
        violations.push(format!("{id} is stopped and holds {:?}", task.held));
    }
    if task.is_stopped() && task.observed.stopped_at.is_none() {
        violations.push(format!("{id} is stopped and nobody knows since when"));
    }
    if task.desired == DesiredStatus::Stopped && task.stop_reason().is_none() {
        violations.push(format!("{id} should stop without a reason"));
    }
    if !task.is_stopped() && state.task_definition(&task.definition).is_none() {
        violations.push(format!("{id} runs {}, which is gone", task.definition));
    }
    if task.is_queued() {
        if task.scheduling.queue.is_none() || !task.held.is_nothing() {
            violations
                .push(format!("{id} waits for a place that nobody asked for, or holds {:?}", task.held));
        }
    } else if !task.is_stopped() && state.instance(task.instance).is_none() {
        violations.push(format!("{id} runs on {}, which is gone", task.instance));
    }
}

fn check_services(state: &State, violations: &mut Vec<Violation>) {
    for service in state.services.values() {
        let primaries = service
            .deployments
            .iter()
            .filter(|deployment| deployment.status == DeploymentStatus::Primary)
            .count();
        let is_scheduled = service.controller == Controller::Ecs;
        let expected = usize::from(is_scheduled && service.status != ServiceStatus::Inactive);
        if primaries != expected {
            violations.push(format!(
                "{} is {:?} with {primaries} primary deployments",
                service.key, service.status
            ));
        }
        if service.events.len() > crate::limits::EVENTS_PER_SERVICE {
            violations.push(format!("{} keeps {} events", service.key, service.events.len()));
        }
        check_records(service, violations);
    }
}

fn check_records(service: &Service, violations: &mut Vec<Violation>) {
    let records = &service.records;
    let under_way = records.deployments.iter().filter(|record| !record.status.is_over()).count();
    if under_way > usize::from(records.current().is_some()) {
        violations.push(format!("{} has {under_way} service deployments under way", service.key));
    }
    if records.deployments.len() > crate::limits::SERVICE_DEPLOYMENTS {
        violations.push(format!("{} keeps {} service deployments", service.key, records.deployments.len()));
    }
    for record in &records.deployments {
        for id in record.revisions().filter(|id| !records.revisions.contains_key(id)) {
            violations
                .push(format!("{} of {} refers to revision {id}, which is gone", record.id, service.key));
        }
        let open = record.hooks.iter().filter(|run| !run.status.is_over()).count();
        if record.status.is_over() && open > 0 {
            violations.push(format!("{} of {} is over with {open} hooks open", record.id, service.key));
        }
    }
}

/// The reaper finds what is over here and nowhere else.
fn check_ended(state: &State, violations: &mut Vec<Violation>) {
    let tasks = state.tasks.values().filter(|task| task.is_stopped()).map(|task| Ended::Task(task.id));
    let services = state.services.values().filter(|service| service.status == ServiceStatus::Inactive);
    let instances = state.instances.values().filter(|instance| instance.status == InstanceStatus::Inactive);
    let clusters = state.clusters.values().filter(|cluster| cluster.status == ClusterStatus::Inactive);
    let over: BTreeSet<Ended> = tasks
        .chain(services.map(|service| Ended::Service(service.key.clone())))
        .chain(instances.map(|instance| Ended::Instance(instance.id)))
        .chain(clusters.map(|cluster| Ended::Cluster(cluster.name.clone())))
        .collect();
    let noted: BTreeSet<Ended> = state.ended_at.keys().cloned().collect();
    for what in over.symmetric_difference(&noted) {
        violations.push(format!("{what:?} is over or noted to be so, not both"));
    }
}
