//! What containers use. Rates need two samples: the one that somebody asked for before, or one taken a second ago for
//! the purpose.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::server::Server;
use crate::engine::Known;
use crate::usage::look::of_networks;

/// Between two samples that say something about a rate.
const LEAST: Duration = Duration::from_secs(1);
/// A sample that is older says nothing about now, and is forgotten.
const MOST: Duration = Duration::from_secs(60);

/// The last sample of each container that somebody asked about.
#[derive(Default)]
pub(super) struct Samples(Mutex<HashMap<String, Sample>>);

#[derive(Clone)]
struct Sample {
    at: Instant,
    stats: Value,
}

// === impl Samples ===

impl Samples {
    fn last(&self, runtime_id: &str) -> Option<Sample> {
        self.0.lock().get(runtime_id).filter(|sample| sample.at.elapsed() < MOST).cloned()
    }

    fn put(&self, runtime_id: &str, sample: Sample) {
        let mut samples = self.0.lock();
        samples.retain(|_, sample| sample.at.elapsed() < MOST);
        samples.insert(runtime_id.to_owned(), sample);
    }
}

// === impl Server ===

impl Server {
    /// Of one container; none while it does not run.
    pub(super) async fn container_stats(&self, task: &Known, at: usize) -> Option<Value> {
        let runtime_id = task.containers.get(at)?.runtime_id.clone()?;
        let before = match self.samples.last(&runtime_id) {
            Some(sample) => sample,
            None => self.sample(&runtime_id).await?,
        };
        tokio::time::sleep(LEAST.saturating_sub(before.at.elapsed())).await;
        let now = self.sample(&runtime_id).await?;
        self.samples.put(&runtime_id, now.clone());
        Some(with_rates(&before, now))
    }

    /// Of every container of a task, by the runtime's id; null for those that do not run.
    pub(super) async fn task_stats(&self, task: &Known) -> Value {
        let all = (0..task.containers.len()).map(async |at| {
            let id = task.containers[at].runtime_id.clone()?;
            let stats = self.container_stats(task, at).await;
            Some((id, stats.unwrap_or_else(|| json!({}))))
        });
        Value::Object(join_all(all).await.into_iter().flatten().collect::<Map<_, _>>())
    }

    async fn sample(&self, runtime_id: &str) -> Option<Sample> {
        let stats = self.parts.runtime.stats(runtime_id).await.ok()??;
        Some(Sample { at: Instant::now(), stats })
    }
}

/// The later sample, with what it says of the time between both.
fn with_rates(before: &Sample, now: Sample) -> Value {
    let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
    let mut stats = now.stats;
    let rate = |name: &str| {
        let grown = of_networks(&stats, name).saturating_sub(of_networks(&before.stats, name));
        #[expect(clippy::cast_precision_loss, reason = "a rate in bytes a second is not exact anyway")]
        let rate = grown as f64 / seconds;
        if rate.is_finite() { rate } else { 0.0 }
    };
    let rates = json!({ "rx_bytes_per_sec": rate("rx_bytes"), "tx_bytes_per_sec": rate("tx_bytes") });
    if let Some(members) = stats.as_object_mut() {
        members.insert("precpu_stats".to_owned(), before.stats["cpu_stats"].clone());
        members.insert("preread".to_owned(), before.stats["read"].clone());
        if members.get("networks").is_some_and(Value::is_object) {
            members.insert("network_rate_stats".to_owned(), rates);
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_of_the_time_between_two_samples() {
        let stats = |bytes: u64, cpu: u64| {
            json!({
                "read": format!("t{cpu}"),
                "cpu_stats": { "cpu_usage": { "total_usage": cpu } },
                "networks": { "eth0": { "rx_bytes": bytes, "tx_bytes": 0 }, "eth1": { "rx_bytes": bytes } },
            })
        };
        let before = Sample { at: Instant::now(), stats: stats(100, 1) };
        tokio::time::advance(Duration::from_secs(2)).await;
        let told = with_rates(&before, Sample { at: Instant::now(), stats: stats(200, 5) });
        assert_eq!(told["network_rate_stats"]["rx_bytes_per_sec"], 100.0);
        assert_eq!(told["precpu_stats"]["cpu_usage"]["total_usage"], 1);
        assert_eq!((told["preread"].as_str(), told["read"].as_str()), (Some("t1"), Some("t5")));
    }
}
