//! The state of everything, and the indexes that make looking things up cheap.
//!
//! Tables are persistent maps: cloning the whole state costs a handful of reference counts, which is how every
//! applied batch can publish a [`View`] and snapshots can be written while the log goes on. Only `apply` changes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use crate::arn::Scope;
use crate::capacity_provider::CapacityProvider;
use crate::cluster::{Cluster, ClusterStatus};
use crate::container_instance::ContainerInstance;
use crate::id::{
    ClusterName, Family, InstanceId, Region, Revision, ServiceKey, ServiceName, TaskDefinitionKey, TaskId,
};
use crate::key::AccessKey;
use crate::log::LogGroup;
use crate::network::security_group::SecurityGroup;
use crate::parameter::Parameter;
use crate::secret::Secret;
use crate::service::{Service, ServiceStatus};
use crate::task::Task;
use crate::task_definition::TaskDefinition;
use crate::time::Timestamp;

mod companion;
pub mod invariant;
mod listing;
mod region;
mod share;
pub mod snapshot;

pub use listing::TaskSet;

/// The state as it was after some revision; it never changes.
pub type View = Arc<State>;

/// The state of everything: of the deployment's own region, and within it that of every other one ([`region`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Index of the last log entry in it.
    pub(crate) revision: Revision,
    /// Hexadecimal; empty before the bootstrap.
    pub(crate) cluster_id: String,
    /// What stands in ARNs.
    pub(crate) scope: Scope,
    pub(crate) keys: OrdMap<String, AccessKey>,
    pub(crate) clusters: OrdMap<ClusterName, Cluster>,
    pub(crate) families: OrdMap<Family, u32>,
    pub(crate) task_definitions: OrdMap<TaskDefinitionKey, Arc<TaskDefinition>>,
    pub(crate) services: OrdMap<ServiceKey, Arc<Service>>,
    pub(crate) instances: OrdMap<InstanceId, Arc<ContainerInstance>>,
    pub(crate) tasks: OrdMap<TaskId, Arc<Task>>,
    #[serde(default)]
    pub(crate) capacity_providers: OrdMap<String, CapacityProvider>,
    /// By principal, empty for the account's own, and name.
    #[serde(default)]
    pub(crate) account_settings: OrdMap<(String, String), String>,
    /// Tasks that are protected from scale-in, and until when.
    #[serde(default)]
    pub(crate) protections: OrdMap<TaskId, Timestamp>,
    /// By name.
    #[serde(default)]
    pub(crate) parameters: OrdMap<String, Arc<Parameter>>,
    /// By name.
    #[serde(default)]
    pub(crate) secrets: OrdMap<String, Arc<Secret>>,
    /// By id.
    #[serde(default)]
    pub(crate) security_groups: OrdMap<String, Arc<SecurityGroup>>,
    /// By name.
    #[serde(default)]
    pub(crate) log_groups: OrdMap<String, Arc<LogGroup>>,
    /// When INACTIVE things became so, for the reaper.
    pub(crate) ended_at: OrdMap<Ended, Timestamp>,
    pub(crate) history: Vector<HistoryEntry>,
    /// Which region this is, unless it is the deployment's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<Region>,
    /// The other regions. Only the deployment's own has any.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub(crate) regions: OrdMap<Region, Arc<State>>,
    /// Rebuilt from the tables after a snapshot is read.
    #[serde(skip)]
    pub(crate) index: Index,
}

/// Something that is over and still describable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ended {
    /// A cluster.
    Cluster(ClusterName),
    /// A service.
    Service(ServiceKey),
    /// An instance.
    Instance(InstanceId),
    /// A task.
    Task(TaskId),
}

/// One line of what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Revision at which it happened.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// In which cluster.
    pub cluster: ClusterName,
    /// Of which service, if of one.
    pub service: Option<ServiceName>,
    /// `cluster`, `service`, `task` or `container-instance`.
    pub kind: String,
    /// Name or id.
    pub id: String,
    /// For people.
    pub message: String,
}

