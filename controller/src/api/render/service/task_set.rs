//! Task sets as messages.

use berth_model::service::Service;
use berth_model::service::task_set::TaskSet;
use berth_model::state::State;
use berth_proto::ecs::v1 as pb;

use super::super::{Tags, count};
use super::deployment::Counts;

/// A task set.
pub(crate) fn task_set(service: &Service, set: &TaskSet, view: &State, shown: Tags) -> pb::TaskSet {
    let scope = view.scope();
    let (running, pending) = Counts::of(service, view).running_and_pending(set.id());
    let spec = set.spec.to_owned_message();
    let stability =
        if set.stable { pb::StabilityStatus::SteadyState } else { pb::StabilityStatus::Stabilizing };
    pb::TaskSet {
        id: Some(set.id().to_string()),
        task_set_arn: Some(scope.task_set(&service.key, set.id())),
        service_arn: Some(scope.service(&service.key)),
        cluster_arn: Some(scope.cluster(&service.key.cluster)),
        status: Some(set.status.as_str().to_owned()),
        task_definition: Some(scope.task_definition(&set.deployment.task_definition)),
        computed_desired_count: Some(count(set.computed_desired_count(service.desired_count))),
        pending_count: Some(count(pending)),
        running_count: Some(count(running)),
        created_at: Some(set.deployment.created_at.to_message()),
        updated_at: Some(set.deployment.updated_at.to_message()),
        scale: Some(pb::Scale {
            value: Some(f64::from(set.scale_basis_points) / 100.0),
            unit: Some(pb::ScaleUnit::Percent.into()),
        }),
        stability_status: Some(stability.into()),
        stability_status_at: Some(set.stable_at.to_message()),
        tags: shown.filter(spec.tags.clone()),
        ..spec
    }
}
