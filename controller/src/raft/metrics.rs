//! What consensus tells Prometheus.

use std::fmt;

use openraft::ServerState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::consensus::Consensus;

/// Read at each scrape.
struct Gauges(Consensus);

// === impl Consensus ===

impl Consensus {
    /// Adds what there is to know about consensus here. The names begin with `berth_raft_`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("berth_raft");
        if let Some(seconds) = self.sync_seconds() {
            registry.register("log_sync_seconds", "How long it took to make log entries durable", seconds);
        }
        registry.register_collector(Box::new(Gauges(self.clone())));
    }
}

// === impl Gauges ===

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, value) in self.values() {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

impl Gauges {
    fn values(&self) -> Vec<(&'static str, &'static str, i64)> {
        let metrics = self.0.raft().metrics().borrow().clone();
        let leads = metrics.state == ServerState::Leader;
        let silence = metrics.millis_since_quorum_ack;
        let mut values = vec![
            ("term", "The newest term known", number(metrics.current_term)),
            ("is_leader", "Whether this controller leads", i64::from(leads)),
            ("has_leader", "Whether a leader is known", i64::from(metrics.current_leader.is_some())),
            ("members", "Controllers that take part", count(metrics.membership_config.nodes().count())),
            (
                "voters",
                "Controllers that count towards the majority",
                count(metrics.membership_config.voter_ids().count()),
            ),
            (
                "last_log_index",
                "Index of the newest log entry here",
                number(metrics.last_log_index.unwrap_or(0)),
            ),
            ("applied_index", "Revision of the state here", index(metrics.last_applied)),
            ("snapshot_index", "Index of the newest entry in a snapshot here", index(metrics.snapshot)),
            ("purged_index", "Index of the newest entry deleted from the log here", index(metrics.purged)),
            (
                "proposals_in_flight",
                "Proposals whose outcome is waited for",
                count(self.0.submitter().in_flight()),
            ),
        ];
        values.extend(
            silence.map(|ms| ("quorum_silence_ms", "Since a majority last answered the leader", number(ms))),
        );
        values.extend(
            self.0.disk_bytes().map(|bytes| ("disk_bytes", "Size of the log's files", number(bytes))),
        );
        values
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

fn index(log_id: Option<super::LogId>) -> i64 {
    number(log_id.map_or(0, |log_id| log_id.index))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
