//! Managed daemons and their task definitions: the handlers.

use berth_model::validate::daemon as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::daemons_server::Daemons;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};

#[async_trait]
impl Daemons for Handlers {
    async fn register_daemon_task_definition(
        &self,
        request: Request<pb::RegisterDaemonTaskDefinitionRequest>,
    ) -> Answer<pb::RegisterDaemonTaskDefinitionResponse> {
        self.read(request, |request, _| Err(validate::register(request))).await
    }

    async fn describe_daemon_task_definition(
        &self,
        request: Request<pb::DescribeDaemonTaskDefinitionRequest>,
    ) -> Answer<pb::DescribeDaemonTaskDefinitionResponse> {
        self.read(request, |request, _| {
            Err(validate::absent_definition(request.daemon_task_definition.as_deref()))
        })
        .await
    }

    async fn delete_daemon_task_definition(
        &self,
        request: Request<pb::DeleteDaemonTaskDefinitionRequest>,
    ) -> Answer<pb::DeleteDaemonTaskDefinitionResponse> {
        self.read(request, |request, _| {
            Err(validate::undeletable_definition(request.daemon_task_definition.as_deref()))
        })
        .await
    }

    async fn list_daemon_task_definitions(
        &self,
        request: Request<pb::ListDaemonTaskDefinitionsRequest>,
    ) -> Answer<pb::ListDaemonTaskDefinitionsResponse> {
        self.read(request, |request, _| {
            let page = validate::list_definitions(request)?;
            Ok(pb::ListDaemonTaskDefinitionsResponse {
                daemon_task_definitions: page.items,
                next_token: page.next_token,
            })
        })
        .await
    }

    async fn create_daemon(
        &self,
        request: Request<pb::CreateDaemonRequest>,
    ) -> Answer<pb::CreateDaemonResponse> {
        self.read(request, |request, view| Err(validate::create(request, view))).await
    }

    async fn describe_daemon(
        &self,
        request: Request<pb::DescribeDaemonRequest>,
    ) -> Answer<pb::DescribeDaemonResponse> {
        self.read(request, |request, _| Err(validate::absent(request.daemon_arn.as_deref()))).await
    }

    async fn update_daemon(
        &self,
        request: Request<pb::UpdateDaemonRequest>,
    ) -> Answer<pb::UpdateDaemonResponse> {
        self.read(request, |request, _| Err(validate::absent(request.daemon_arn.as_deref()))).await
    }

    async fn delete_daemon(
        &self,
        request: Request<pb::DeleteDaemonRequest>,
    ) -> Answer<pb::DeleteDaemonResponse> {
        self.read(request, |request, _| Err(validate::absent(request.daemon_arn.as_deref()))).await
    }

    async fn list_daemons(
        &self,
        request: Request<pb::ListDaemonsRequest>,
    ) -> Answer<pb::ListDaemonsResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            Ok(pb::ListDaemonsResponse { daemon_summaries_list: page.items, next_token: page.next_token })
        })
        .await
    }

    async fn describe_daemon_deployments(
        &self,
        request: Request<pb::DescribeDaemonDeploymentsRequest>,
    ) -> Answer<pb::DescribeDaemonDeploymentsResponse> {
        self.read(request, |request, _| {
            let failures = validate::missing("Daemon deployments", &request.daemon_deployment_arns)?;
            Ok(pb::DescribeDaemonDeploymentsResponse { failures, daemon_deployments: Vec::new() })
        })
        .await
    }

    async fn list_daemon_deployments(
        &self,
        request: Request<pb::ListDaemonDeploymentsRequest>,
    ) -> Answer<pb::ListDaemonDeploymentsResponse> {
        self.read(request, |request, _| Err(validate::list_deployments(request))).await
    }

    async fn describe_daemon_revisions(
        &self,
        request: Request<pb::DescribeDaemonRevisionsRequest>,
    ) -> Answer<pb::DescribeDaemonRevisionsResponse> {
        self.read(request, |request, _| {
            let failures = validate::missing("Daemon revisions", &request.daemon_revision_arns)?;
            Ok(pb::DescribeDaemonRevisionsResponse { daemon_revisions: Vec::new(), failures })
        })
        .await
    }
}
