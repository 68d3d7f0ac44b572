//! Logs and traces.
//!
//! Logs go to stderr, as text or as JSON lines, filtered by an `EnvFilter`. Spans of level INFO and above also
//! become OpenTelemetry spans; they are sent to a collector when one is configured. Without one they are still
//! made, unsampled, so that every request has a trace id and a trace that began elsewhere is passed on.
//!
//! Errors are logged once, where they are handled, as `error = %chain(&error)`.

mod propagation;
pub mod test;

use std::error::Error as StdError;
use std::fmt;
use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Subscriber, warn};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

pub use propagation::{set_parent, traceparent};

/// What a process tells about itself, and where.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name under which traces appear, such as `berth-controller`.
    pub service_name: &'static str,
    /// Which records are logged, in the syntax of `EnvFilter`: `info`, `warn,berth_agent=debug`.
    pub log: String,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// The collector that spans are sent to over OTLP/gRPC, such as `http://127.0.0.1:4317`.
    pub otlp_endpoint: Option<String>,
}

/// Sends what has not been sent yet when it is dropped. Held until the process ends.
#[must_use = "dropping it ends the export of spans"]
#[derive(Debug)]
pub struct Guard(SdkTracerProvider);

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter does not parse.
    #[error("log filter {filter:?} is not valid")]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// The exporter sends from a tokio runtime, and there is none.
    #[error("spans can only be sent to {endpoint} from within a tokio runtime")]
    NoRuntime {
        /// The collector.
        endpoint: String,
    },
    /// The collector's address does not parse.
    #[error("cannot send spans to {endpoint}")]
    Exporter {
        /// The collector.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        source: ExporterBuildError,
    },
    /// The process already has telemetry.
    #[error("telemetry is set up already")]
    Twice(#[source] TryInitError),
}

/// An error and everything that caused it, on one line.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(&'a (dyn StdError + 'static));

/// Sets up the process's logs and traces. Within a tokio runtime when spans are to be sent anywhere.
pub fn init(config: &Config) -> Result<Guard, Error> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|source| Error::Filter { filter: config.log.clone(), source })?;
    let provider = tracer_provider(config)?;
    tracing_subscriber::registry()
        .with(spans(&provider))
        .with(log_layer(config.json).with_filter(filter))
        .try_init()
        .map_err(Error::Twice)?;
    Ok(Guard(provider))
}

/// `error` followed by its sources, separated by colons.
pub fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Chain<'a> {
    Chain(error)
}

fn tracer_provider(config: &Config) -> Result<SdkTracerProvider, Error> {
    let Some(endpoint) = &config.otlp_endpoint else {
        return Ok(unexported());
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(Error::NoRuntime { endpoint: endpoint.clone() });
    }
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|source| Error::Exporter { endpoint: endpoint.clone(), source })?;
    Ok(SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name(config.service_name).build())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_batch_exporter(exporter)
        .build())
}

/// Makes span contexts and sends nothing. A trace that somebody else samples stays sampled when it passes.
fn unexported() -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff))).build()
}

/// The level is fixed, whatever is logged: a quieter log must not cut traces short.
fn spans<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("berth"))
        .with_location(false)
        .with_threads(false)
        .with_filter(LevelFilter::INFO)
}

fn log_layer<S>(json: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if json {
        layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        layer.with_ansi(std::io::stderr().is_terminal()).boxed()
    }
}

// === impl Guard ===

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            warn!(error = %chain(&error), "the last spans could not be sent");
        }
    }
}

// === impl Chain ===

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tonic::service::Routes;

    use super::*;
    use crate::net::{self, Listen};
    use crate::shutdown::{OnError, Shutdown};

    fn config(log: &str, otlp_endpoint: Option<&str>) -> Config {
        let otlp_endpoint = otlp_endpoint.map(str::to_owned);
        Config { service_name: "berth-test", log: log.to_owned(), json: false, otlp_endpoint }
    }

    #[test]
    fn a_bad_filter_is_refused_with_its_text() {
        let error = init(&config("info,berth=loud", None)).unwrap_err();
        assert_eq!(error.to_string(), r#"log filter "info,berth=loud" is not valid"#);
    }

    #[test]
    fn sending_spans_needs_a_runtime() {
        let error = tracer_provider(&config("info", Some("http://127.0.0.1:4317"))).unwrap_err();
        assert!(matches!(error, Error::NoRuntime { .. }));
    }

    #[test]
    fn the_chain_names_every_cause() {
        let error = Error::Filter {
            filter: "=".to_owned(),
            source: EnvFilter::try_new("berth=loud").expect_err("not a level"),
        };
        let text = chain(&error).to_string();
        assert!(text.starts_with(r#"log filter "=" is not valid: "#), "{text}");
    }

    /// The exporter waits on a thread of its own for what the runtime's threads do.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_are_sent_to_the_collector_at_the_latest_when_the_guard_drops() {
        let (seen, mut calls) = mpsc::unbounded_channel();
        let collector = axum::Router::new().fallback(async move |request: axum::extract::Request| {
            seen.send(request.uri().path().to_owned()).expect("the test listens");
        });
        let (shutdown, listen) = (Shutdown::new(), net::bind("127.0.0.1:0".parse().unwrap()).unwrap());
        let (scope, endpoint) = (shutdown.clone(), format!("http://{}", listen.local_addr().unwrap()));
        shutdown.spawn("collector", OnError::Shutdown, async move {
            net::serve(Routes::from(collector), listen, None, &scope).await
        });

        let provider = tracer_provider(&config("info", Some(&endpoint))).unwrap();
        let subscriber = tracing_subscriber::registry().with(spans(&provider));
        tracing::subscriber::with_default(subscriber, || drop(tracing::info_span!("request").entered()));
        tokio::task::spawn_blocking(move || drop(Guard(provider))).await.unwrap();
        let call = calls.recv().await.unwrap();
        assert_eq!(call, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
        shutdown.drain(std::time::Duration::from_secs(10)).await.unwrap();
    }
}
