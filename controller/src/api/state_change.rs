//! What agents of ECS ask and report: the handlers.

use berth_model::validate::state_change::{self as validate, ACKNOWLEDGMENT};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::state_changes_server::StateChanges;
use tonic::{Request, async_trait};

use super::Unavailable;
use super::call::{Answer, Handlers};
use super::error::Error;

#[async_trait]
impl StateChanges for Handlers {
    /// Where agents hold their sessions: at any controller, preferably one that is known to answer.
    async fn discover_poll_endpoint(
        &self,
        request: Request<pb::DiscoverPollEndpointRequest>,
    ) -> Answer<pb::DiscoverPollEndpointResponse> {
        let controllers = self.shared().parts.membership.controllers().await.map_err(Error::from)?;
        let reachable = controllers.iter().find(|controller| controller.reachable);
        let chosen = reachable.or_else(|| controllers.first());
        let chosen = chosen.ok_or_else(|| Error::from(Unavailable("no controller is known".into())))?;
        let endpoint = Some(format!("https://{}", chosen.address));
        self.read(request, |request, view| {
            validate::discover(request, view)?;
            Ok(pb::DiscoverPollEndpointResponse {
                telemetry_endpoint: endpoint.clone(),
                service_connect_endpoint: None,
                endpoint,
            })
        })
        .await
    }

    async fn submit_task_state_change(
        &self,
        request: Request<pb::SubmitTaskStateChangeRequest>,
    ) -> Answer<pb::SubmitTaskStateChangeResponse> {
        self.read(request, |request, view| {
            validate::task(request, view)?;
            Ok(pb::SubmitTaskStateChangeResponse { acknowledgment: Some(ACKNOWLEDGMENT.into()) })
        })
        .await
    }

    async fn submit_container_state_change(
        &self,
        request: Request<pb::SubmitContainerStateChangeRequest>,
    ) -> Answer<pb::SubmitContainerStateChangeResponse> {
        self.read(request, |request, view| {
            validate::container(request, view)?;
            Ok(pb::SubmitContainerStateChangeResponse { acknowledgment: Some(ACKNOWLEDGMENT.into()) })
        })
        .await
    }

    async fn submit_attachment_state_changes(
        &self,
        request: Request<pb::SubmitAttachmentStateChangesRequest>,
    ) -> Answer<pb::SubmitAttachmentStateChangesResponse> {
        self.read(request, |request, view| {
            validate::attachments(request, view)?;
            Ok(pb::SubmitAttachmentStateChangesResponse { acknowledgment: Some(ACKNOWLEDGMENT.into()) })
        })
        .await
    }
}
