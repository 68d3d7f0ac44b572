//! Tells agents which images a deployment is about to need.
//!
//! Every controller tells the agents it has; each is told once a deployment. Nothing depends on it: what is not told, or
//! lost with a session, is pulled when the task comes.

use std::collections::BTreeMap;

use berth_model::id::{DeploymentId, Region, ServiceKey};
use berth_model::plan::prefetch::prefetch;
use berth_model::state::State;
use berth_proto::agent::v1 as pb;

use super::registry::Registry;
use crate::limits::PREFETCHES_REMEMBERED;

/// The deployments that agents were told of.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<(Option<Region>, ServiceKey), DeploymentId>);

// === impl Told ===

impl Told {
    /// A service changed: its agents are told when that is for a deployment they have not heard of.
    pub(super) fn look(&mut self, view: &State, service: &ServiceKey, registry: &Registry) {
        let key = (view.region().cloned(), service.clone());
        let found = view.service(service).and_then(|service| {
            let primary = service.primary()?;
            (self.0.get(&key) != Some(&primary.id)).then(|| prefetch(view, service)).flatten()
        });
        let Some(found) = found else { return };
        if self.0.len() >= PREFETCHES_REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, found.deployment);
        for entry in found.instances.iter().filter_map(|instance| registry.get(*instance)) {
            let message =
                pb::controller_message::Message::Prefetch(pb::Prefetch { images: found.images.clone() });
            // An agent that does not read has more urgent things to hear.
            let _ = entry.outbound.try_send(pb::ControllerMessage { message: Some(message) });
        }
    }
}
