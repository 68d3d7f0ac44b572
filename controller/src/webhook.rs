//! Lifecycle hooks that ask a URL: the leader posts what is deployed, and records what it is answered.
//!
//! The question is repeated until the answer is SUCCEEDED or FAILED; when it is over whatever is answered, the planner
//! says. A URL that cannot be reached is asked again. Nothing is remembered: a new leader asks once more, so whoever
//! answers is asked at least once.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_model::command::{Command, RecordHook};
use berth_model::id::{HookId, Region, ServiceDeploymentId, ServiceKey};
use berth_model::service::rollout::HookStatus;
use berth_model::service::settings::HookTarget;
use berth_model::state::State;
use berth_process::net::Web;
use berth_process::shutdown::Shutdown;
use berth_process::telemetry::chain;
use futures::future::join_all;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::feed::Feed;
use crate::limits::{WEBHOOK_ANSWER_BYTES, WEBHOOK_TIMEOUT};
use crate::proposer::Proposer;

/// How long until a URL is asked again that is not done. Source: ECS developer guide, lifecycle hooks, `callBackDelay`.
const CALL_BACK: Duration = Duration::from_secs(30);

/// How long until a URL is asked again that could not be reached.
const RETRY: Duration = Duration::from_secs(5);

/// How often the state is looked through for hooks that began.
const LOOK: Duration = Duration::from_millis(500);

/// A hook that waits for the answer of a URL.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    region: Option<Region>,
    key: ServiceKey,
    deployment: ServiceDeploymentId,
    hook: HookId,
    url: String,
    body: Value,
}

/// What a URL answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Over(HookStatus, String),
    Again(Duration),
}

/// Why a URL could not be asked.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("it is not an http or https URL of a host")]
    Url,
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
    #[error("the answer cannot be read: {0}")]
    Body(String),
    #[error("no answer in {0:?}")]
    Timeout(Duration),
}

/// Asks on behalf of every hook that is under way, for as long as this controller leads.
pub(crate) async fn run(
    feed: Feed,
    proposer: Proposer,
    web: Web,
    epoch: Shutdown,
) -> Result<(), std::convert::Infallible> {
    let mut due: BTreeMap<HookId, Instant> = BTreeMap::new();
    loop {
        let view = feed.view();
        tokio::select! {
            biased;
            // Cancel-safe: the token stays cancelled.
            () = epoch.token().cancelled() => return Ok(()),
            // Cancel-safe: an epoch that is over forgets what was asked, the next one asks again.
            () = round(&view, &proposer, &web, &mut due) => {}
        }
    }
}

/// Asks what is due, all at once, and then lets some time go by.
async fn round(view: &State, proposer: &Proposer, web: &Web, due: &mut BTreeMap<HookId, Instant>) {
    let mut questions: Vec<Question> = view.every_region().flat_map(questions).collect();
    due.retain(|hook, _| questions.iter().any(|question| question.hook == *hook));
    let now = Instant::now();
    questions.retain(|question| due.get(&question.hook).is_none_or(|at| *at <= now));
    let waits = join_all(questions.iter().map(|question| attend(question, proposer, web))).await;
    let now = Instant::now();
    due.extend(questions.iter().zip(waits).map(|(question, wait)| (question.hook, now + wait)));
    tokio::time::sleep(LOOK).await;
}

/// Asks once; how long until it is to be asked again.
async fn attend(question: &Question, proposer: &Proposer, web: &Web) -> Duration {
    let answer = match ask(question, web).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::info!(url = question.url, error = %chain(&error), "a webhook cannot be asked; trying again");
            return RETRY;
        }
    };
    let (status, reason) = match answer {
        Answer::Again(wait) => return wait,
        Answer::Over(status, reason) => (status, reason),
    };
    let (key, id, hook) = (question.key.clone(), question.deployment, question.hook);
    let record = Command::RecordHook(RecordHook { key, id, hook, status, reason });
    match proposer.propose(record.in_region(question.region.as_ref())).await {
        Ok(_) => CALL_BACK,
        Err(error) => {
            tracing::info!(%error, "the answer of a webhook was not recorded; asking again");
            RETRY
        }
    }
}

