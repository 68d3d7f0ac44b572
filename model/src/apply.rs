//! Carrying out commands. `apply` checks and records; it never decides, reads a clock or makes an id.
//!
//! Every controller applies the same log, so everything here is a function of the state and the command. A command
//! is checked in full before the first change: a rejection changes nothing.

use std::collections::BTreeSet;

use crate::change::Change;
use crate::command::{Command, Envelope, Outcome, Rejection, Reply};
use crate::id::{ClusterName, InstanceId, Region, Revision, ServiceKey};
use crate::limits::HISTORY_ENTRIES;
use crate::service::Service;
use crate::state::{Ended, HistoryEntry, State};
use crate::task::Task;
use crate::time::Timestamp;

mod capacity_provider;
mod cluster;
mod container_instance;
mod forget;
mod key;
mod queue;
mod region;
mod report;
mod rollout;
mod secret;
mod security_group;
mod service;
mod tag;
mod task;
mod task_definition;
mod task_set;

/// What became of a command, and what it touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// For whoever proposed it.
    pub reply: Reply,
    /// For whoever waits for changes; empty when it was rejected.
    pub changes: Vec<Change>,
    /// Where they are, unless in the deployment's own region.
    pub region: Option<Region>,
}

/// The state under change, and what one command may know.
struct Context<'a> {
    state: &'a mut State,
    revision: Revision,
    now: Timestamp,
    changes: Vec<Change>,
    /// Whether the history has new lines.
    noted: bool,
}

// === impl State ===

impl State {
    /// Applies the command of log entry `revision`.
    pub fn apply(&mut self, revision: Revision, envelope: &Envelope) -> Applied {
        self.revision = revision;
        region::apply(self, revision, envelope)
    }

    /// Applies a command to the tables of this region.
    fn apply_here(&mut self, revision: Revision, now: Timestamp, command: &Command) -> Applied {
        self.revision = revision;
        let mut context = Context { state: self, revision, now, changes: Vec::new(), noted: false };
        let reply = context.dispatch(command);
        if context.noted {
            context.changes.push(Change::History);
        }
        let changes = if reply.is_ok() { context.changes } else { Vec::new() };
        Applied { reply, changes, region: self.region.clone() }
    }

    /// Notes a log entry without a command (a membership change, a leader's first entry).
    pub fn skip(&mut self, revision: Revision) {
        self.revision = revision;
    }
}

// === impl Context ===

