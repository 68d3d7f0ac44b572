//! What the command line asks for.

use berth_model::id::InstanceId;
use berth_proto::admin::v1 as pb;
use berth_proto::admin::v1::conduit_request::Message;
use berth_proto::agent::v1::conduit_input::Input;
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{
    Command as AgentCommand, ConduitInput, ConduitOutput, ConduitTarget, ContainerUsage, ImagePull, LogChunk,
    LogSource as Output_, OpenConduit, OpenLogs, ReadUsage, Usage, UsageSample,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tonic::{Status, async_trait};

use super::cases;
use super::controller::{exception, refusal};
use super::fixture::{id_of, small_definition};
use crate::api::depends::RemoveError;
use crate::api::{ConduitSource, LogSource, Membership, Reconcilers, Unavailable, UsageSource};

mod events;
mod keys;
mod security_groups;
pub(super) use events::COVERED as EVENTS;
pub(super) use keys::COVERED as KEYS;
pub(super) use security_groups::COVERED as SECURITY_GROUPS;

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

/// A command that gives back what it is given, and ends with 3 when that ends.
#[async_trait]
impl ConduitSource for Output {
    async fn open(
        &self,
        _: InstanceId,
        _: OpenConduit,
        input: mpsc::Receiver<ConduitInput>,
    ) -> Result<BoxStream<'static, Result<ConduitOutput, Status>>, Unavailable> {
        let outputs = futures::stream::unfold(Some(input), |input| async {
            let mut input = input?;
            match input.recv().await?.input {
                Some(Input::Bytes(bytes)) => {
                    Some((Ok(ConduitOutput { bytes, ..ConduitOutput::default() }), Some(input)))
                }
                _ => Some((Ok(ConduitOutput { exit_code: Some(3), ..ConduitOutput::default() }), None)),
            }
        });
        Ok(outputs.boxed())
    }

    async fn end(&self, request_id: &str) -> bool {
        request_id == "ecs-execute-command-open"
    }
}

fn start(task: &str, container: &str, command: &[&str]) -> pb::ConduitRequest {
    let arguments = command.iter().map(|word| (*word).to_owned()).collect();
    let command = Target::Command(AgentCommand { arguments, ..AgentCommand::default() });
    let start = pb::ConduitStart {
        task: task.to_owned(),
        container: container.to_owned(),
        target: Some(ConduitTarget { target: Some(command) }),
        force: true,
        ..pb::ConduitStart::default()
    };
    pb::ConduitRequest { message: Some(Message::Start(start)) }
}

fn consenting(mut request: pb::ConduitRequest) -> pb::ConduitRequest {
    if let Some(Message::Start(start)) = &mut request.message {
        start.force = false;
    }
    request
}

fn typed(input: Input) -> pb::ConduitRequest {
    let input = ConduitInput { input: Some(input) };
    pb::ConduitRequest { message: Some(Message::Input(input)) }
}

#[async_trait]
impl UsageSource for Output {
    async fn read(&self, instance: InstanceId, question: ReadUsage) -> Result<Usage, Unavailable> {
        let sample = UsageSample { cpu_us: question.since_seconds.unwrap_or(0).into(), ..Default::default() };
        let container = ContainerUsage { name: format!("on {instance}"), samples: vec![sample] };
        let pull = ImagePull { image: question.task_id, ..Default::default() };
        Ok(Usage { containers: vec![container], pulls: vec![pull], ..Default::default() })
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
    (OpenConduit, Answered, what_is_typed_reaches_the_command_and_its_end_the_caller, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let task = controller.run("small").await.task_arn.unwrap();
        let typed =
            [start(&task, "", &["cat"]), typed(Input::Bytes(b"hello".to_vec())), typed(Input::End(true))];
        let outputs =
            controller.admin().open_conduit(futures::stream::iter(typed)).await.unwrap().into_inner();
        let outputs: Vec<ConduitOutput> = outputs.map(Result::unwrap).collect().await;
        assert_eq!((outputs[0].bytes.as_slice(), outputs[1].exit_code), (b"hello".as_slice(), Some(3)));
        assert_eq!(outputs.len(), 2);
    }),
    (OpenConduit, Refused, nothing_runs_in_what_is_not_there_or_does_not_agree, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let task = controller.run("small").await.task_arn.unwrap();
        let rows = [
            (start(&task, "nobody", &["sh"]), "The container name that you specified doesn't match"),
            (start(&"0".repeat(32), "", &["sh"]), "The referenced task was not found."),
            (start(&task, "", &[]), "Command can not be blank."),
            (typed(Input::End(true)), "The first message says what is wanted of which task."),
            (consenting(start(&task, "", &["sh"])), "The execute command failed because execute command"),
        ];
        for (request, expected) in rows {
            let answer = controller.admin().open_conduit(futures::stream::iter([request])).await;
            let text = refusal(answer).1;
            assert!(text.starts_with(expected), "{text}");
        }
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
    (ReadUsage, Answered, the_agent_of_the_task_is_asked_what_it_uses, async |controller| {
        controller.define(small_definition("small")).await;
        let instance = controller.join("a").await;
        let task = controller.run("small").await;
        let request = pb::ReadUsageRequest {
            task: task.task_arn.clone().unwrap(),
            since_seconds: Some(60),
            ..pb::ReadUsageRequest::default()
        };
        let told = controller.admin().read_usage(request).await.unwrap().into_inner();
        assert_eq!(told.containers[0].name, format!("on {instance}"));
        assert_eq!(
            (told.containers[0].samples[0].cpu_us, &told.pulls[0].image),
            (60, &id_of(&task).to_string())
        );
    }),
    (ReadUsage, Refused, nobody_is_asked_about_a_task_that_is_not_there, async |controller| {
        let mut client = controller.admin();
        let unknown = pb::ReadUsageRequest { task: "0".repeat(32), ..Default::default() };
        assert_eq!(refusal(client.read_usage(unknown).await).1, "The referenced task was not found.");
        let cluster = pb::ReadUsageRequest { cluster: "nowhere".into(), ..Default::default() };
        assert_eq!(exception(client.read_usage(cluster).await), "ClusterNotFoundException");
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
