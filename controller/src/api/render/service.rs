//! Services as messages.

use berth_model::arn::uuid;
use berth_model::id::Ids;
use berth_model::service::{Service, ServiceEvent};
use berth_model::state::State;
use berth_proto::ecs::v1 as pb;

use super::{Tags, count, text};

mod deployment;
mod task_set;

pub(crate) use deployment::Counts;
pub(crate) use task_set::task_set;

/// A service, with the newest of its events first.
pub(crate) fn service(service: &Service, view: &State, shown: Tags) -> pb::Service {
    let scope = view.scope();
    let counts = Counts::of(service, view);
    let spec = service.spec.to_owned_message();
    pb::Service {
        service_arn: Some(scope.service(&service.key)),
        service_name: Some(service.key.name.to_string()),
        cluster_arn: Some(scope.cluster(&service.key.cluster)),
        status: Some(service.status.as_str().to_owned()),
        desired_count: Some(count(service.desired_count)),
        running_count: Some(count(counts.running())),
        pending_count: Some(count(counts.pending())),
        // A service that is deployed with task sets has none before its first primary one.
        task_definition: (service.task_definition.revision > 0)
            .then(|| scope.task_definition(&service.task_definition)),
        task_sets: service.task_sets.iter().map(|set| task_set(service, set, view, shown)).collect(),
        current_service_deployment: service
            .records
            .current()
            .map(|current| scope.service_deployment(&service.key, current.id)),
        current_service_revisions: deployment::revisions(service, &counts, scope),
        deployments: deployment::deployments(service, &spec, &counts, scope),
        events: service.events.iter().rev().map(event).collect(),
        created_at: Some(service.created_at.to_message()),
        created_by: text(&service.created_by),
        tags: shown.filter(spec.tags.clone()),
        ..spec
    }
}

/// Event ids look like AWS's, and one event always has the same.
fn event(event: &ServiceEvent) -> pb::ServiceEvent {
    let (revision, place) = event.id;
    let number = Ids::from_seed(u128::from(revision) << 32 | u128::from(place)).number();
    pb::ServiceEvent {
        id: Some(uuid(number)),
        created_at: Some(event.created_at.to_message()),
        message: Some(event.message.clone()),
    }
}