/// Every hook of a URL that is under way in a region.
fn questions(view: &State) -> Vec<Question> {
    let mut questions = Vec::new();
    for service in view.services() {
        let Some(deployment) = service.records.current() else { continue };
        for run in deployment.hooks.iter().filter(|run| run.status == HookStatus::InProgress) {
            let at = usize::try_from(run.hook).unwrap_or(usize::MAX);
            let Some(hook) = service.settings.hooks.get(at) else { continue };
            let HookTarget::Webhook(url) = &hook.target else { continue };
            let scope = view.scope();
            let body = json!({
                "serviceArn": scope.service(&service.key),
                "serviceDeploymentArn": scope.service_deployment(&service.key, deployment.id),
                "targetServiceRevisionArn": scope.service_revision(&service.key, deployment.target),
                "lifecycleStage": run.stage.as_str(),
                "hookId": run.id.to_string(),
                "hookDetails": hook.details.as_ref().map(|details| value(details)),
            });
            let (region, key, url) = (view.region().cloned(), service.key.clone(), url.clone());
            questions.push(Question { region, key, deployment: deployment.id, hook: run.id, url, body });
        }
    }
    questions
}

fn value(value: &prost_types::Value) -> Value {
    use prost_types::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => json!(number),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::BoolValue(truth)) => json!(truth),
        Some(Kind::StructValue(object)) => {
            object.fields.iter().map(|(name, one)| (name.clone(), self::value(one))).collect()
        }
        Some(Kind::ListValue(list)) => list.values.iter().map(self::value).collect(),
    }
}

async fn ask(question: &Question, web: &Web) -> Result<Answer, Error> {
    let asked = tokio::time::timeout(WEBHOOK_TIMEOUT, post(web, &question.url, &question.body)).await;
    asked.unwrap_or(Err(Error::Timeout(WEBHOOK_TIMEOUT)))
}

async fn post(web: &Web, url: &str, body: &Value) -> Result<Answer, Error> {
    let uri: Uri = url.parse().map_err(|_| Error::Url)?;
    let host = uri.host().ok_or(Error::Url)?;
    let stream = match uri.scheme_str() {
        Some("http") => web.open(host, uri.port_u16().unwrap_or(80)).await,
        Some("https") => web.open_tls(host, uri.port_u16().unwrap_or(443)).await,
        _ => return Err(Error::Url),
    };
    let stream = stream.map_err(Error::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(header::HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), WEBHOOK_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Error::Body(error.to_string()))?.to_bytes();
        Ok(if status.is_success() { read(&body) } else { failed(format!("It answered with {status}.")) })
    };
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        // Cancel-safe: the exchange is over when it is done.
        answer = &mut exchange => answer,
        // Cancel-safe: a connection that ends first may have left its answer to the exchange.
        ended = &mut connection => {
            ended?;
            exchange.await
        }
    }
}

fn failed(reason: String) -> Answer {
    Answer::Over(HookStatus::Failed, reason)
}