/// Keys by what refers to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Index {
    pub(crate) tasks_by_cluster: OrdMap<ClusterName, OrdSet<TaskId>>,
    pub(crate) tasks_by_service: OrdMap<ServiceKey, OrdSet<TaskId>>,
    pub(crate) tasks_by_instance: OrdMap<InstanceId, OrdSet<TaskId>>,
    pub(crate) standalone_by_cluster: OrdMap<ClusterName, OrdSet<TaskId>>,
    /// The same tasks by the group that spread and `distinctInstance` count.
    pub(crate) standalone_by_group: OrdMap<(ClusterName, Arc<str>), OrdSet<TaskId>>,
    /// Tasks that wait for a place.
    pub(crate) queued_by_cluster: OrdMap<ClusterName, OrdSet<TaskId>>,
    pub(crate) instances_by_cluster: OrdMap<ClusterName, OrdSet<InstanceId>>,
    /// Tasks that were started in the place of others.
    pub(crate) moved_by_cluster: OrdMap<ClusterName, OrdSet<TaskId>>,
    /// DAEMON services, which every placement asks for.
    pub(crate) daemons: OrdSet<ServiceKey>,
}

// === impl State ===

impl State {
    /// Index of the last log entry in it.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The deployment's id; empty before the bootstrap.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// What stands in ARNs.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// An access key by its id.
    pub fn access_key(&self, id: &str) -> Option<&AccessKey> {
        self.keys.get(id)
    }

    /// Every access key, by id.
    pub fn access_keys(&self) -> impl Iterator<Item = &AccessKey> {
        self.keys.values()
    }

    /// A capacity provider that somebody made.
    pub fn capacity_provider(&self, name: &str) -> Option<&CapacityProvider> {
        self.capacity_providers.get(name)
    }

    /// Every capacity provider that somebody made, by name.
    pub fn capacity_providers(&self) -> impl Iterator<Item = &CapacityProvider> {
        self.capacity_providers.values()
    }

    /// What was set for a principal, or for the account as a whole.
    pub fn account_setting(&self, principal: Option<&str>, name: &str) -> Option<&str> {
        let key = (principal.unwrap_or_default().to_owned(), name.to_owned());
        self.account_settings.get(&key).map(String::as_str)
    }

    /// Until when a task is protected from scale-in, if it is.
    pub fn protected_until(&self, id: TaskId, now: Timestamp) -> Option<Timestamp> {
        self.protections.get(&id).copied().filter(|until| now < *until)
    }

    /// A cluster, whatever its status.
    pub fn cluster(&self, name: &ClusterName) -> Option<&Cluster> {
        self.clusters.get(name)
    }

    /// A cluster that is ACTIVE.
    pub fn active_cluster(&self, name: &ClusterName) -> Option<&Cluster> {
        self.cluster(name).filter(|cluster| cluster.status == ClusterStatus::Active)
    }

