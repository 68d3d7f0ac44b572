//! The SDK for Rust as anybody sets it up, but for its connection: the endpoint of a test has no TLS, and the SDK's own
//! connectors bring one, or change the features of what the rest is built with.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{BehaviorVersion, Config, Credentials, Region, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use berth_tests::harness::fleet::Fleet;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::TokioExecutor;

/// The SDK's client of a fleet, with the administrator's key.
pub(super) fn client(fleet: &Fleet) -> Client {
    let key = fleet.admin_key();
    let credentials =
        Credentials::new(key.access_key_id.as_str(), key.secret_access_key.as_str(), None, None, "test");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{}", fleet.aws_address()))
        .credentials_provider(credentials)
        .http_client(plain())
        .build();
    Client::from_conf(config)
}

fn plain() -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Plain(HttpClient::builder(TokioExecutor::new()).build_http()));
    http_client_fn(move |_, _| connector.clone())
}

/// HTTP without TLS.
#[derive(Clone, Debug)]
struct Plain(HttpClient<Tcp, SdkBody>);

// === impl Plain ===

impl Plain {
    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let reply = self.0.request(request).await.map_err(|error| ConnectorError::io(error.into()))?;
        let (head, body) = reply.into_parts();
        let body = body.collect().await.map_err(|error| ConnectorError::io(error.into()))?.to_bytes();
        let reply = HttpResponse::try_from(http::Response::from_parts(head, SdkBody::from(body)));
        reply.map_err(|error| ConnectorError::other(error.into(), None))
    }
}

impl HttpConnector for Plain {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}
