//! What an agent counts. In a process of many simulated agents all of them count together.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Counters of a process.
#[derive(Debug)]
pub struct Metrics {
    launches: Histogram,
    launch_failures: Counter,
    pulls: Histogram,
    sessions: Gauge,
    session_attempts: Counter,
    session_failures: Counter,
    reports: Counter,
    manifests_refused: Counter,
    manifest_generation: Gauge,
    containers_removed: Counter,
    images_removed: Counter,
    log_events: Counter,
    log_events_dropped: Counter,
    log_pauses: Counter,
    containers_paused: Gauge,
}

// === impl Metrics ===

impl Metrics {
    /// Counters that this registry shows.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("berth_agent");
        // 5 ms to 80 s.
        let seconds = || Histogram::new(exponential_buckets(0.005, 2.0, 15));
        let metrics = Self {
            launches: seconds(),
            launch_failures: Counter::default(),
            pulls: seconds(),
            sessions: Gauge::default(),
            session_attempts: Counter::default(),
            session_failures: Counter::default(),
            reports: Counter::default(),
            manifests_refused: Counter::default(),
            manifest_generation: Gauge::default(),
            containers_removed: Counter::default(),
            images_removed: Counter::default(),
            log_events: Counter::default(),
            log_events_dropped: Counter::default(),
            log_pauses: Counter::default(),
            containers_paused: Gauge::default(),
        };
        let launches = metrics.launches.clone();
        registry.register_with_unit(
            "container_start",
            "Time to start a created container",
            Unit::Seconds,
            launches,
        );
        registry.register_with_unit(
            "image_pull",
            "Time to get an image",
            Unit::Seconds,
            metrics.pulls.clone(),
        );
        let counters = [
            ("launch_failures", "Containers that could not be launched", &metrics.launch_failures),
            ("session_attempts", "Attempts to open a session with a controller", &metrics.session_attempts),
            (
                "session_failures",
                "Sessions that ended with an error or did not begin",
                &metrics.session_failures,
            ),
            ("reports", "Task reports that controllers acknowledged", &metrics.reports),
            ("manifests_refused", "Manifests that were refused", &metrics.manifests_refused),
            ("containers_removed", "Dead containers that were removed", &metrics.containers_removed),
            ("images_removed", "Unused images that were removed", &metrics.images_removed),
            ("log_events", "Log events that were sent", &metrics.log_events),
            ("log_events_dropped", "Log events that no buffer had room for", &metrics.log_events_dropped),
            ("log_pauses", "Times that a container was paused until its log was sent", &metrics.log_pauses),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("sessions", "Open sessions with controllers", metrics.sessions.clone());
        let paused = metrics.containers_paused.clone();
        registry.register("containers_paused", "Containers that wait for their logs to be sent", paused);
        let generation = metrics.manifest_generation.clone();
        registry.register("manifest_generation", "Generation of the manifest that is followed", generation);
        metrics
    }

    /// Log events are on their way; so many were dropped before them.
    pub fn log_events(&self, sent: usize, dropped: u64) {
        self.log_events.inc_by(u64::try_from(sent).unwrap_or(u64::MAX));
        self.log_events_dropped.inc_by(dropped);
    }

    /// A container was or is paused until its log was sent.
    pub fn paused_for_its_log(&self, before: bool, now: bool) {
        match (before, now) {
            (false, true) => {
                self.log_pauses.inc();
                self.containers_paused.inc();
            }
            (true, false) => drop(self.containers_paused.dec()),
            _ => {}
        }
    }

    /// A container was started.
    pub fn launched(&self, took: Duration) {
        self.launches.observe(took.as_secs_f64());
    }

    /// A container could not be launched.
    pub fn launch_failed(&self) {
        self.launch_failures.inc();
    }

    /// An image was got, or could not be.
    pub fn pulled(&self, took: Duration) {
        self.pulls.observe(took.as_secs_f64());
    }

    /// A controller is asked for a session.
    pub fn session_attempted(&self) {
        self.session_attempts.inc();
    }

    /// A controller said welcome.
    pub fn session_opened(&self) {
        self.sessions.inc();
    }

    /// A session that was open ended.
    pub fn session_closed(&self) {
        self.sessions.dec();
    }

    /// A session ended with an error or did not begin.
    pub fn session_failed(&self) {
        self.session_failures.inc();
    }

    /// Reports were acknowledged.
    pub fn acknowledged(&self, reports: usize) {
        self.reports.inc_by(u64::try_from(reports).unwrap_or(u64::MAX));
    }

    /// A manifest was refused.
    pub fn manifest_refused(&self) {
        self.manifests_refused.inc();
    }

    /// A manifest is followed.
    pub fn manifest_generation(&self, generation: u64) {
        self.manifest_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Dead containers were removed.
    pub fn containers_removed(&self, count: usize) {
        self.containers_removed.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Unused images were removed.
    pub fn images_removed(&self, count: usize) {
        self.images_removed.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::register(&mut Registry::default())
    }
}
