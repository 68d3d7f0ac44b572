//! Regions: each has tables of its own and sees nothing of the others'.
//!
//! The deployment's own region is the state itself, as it was before there were others; what is the deployment's rather
//! than a region's (its identity, its access keys) is there and nowhere else. Every other region is a state within that
//! one. It is there from the first command that puts something into it, and gone with the last thing in it.

use std::sync::Arc;

use super::{State, View};
use crate::arn::Scope;
use crate::command::Command;
use crate::id::{InstanceId, Region, TaskId};

// === impl State ===

impl State {
    /// Which region this is the state of; `None` for the deployment's own.
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// What this region's commands have to be in the log.
    pub fn addressed(&self, command: Command) -> Command {
        command.in_region(self.region.as_ref())
    }

    /// The state of a region, `None` and its name being the deployment's own. One with nothing in it yet is empty.
    pub fn in_region(self: &Arc<Self>, region: Option<&Region>) -> View {
        match region.filter(|region| !self.is_called(region)) {
            None => Arc::clone(self),
            Some(region) => {
                self.regions.get(region).cloned().unwrap_or_else(|| Arc::new(self.empty_region(region)))
            }
        }
    }

    /// The state of every region with something in it, the deployment's own first.
    pub fn every_region(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.regions.values().map(AsRef::as_ref))
    }

    /// A task, in whichever region it is.
    pub fn task_anywhere(&self, id: TaskId) -> Option<&Arc<crate::task::Task>> {
        self.every_region().find_map(|state| state.task(id))
    }

    /// The state that has this instance.
    pub fn region_of_instance(&self, id: InstanceId) -> Option<&Self> {
        self.every_region().find(|state| state.instances.contains_key(&id))
    }

    /// Whether this is the name of the deployment's own region.
    pub(crate) fn is_called(&self, region: &Region) -> bool {
        self.scope.region == region.as_str()
    }

    /// A region as it is before anything is in it.
    pub(crate) fn empty_region(&self, region: &Region) -> Self {
        Self {
            revision: self.revision,
            scope: Scope { region: region.to_string(), ..self.scope.clone() },
            region: Some(region.clone()),
            ..Self::default()
        }
    }

    /// Whether nothing is in it that anybody could ask for, and no number of a family that must not be given again.
    pub(crate) fn is_vacant(&self) -> bool {
        // Every member is named: a table that is added has to be thought of here, or what is in it would be lost.
        let Self {
            clusters,
            families,
            instances,
            capacity_providers,
            account_settings,
            parameters,
            secrets,
            security_groups,
            log_groups,
            // In a cluster or of a family, or about something that was.
            task_definitions: _,
            services: _,
            tasks: _,
            protections: _,
            ended_at: _,
            history: _,
            // Not in a region.
            revision: _,
            cluster_id: _,
            scope: _,
            keys: _,
            region: _,
            regions: _,
            index: _,
        } = self;
        clusters.is_empty()
            && families.is_empty()
            && instances.is_empty()
            && capacity_providers.is_empty()
            && account_settings.is_empty()
            && parameters.is_empty()
            && secrets.is_empty()
            && security_groups.is_empty()
            && log_groups.is_empty()
    }
}
