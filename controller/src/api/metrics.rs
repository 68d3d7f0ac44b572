//! What is counted of every call: how many of each method, how they ended, and how long they took.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use berth_proto::DESCRIPTOR_SET;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

/// The counters. Clones count into the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    methods: Arc<BTreeSet<String>>,
    calls: Family<Call, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: String,
}

/// Counts a call as in flight until it is dropped.
pub(crate) struct InFlight(Gauge);

/// 1 ms to 16 s: a write is a few fsyncs, and no call may take longer than a proposal's deadline.
const BUCKETS: [f64; 8] = [0.001, 0.004, 0.016, 0.064, 0.256, 1.024, 4.096, 16.384];

/// The label of paths that are no method of the schema: a caller must not be able to make labels up.
const OTHER: &str = "other";

// === impl Metrics ===

impl Metrics {
    /// Counts into families of this registry.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            methods: Arc::new(methods()),
            calls: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
        };
        let registry = registry.sub_registry_with_prefix("api");
        registry.register("calls", "Calls that were answered", metrics.calls.clone());
        registry.register_with_unit(
            "call_duration",
            "Time from the arrival of a call to the beginning of its answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register("calls_in_flight", "Calls that are being carried out", metrics.in_flight.clone());
        metrics
    }

    /// A call came in.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// The call of this path was answered.
    pub(crate) fn answered(&self, path: &str, code: Code, took: Duration) {
        let method = self.methods.get(path).map_or(OTHER, String::as_str).to_owned();
        let call = Call { method: method.clone(), code: format!("{code:?}") };
        self.calls.get_or_create(&call).inc();
        self.seconds.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }
}

// === impl InFlight ===

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The path of every method of the schema.
fn methods() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(DESCRIPTOR_SET).expect("the schema was encoded at build time");
    let mut paths = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            let (package, service) = (file.package(), (service.name(), &service.method));
            paths
                .extend(service.1.iter().map(|method| format!("/{package}.{}/{}", service.0, method.name())));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn counts_methods_of_the_schema_and_no_others_by_name() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let flying = metrics.begin();
        metrics.answered("/berth.ecs.v1.Tasks/RunTask", Code::Ok, Duration::from_millis(3));
        metrics.answered("/berth.ecs.v1.Tasks/Steal", Code::Unimplemented, Duration::ZERO);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"api_calls_total{method="/berth.ecs.v1.Tasks/RunTask",code="Ok"} 1"#,
            r#"api_calls_total{method="other",code="Unimplemented"} 1"#,
            r#"api_call_duration_seconds_count{method="/berth.ecs.v1.Tasks/RunTask"} 1"#,
            "api_calls_in_flight 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(flying);
        assert_eq!(metrics.in_flight.get(), 0);
    }
}
