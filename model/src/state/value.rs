//! Parameters and secrets: what is referred to by name and read as a value.

use std::sync::Arc;

use super::State;
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
}
