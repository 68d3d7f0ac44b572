//! What clients do with the sessions of ExecuteCommand.

use berth_proto::ssm::v1 as pb;
use berth_proto::ssm::v1::sessions_client::SessionsClient;

use super::agents::enabled;
use super::controller::{Controller, refusal};
use crate::api::auth::grant::GrantedPort;

fn resume(id: &str) -> pb::ResumeSessionRequest {
    pb::ResumeSessionRequest { session_id: Some(id.to_owned()) }
}

#[tokio::test]
async fn a_session_goes_on_where_it_is_and_is_over_elsewhere() {
    let controller = Controller::start().await;
    let mut client = SessionsClient::new(controller.signed());
    let elsewhere = client.resume_session(resume("ecs-execute-command-1")).await.unwrap().into_inner();
    assert_eq!((elsewhere.session_id(), elsewhere.token_value.is_none()), ("ecs-execute-command-1", true));

    let held = controller.api.sessions().hold("ecs-execute-command-1").unwrap();
    assert!(controller.api.sessions().hold("ecs-execute-command-1").is_none(), "it has one channel");
    let here = client.resume_session(resume("ecs-execute-command-1")).await.unwrap().into_inner();
    let authenticator = controller.api.authenticator();
    let (granted, _) = authenticator.granted(here.token_value(), controller.clock.unix_ms()).unwrap();
    assert_eq!(granted.session_id, "ecs-execute-command-1");
    assert_eq!(granted.command, None, "it leads back, and begins nothing");
    drop(held);
    let over = client.resume_session(resume("ecs-execute-command-1")).await.unwrap().into_inner();
    assert_eq!(over.token_value, None);
}

#[tokio::test]
async fn a_session_is_terminated_by_its_id() {
    let controller = Controller::start().await;
    let mut client = SessionsClient::new(controller.signed());
    for id in ["ecs-execute-command-open", "ecs-execute-command-over"] {
        let request = pb::TerminateSessionRequest { session_id: Some(id.to_owned()) };
        let answer = client.terminate_session(request).await.unwrap().into_inner();
        assert_eq!(answer.session_id(), id);
    }
    let answer = client.terminate_session(pb::TerminateSessionRequest::default()).await;
    assert_eq!(refusal(answer).1, "SessionId must have 1 to 96 characters.");
}

#[tokio::test]
async fn a_session_of_connections_leads_to_the_container_that_its_target_names() {
    let controller = Controller::start().await;
    let task = enabled(&controller).await;
    let mut client = SessionsClient::new(controller.signed());
    let request = |target: String| {
        let one = |value: &str| pb::ParameterValues { values: vec![value.to_owned()] };
        pb::StartSessionRequest {
            target: Some(target),
            document_name: Some("AWS-StartPortForwardingSession".into()),
            parameters: [("portNumber".to_owned(), one("80")), ("localPortNumber".to_owned(), one("0"))]
                .into(),
            reason: None,
        }
    };
    let target = format!("ecs:default_{task}_0123abcd");
    let answer = client.start_session(request(target)).await.unwrap().into_inner();
    assert!(answer.stream_url().contains(answer.session_id()), "{answer:?}");
    let authenticator = controller.api.authenticator();
    let (granted, _) = authenticator.granted(answer.token_value(), controller.clock.unix_ms()).unwrap();
    let expected = GrantedPort {
        cluster: "default".into(),
        task: task.clone(),
        container: "main".into(),
        host: String::new(),
        port: 80,
        local: [("localPortNumber".to_owned(), "0".to_owned())].into(),
        is_single: false,
    };
    assert_eq!((granted.port, granted.command), (Some(expected), None));

    for target in [
        format!("ecs:default_{task}_another"),
        format!("ecs:other_{task}_0123abcd"),
        format!("ecs:default_{task}"),
        "ecs:default_none_0123abcd".to_owned(),
        "i-0123456789abcdef0".to_owned(),
    ] {
        let (name, text) = refusal(client.start_session(request(target.clone())).await);
        assert_eq!(
            (name.as_str(), text),
            ("TargetNotConnectedException", format!("{target} is not connected."))
        );
    }
}
