//! Capacity providers: where a cluster's instances come from.

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use crate::id::ClusterName;
use crate::state::State;
use crate::time::Timestamp;
use crate::wire::Wire;

/// The providers that every account has and nobody makes.
pub const BUILT_IN: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// One that somebody made. It is kept and shown; nothing scales by it yet, so whatever would need it to is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityProvider {
    /// Its name, unique in the account.
    pub name: String,
    /// The cluster that it belongs to; only one of managed instances has one.
    pub cluster: Option<ClusterName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was asked for, with tags; ARN, name, cluster and status are empty in it.
    pub spec: Wire<pb::CapacityProvider>,
}

/// A cluster whose providers or default strategy name this one.
pub fn used_by<'a>(state: &'a State, name: &str) -> Option<&'a ClusterName> {
    let mut clusters = state.clusters();
    let user = clusters.find(|cluster| {
        let strategy = &cluster.spec.default_capacity_provider_strategy;
        cluster.spec.capacity_providers.iter().any(|used| used == name)
            || strategy.iter().any(|item| item.capacity_provider() == name)
    });
    user.map(|cluster| &cluster.name)
}
