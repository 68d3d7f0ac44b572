//! Parts of the tables in their order from a place on, for lists that come in pages.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdSet;

use super::State;
use crate::cluster::Cluster;
use crate::container_instance::ContainerInstance;
use crate::id::{ClusterName, Family, InstanceId, ServiceKey, ServiceName, TaskDefinitionKey, TaskId};
use crate::service::Service;
use crate::task::Task;
use crate::task_definition::TaskDefinition;

/// Tasks that an index has in order.
#[derive(Clone, Copy, Debug)]
pub enum TaskSet<'a> {
    /// Those of a cluster.
    Cluster(&'a ClusterName),
    /// Those of a service.
    Service(&'a ServiceKey),
    /// Those on an instance.
    Instance(InstanceId),
}

// === impl State ===

impl State {
    /// Tasks, stopped ones included, by id, that come after this one.
    pub fn tasks_after(&self, set: TaskSet<'_>, after: Option<TaskId>) -> impl Iterator<Item = &Arc<Task>> {
        let ids = match set {
            TaskSet::Cluster(cluster) => self.index.tasks_by_cluster.get(cluster),
            TaskSet::Service(service) => self.index.tasks_by_service.get(service),
            TaskSet::Instance(instance) => self.index.tasks_by_instance.get(&instance),
        };
        from(ids, after).filter_map(|id| self.tasks.get(id))
    }

    /// The instances of a cluster by id that come after this one.
    pub fn instances_after(
        &self,
        cluster: &ClusterName,
        after: Option<InstanceId>,
    ) -> impl Iterator<Item = &Arc<ContainerInstance>> {
        from(self.index.instances_by_cluster.get(cluster), after).filter_map(|id| self.instances.get(id))
    }

    /// The clusters by name that come after this one.
    pub fn clusters_after(&self, after: Option<ClusterName>) -> impl Iterator<Item = &Cluster> {
        self.clusters.range((beyond(after), Bound::Unbounded)).map(|(_, cluster)| cluster)
    }

    /// The services of a cluster by name that come after this one.
    pub fn services_after<'a>(
        &'a self,
        cluster: &'a ClusterName,
        after: Option<ServiceName>,
    ) -> impl Iterator<Item = &'a Arc<Service>> {
        let key = |name| ServiceKey { cluster: cluster.clone(), name };
        let first = match after {
            None => Bound::Included(key(ServiceName::new(""))),
            Some(name) => Bound::Excluded(key(name)),
        };
        let services = self.services.range((first, Bound::Unbounded));
        services.take_while(move |(key, _)| key.cluster == *cluster).map(|(_, service)| service)
    }

    /// Revisions by family and number that come after this one.
    pub fn task_definitions_after(
        &self,
        after: Option<TaskDefinitionKey>,
    ) -> impl Iterator<Item = &Arc<TaskDefinition>> {
        self.task_definitions.range((beyond(after), Bound::Unbounded)).map(|(_, definition)| definition)
    }

    /// Revisions by family and number that come before this one, the last first.
    pub fn task_definitions_before(
        &self,
        before: Option<TaskDefinitionKey>,
    ) -> impl Iterator<Item = &Arc<TaskDefinition>> {
        let range = (Bound::Unbounded, beyond(before));
        self.task_definitions.range(range).rev().map(|(_, definition)| definition)
    }

    /// The families by name that come after this one.
    pub fn families_after(&self, after: Option<Family>) -> impl Iterator<Item = &Family> {
        self.families.range((beyond(after), Bound::Unbounded)).map(|(family, _)| family)
    }
}

fn from<K: Ord + Clone>(ids: Option<&OrdSet<K>>, after: Option<K>) -> impl Iterator<Item = &K> {
    let bound = beyond(after);
    ids.map(|ids| ids.range((bound, Bound::Unbounded))).into_iter().flatten()
}

fn beyond<K>(key: Option<K>) -> Bound<K> {
    key.map_or(Bound::Unbounded, Bound::Excluded)
}
