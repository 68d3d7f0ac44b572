//! What agents of ECS ask and report, and commands in containers.

use berth_model::command::Command;
use berth_model::id::TaskId;
use berth_model::task::{ContainerObservation, Observed, TaskStatus};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::commands_client::CommandsClient;
use berth_proto::ecs::v1::state_changes_client::StateChangesClient;

use super::cases;
use super::controller::{Controller, Signed, exception, refusal};
use super::fixture::{id_of, running_web, small_definition};

fn client(controller: &Controller) -> StateChangesClient<Signed> {
    StateChangesClient::new(controller.signed())
}

/// A task whose container `web` runs.
async fn running(controller: &Controller) -> String {
    controller.define(small_definition("web")).await;
    controller.join("a").await;
    let id = id_of(&controller.run("web").await);
    runs(controller, id, "web");
    id.to_string()
}

/// One in which commands may be run.
pub(super) async fn enabled(controller: &Controller) -> String {
    controller.define(small_definition("web")).await;
    controller.join("a").await;
    let request = pb::RunTaskRequest {
        task_definition: Some("web".into()),
        enable_execute_command: Some(true),
        ..pb::RunTaskRequest::default()
    };
    let id = id_of(&controller.tasks().run_task(request).await.unwrap().into_inner().tasks[0]);
    runs(controller, id, "main");
    id.to_string()
}

fn runs(controller: &Controller, id: TaskId, container: &str) {
    let containers = vec![ContainerObservation { name: container.to_owned(), ..running_web() }];
    controller.report(id, Observed { last_status: TaskStatus::Running, containers, ..Observed::default() });
}

fn of_container(task: &str, status: &str) -> pb::SubmitContainerStateChangeRequest {
    pb::SubmitContainerStateChangeRequest {
        task: Some(task.to_owned()),
        container_name: Some("web".into()),
        status: Some(status.to_owned()),
        ..pb::SubmitContainerStateChangeRequest::default()
    }
}

fn of_task(task: &str, status: &str) -> pb::SubmitTaskStateChangeRequest {
    pb::SubmitTaskStateChangeRequest {
        task: Some(task.to_owned()),
        status: Some(status.to_owned()),
        ..pb::SubmitTaskStateChangeRequest::default()
    }
}

fn command(task: &str, container: Option<&str>) -> pb::ExecuteCommandRequest {
    pb::ExecuteCommandRequest {
        task: Some(task.to_owned()),
        container: container.map(str::to_owned),
        command: Some("sh".into()),
        interactive: Some(true),
        cluster: None,
    }
}

