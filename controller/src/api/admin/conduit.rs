//! OpenConduit: finds the container, joins its caller with its agent, and keeps a record of who did what.

use std::sync::Arc;
use std::time::Duration;

use berth_model::command::{Command, TaskNote};
use berth_model::error::ApiError;
use berth_model::id::{Region, TaskId};
use berth_model::validate::execute_command::{self as validate, Consent};
use berth_proto::admin::v1 as pb;
use berth_proto::admin::v1::conduit_request::Message;
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{ConduitOutput, OpenConduit};
use futures::StreamExt;
use futures::future::ready;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Request, Status, Streaming};

use super::super::auth::Principal;
use super::super::call::Shared;
use super::super::error::{Error, IntoStatus, Unauthenticated};
use super::super::{Parts, ProposeError};
use super::Stream;
use crate::conduit;
use crate::limits::{CONDUIT_CHUNKS_IN_FLIGHT, IDLE_TERMINAL};
use crate::region::Chosen;

mod audit;
mod transcript;

use audit::Record;
use transcript::Transcript;

/// Opens the conduit that the first message describes.
pub(super) async fn open(
    shared: &Arc<Shared>,
    request: Request<Streaming<pb::ConduitRequest>>,
) -> Result<Stream<ConduitOutput>, Status> {
    let principal = request.extensions().get::<Principal>().cloned();
    let principal = principal.ok_or(Error::Unauthenticated(Unauthenticated::NoPrincipal))?;
    let region = Chosen::of(request.extensions()).cloned();
    let from = request.remote_addr().map(|address| address.ip().to_string()).unwrap_or_default();
    let mut requests = request.into_inner();
    let first = requests.message().await?.and_then(|first| first.message);
    let Some(Message::Start(start)) = first else {
        return Err(ApiError::invalid("The first message says what is wanted of which task.").into_status());
    };
    let slot = shared.load.open_stream()?;
    let (place, open, group) = resolve(shared, region.as_ref(), start.clone()).await?;
    let idle_max = has_terminal(&open).then_some(IDLE_TERMINAL);
    let record = Record::new(&principal, from, &start, &place, &open, shared.parts.clock.clone());
    // Written down before it is done: what cannot be accounted for is not done.
    if let Some(line) = record.line() {
        note(&shared.parts, region.as_ref(), place.task, line).await.map_err(Error::from)?;
    }
    let session = open.request_id.clone();
    let (sender, input) = mpsc::channel(CONDUIT_CHUNKS_IN_FLIGHT);
    let outputs = shared.parts.conduits.open(place.instance, open, input).await.map_err(Error::from)?;
    let inputs = requests.take_while(|request| ready(request.is_ok())).filter_map(|request| async {
        match request.ok()?.message {
            Some(Message::Input(input)) => Some(input),
            Some(Message::Start(_)) | None => None,
        }
    });
    let mut outputs = conduit::join(inputs, sender, outputs, idle_max);
    let mut transcript = group.map(|group| Transcript::begin(shared, group, &session));
    let (mut record, parts) = (record.begin(), Arc::clone(shared));
    let recorded = async_stream::stream! {
        // Held until the client goes away, which drops the stream.
        let _slot = slot;
        while let Some(output) = outputs.next().await {
            record.note(&output);
            if let (Some(transcript), Ok(output)) = (&mut transcript, &output) {
                transcript.note(output);
            }
            if conduit::is_last(&output)
                && let Some(line) = record.line()
            {
                let noted = note(&parts.parts, region.as_ref(), place.task, line);
                // The log has it in any case.
                let _ = timeout(NOTE_PATIENCE, noted).await;
            }
            yield output;
        }
    };
    Ok(recorded.boxed())
}

/// How long the last word of a conduit waits for the history.
const NOTE_PATIENCE: Duration = Duration::from_secs(2);

async fn note(
    parts: &Parts,
    region: Option<&Region>,
    task: TaskId,
    message: String,
) -> Result<(), ProposeError> {
    let command = Command::NoteTask(TaskNote { task, message }).in_region(region);
    parts.consensus.propose(command).await.map(drop)
}

/// Where it goes, what is asked there, and the log group that is to have what is printed.
async fn resolve(
    shared: &Shared,
    region: Option<&Region>,
    start: pb::ConduitStart,
) -> Result<(validate::Place, OpenConduit, Option<u64>), Status> {
    check(&start).map_err(IntoStatus::into_status)?;
    let view = shared.linearized_view(region).await?;
    let consent = if start.force { Consent::Overruled } else { Consent::Needed };
    let place = validate::place(Some(&start.cluster), &start.task, Some(&start.container), consent, &view);
    let place = place.map_err(IntoStatus::into_status)?;
    let chosen = || format!("{:032x}", shared.parts.entropy.u128());
    let open = OpenConduit {
        request_id: if start.session_id.is_empty() { chosen() } else { start.session_id },
        task_id: place.task.to_string(),
        container: place.container.clone(),
        target: start.target,
    };
    let group = transcript::group(shared, &place, &open, &view).map_err(IntoStatus::into_status)?;
    Ok((place, open, group))
}

/// Longest id that a caller may choose.
const SESSION_ID_LENGTH: usize = 96;

fn check(start: &pb::ConduitStart) -> Result<(), ApiError> {
    if start.session_id.len() > SESSION_ID_LENGTH {
        return Err(ApiError::invalid(format!("A sessionId has at most {SESSION_ID_LENGTH} characters.")));
    }
    match start.target.as_ref().and_then(|target| target.target.as_ref()) {
        Some(Target::Command(command)) if command.arguments.is_empty() => {
            Err(ApiError::invalid("Command can not be blank."))
        }
        Some(Target::ReadFiles(files)) if files.path.is_empty() => {
            Err(ApiError::invalid("The path of what is to be read can not be blank."))
        }
        Some(Target::StatFile(file)) if file.path.is_empty() => {
            Err(ApiError::invalid("The path of what is to be looked at can not be blank."))
        }
        Some(Target::WriteFiles(files)) if files.path.is_empty() => {
            Err(ApiError::invalid("The path that is to be written to can not be blank."))
        }
        Some(Target::Dial(dial)) if !(1..=65_535).contains(&dial.port) => {
            Err(ApiError::invalid("A port is a number from 1 to 65535."))
        }
        Some(_) => Ok(()),
        None => Err(ApiError::invalid("The first message says what is wanted of which task.")),
    }
}

fn has_terminal(open: &OpenConduit) -> bool {
    let target = open.target.as_ref().and_then(|target| target.target.as_ref());
    matches!(target, Some(Target::Command(command)) if command.tty)
}
