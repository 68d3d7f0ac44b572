//! Logs, captured for a test to look at.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Our own records down to DEBUG; the libraries below us only when something is wrong.
const FILTER: &str = "debug,h2=warn,hyper=warn,hyper_util=warn,rustls=warn,tonic=warn,tower=warn";

/// What this thread has logged since [`capture`]. The capture ends when it is dropped.
#[must_use = "dropping it ends the capture"]
#[derive(Debug)]
pub struct Captured {
    written: Written,
    _default: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

/// Captures what the current thread logs, and gives its spans a trace context. With tokio's default test
/// runtime, which has one thread, that is everything the test's tasks log.
pub fn capture() -> Captured {
    let written = Written::default();
    let sink = written.clone();
    let log =
        tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(move || sink.clone());
    let subscriber = tracing_subscriber::registry()
        .with(super::spans(&super::unexported()))
        .with(log.with_filter(EnvFilter::new(FILTER)));
    Captured { written, _default: tracing::subscriber::set_default(subscriber) }
}

// === impl Captured ===

impl Captured {
    /// Every line that was logged: level, spans, target, message and fields.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.written.0.lock()).into_owned();
        text.lines().map(|line| line.trim_start().to_owned()).collect()
    }

    /// Whether a line contains `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.lines().iter().any(|line| line.contains(text))
    }

    /// The lines at WARN and above that contain none of the `expected` texts.
    pub fn unexpected(&self, expected: &[&str]) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.starts_with("WARN") || line.starts_with("ERROR"));
        lines.retain(|line| !expected.iter().any(|expected| line.contains(expected)));
        lines
    }
}

// === impl Written ===

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug, error, info, warn};

    use super::*;

    #[test]
    fn captures_this_threads_lines_and_tells_the_unexpected_ones() {
        let captured = capture();
        debug!(target: "h2::client", "noise");
        info!(cluster = "default", "created");
        warn!(attempt = 2, "retrying");
        error!("lost");
        assert_eq!(captured.lines().len(), 3);
        assert!(captured.contains(r#"created cluster="default""#), "{:?}", captured.lines());
        let unexpected = captured.unexpected(&["retrying"]);
        assert!(matches!(unexpected.as_slice(), [line] if line.ends_with("lost")), "{unexpected:?}");
    }
}
