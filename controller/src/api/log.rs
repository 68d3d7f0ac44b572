//! Log groups, streams and events: the handlers. Groups are in the state, the rest is in the archive.

use std::sync::Arc;

use berth_model::log::{LogGroup, Position};
use berth_model::state::State;
use berth_model::validate::log as validate;
use berth_proto::logs::v1 as pb;
use berth_proto::logs::v1::logs_server::Logs;
use tonic::{Request, Response, Status, async_trait};

use super::call::{Answer, Handlers};
use super::error::{Error, IntoStatus};
use crate::region::Chosen;

mod event;
mod tail;

#[async_trait]
impl Logs for Handlers {
    type StartLiveTailStream = tail::Tail;

    async fn create_log_group(
        &self,
        request: Request<pb::CreateLogGroupRequest>,
    ) -> Answer<pb::CreateLogGroupResponse> {
        self.change(request, validate::create, |(), _| Ok(pb::CreateLogGroupResponse {})).await
    }

    async fn delete_log_group(
        &self,
        request: Request<pb::DeleteLogGroupRequest>,
    ) -> Answer<pb::DeleteLogGroupResponse> {
        let validate = |request: &_, view: &State, _: &mut _| validate::delete(request, view);
        self.change(request, validate, |(), _| Ok(pb::DeleteLogGroupResponse {})).await
    }

    async fn describe_log_groups(
        &self,
        request: Request<pb::DescribeLogGroupsRequest>,
    ) -> Answer<pb::DescribeLogGroupsResponse> {
        self.read(request, |request, view| {
            let page = validate::describe(request, view)?;
            let log_groups = page.items.iter().map(|group| group_of(group, view)).collect();
            Ok(pb::DescribeLogGroupsResponse { log_groups, next_token: page.next_token })
        })
        .await
    }

    async fn put_retention_policy(
        &self,
        request: Request<pb::PutRetentionPolicyRequest>,
    ) -> Answer<pb::PutRetentionPolicyResponse> {
        let validate = |request: &_, view: &State, _: &mut _| validate::put_retention(request, view);
        self.change(request, validate, |(), _| Ok(pb::PutRetentionPolicyResponse {})).await
    }

    async fn delete_retention_policy(
        &self,
        request: Request<pb::DeleteRetentionPolicyRequest>,
    ) -> Answer<pb::DeleteRetentionPolicyResponse> {
        let validate = |request: &_, view: &State, _: &mut _| validate::delete_retention(request, view);
        self.change(request, validate, |(), _| Ok(pb::DeleteRetentionPolicyResponse {})).await
    }

    async fn tag_resource(
        &self,
        request: Request<pb::TagResourceRequest>,
    ) -> Answer<pb::TagResourceResponse> {
        let validate = |request: &_, view: &State, _: &mut _| validate::tag(request, view);
        self.change(request, validate, |(), _| Ok(pb::TagResourceResponse {})).await
    }

    async fn untag_resource(
        &self,
        request: Request<pb::UntagResourceRequest>,
    ) -> Answer<pb::UntagResourceResponse> {
        let validate = |request: &_, view: &State, _: &mut _| validate::untag(request, view);
        self.change(request, validate, |(), _| Ok(pb::UntagResourceResponse {})).await
    }

    async fn list_tags_for_resource(
        &self,
        request: Request<pb::ListTagsForResourceRequest>,
    ) -> Answer<pb::ListTagsForResourceResponse> {
        self.read(request, |request, view| {
            Ok(pb::ListTagsForResourceResponse { tags: validate::tags(request, view)? })
        })
        .await
    }

    async fn create_log_stream(
        &self,
        request: Request<pb::CreateLogStreamRequest>,
    ) -> Answer<pb::CreateLogStreamResponse> {
        let view = self.view_for(&request).await?;
        let request = request.get_ref();
        let found = validate::event::stream(request.log_group_name(), request.log_stream_name(), &view);
        let (group, stream) = found.map_err(IntoStatus::into_status)?;
        self.shared().create_stream(group.id, stream).await?;
        Ok(Response::new(pb::CreateLogStreamResponse {}))
    }

