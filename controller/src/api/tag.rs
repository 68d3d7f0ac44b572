//! Tags of resources that exist: the handlers.

use berth_model::validate::tagging as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::tags_server::Tags;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};

#[async_trait]
impl Tags for Handlers {
    async fn tag_resource(
        &self,
        request: Request<pb::TagResourceRequest>,
    ) -> Answer<pb::TagResourceResponse> {
        self.change(
            request,
            |request, view, _| validate::put(request, view),
            |(), _| Ok(pb::TagResourceResponse {}),
        )
        .await
    }

    async fn untag_resource(
        &self,
        request: Request<pb::UntagResourceRequest>,
    ) -> Answer<pb::UntagResourceResponse> {
        self.change(
            request,
            |request, view, _| validate::remove(request, view),
            |(), _| Ok(pb::UntagResourceResponse {}),
        )
        .await
    }

    async fn list_tags_for_resource(
        &self,
        request: Request<pb::ListTagsForResourceRequest>,
    ) -> Answer<pb::ListTagsForResourceResponse> {
        self.read(request, |request, view| {
            Ok(pb::ListTagsForResourceResponse { tags: validate::list(request, view)? })
        })
        .await
    }
}