cases!(
    "ecs",
    (DiscoverPollEndpoint, Answered, agents_are_sent_to_a_controller, async |controller| {
        let request = pb::DiscoverPollEndpointRequest::default();
        let answer = client(&controller).discover_poll_endpoint(request).await.unwrap().into_inner();
        assert!(answer.endpoint().starts_with("https://"), "{answer:?}");
    }),
    (DiscoverPollEndpoint, Refused, an_instance_that_is_named_is_there, async |controller| {
        let request = pb::DiscoverPollEndpointRequest {
            container_instance: Some("0".repeat(32)),
            ..pb::DiscoverPollEndpointRequest::default()
        };
        assert_eq!(exception(client(&controller).discover_poll_endpoint(request).await), "ClientException");
    }),
    (SubmitTaskStateChange, Answered, what_is_known_is_acknowledged, async |controller| {
        let task = running(&controller).await;
        let answer = client(&controller).submit_task_state_change(of_task(&task, "RUNNING")).await;
        assert_eq!(answer.unwrap().into_inner().acknowledgment(), "ACCEPT");
    }),
    (SubmitTaskStateChange, Refused, only_a_session_brings_news, async |controller| {
        let task = running(&controller).await;
        let answer = client(&controller).submit_task_state_change(of_task(&task, "STOPPED")).await;
        assert_eq!(exception(answer), "UnsupportedFeatureException");
    }),
    (SubmitContainerStateChange, Answered, what_is_known_of_a_container_is_too, async |controller| {
        let task = running(&controller).await;
        let answer = client(&controller).submit_container_state_change(of_container(&task, "RUNNING")).await;
        assert_eq!(answer.unwrap().into_inner().acknowledgment(), "ACCEPT");
    }),
    (SubmitContainerStateChange, Refused, a_task_that_is_named_is_there, async |controller| {
        let answer =
            client(&controller).submit_container_state_change(of_container(&"0".repeat(32), "X")).await;
        assert_eq!(refusal(answer).1, "The referenced task was not found.");
    }),
    (SubmitAttachmentStateChanges, Refused, nothing_has_attachments_yet, async |controller| {
        let attachments = vec![pb::AttachmentStateChange::default()];
        let request = pb::SubmitAttachmentStateChangesRequest { attachments, cluster: None };
        let answer = client(&controller).submit_attachment_state_changes(request).await;
        assert_eq!(exception(answer), "UnsupportedFeatureException");
    }),
    (ExecuteCommand, Refused, a_task_without_the_feature_gets_the_words_of_ecs, async |controller| {
        let task = running(&controller).await;
        let mut client = CommandsClient::new(controller.signed());
        let (name, text) = refusal(client.execute_command(command(&task, None)).await);
        assert_eq!(name, "InvalidParameterException");
        assert!(
            text.starts_with("The execute command failed because execute command was not enabled"),
            "{text}"
        );
        let (_, text) = refusal(client.execute_command(command(&task, Some("none"))).await);
        assert!(text.starts_with("The container name that you specified doesn't match"), "{text}");
    }),
    (ExecuteCommand, Answered, a_session_leads_to_the_container_for_a_minute, async |controller| {
        let task = enabled(&controller).await;
        let described = pb::DescribeTasksRequest { tasks: vec![task.clone()], ..Default::default() };
        let described = controller.tasks().describe_tasks(described).await.unwrap().into_inner();
        let agent = &described.tasks[0].containers[0].managed_agents[0];
        assert_eq!(
            (agent.name(), agent.last_status()),
            (pb::ManagedAgentName::ExecuteCommandAgent, "RUNNING")
        );
        let mut client = CommandsClient::new(controller.signed());
        let command =
            pb::ExecuteCommandRequest { command: Some("sh -c 'a b'".into()), ..command(&task, None) };
        let answer = client.execute_command(command).await.unwrap().into_inner();
        assert_eq!((answer.container_name(), answer.interactive()), ("main", true));
        assert_eq!(answer.container_arn, described.tasks[0].containers[0].container_arn);
        let session = answer.session.unwrap();
        assert!(session.session_id().starts_with("ecs-execute-command-"), "{session:?}");
        assert!(session.stream_url().contains(session.session_id()), "{session:?}");
        let granted = |later_ms| {
            controller
                .api
                .authenticator()
                .granted(session.token_value(), controller.clock.unix_ms() + later_ms)
        };
        let (granted_now, principal) = granted(0).unwrap();
        assert_eq!(*principal.access_key_id, *controller.identity.admin_key.access_key_id);
        assert_eq!(granted_now.session_id, session.session_id());
        assert_eq!(granted_now.command.unwrap().arguments, ["sh", "-c", "a b"]);
        assert!(granted(59_999).is_some() && granted(60_000).is_none());
        let other = session.token_value().replace(&session.token_value()[20..24], "AAAA");
        assert!(controller.api.authenticator().granted(&other, controller.clock.unix_ms()).is_none());
    }),
    (ExecuteCommand, Refused, a_task_whose_agent_is_away_is_not_connected, async |controller| {
        let task = enabled(&controller).await;
        let instance = controller.view().task(task.parse().unwrap()).unwrap().instance;
        let away = Command::SetInstanceConnected { id: instance, connected: false };
        controller.consensus.apply(away).unwrap();
        let mut client = CommandsClient::new(controller.signed());
        let (name, _) = refusal(client.execute_command(command(&task, None)).await);
        assert_eq!(name, "TargetNotConnectedException");
        let described = pb::DescribeTasksRequest { tasks: vec![task], ..Default::default() };
        let described = controller.tasks().describe_tasks(described).await.unwrap().into_inner();
        assert_eq!(described.tasks[0].containers[0].managed_agents[0].last_status(), "STOPPED");
    }),
    (UpdateContainerAgent, Refused, there_never_is_an_update, async |controller| {
        let instance = controller.join("a").await.to_string();
        let request = pb::UpdateContainerAgentRequest { container_instance: Some(instance), cluster: None };
        let answer = controller.instances().update_container_agent(request).await;
        assert_eq!(exception(answer), "NoUpdateAvailableException");
    }),
    (ListServicesByNamespace, Refused, there_are_no_namespaces, async |controller| {
        let request = pb::ListServicesByNamespaceRequest {
            namespace: Some("shop".into()),
            ..pb::ListServicesByNamespaceRequest::default()
        };
        let answer = controller.services().list_services_by_namespace(request).await;
        assert_eq!(exception(answer), "NamespaceNotFoundException");
    }),
);