impl Context<'_> {
    fn dispatch(&mut self, command: &Command) -> Reply {
        match command {
            Command::Bootstrap(bootstrap) => cluster::bootstrap(self, bootstrap),
            Command::PutAccessKey(key) => key::put(self, key),
            Command::CreateCluster(cluster) => cluster::create(self, cluster),
            Command::UpdateCluster(cluster) => cluster::update(self, cluster),
            Command::DeleteCluster(name) => cluster::delete(self, name),
            Command::RegisterTaskDefinition(definition) => task_definition::register(self, definition),
            Command::DeregisterTaskDefinition(key) => task_definition::deregister(self, key),
            Command::DeleteTaskDefinitions(keys) => task_definition::delete(self, keys),
            Command::CreateService(service) => service::create(self, service),
            Command::UpdateService(update) => service::update(self, update),
            Command::DeleteService(key) => service::delete(self, key),
            Command::AdvanceService(advance) => service::advance(self, advance),
            Command::StartTasks(start) => task::start(self, start),
            Command::StopTasks(stop) => task::stop(self, stop),
            Command::RegisterInstance(instance) => container_instance::register(self, instance),
            Command::SetInstanceStatus(set) => container_instance::set_status(self, set),
            Command::DeregisterInstance { id, force } => container_instance::deregister(self, *id, *force),
            Command::SetInstanceConnected { id, connected } => {
                container_instance::set_connected(self, *id, *connected)
            }
            Command::PutAttributes(puts) => container_instance::put_attributes(self, puts),
            Command::DeleteAttributes(deletes) => container_instance::delete_attributes(self, deletes),
            Command::ReportTasks { instance, reports } => report::report(self, *instance, reports),
            Command::Forget(forget) => forget::forget(self, forget),
            Command::RecordRefusal(record) => service::record_refusal(self, record),
            Command::StopServiceDeployment(stop) => rollout::stop(self, stop),
            Command::ContinueServiceDeployment(go_on) => rollout::go_on(self, go_on),
            Command::RecordHook(record) => rollout::record_hook(self, record),
            Command::RollBackService(back) => rollout::roll_back(self, back),
            Command::ChangeTaskSets(change) => task_set::change(self, change),
            Command::TagResource(tagging) => tag::tag(self, tagging),
            Command::PutAccountSetting(setting) => tag::put_account_setting(self, setting),
            Command::PutCapacityProvider(provider) => capacity_provider::put(self, provider),
            Command::DeleteCapacityProvider(name) => capacity_provider::delete(self, name),
            Command::ProtectTasks(protection) => task::protect(self, protection),
            Command::DeleteAccessKey(id) => key::delete(self, id),
            Command::NoteKeyUse(uses) => key::note_use(self, uses),
            Command::InRegion(_) => Err(Rejection::Malformed("a region has no regions".into())),
            Command::QueueTasks(queue) => queue::queue(self, queue),
            Command::PlaceTasks(place) => queue::place(self, place),
            Command::PutParameter(put) => secret::put_parameter(self, put),
            Command::DeleteParameters(names) => secret::delete_parameters(self, names),
            Command::ChangeSecret(change) => secret::change(self, change),
            Command::NoteTask(note) => task::note(self, note),
            Command::PutSecurityGroup(group) => security_group::put(self, group),
            Command::DeleteSecurityGroup(id) => security_group::delete(self, id),
        }
    }

    fn changed(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    fn task_changed(&mut self, task: &Task) {
        self.changes.push(Change::Task { id: task.id, instance: task.instance, service: task.service() });
        if let Some(service) = task.awaited_by() {
            self.changed(Change::Service(service));
        }
    }

    fn instance_changed(&mut self, id: InstanceId, cluster: ClusterName, offers_more: bool) {
        self.changed(Change::Instance { id, cluster, offers_more });
    }

    /// The desired set of this instance's agent is another from this revision on.
    fn manifest_changed(&mut self, id: InstanceId) {
        if let Some(instance) = self.state.instances.get_mut(&id) {
            let instance = std::sync::Arc::make_mut(instance);
            if instance.manifest_generation != self.revision {
                instance.manifest_generation = self.revision;
                self.changes.push(Change::Manifest(id));
            }
        }
    }

    /// There is something to look at for the services with tasks on this instance.
    fn wake_services_on(&mut self, id: InstanceId) {
        let tasks = self.state.tasks_on(id).filter(|task| !task.is_stopped());
        let services: BTreeSet<ServiceKey> = tasks.filter_map(|task| task.service()).collect();
        for key in services {
            if let Ok(service) = self.service_mut(&key) {
                service.steady = false;
            }
            self.changed(Change::Service(key));
        }
    }

    /// What DAEMON services want of the instances of a cluster may be something else now.
    fn wake_daemons(&mut self, cluster: &ClusterName) {
        let keys: Vec<ServiceKey> =
            self.state.daemons_in(cluster).map(|service| service.key.clone()).collect();
        for key in keys {
            if let Ok(service) = self.service_mut(&key) {
                service.steady = false;
            }
            self.changed(Change::Service(key));
        }
    }

    fn ended(&mut self, what: Ended) {
        self.state.ended_at.insert(what, self.now);
    }

    fn service_mut(&mut self, key: &ServiceKey) -> Result<&mut Service, Rejection> {
        let service = self.state.services.get_mut(key);
        service.map(std::sync::Arc::make_mut).ok_or_else(|| gone("service", key))
    }

    /// Adds a line to the history, the oldest making room.
    fn note(
        &mut self,
        cluster: &ClusterName,
        service: Option<&ServiceKey>,
        kind: &str,
        id: String,
        message: String,
    ) {
        let entry = HistoryEntry {
            revision: self.revision,
            at: self.now,
            cluster: cluster.clone(),
            service: service.map(|service| service.name.clone()),
            kind: kind.to_owned(),
            id,
            message,
        };
        self.state.history.push_back(entry);
        while self.state.history.len() > HISTORY_ENTRIES {
            self.state.history.pop_front();
        }
        self.noted = true;
    }
}

fn gone(kind: &'static str, id: impl ToString) -> Rejection {
    Rejection::Gone { kind: kind.into(), id: id.to_string() }
}

const APPLIED: Reply = Ok(Outcome::Applied);
const UNCHANGED: Reply = Ok(Outcome::Unchanged);

#[cfg(test)]
mod tests;
