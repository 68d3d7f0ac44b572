//! What every call goes through: ids, reasons, bounds, traces; and calls that come in-process.

use berth_model::error::{ApiError, Exception};
use berth_model::key::Role;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::clusters_client::ClustersClient;
use tonic::service::Routes;
use tonic::{Code, Request, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt;

use super::controller::{Controller, code_and_retry, exception, refusal};
use super::fixture::{small_definition, web_container};
use crate::api::auth::Principal;
use crate::api::edge::RequestId;
use crate::api::{ProposeError, load, trace};

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let controller = Controller::start().await;
    let mut client = controller.clusters();
    let request = pb::ListClustersRequest::default;
    let answered = client.list_clusters(request()).await.unwrap();
    let refused = client.list_clusters(pb::ListClustersRequest { max_results: Some(0), ..request() }).await;
    let id = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get("x-request-id").and_then(|id| id.to_str().ok().map(str::to_owned)).unwrap()
    };
    let (first, second) = (id(answered.metadata()), id(refused.unwrap_err().metadata()));
    assert_eq!((first.len(), first.matches('-').count()), (36, 4), "{first}");
    assert_ne!(first, second);
}

#[tokio::test]
async fn the_librarys_own_errors_are_given_reasons() {
    let controller = Controller::start().await;
    let mut unknown = tonic::client::Grpc::new(controller.signed_by(&controller.identity.admin_key));
    unknown.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<pb::ListClustersRequest, pb::ListClustersResponse>::default();
    let path = "/berth.ecs.v1.Clusters/Steal".parse().unwrap();
    let answer = unknown.unary(Request::new(pb::ListClustersRequest::default()), path, codec).await;
    assert_eq!(exception(answer), "UnknownOperationException");

    let mut container = web_container();
    container.command = vec!["x".repeat(5 << 20)];
    let definition = pb::RegisterTaskDefinitionRequest {
        container_definitions: vec![container],
        ..small_definition("big")
    };
    let answer = controller.task_definitions().register_task_definition(definition).await;
    assert_eq!(exception(answer), "InvalidParameterException", "more than 4 MiB");

    let mut misread = tonic::client::Grpc::new(controller.signed_by(&controller.identity.admin_key));
    misread.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<pb::Tag, pb::ListClustersResponse>::default();
    let path = "/berth.ecs.v1.Clusters/ListClusters".parse().unwrap();
    let tag = pb::Tag { key: Some("a".into()), value: Some("b".into()) };
    let answer = misread.unary(Request::new(tag), path, codec).await;
    assert_eq!(exception(answer), "SerializationException");
}

#[tokio::test]
async fn what_the_log_says_reaches_the_caller() {
    let controller = Controller::start().await;
    let create = || pb::CreateClusterRequest { cluster_name: Some("new".into()), ..Default::default() };
    let mut client = controller.clusters();
    controller.consensus.fail(ProposeError::Unknown);
    let (reason, message) = refusal(client.create_cluster(create()).await);
    assert_eq!(reason, "ServerException");
    assert!(message.contains("unknown") && message.contains("clientToken"), "{message}");
    let limited = ApiError::new(Exception::LimitExceeded, "At most one.");
    let rows = [
        (ProposeError::Unknown, (Code::DeadlineExceeded, false)),
        (ProposeError::NoLeader, (Code::Unavailable, true)),
        (ProposeError::Overloaded, (Code::ResourceExhausted, true)),
        (ProposeError::TooLarge { bytes: 2 }, (Code::InvalidArgument, false)),
        (ProposeError::Rejected(limited.into()), (Code::ResourceExhausted, false)),
        (
            ProposeError::Rejected(berth_model::command::Rejection::Malformed("odd".into())),
            (Code::Internal, false),
        ),
    ];
    for (error, expected) in rows {
        controller.consensus.fail(error.clone());
        assert_eq!(code_and_retry(client.create_cluster(create()).await), expected, "{error:?}");
    }
    client.create_cluster(create()).await.unwrap();
}

#[tokio::test]
async fn a_call_in_process_brings_its_principal() {
    let controller = Controller::start().await;
    let routes = controller.api.routes(Routes::default()).unwrap();
    let mut client = ClustersClient::new(routes);
    let mut request = Request::new(pb::CreateClusterRequest {
        cluster_name: Some("new".into()),
        ..pb::CreateClusterRequest::default()
    });
    request.extensions_mut().insert(Principal::of_key("BKUHTTP", Role::Admin));
    request.extensions_mut().insert(RequestId::new(7));
    let answer = client.create_cluster(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "00000000-0000-0000-0000-000000000007");
    let answer = client.list_clusters(pb::ListClustersRequest::default()).await;
    assert_eq!(exception(answer), "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn calls_and_streams_beyond_the_bound_are_throttled() {
    let load = load::Load::bounded(1, 1);
    let held = load.open_stream().unwrap();
    let refused = load.open_stream().unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "ThrottlingException");
    assert!(refused.get_details_retry_info().is_some());
    drop(held);
    drop(load.open_stream().unwrap());

    let none = load::Load::bounded(0, 0);
    let router = axum::Router::new()
        .fallback(|| async { "answered" })
        .layer(axum::middleware::from_fn_with_state(none, load::bound));
    for (path, expected) in [("/berth.ecs.v1.Tasks/RunTask", Some("8")), ("/berth.peer.v1.Peers/Vote", None)]
    {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
        let code = answer.headers().get("grpc-status").map(|code| code.to_str().unwrap());
        assert_eq!(code, expected, "{path}");
    }
}

#[tokio::test]
async fn a_defect_in_a_handler_fails_one_call() {
    let router = axum::Router::new()
        .fallback(|| async { panic!("a defect") as &str })
        .layer(axum::middleware::from_fn(trace::trace));
    let request = http::Request::get("/berth.ecs.v1.Tasks/RunTask").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(
        (status.code(), status.get_details_error_info().unwrap().reason),
        (Code::Internal, "ServerException".into())
    );
}

#[tokio::test]
async fn the_trace_of_a_caller_goes_into_the_log() {
    let controller = Controller::start().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut request = Request::new(pb::CreateClusterRequest {
        cluster_name: Some("traced".into()),
        ..pb::CreateClusterRequest::default()
    });
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    controller.clusters().create_cluster(request).await.unwrap();
    let envelope = controller.consensus.proposed().pop().unwrap();
    let carried = envelope.traceparent.expect("a trace");
    assert_eq!(carried[3..35], traceparent[3..35], "the trace is the caller's");
    assert_ne!(carried, traceparent, "the span is the call's own");
    let line =
        controller.logged.lines().into_iter().find(|line| line.contains("cluster=\"traced\"")).unwrap();
    for field in ["rpc.method=\"CreateCluster\"", "request_id=", "principal=\"BKU"] {
        assert!(line.contains(field), "{field} is not in {line}");
    }
    assert_eq!(controller.logged.unexpected(&[]), Vec::<String>::new());
}

#[tokio::test]
async fn the_schema_can_be_asked_for() {
    let controller = Controller::start().await;
    let mut client = ServerReflectionClient::new(controller.signed_by(&controller.identity.admin_key));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("not a list of services")
    };
    assert!(list.service.iter().any(|service| service.name == "berth.ecs.v1.Tasks"));
}
