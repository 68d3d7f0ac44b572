//! Task sets: the handlers.

use berth_model::id::{DeploymentId, ServiceKey};
use berth_model::state::State;
use berth_model::validate::task_set as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::task_sets_server::TaskSets;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};
use super::error::Error;
use super::render::{Tags, service as render};

const GONE: Error = Error::Vanished("the task set");

#[async_trait]
impl TaskSets for Handlers {
    async fn create_task_set(
        &self,
        request: Request<pb::CreateTaskSetRequest>,
    ) -> Answer<pb::CreateTaskSetResponse> {
        self.decide(request, validate::create, |done| {
            Ok(pb::CreateTaskSetResponse { task_set: Some(rendered(&done.subject, &done.view)?) })
        })
        .await
    }

    async fn describe_task_sets(
        &self,
        request: Request<pb::DescribeTaskSetsRequest>,
    ) -> Answer<pb::DescribeTaskSetsResponse> {
        self.read(request, |request, view| {
            let (service, found, failures) = validate::describe(request, view)?;
            let tags = Tags::if_included(&request.include, pb::TaskSetField::Tags)?;
            let task_sets = found.into_iter().map(|set| render::task_set(service, set, view, tags)).collect();
            Ok(pb::DescribeTaskSetsResponse { task_sets, failures })
        })
        .await
    }

    async fn update_task_set(
        &self,
        request: Request<pb::UpdateTaskSetRequest>,
    ) -> Answer<pb::UpdateTaskSetResponse> {
        self.change(
            request,
            |request, view, _| validate::update(request, view),
            |subject, view| Ok(pb::UpdateTaskSetResponse { task_set: Some(rendered(&subject, view)?) }),
        )
        .await
    }

    async fn update_service_primary_task_set(
        &self,
        request: Request<pb::UpdateServicePrimaryTaskSetRequest>,
    ) -> Answer<pb::UpdateServicePrimaryTaskSetResponse> {
        self.change(
            request,
            |request, view, _| validate::promote(request, view),
            |subject, view| {
                Ok(pb::UpdateServicePrimaryTaskSetResponse { task_set: Some(rendered(&subject, view)?) })
            },
        )
        .await
    }

    async fn delete_task_set(
        &self,
        request: Request<pb::DeleteTaskSetRequest>,
    ) -> Answer<pb::DeleteTaskSetResponse> {
        self.change(
            request,
            |request, view, _| validate::delete(request, view),
            |subject, view| Ok(pb::DeleteTaskSetResponse { task_set: Some(rendered(&subject, view)?) }),
        )
        .await
    }
}

fn rendered((key, id): &(ServiceKey, DeploymentId), view: &State) -> Result<pb::TaskSet, Error> {
    let service = view.service(key).ok_or(GONE)?;
    let set = service.task_sets.iter().find(|set| set.id() == *id).ok_or(GONE)?;
    Ok(render::task_set(service, set, view, Tags::Shown))
}