    /// Every cluster, by name.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.values()
    }

    /// The highest revision a family ever had; 0 when there is no such family.
    pub fn last_revision(&self, family: &Family) -> u32 {
        self.families.get(family).copied().unwrap_or(0)
    }

    /// A revision of a task definition.
    pub fn task_definition(&self, key: &TaskDefinitionKey) -> Option<&Arc<TaskDefinition>> {
        self.task_definitions.get(key)
    }

    /// Every revision, by family and revision.
    pub fn task_definitions(&self) -> impl DoubleEndedIterator<Item = &Arc<TaskDefinition>> {
        self.task_definitions.values()
    }

    /// The revisions of a family, oldest first.
    pub fn family(&self, family: &Family) -> impl DoubleEndedIterator<Item = &Arc<TaskDefinition>> {
        let key = |revision| TaskDefinitionKey { family: family.clone(), revision };
        self.task_definitions.range(key(0)..=key(u32::MAX)).map(|(_, definition)| definition)
    }

    /// A service, whatever its status.
    pub fn service(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// Every service, by cluster and name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// The services of a cluster, by name.
    pub fn services_in<'a>(&'a self, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Arc<Service>> {
        let first = ServiceKey { cluster: cluster.clone(), name: ServiceName::new("") };
        self.services
            .range(first..)
            .take_while(move |(key, _)| key.cluster == *cluster)
            .map(|(_, service)| service)
    }

    /// The DAEMON services of a cluster that are ACTIVE, by name.
    pub fn daemons_in<'a>(&'a self, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Arc<Service>> {
        let first = ServiceKey { cluster: cluster.clone(), name: ServiceName::new("") };
        let keys = self.index.daemons.range(first..).take_while(move |key| key.cluster == *cluster);
        keys.filter_map(|key| self.services.get(key))
            .filter(|service| service.status == ServiceStatus::Active)
    }

    /// An instance, whatever its status.
    pub fn instance(&self, id: InstanceId) -> Option<&Arc<ContainerInstance>> {
        self.instances.get(&id)
    }

    /// Every instance, by id.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<ContainerInstance>> {
        self.instances.values()
    }

    /// The instances of a cluster, by id.
    pub fn instances_in<'a>(
        &'a self,
        cluster: &'a ClusterName,
    ) -> impl Iterator<Item = &'a Arc<ContainerInstance>> {
        let ids = self.index.instances_by_cluster.get(cluster);
        let count = ids.map_or(0, OrdSet::len);
        // Walking the table is several times faster than looking up as many ids: worth it when most are wanted anyway.
        let walk = count * 2 > self.instances.len();
        let walked =
            walk.then(|| self.instances.values().filter(move |instance| instance.cluster == *cluster));
        let looked_up = ids.filter(|_| !walk).into_iter().flatten().filter_map(|id| self.instances.get(id));
        walked.into_iter().flatten().chain(looked_up)
    }

    /// A task.
    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(&id)
    }

    /// Every task, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.values()
    }

    /// How many tasks there are, stopped ones included.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// The tasks of a service, stopped ones included, by id.
    pub fn tasks_of(&self, service: &ServiceKey) -> impl Iterator<Item = &Arc<Task>> {
        let ids = self.index.tasks_by_service.get(service);
        ids.into_iter().flatten().filter_map(|id| self.tasks.get(id))
    }

    /// The tasks on an instance, stopped ones included, by id.
    pub fn tasks_on(&self, instance: InstanceId) -> impl Iterator<Item = &Arc<Task>> {
        let ids = self.index.tasks_by_instance.get(&instance);
        ids.into_iter().flatten().filter_map(|id| self.tasks.get(id))
    }

    /// The tasks of a cluster that no service wants, stopped ones included, by id.
    pub fn standalone_tasks(&self, cluster: &ClusterName) -> impl Iterator<Item = &Arc<Task>> {
        let ids = self.index.standalone_by_cluster.get(cluster);
        ids.into_iter().flatten().filter_map(|id| self.tasks.get(id))
    }

    /// The tasks of a group that no service wants, stopped ones included, by id.
    pub fn tasks_in_group(&self, cluster: &ClusterName, group: &str) -> impl Iterator<Item = &Arc<Task>> {
        let ids = self.index.standalone_by_group.get(&(cluster.clone(), Arc::from(group)));
        ids.into_iter().flatten().filter_map(|id| self.tasks.get(id))
    }

    /// The tasks of a cluster that wait for a place, by id.
    pub fn queued_in(&self, cluster: &ClusterName) -> impl Iterator<Item = &Arc<Task>> {
        let ids = self.index.queued_by_cluster.get(cluster);
        ids.into_iter().flatten().filter_map(|id| self.tasks.get(id))
    }

    /// The clusters in which tasks wait for a place.
    pub fn queues(&self) -> impl Iterator<Item = &ClusterName> {
        self.index.queued_by_cluster.keys()
    }

    /// The tasks of a cluster that were started in the place of others, stopped ones included, by id.
    pub fn moved_in(&self, cluster: &ClusterName) -> impl Iterator<Item = &TaskId> {
        self.index.moved_by_cluster.get(cluster).into_iter().flatten()
    }

    /// All tasks of a cluster, stopped ones included, by id.
    pub fn tasks_in<'a>(&'a self, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Arc<Task>> {
        self.tasks_after(TaskSet::Cluster(cluster), None)
    }

    /// Whether the instance of a task answers, or is only silent for a short while.
    pub fn is_reachable(&self, task: &Task) -> bool {
        self.instance(task.instance).is_some_and(|instance| instance.connected)
    }

    /// Things that are over, and since when.
    pub fn ended(&self) -> impl Iterator<Item = (&Ended, Timestamp)> {
        self.ended_at.iter().map(|(what, at)| (what, *at))
    }

    /// What happened, oldest first.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &HistoryEntry> {
        self.history.iter()
    }

    /// The revisions that a task or a service refers to.
    pub fn definitions_in_use(&self) -> BTreeSet<&TaskDefinitionKey> {
        let by_tasks = self.tasks.values().filter(|task| !task.is_stopped()).map(|task| &task.definition);
        let by_services = self.services.values().flat_map(|service| &service.deployments);
        by_tasks.chain(by_services.map(|deployment| &deployment.task_definition)).collect()
    }

    pub(crate) fn put_task(&mut self, mut task: Task) {
        self.share(&mut task);
        self.index.add(&task);
        self.tasks.insert(task.id, Arc::new(task));
    }

    pub(crate) fn remove_task(&mut self, id: TaskId) -> Option<Arc<Task>> {
        let task = self.tasks.remove(&id)?;
        self.index.remove(&task);
        self.protections.remove(&id);
        Some(task)
    }

    pub(crate) fn put_service(&mut self, service: Service) {
        self.index.note_service(&service);
        self.services.insert(service.key.clone(), Arc::new(service));
    }

    pub(crate) fn remove_service(&mut self, key: &ServiceKey) {
        self.services.remove(key);
        self.index.daemons.remove(key);
    }

    pub(crate) fn put_instance(&mut self, instance: ContainerInstance) {
        let ids = self.index.instances_by_cluster.entry(instance.cluster.clone()).or_default();
        ids.insert(instance.id);
        self.instances.insert(instance.id, Arc::new(instance));
    }

    pub(crate) fn remove_instance(&mut self, id: InstanceId) {
        if let Some(instance) = self.instances.remove(&id) {
            remove_from(&mut self.index.instances_by_cluster, &instance.cluster, &id);
        }
    }

    /// Rebuilds what is derived from the tables.
    pub(crate) fn rebuild_index(&mut self) {
        self.index = Index::default();
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            self.share_again(id);
            if let Some(task) = self.tasks.get(&id) {
                self.index.add(task);
            }
        }
        for service in self.services.values() {
            self.index.note_service(service);
        }
        for instance in self.instances.values() {
            self.index.instances_by_cluster.entry(instance.cluster.clone()).or_default().insert(instance.id);
        }
        let rebuilt = self.regions.iter().map(|(name, state)| {
            let mut state = Self::clone(state);
            state.rebuild_index();
            (name.clone(), Arc::new(state))
        });
        self.regions = rebuilt.collect();
    }
}