/// What ECS takes from a Lambda function: `hookStatus`, and `callBackDelay` in seconds. Anything else is a failure.
fn read(body: &[u8]) -> Answer {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return failed("Its answer is not JSON.".to_owned());
    };
    let delay = answer.get("callBackDelay").and_then(Value::as_u64).map_or(CALL_BACK, Duration::from_secs);
    match answer.get("hookStatus").and_then(Value::as_str) {
        Some("SUCCEEDED") => Answer::Over(HookStatus::Succeeded, String::new()),
        Some("FAILED") => failed("It answered FAILED.".to_owned()),
        Some("IN_PROGRESS") => Answer::Again(delay),
        Some(other) => failed(format!("Its hookStatus is {other:?}.")),
        None => failed("Its answer has no hookStatus.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post as on_post;
    use berth_process::net::{Listen as _, Protocol, bind, serve_as};
    use berth_process::shutdown::OnError;
    use berth_process::tls::Authority;

    use super::*;

    #[test]
    fn only_a_clear_answer_is_a_success() {
        let rows = [
            (r#"{"hookStatus":"SUCCEEDED"}"#, Answer::Over(HookStatus::Succeeded, String::new())),
            (r#"{"hookStatus":"FAILED"}"#, failed("It answered FAILED.".into())),
            (r#"{"hookStatus":"IN_PROGRESS"}"#, Answer::Again(Duration::from_secs(30))),
            (r#"{"hookStatus":"IN_PROGRESS","callBackDelay":5}"#, Answer::Again(Duration::from_secs(5))),
            (r#"{"hookStatus":"MAYBE"}"#, failed(r#"Its hookStatus is "MAYBE"."#.into())),
            ("{}", failed("Its answer has no hookStatus.".into())),
            ("ok", failed("Its answer is not JSON.".into())),
        ];
        for (body, expected) in rows {
            assert_eq!(read(body.as_bytes()), expected, "{body}");
        }
    }

    #[tokio::test]
    async fn a_url_is_told_what_is_deployed_and_its_answer_is_read() {
        let answer = |body: String| async move {
            let asked: Value = serde_json::from_str(&body).unwrap();
            let status = if asked["lifecycleStage"] == "PRE_SCALE_UP" { "SUCCEEDED" } else { "FAILED" };
            json!({"hookStatus": status}).to_string()
        };
        let router = axum::Router::new().route("/gate", on_post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async { axum::serve(listener, router).await.unwrap() };
        let ask = async {
            let url = format!("http://{address}/gate?a=b");
            let stage = |stage: &str| json!({"lifecycleStage": stage});
            let web = Web::new(None).unwrap();
            let good = post(&web, &url, &stage("PRE_SCALE_UP")).await.unwrap();
            let bad = post(&web, &url, &stage("POST_SCALE_UP")).await.unwrap();
            let unknown = post(&web, &format!("http://{address}/nothing"), &stage("")).await.unwrap();
            (good, bad, unknown)
        };
        let (good, bad, unknown) = tokio::select! {
            answers = ask => answers,
            () = serve => panic!("the server ended"),
        };
        assert_eq!(good, Answer::Over(HookStatus::Succeeded, String::new()));
        assert_eq!(bad, failed("It answered FAILED.".into()));
        assert_eq!(unknown, failed("It answered with 404 Not Found.".into()));
    }

    #[tokio::test]
    async fn an_https_url_is_asked_when_its_authority_is_trusted() {
        let shutdown = Shutdown::new();
        let authority = Authority::generate("hooks").unwrap();
        let certificate = authority.issue(&["127.0.0.1".to_owned()]).unwrap();
        let listen = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("https://{}/gate", listen.local_addr().unwrap());
        let router =
            axum::Router::new().route("/gate", on_post(|| async { r#"{"hookStatus":"SUCCEEDED"}"# }));
        let scope = shutdown.clone();
        shutdown.spawn("hooks", OnError::Shutdown, async move {
            serve_as(Protocol::Http1, router.into(), listen, Some(&certificate), &scope).await
        });
        let trusting = Web::new(Some(&authority.certificate_pem)).unwrap();
        let answer = post(&trusting, &url, &json!({})).await.unwrap();
        assert_eq!(answer, Answer::Over(HookStatus::Succeeded, String::new()));
        let error = post(&Web::new(None).unwrap(), &url, &json!({})).await.unwrap_err();
        assert!(chain(&error).to_string().contains("UnknownIssuer"), "{}", chain(&error));
        let error = post(&trusting, "ftp://example.org/", &json!({})).await.unwrap_err();
        assert!(matches!(error, Error::Url), "{error}");
        shutdown.drain(Duration::from_secs(5)).await.unwrap();
    }
}
