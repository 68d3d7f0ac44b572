//! The logs of containers, on their way from agents into the archive.

use berth_model::error::{ApiError, Exception};
use berth_model::limits::{LOG_BYTES_PER_PUT, LOG_EVENT_OVERHEAD, LOG_EVENTS_PER_PUT};
use berth_model::log::Position;
use berth_model::validate::log as validate;
use berth_model::validate::task_endpoint;
use berth_proto::agent::v1 as pb;
use berth_proto::ecs::v1 as ecs;
use berth_proto::logs::v1 as logs;
use berth_proto::logs::v1::logs_server::Logs as _;
use berth_proto::peer::v1 as peer;
use tonic::{Code, Request, Status};

use super::Caller;
use crate::api::call::Handlers;
use crate::api::error::{Error, IntoStatus, refused_of};
use crate::region::Chosen;

/// How Fargate begins what it says of a log that cannot be opened.
const FAILED: &str = "failed to validate logger args: create stream has been retried 1 times: failed to create \
     Cloudwatch log stream";

/// Where the log of a container goes.
struct Destination {
    group: String,
    region: Chosen,
    creates_group: bool,
}

// === impl Handlers ===

impl Handlers {
    /// Sees that there is a place for the log of a container.
    pub(super) async fn open_log(&self, request: Request<pb::OpenContainerLogRequest>) -> Result<(), Status> {
        let caller = Caller::of(&request);
        let (_, extensions, request) = request.into_parts();
        let asked = (&*request.container_instance_id, &*request.task_id);
        let destination = self.destination(&caller, asked, &request.container).await?;
        let shared = self.shared();
        let view = shared.linearized_view(destination.region.0.as_ref()).await?;
        let known = view.log_group(&destination.group).map(|group| group.id);
        let group_id = match known {
            Some(id) => id,
            None if destination.creates_group => {
                let mut create = Request::new(logs::CreateLogGroupRequest {
                    log_group_name: Some(destination.group.clone()),
                    ..Default::default()
                });
                *create.extensions_mut() = extensions;
                create.extensions_mut().insert(destination.region.clone());
                match self.create_log_group(create).await {
                    // Another container was faster.
                    Err(status) if status.code() == Code::AlreadyExists => {}
                    made => drop(made?),
                }
                let view = shared.linearized_view(destination.region.0.as_ref()).await?;
                view.log_group(&destination.group).map(|group| group.id).ok_or_else(|| failed(&no_group()))?
            }
            None => return Err(failed(&no_group())),
        };
        if request.stream.is_empty() {
            return Ok(());
        }
        validate::event::check_stream(&request.stream).map_err(|error| failed(&error.into_status()))?;
        let (stream, at_ms) = (request.stream, shared.now().unix_ms());
        shared.archive(peer::StoreLogsRequest { group_id, stream, at_ms, ..Default::default() }).await
    }

    /// Keeps what a container wrote; why not, if that will never be possible.
    pub(super) async fn put_log(
        &self,
        request: Request<pb::PutContainerLogRequest>,
    ) -> Result<Option<String>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let bytes: usize = request.events.iter().map(|event| event.message.len() + LOG_EVENT_OVERHEAD).sum();
        if bytes > LOG_BYTES_PER_PUT || request.events.len() > LOG_EVENTS_PER_PUT {
            return Ok(Some(format!("{bytes} bytes in {} events are too much", request.events.len())));
        }
        let asked = (&*request.container_instance_id, &*request.task_id);
        let destination = match self.destination(&caller, asked, &request.container).await {
            Ok(destination) => destination,
            Err(status) if is_final(&status) => return Ok(Some(status.message().to_owned())),
            Err(status) => return Err(status),
        };
        if let Err(error) = validate::event::check_stream(&request.stream) {
            return Ok(Some(error.message));
        }
        let shared = self.shared();
        // Most often this controller has the group already; only what it does not have is worth a round.
        let newest = shared.parts.consensus.view().in_region(destination.region.0.as_ref());
        let known = newest.log_group(&destination.group).map(|group| group.id);
        let known = match known {
            Some(id) => Some(id),
            None => {
                let view = shared.linearized_view(destination.region.0.as_ref()).await?;
                view.log_group(&destination.group).map(|group| group.id)
            }
        };
        let Some(group_id) = known else { return Ok(Some(validate::no_group().message)) };
        let at_ms = shared.now().unix_ms();
        let event = |event: pb::ContainerLogEvent| {
            let at = Position { timestamp_ms: event.timestamp_ms, order: event.order, origin: event.origin };
            peer::LogEvent { key: Some(at.to_message()), ingested_at_ms: at_ms, message: event.message }
        };
        let events = request.events.into_iter().map(event).collect();
        let stream = request.stream;
        shared
            .archive(peer::StoreLogsRequest { group_id, stream, at_ms, events, ..Default::default() })
            .await?;
        Ok(None)
    }

    /// Where the definition of a task has the log of this container go.
    async fn destination(
        &self,
        caller: &Caller,
        (container_instance, task): (&str, &str),
        container: &str,
    ) -> Result<Destination, Status> {
        caller.proven.check(container_instance)?;
        let (shared, region) = (self.shared(), caller.region.as_ref());
        let newest = shared.parts.consensus.view().in_region(region);
        let definition = match task_endpoint::find_even_stopped(container_instance, task, &newest) {
            Ok((_, definition)) => definition.clone(),
            Err(_) => {
                let view = shared.linearized_view(region).await?;
                let found = task_endpoint::find_even_stopped(container_instance, task, &view);
                found.map_err(Error::from)?.1.clone()
            }
        };
        let mut containers = definition.definition.container_definitions.iter();
        let log =
            containers.find(|known| known.name() == container).and_then(|it| it.log_configuration.as_ref());
        let log = log.filter(|log| log.log_driver() == ecs::LogDriver::Awslogs).ok_or_else(|| {
            let text = format!("Container {container} of task {task} does not log to awslogs.");
            ApiError::new(Exception::ResourceNotFound, text).into_status()
        })?;
        let option = |name: &str| log.options.get(name).map(String::as_str).unwrap_or_default();
        // A region that is not served here is a name that came along with the definition.
        let own = || Chosen(region.cloned());
        Ok(Destination {
            group: option("awslogs-group").to_owned(),
            region: shared.parts.regions.choose(option("awslogs-region")).unwrap_or_else(own),
            creates_group: option("awslogs-create-group") == "true",
        })
    }
}

fn is_final(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::InvalidArgument)
}

fn no_group() -> Status {
    validate::no_group().into_status()
}

fn failed(status: &Status) -> Status {
    let refused = refused_of(status);
    Status::new(Code::FailedPrecondition, format!("{FAILED}: {}: {}", refused.name, refused.message))
}
