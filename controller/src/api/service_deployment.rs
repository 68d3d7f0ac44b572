//! Service deployments and service revisions: the handlers.

use berth_model::error::ApiError;
use berth_model::id::{ServiceDeploymentId, ServiceKey};
use berth_model::state::State;
use berth_model::validate::service_deployment as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::service_deployments_server::ServiceDeployments;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};
use super::render::service_deployment as render;

#[async_trait]
impl ServiceDeployments for Handlers {
    async fn list_service_deployments(
        &self,
        request: Request<pb::ListServiceDeploymentsRequest>,
    ) -> Answer<pb::ListServiceDeploymentsResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            let brief = |(key, id): &(ServiceKey, ServiceDeploymentId)| brief(key, *id, view);
            let service_deployments = page.items.iter().filter_map(brief).collect();
            Ok(pb::ListServiceDeploymentsResponse { service_deployments, next_token: page.next_token })
        })
        .await
    }

    async fn describe_service_deployments(
        &self,
        request: Request<pb::DescribeServiceDeploymentsRequest>,
    ) -> Answer<pb::DescribeServiceDeploymentsResponse> {
        self.read(request, |request, view| {
            let (found, failures) = validate::describe(request, view)?;
            let deployment =
                |found: validate::Part<'_, _>| render::deployment(found.service, found.part, view);
            let service_deployments = found.into_iter().map(deployment).collect();
            Ok(pb::DescribeServiceDeploymentsResponse { service_deployments, failures })
        })
        .await
    }

    async fn describe_service_revisions(
        &self,
        request: Request<pb::DescribeServiceRevisionsRequest>,
    ) -> Answer<pb::DescribeServiceRevisionsResponse> {
        self.read(request, |request, view| {
            let (found, failures) = validate::describe_revisions(request, view)?;
            let revision = |found: validate::Part<'_, _>| render::revision(found.service, found.part, view);
            let service_revisions = found.into_iter().map(revision).collect();
            Ok(pb::DescribeServiceRevisionsResponse { service_revisions, failures })
        })
        .await
    }

    async fn stop_service_deployment(
        &self,
        request: Request<pb::StopServiceDeploymentRequest>,
    ) -> Answer<pb::StopServiceDeploymentResponse> {
        self.change(
            request,
            |request, view, _| validate::stop(request, view),
            |(key, id), view| {
                let service_deployment_arn = Some(view.scope().service_deployment(&key, id));
                Ok(pb::StopServiceDeploymentResponse { service_deployment_arn })
            },
        )
        .await
    }

    async fn continue_service_deployment(
        &self,
        request: Request<pb::ContinueServiceDeploymentRequest>,
    ) -> Answer<pb::ContinueServiceDeploymentResponse> {
        self.change(
            request,
            |request, view, _| validate::go_on(request, view),
            |(key, id), view| {
                let service_deployment_arn = Some(view.scope().service_deployment(&key, id));
                Ok(pb::ContinueServiceDeploymentResponse { service_deployment_arn })
            },
        )
        .await
    }
}

fn brief(key: &ServiceKey, id: ServiceDeploymentId, view: &State) -> Option<pb::ServiceDeploymentBrief> {
    let service = view.service(key)?;
    Some(render::brief(service, service.records.get(id)?, view))
}

/// A revision by what a person calls it, for the calls beyond the ECS API.
pub(super) fn roll_back(
    request: &berth_proto::admin::v1::RollBackServiceRequest,
    view: &State,
    admission: &mut berth_model::validate::Admission,
) -> Result<((ServiceKey, ServiceDeploymentId), berth_model::command::Command), ApiError> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (cluster, service) = (text(&request.cluster), text(&request.service));
    let revision = text(&request.service_revision);
    validate::roll_back(cluster.as_deref(), service.as_deref(), revision.as_deref(), view, admission)
}
