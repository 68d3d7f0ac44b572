//! What the command line asks for and the ECS API has no word for: the handlers.

use berth_model::error::ApiError;
use berth_proto::admin::v1 as pb;
use berth_proto::admin::v1::admin_server::Admin;
use berth_proto::agent::v1::{ConduitOutput, LogChunk};
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::RemoveError;
use super::call::{Answer, Handlers};
use super::error::{Error, IntoStatus};
use crate::region::Chosen;

mod conduit;
mod events;
mod keys;
mod logs;
mod security_groups;
mod usage;

type Stream<T> = BoxStream<'static, Result<T, Status>>;

#[async_trait]
impl Admin for Handlers {
    type WatchEventsStream = Stream<pb::Event>;
    type ReadLogsStream = Stream<LogChunk>;
    type OpenConduitStream = Stream<ConduitOutput>;

    async fn list_controllers(
        &self,
        _: Request<pb::ListControllersRequest>,
    ) -> Answer<pb::ListControllersResponse> {
        let controllers = self.shared().parts.membership.controllers().await.map_err(Error::from)?;
        Ok(Response::new(pb::ListControllersResponse { controllers }))
    }

    async fn remove_controller(
        &self,
        request: Request<pb::RemoveControllerRequest>,
    ) -> Answer<pb::RemoveControllerResponse> {
        let digits = request.into_inner().controller_id;
        let id = u64::from_str_radix(&digits, 16)
            .map_err(|_| ApiError::invalid(format!("{digits:?} is not a controller id: hexadecimal digits.")))
            .map_err(IntoStatus::into_status)?;
        self.shared().parts.membership.remove(id).await.map_err(|error| match error {
            RemoveError::Unknown(_) => ApiError::invalid(error.to_string()).into_status(),
            RemoveError::Refused(_) => ApiError::client(error.to_string()).into_status(),
            RemoveError::Unavailable(unavailable) => unavailable.into_status(),
        })?;
        Ok(Response::new(pb::RemoveControllerResponse {}))
    }

    async fn list_reconcilers(
        &self,
        _: Request<pb::ListReconcilersRequest>,
    ) -> Answer<pb::ListReconcilersResponse> {
        let reconcilers = self.shared().parts.reconcilers.reconcilers().await.map_err(Error::from)?;
        Ok(Response::new(pb::ListReconcilersResponse { reconcilers }))
    }

    async fn roll_back_service(
        &self,
        request: Request<pb::RollBackServiceRequest>,
    ) -> Answer<pb::RollBackServiceResponse> {
        self.change(request, super::service_deployment::roll_back, |(key, id), view| {
            let service_deployment_arn = view.scope().service_deployment(&key, id);
            Ok(pb::RollBackServiceResponse { service_deployment_arn })
        })
        .await
    }

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Answer<Self::WatchEventsStream> {
        let region = Chosen::of(request.extensions()).cloned();
        events::watch(self.shared(), region, request.into_inner()).await.map(Response::new)
    }

    async fn create_access_key(
        &self,
        request: Request<pb::CreateAccessKeyRequest>,
    ) -> Answer<pb::CreateAccessKeyResponse> {
        keys::create(self, request).await
    }

    async fn list_access_keys(
        &self,
        _: Request<pb::ListAccessKeysRequest>,
    ) -> Answer<pb::ListAccessKeysResponse> {
        keys::list(self).await
    }

    async fn update_access_key(
        &self,
        request: Request<pb::UpdateAccessKeyRequest>,
    ) -> Answer<pb::UpdateAccessKeyResponse> {
        keys::update(self, request).await
    }

    async fn delete_access_key(
        &self,
        request: Request<pb::DeleteAccessKeyRequest>,
    ) -> Answer<pb::DeleteAccessKeyResponse> {
        keys::delete(self, request).await
    }

    async fn open_conduit(
        &self,
        request: Request<Streaming<pb::ConduitRequest>>,
    ) -> Answer<Self::OpenConduitStream> {
        conduit::open(self.shared(), request).await.map(Response::new)
    }

    async fn create_security_group(
        &self,
        request: Request<pb::CreateSecurityGroupRequest>,
    ) -> Answer<pb::CreateSecurityGroupResponse> {
        security_groups::create(self, request).await
    }

    async fn change_security_group(
        &self,
        request: Request<pb::ChangeSecurityGroupRequest>,
    ) -> Answer<pb::ChangeSecurityGroupResponse> {
        security_groups::change(self, request).await
    }

    async fn describe_security_groups(
        &self,
        request: Request<pb::DescribeSecurityGroupsRequest>,
    ) -> Answer<pb::DescribeSecurityGroupsResponse> {
        security_groups::describe(self, request).await
    }

    async fn delete_security_group(
        &self,
        request: Request<pb::DeleteSecurityGroupRequest>,
    ) -> Answer<pb::DeleteSecurityGroupResponse> {
        security_groups::delete(self, request).await
    }

    async fn read_usage(&self, request: Request<pb::ReadUsageRequest>) -> Answer<pb::ReadUsageResponse> {
        let region = Chosen::of(request.extensions()).cloned();
        usage::read(self.shared(), region.as_ref(), request.into_inner()).await.map(Response::new)
    }

    async fn read_logs(&self, request: Request<pb::ReadLogsRequest>) -> Answer<Self::ReadLogsStream> {
        let region = Chosen::of(request.extensions()).cloned();
        logs::read(self.shared(), region.as_ref(), request.into_inner()).await.map(Response::new)
    }
}