// === impl Index ===

impl Index {
    fn note_service(&mut self, service: &Service) {
        if service.is_daemon() {
            self.daemons.insert(service.key.clone());
        } else {
            self.daemons.remove(&service.key);
        }
    }

    fn add(&mut self, task: &Task) {
        let id = task.id;
        self.tasks_by_cluster.entry(task.cluster.clone()).or_default().insert(id);
        match task.service() {
            Some(service) => {
                self.tasks_by_service.entry(service).or_default().insert(id);
            }
            None => {
                self.standalone_by_cluster.entry(task.cluster.clone()).or_default().insert(id);
                let group = (task.cluster.clone(), Arc::clone(&task.group));
                self.standalone_by_group.entry(group).or_default().insert(id);
            }
        }
        if task.is_placed() {
            self.tasks_by_instance.entry(task.instance).or_default().insert(id);
        }
        if task.is_queued() {
            self.queued_by_cluster.entry(task.cluster.clone()).or_default().insert(id);
        }
        if task.scheduling.replaces.is_some() {
            self.moved_by_cluster.entry(task.cluster.clone()).or_default().insert(id);
        }
    }

    fn remove(&mut self, task: &Task) {
        let id = &task.id;
        remove_from(&mut self.tasks_by_cluster, &task.cluster, id);
        match task.service() {
            Some(service) => remove_from(&mut self.tasks_by_service, &service, id),
            None => {
                remove_from(&mut self.standalone_by_cluster, &task.cluster, id);
                let group = (task.cluster.clone(), Arc::clone(&task.group));
                remove_from(&mut self.standalone_by_group, &group, id);
            }
        }
        remove_from(&mut self.tasks_by_instance, &task.instance, id);
        self.leave_queue(task);
        if task.scheduling.replaces.is_some() {
            remove_from(&mut self.moved_by_cluster, &task.cluster, id);
        }
    }

    /// The task waits no more, if it ever did.
    pub(crate) fn leave_queue(&mut self, task: &Task) {
        remove_from(&mut self.queued_by_cluster, &task.cluster, &task.id);
    }
}

/// Takes a member out of the set under a key, and the key away with its last member.
fn remove_from<K: Ord + Clone, V: Ord + Clone>(index: &mut OrdMap<K, OrdSet<V>>, key: &K, value: &V) {
    if let Some(set) = index.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            index.remove(key);
        }
    }
}
