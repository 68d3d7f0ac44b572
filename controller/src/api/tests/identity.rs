//! Who is let in, and how far.

use berth_model::command::Command;
use berth_model::key::{AccessKey, KeyStatus, Role};
use berth_process::entropy::Entropy;
use berth_process::identity;
use berth_process::token;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::clusters_client::ClustersClient;
use berth_proto::ecs::v1::container_instances_client::ContainerInstancesClient;
use std::time::Duration;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::controller::{Controller, NOW_MS, exception, refusal};
use super::fixture::offer;
use crate::api::auth::SealingKey;

/// Lists clusters with this `authorization`.
async fn list_with(controller: &Controller, authorization: Option<String>) -> Result<(), Status> {
    let mut request = Request::new(pb::ListClustersRequest::default());
    if let Some(value) = authorization {
        request.metadata_mut().insert(token::METADATA, value.parse().unwrap());
    }
    ClustersClient::new(controller.channel()).list_clusters(request).await.map(|_| ())
}

fn reason(answer: Result<(), Status>) -> (Code, String) {
    let status = answer.expect_err("refused");
    let reason = status.get_details_error_info().expect("every error has a reason").reason;
    (status.code(), reason)
}

fn bearer(key: &identity::AccessKey, at_ms: i64) -> Option<String> {
    let token = token::sign(&key.access_key_id, &key.secret_access_key, at_ms, Duration::from_secs(300));
    Some(format!("Bearer {token}"))
}

#[tokio::test]
async fn a_call_needs_a_token_that_verifies() {
    let controller = Controller::start().await;
    let admin = controller.identity.admin_key.clone();
    let wrong = identity::AccessKey { secret_access_key: "guessed".into(), ..admin.clone() };
    let unknown = identity::AccessKey { access_key_id: "BKUUNKNOWN".into(), ..admin.clone() };
    let rows = [
        (None, "MissingAuthenticationTokenException"),
        (Some("Basic abc".into()), "MissingAuthenticationTokenException"),
        (Some("Bearer abc".into()), "IncompleteSignatureException"),
        (bearer(&wrong, NOW_MS), "InvalidSignatureException"),
        (bearer(&unknown, NOW_MS), "UnrecognizedClientException"),
        (bearer(&admin, NOW_MS - 600_000), "ExpiredTokenException"),
        (bearer(&admin, NOW_MS + 600_000), "InvalidSignatureException"),
    ];
    for (authorization, expected) in rows {
        let answer = reason(list_with(&controller, authorization).await);
        assert_eq!(answer, (Code::Unauthenticated, expected.to_owned()));
    }
    list_with(&controller, bearer(&admin, NOW_MS)).await.unwrap();
}

#[tokio::test]
async fn a_token_that_was_let_in_expires_all_the_same() {
    let controller = Controller::start().await;
    let authorization = bearer(&controller.identity.admin_key, NOW_MS);
    list_with(&controller, authorization.clone()).await.unwrap();
    controller.pass(299);
    list_with(&controller, authorization.clone()).await.unwrap();
    controller.pass(62);
    assert_eq!(reason(list_with(&controller, authorization).await).1, "ExpiredTokenException");
}

#[tokio::test]
async fn a_replaced_key_is_not_let_in_any_more() {
    let controller = Controller::start().await;
    let old = controller.identity.admin_key.clone();
    let authorization = bearer(&old, NOW_MS);
    list_with(&controller, authorization.clone()).await.unwrap();
    let sealing_key = SealingKey::from_hex(&controller.identity.sealing_key_hex).unwrap();
    let key = AccessKey {
        sealed_secret: sealing_key.seal(&old.access_key_id, "another", &Entropy::seeded(3)),
        ..controller.view().access_key(&old.access_key_id).unwrap().clone()
    };
    controller.consensus.apply(Command::PutAccessKey(key)).unwrap();
    assert_eq!(reason(list_with(&controller, authorization).await).1, "InvalidSignatureException");
    let new = identity::AccessKey { secret_access_key: "another".into(), ..old };
    list_with(&controller, bearer(&new, NOW_MS)).await.unwrap();
}

#[tokio::test]
async fn a_secret_that_another_sealing_key_sealed_is_our_fault() {
    let controller = Controller::start().await;
    let key = AccessKey {
        id: "BKUODD".into(),
        sealed_secret: SealingKey::from_hex(&"0".repeat(64)).unwrap().seal(
            "BKUODD",
            "odd",
            &Entropy::seeded(3),
        ),
        role: Role::Admin,
        created_at: Default::default(),
        status: KeyStatus::Active,
        last_used_at: None,
        description: String::new(),
    };
    controller.consensus.apply(Command::PutAccessKey(key)).unwrap();
    let odd = identity::AccessKey { access_key_id: "BKUODD".into(), secret_access_key: "odd".into() };
    let answer = reason(list_with(&controller, bearer(&odd, NOW_MS)).await);
    assert_eq!(answer, (Code::Internal, "ServerException".into()));
}

#[tokio::test]
async fn agents_register_and_nothing_else() {
    let controller = Controller::start().await;
    let agent = controller.identity.agent_key.clone();
    let mut instances = ContainerInstancesClient::new(controller.signed_by(&agent));
    instances.register_container_instance(offer("a")).await.unwrap();
    let answer = instances.list_container_instances(pb::ListContainerInstancesRequest::default()).await;
    let message =
        format!("User: {} is not authorized to perform: ecs:ListContainerInstances", agent.access_key_id);
    assert_eq!(refusal(answer), ("AccessDeniedException".into(), message));
}

#[tokio::test]
async fn peers_are_known_before_there_is_a_state_and_others_may_try_again() {
    let controller = Controller::unborn().await;
    let peer = controller.identity.peer_key.clone();
    let mut clusters = ClustersClient::new(controller.signed_by(&peer));
    let answer = clusters.list_clusters(pb::ListClustersRequest::default()).await;
    assert_eq!(exception(answer), "AccessDeniedException", "it is known, and has no business here");
    let answer = reason(list_with(&controller, bearer(&controller.identity.admin_key, NOW_MS)).await);
    assert_eq!(answer, (Code::Unavailable, "ServerException".into()));
    let forged = identity::AccessKey { secret_access_key: "guessed".into(), ..peer };
    assert_eq!(reason(list_with(&controller, bearer(&forged, NOW_MS)).await).1, "InvalidSignatureException");
}

#[tokio::test]
async fn health_is_open_to_all() {
    let controller = Controller::unborn().await;
    let mut client = HealthClient::new(controller.channel());
    let answer = client.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    let reporter = controller.api.health();
    reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    let answer = client.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::NotServing);
}
