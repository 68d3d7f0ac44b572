//! Looking up what the services beside ECS keep in the state: parameters, secrets, log groups.

use std::sync::Arc;

use super::State;
use crate::log::LogGroup;
use crate::parameter::Parameter;
use crate::secret::Secret;

// === impl State ===

impl State {
    /// A parameter by its name.
    pub fn parameter(&self, name: &str) -> Option<&Arc<Parameter>> {
        self.parameters.get(name)
    }

    /// Every parameter, by name.
    pub fn parameters(&self) -> impl Iterator<Item = &Arc<Parameter>> {
        self.parameters.values()
    }

    /// A secret by its name, deleted ones included.
    pub fn secret(&self, name: &str) -> Option<&Arc<Secret>> {
        self.secrets.get(name)
    }

    /// Every secret, by name, deleted ones included.
    pub fn secrets(&self) -> impl Iterator<Item = &Arc<Secret>> {
        self.secrets.values()
    }

    /// A log group by its name.
    pub fn log_group(&self, name: &str) -> Option<&Arc<LogGroup>> {
        self.log_groups.get(name)
    }

    /// Every log group, by name.
    pub fn log_groups(&self) -> impl Iterator<Item = &Arc<LogGroup>> {
        self.log_groups.values()
    }
}
