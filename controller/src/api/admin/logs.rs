//! ReadLogs: finds the task, and passes on what its agent sends.

use berth_model::error::{ApiError, Exception};
use berth_model::id::Region;
use berth_model::state::State;
use berth_model::task::Task;
use berth_model::time::Timestamp;
use berth_model::validate::name;
use berth_proto::admin::v1 as pb;
use berth_proto::agent::v1::{LogChunk, OpenLogs};
use futures::StreamExt;
use tonic::Status;

use super::super::call::{Shared, note_cluster};
use super::super::error::{Error, IntoStatus};
use super::Stream;

/// Opens the stream of what a task's containers printed.
pub(super) async fn read(
    shared: &Shared,
    region: Option<&Region>,
    request: pb::ReadLogsRequest,
) -> Result<Stream<LogChunk>, Status> {
    note_cluster(&request);
    let slot = shared.load.open_stream()?;
    let view = shared.linearized_view(region).await?;
    let task = find(&request.cluster, &request.task, &view).map_err(IntoStatus::into_status)?;
    if !request.container.is_empty() && !has_container(task, &request.container, &view) {
        let message = format!("The task has no container {:?}.", request.container);
        return Err(ApiError::new(Exception::InvalidParameter, message).into_status());
    }
    let since = request.since_seconds.map(|seconds| {
        let ago_ms = i64::from(seconds) * 1_000;
        Timestamp::from_unix_ms(shared.now().unix_ms().saturating_sub(ago_ms)).to_message()
    });
    let open = OpenLogs {
        request_id: format!("{:032x}", shared.parts.entropy.u128()),
        task_id: task.id.to_string(),
        container: request.container,
        follow: request.follow,
        tail: request.tail,
        since,
    };
    let instance = task.instance;
    drop(view);
    let chunks = shared.parts.logs.open(instance, open).await.map_err(Error::from)?;
    // Held until the client goes away or the agent has no more, either of which drops the stream.
    let chunks = chunks.map(move |chunk| {
        let _slot = &slot;
        chunk
    });
    Ok(chunks.boxed())
}

/// The task that a request names by its id or ARN.
pub(super) fn find<'a>(cluster: &str, task: &str, view: &'a State) -> Result<&'a Task, ApiError> {
    let cluster = name::active_cluster(Some(cluster), view)?;
    let id = name::task(task, &cluster.name, view)?;
    let missing = || ApiError::invalid("The referenced task was not found.");
    view.task(id).map(AsRef::as_ref).filter(|task| task.cluster == cluster.name).ok_or_else(missing)
}

pub(super) fn has_container(task: &Task, container: &str, view: &State) -> bool {
    let definition = view.task_definition(&task.definition);
    let mut defined = definition.iter().flat_map(|definition| &definition.facts.containers);
    defined.any(|defined| defined.name == container)
        || task.observed.containers.iter().any(|seen| seen.name == container)
}
