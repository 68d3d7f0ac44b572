//! What the command line asks for.

use berth_model::id::InstanceId;
use berth_proto::admin::v1 as pb;
use berth_proto::agent::v1::{LogChunk, LogSource as Output_, OpenLogs};
use berth_proto::peer::v1 as peer;
use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::{Status, async_trait};

use super::cases;
use super::controller::{exception, refusal};
use super::fixture::{id_of, small_definition};
use crate::api::depends::RemoveError;
use crate::api::{LogArchive, LogSource, Membership, Reconcilers, Unavailable};

mod events;
mod keys;
pub(super) use events::COVERED as EVENTS;
pub(super) use keys::COVERED as KEYS;

/// Two controllers, of which either can be taken out, but the second only when nobody looks.
pub(super) struct Controllers;

/// One reconciler.
pub(super) struct Loops;

/// An agent that says what it was asked.
pub(super) struct Output;

#[async_trait]
impl Membership for Controllers {
    async fn controllers(&self) -> Result<Vec<pb::Controller>, Unavailable> {
        let controller = |id: &str, leader| pb::Controller {
            controller_id: id.to_owned(),
            leader,
            voter: true,
            ..pb::Controller::default()
        };
        Ok(vec![controller("0a", true), controller("0b", false)])
    }

    async fn remove(&self, controller_id: u64) -> Result<(), RemoveError> {
        match controller_id {
            0x0a => Ok(()),
            0x0b => Err(RemoveError::Refused("Too few would be left.".into())),
            other => Err(RemoveError::Unknown(other)),
        }
    }
}

#[async_trait]
impl Reconcilers for Loops {
    async fn reconcilers(&self) -> Result<Vec<pb::Reconciler>, Unavailable> {
        Ok(vec![pb::Reconciler { name: "service".into(), rounds: 3, ..pb::Reconciler::default() }])
    }
}

/// What archives is for tests with disks.
#[async_trait]
impl LogArchive for Output {
    async fn store(&self, _: peer::StoreLogsRequest) -> Result<(), Unavailable> {
        Err(Unavailable("no logs are kept here".into()))
    }

    async fn read(&self, _: peer::ReadLogEventsRequest) -> Result<peer::ReadLogEventsResponse, Unavailable> {
        Err(Unavailable("no logs are kept here".into()))
    }

    async fn streams(&self, _: u64, _: &str) -> Result<Vec<peer::LogStreamRecord>, Unavailable> {
        Err(Unavailable("no logs are kept here".into()))
    }
}

#[async_trait]
impl LogSource for Output {
    async fn open(
        &self,
        instance: InstanceId,
        request: OpenLogs,
    ) -> Result<BoxStream<'static, Result<LogChunk, Status>>, Unavailable> {
        let chunk = move |text: String| {
            Ok(LogChunk {
                request_id: request.request_id.clone(),
                task_id: request.task_id.clone(),
                container: request.container.clone(),
                source: Output_::Stdout.into(),
                bytes: text.into_bytes(),
                ..LogChunk::default()
            })
        };
        let said = [format!("on {instance}"), format!("tail {:?} since {:?}", request.tail, request.since)];
        Ok(futures::stream::iter(said.map(chunk)).boxed())
    }
}

fn remove(id: &str) -> pb::RemoveControllerRequest {
    pb::RemoveControllerRequest { controller_id: id.to_owned() }
}

cases!(
    "admin",
    (ListControllers, Answered, controllers_are_listed, async |controller| {
        let answer = controller.admin().list_controllers(pb::ListControllersRequest {}).await.unwrap();
        assert_eq!(answer.into_inner().controllers.len(), 2);
    }),
    (RemoveController, Answered, a_controller_is_taken_out_by_its_id, async |controller| {
        controller.admin().remove_controller(remove("0a")).await.unwrap();
    }),
    (RemoveController, Refused, the_rest_must_be_a_majority, async |controller| {
        let mut client = controller.admin();
        let message = "Too few would be left.";
        let answer = client.remove_controller(remove("0b")).await;
        assert_eq!(refusal(answer), ("ClientException".into(), message.into()));
        for unknown in ["0c", "no number"] {
            let answer = client.remove_controller(remove(unknown)).await;
            assert_eq!(exception(answer), "InvalidParameterException", "{unknown}");
        }
    }),
    (ListReconcilers, Answered, reconcilers_say_what_they_did, async |controller| {
        let answer = controller.admin().list_reconcilers(pb::ListReconcilersRequest {}).await.unwrap();
        assert_eq!(answer.into_inner().reconcilers[0].rounds, 3);
    }),
    (ReadLogs, Answered, the_agent_of_the_task_is_asked, async |controller| {
        controller.define(small_definition("small")).await;
        let instance = controller.join("a").await;
        let task = controller.run("small").await;
        let request = pb::ReadLogsRequest {
            task: task.task_arn.clone().unwrap(),
            container: "main".into(),
            tail: Some(5),
            since_seconds: Some(60),
            ..pb::ReadLogsRequest::default()
        };
        let stream = controller.admin().read_logs(request).await.unwrap().into_inner();
        let chunks: Vec<LogChunk> = stream.map(Result::unwrap).collect().await;
        let said: Vec<_> =
            chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect();
        assert_eq!(said[0], format!("on {instance}"));
        assert!(
            said[1].starts_with("tail Some(5) since Some(Timestamp { seconds: 1699999940"),
            "{}",
            said[1]
        );
        assert_eq!((&chunks[0].task_id, chunks[0].container.as_str()), (&id_of(&task).to_string(), "main"));
    }),
    (ReadLogs, Refused, there_is_nothing_to_read_of_what_is_not_there, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let task = controller.run("small").await.task_arn.unwrap();
        let mut client = controller.admin();
        let unknown = pb::ReadLogsRequest { task: "0".repeat(32), ..Default::default() };
        assert_eq!(refusal(client.read_logs(unknown).await).1, "The referenced task was not found.");
        let container = pb::ReadLogsRequest { task, container: "nobody".into(), ..Default::default() };
        assert_eq!(refusal(client.read_logs(container).await).1, "The task has no container \"nobody\".");
        let cluster = pb::ReadLogsRequest { cluster: "nowhere".into(), ..Default::default() };
        assert_eq!(exception(client.read_logs(cluster).await), "ClusterNotFoundException");
    }),
);
