//! ReadUsage: finds the task, and asks its agent.

use berth_model::id::Region;
use berth_proto::admin::v1 as pb;
use berth_proto::agent::v1::ReadUsage;
use tonic::Status;

use super::super::call::{Shared, note_cluster};
use super::super::error::{Error, IntoStatus};
use super::logs::find;

/// What a task uses, as its agent tells.
pub(super) async fn read(
    shared: &Shared,
    region: Option<&Region>,
    request: pb::ReadUsageRequest,
) -> Result<pb::ReadUsageResponse, Status> {
    note_cluster(&request);
    let view = shared.linearized_view(region).await?;
    let task = find(&request.cluster, &request.task, &view).map_err(IntoStatus::into_status)?;
    let question = ReadUsage {
        request_id: String::new(),
        task_id: task.id.to_string(),
        since_seconds: request.since_seconds,
    };
    let answer = shared.parts.usage.read(task.instance, question).await.map_err(Error::from)?;
    Ok(pb::ReadUsageResponse { containers: answer.containers, pulls: answer.pulls })
}