    async fn delete_log_stream(
        &self,
        request: Request<pb::DeleteLogStreamRequest>,
    ) -> Answer<pb::DeleteLogStreamResponse> {
        let view = self.view_for(&request).await?;
        let request = request.get_ref();
        let found = validate::event::stream(request.log_group_name(), request.log_stream_name(), &view);
        let (group, stream) = found.map_err(IntoStatus::into_status)?;
        self.shared().delete_stream(group.id, stream).await?;
        Ok(Response::new(pb::DeleteLogStreamResponse {}))
    }

    async fn describe_log_streams(
        &self,
        request: Request<pb::DescribeLogStreamsRequest>,
    ) -> Answer<pb::DescribeLogStreamsResponse> {
        let view = self.view_for(&request).await?;
        let asked = validate::event::describe(request.get_ref(), &view).map_err(IntoStatus::into_status)?;
        let arn = view.scope().log_group(&asked.group.name);
        self.shared().describe_streams(asked, &arn).await.map(Response::new)
    }

    async fn put_log_events(
        &self,
        request: Request<pb::PutLogEventsRequest>,
    ) -> Answer<pb::PutLogEventsResponse> {
        let view = self.view_for(&request).await?;
        let request = request.into_inner();
        let put =
            validate::event::put(&request, &view, self.shared().now()).map_err(IntoStatus::into_status)?;
        self.shared().put_events(put, request.log_events).await.map(Response::new)
    }

    async fn get_log_events(
        &self,
        request: Request<pb::GetLogEventsRequest>,
    ) -> Answer<pb::GetLogEventsResponse> {
        let view = self.view_for(&request).await?;
        let now = self.shared().now();
        let read = validate::event::get(request.get_ref(), &view, now).map_err(IntoStatus::into_status)?;
        self.shared().get_events(read).await.map(Response::new)
    }

    async fn filter_log_events(
        &self,
        request: Request<pb::FilterLogEventsRequest>,
    ) -> Answer<pb::FilterLogEventsResponse> {
        let view = self.view_for(&request).await?;
        let now = self.shared().now();
        let read = validate::event::filter(request.get_ref(), &view, now).map_err(IntoStatus::into_status)?;
        self.shared().filter_events(read).await.map(Response::new)
    }

    async fn start_live_tail(&self, request: Request<pb::StartLiveTailRequest>) -> Answer<tail::Tail> {
        let view = self.view_for(&request).await?;
        let request = request.into_inner();
        let watched = validate::tail::start(&request, &view).map_err(IntoStatus::into_status)?;
        let arns = watched.iter().map(|watched| view.scope().log_group(&watched.group.name)).collect();
        let slot = self.shared().load.open_stream()?;
        Ok(Response::new(tail::begin(self.shared().clone(), request, watched, arns, slot)))
    }
}

// === impl Handlers ===

impl Handlers {
    /// The state of the region that a request is in.
    async fn view_for<Q>(&self, request: &Request<Q>) -> Result<Arc<State>, Status> {
        let region = Chosen::of(request.extensions());
        self.shared().linearized_view(region).await.map_err(Error::into)
    }
}

fn group_of(group: &LogGroup, view: &State) -> pb::LogGroup {
    let arn = view.scope().log_group(&group.name);
    pb::LogGroup {
        log_group_name: Some(group.name.clone()),
        creation_time: Some(group.created_at.unix_ms()),
        retention_in_days: group.retention_days.and_then(|days| i32::try_from(days).ok()),
        metric_filter_count: Some(0),
        arn: Some(format!("{arn}:*")),
        // Counting would mean to ask every disk; DescribeLogStreams has it, stream by stream.
        stored_bytes: Some(0),
        kms_key_id: Some(group.key_id.clone()).filter(|key| !key.is_empty()),
        log_group_class: Some(group.class.clone()),
        log_group_arn: Some(arn),
    }
}

/// The position that a message tells.
fn position(key: Option<&berth_proto::peer::v1::LogEventKey>) -> Position {
    key.map(Position::from_message).unwrap_or_default()
}
