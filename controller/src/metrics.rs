//! What `/metrics` says of the state and the sessions; consensus and the API register their own.

use berth_model::state::State;
use berth_model::task::TaskStatus;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::archive::Disk;
use crate::feed::Feed;
use crate::session::Sessions;
use crate::session::registry::Registry as LiveSessions;

/// Counted when somebody asks: the view is there anyway.
#[derive(Debug)]
struct StateCollector {
    feed: Feed,
    sessions: LiveSessions,
    /// None in a simulation.
    disk: Option<Disk>,
}

/// Registers the gauges of the state.
pub(crate) fn register(registry: &mut Registry, sessions: &Sessions, feed: &Feed, disk: Option<Disk>) {
    let collector = StateCollector { feed: feed.clone(), sessions: sessions.registry().clone(), disk };
    registry.register_collector(Box::new(collector));
}

// === impl StateCollector ===

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let view = self.feed.view();
        let (mut running, mut pending) = (0_i64, 0_i64);
        for instance in view.every_region().flat_map(State::instances) {
            running += i64::from(instance.running_count);
            pending += i64::from(instance.pending_count);
        }
        let instances = view.every_region().flat_map(State::instances);
        let connected = instances.filter(|instance| instance.connected).count();
        let tasks = view.every_region().flat_map(State::tasks);
        let stopped = tasks.filter(|task| task.observed.last_status == TaskStatus::Stopped).count();
        let whole = self.disk.as_ref().is_none_or(|disk| disk.mark().is_whole);
        let gauges = [
            ("berth_revision", "Revision of the state", count(view.revision())),
            ("berth_tasks_running", "Tasks whose last status is RUNNING", running),
            ("berth_tasks_pending", "Tasks on their way to RUNNING", pending),
            ("berth_tasks_stopped", "STOPPED tasks that are still kept", count(stopped)),
            (
                "berth_container_instances_connected",
                "Container instances that are not lost",
                count(connected),
            ),
            ("berth_agent_sessions", "Sessions of agents with this controller", count(self.sessions.len())),
            (
                "berth_log_archive_whole",
                "1 once this controller has all logs from before it voted",
                whole.into(),
            ),
            (
                "berth_log_archive_bytes",
                "What the archive of logs takes on the disk here",
                count(self.disk.as_ref().map_or(0, Disk::bytes)),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
