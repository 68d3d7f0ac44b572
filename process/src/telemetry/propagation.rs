//! Carrying a trace from one process to the next, as a W3C `traceparent`.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of the current span; `None` outside any span.
pub fn traceparent() -> Option<String> {
    let context = Span::current().context();
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes the remote context that `traceparent` names the parent of `span`, which must not have been entered yet.
/// Text that is not a `traceparent` is ignored: a caller's broken tracing must not break its request.
pub fn set_parent(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid() {
        // An error means that the span is disabled or was entered: it keeps the parent that it has.
        let _ = span.set_parent(context);
    }
}

#[cfg(test)]
mod tests {
    use tracing::info_span;

    use super::*;
    use crate::telemetry::test::capture;

    const REMOTE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace_id(traceparent: &str) -> &str {
        &traceparent[3..35]
    }

    #[test]
    fn a_span_has_a_context_without_a_collector() {
        let _logged = capture();
        assert_eq!(traceparent(), None);
        let outer = info_span!("outer").entered();
        let context = traceparent().expect("in a span");
        assert_eq!((context.len(), &context[..3], &context[52..]), (55, "00-", "-00"));
        let inner = info_span!("inner").entered();
        let below = traceparent().expect("in a span");
        assert_eq!(trace_id(&below), trace_id(&context));
        assert_ne!(below, context);
        drop((inner, outer));
    }

    #[test]
    fn a_remote_context_is_continued_with_its_sampling() {
        let _logged = capture();
        let span = info_span!("request");
        set_parent(&span, REMOTE);
        let context = span.in_scope(traceparent).expect("in a span");
        assert_eq!(trace_id(&context), trace_id(REMOTE));
        assert_ne!(context, REMOTE, "the span has an id of its own");
        assert!(context.ends_with("-01"), "{context}");
    }

    #[test]
    fn a_malformed_context_is_ignored() {
        let _logged = capture();
        for malformed in ["", "hello", "00-0-0-00", "00-00000000000000000000000000000000-0000000000000000-01"]
        {
            let span = info_span!("request");
            set_parent(&span, malformed);
            assert!(span.in_scope(traceparent).is_some(), "{malformed:?}");
        }
    }
}
