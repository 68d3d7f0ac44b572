//! What Docker tells of a container at one moment: sums since its start.

use serde_json::Value;

/// One look at a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Which run of which container.
    pub(super) runtime_id: String,
    /// When.
    pub(super) at_ms: i64,
    /// Time on a core.
    pub(super) cpu_ns: u64,
    /// Now, without what the kernel could take back at once.
    pub(super) memory_bytes: u64,
    /// By all its interfaces.
    pub(super) network_received: u64,
    /// By all its interfaces.
    pub(super) network_sent: u64,
    /// From all devices.
    pub(super) block_read: u64,
    /// To all devices.
    pub(super) block_written: u64,
}

// === impl Look ===

impl Look {
    /// Reads Docker's answer; what is not in it is 0.
    pub(super) fn new(runtime_id: String, stats: &Value, at_ms: i64) -> Self {
        let memory = &stats["memory_stats"];
        // As `docker stats` counts: with cgroups of version 1 the kernel's name of it is another.
        let cache = &memory["stats"];
        let cache = cache["inactive_file"].as_u64().or_else(|| cache["total_inactive_file"].as_u64());
        let used = memory["usage"].as_u64().unwrap_or(0);
        Self {
            runtime_id,
            at_ms,
            cpu_ns: stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap_or(0),
            memory_bytes: used.saturating_sub(cache.unwrap_or(0)),
            network_received: of_networks(stats, "rx_bytes"),
            network_sent: of_networks(stats, "tx_bytes"),
            block_read: of_devices(stats, "read"),
            block_written: of_devices(stats, "write"),
        }
    }
}

/// A counter's sum over all interfaces of a container.
pub(crate) fn of_networks(stats: &Value, name: &str) -> u64 {
    let networks = stats["networks"].as_object().into_iter().flat_map(serde_json::Map::values);
    networks.filter_map(|network| network[name].as_u64()).sum()
}

fn of_devices(stats: &Value, operation: &str) -> u64 {
    let entries = stats["blkio_stats"]["io_service_bytes_recursive"].as_array().into_iter().flatten();
    let ours =
        entries.filter(|entry| entry["op"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(operation)));
    ours.filter_map(|entry| entry["value"].as_u64()).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_docker_tells_is_added_up() {
        let device = |op: &str, value: u64| json!({"major": 8, "minor": 0, "op": op, "value": value});
        let stats = json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 7}},
            "memory_stats": {"usage": 1_000, "stats": {"inactive_file": 300}},
            "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
            "blkio_stats": {
                "io_service_bytes_recursive": [device("read", 5), device("Write", 6), device("write", 1)],
            },
        });
        let expected = Look {
            runtime_id: "r".to_owned(),
            at_ms: 9,
            cpu_ns: 7,
            memory_bytes: 700,
            network_received: 11,
            network_sent: 22,
            block_read: 5,
            block_written: 7,
        };
        assert_eq!(Look::new("r".to_owned(), &stats, 9), expected);
        assert_eq!(Look::new(String::new(), &json!({}), 0), Look::default());
    }
}
