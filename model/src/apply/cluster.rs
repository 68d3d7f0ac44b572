//! Clusters, and what a deployment is born with.

use super::{APPLIED, Context, UNCHANGED, gone};
use crate::change::Change;
use crate::cluster::{Cluster, ClusterStatus, check_empty};
use crate::command::{Bootstrap, Rejection, Reply};
use crate::error::ApiError;
use crate::id::ClusterName;
use crate::state::{Ended, State};

pub(super) fn bootstrap(context: &mut Context<'_>, bootstrap: &Bootstrap) -> Reply {
    if !context.state.cluster_id.is_empty() {
        if context.state.cluster_id == bootstrap.cluster_id {
            return UNCHANGED;
        }
        let message = format!(
            "This deployment is {}, the identity file is of {}.",
            context.state.cluster_id, bootstrap.cluster_id
        );
        return Err(ApiError::client(message).into());
    }
    context.state.cluster_id.clone_from(&bootstrap.cluster_id);
    context.state.scope = bootstrap.scope.clone();
    for key in &bootstrap.keys {
        super::key::put(context, key)?;
    }
    APPLIED
}

pub(super) fn create(context: &mut Context<'_>, cluster: &Cluster) -> Reply {
    if context.state.active_cluster(&cluster.name).is_some() {
        return UNCHANGED;
    }
    context.state.ended_at.remove(&Ended::Cluster(cluster.name.clone()));
    put(context, Cluster { status: ClusterStatus::Active, ..cluster.clone() }, "created");
    APPLIED
}

pub(super) fn update(context: &mut Context<'_>, cluster: &Cluster) -> Reply {
    let updated = Cluster { spec: cluster.spec.clone(), ..active(context.state, &cluster.name)?.clone() };
    put(context, updated, "updated");
    APPLIED
}

pub(super) fn delete(context: &mut Context<'_>, name: &ClusterName) -> Reply {
    let mut cluster = active(context.state, name)?.clone();
    check_empty(context.state, name)?;
    cluster.status = ClusterStatus::Inactive;
    context.ended(Ended::Cluster(name.clone()));
    put(context, cluster, "deleted");
    APPLIED
}

fn active<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    state.active_cluster(name).ok_or_else(|| gone("cluster", name))
}

fn put(context: &mut Context<'_>, cluster: Cluster, verb: &str) {
    let name = cluster.name.clone();
    context.note(&name, None, "cluster", name.to_string(), format!("cluster {name} was {verb}"));
    context.changed(Change::Cluster(name.clone()));
    context.state.clusters.insert(name, cluster);
}
