//! What containers use: looked at every few seconds, kept for an hour, told to who asks.
//!
//! One owner looks; it asks the runtime about a few containers at a time and leaves out those that do not answer. A sample
//! is the difference of two looks, so it says what was used in between whatever the rate.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use berth_process::clock::Clock;
use berth_proto::agent::v1 as wire;
use futures::StreamExt as _;
use futures::stream;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::engine::Handle;
use crate::limits::{USAGE_CONCURRENCY, USAGE_CONTAINERS, USAGE_KEPT, USAGE_PERIOD};
use crate::runtime::Runtime;
use crate::task::timestamp;

pub(crate) mod look;

use look::Look;

/// What the containers of an instance used. Cheap to share.
#[derive(Debug, Default)]
pub struct Usage(Mutex<BTreeMap<Key, Kept>>);

/// Task and container.
type Key = (String, String);

#[derive(Debug)]
struct Kept {
    last: Look,
    samples: VecDeque<Sample>,
}

/// What was used between two looks. Small, for there are 720 of a container.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ms: i64,
    period_ms: u32,
    cpu_us: u32,
    memory_kib: u32,
    network_received: u32,
    network_sent: u32,
    block_read: u32,
    block_written: u32,
}

/// Looks, and writes down what it sees.
pub struct Watcher {
    usage: Arc<Usage>,
    engine: Handle,
    runtime: Arc<dyn Runtime>,
    clock: Clock,
}

// === impl Watcher ===

impl Watcher {
    /// One that has not begun.
    #[must_use]
    pub fn new(usage: Arc<Usage>, engine: Handle, runtime: Arc<dyn Runtime>, clock: Clock) -> Self {
        Self { usage, engine, runtime, clock }
    }

    /// Looks again and again, until the shutdown.
    pub async fn run(self, token: CancellationToken) -> Result<(), std::convert::Infallible> {
        let mut ticks = tokio::time::interval(USAGE_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Cancel-safe, both.
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            self.round().await;
        }
    }

    async fn round(&self) {
        let mut running = Vec::new();
        for task in self.engine.snapshot().await {
            for container in task.containers {
                if container.last_status == "RUNNING" {
                    running.push(((task.task_id.clone(), container.name), container.runtime_id));
                }
            }
        }
        let looks = stream::iter(running).map(async |(key, runtime_id)| {
            let stats = self.runtime.stats(&runtime_id).await.ok().flatten();
            stats.map(|stats| (key, Look::new(runtime_id, &stats, self.clock.unix_ms())))
        });
        let mut looks = std::pin::pin!(looks.buffer_unordered(USAGE_CONCURRENCY));
        while let Some(look) = looks.next().await {
            if let Some((key, look)) = look {
                self.usage.note(key, look);
            }
        }
        self.usage.forget(self.clock.unix_ms());
    }
}

// === impl Usage ===

impl Usage {
    /// What the containers of a task used since then, whether or not they still run.
    pub fn of_task(&self, task_id: &str, since_ms: i64) -> Vec<wire::ContainerUsage> {
        let kept = self.0.lock();
        let from = (task_id.to_owned(), String::new());
        let of_task = kept.range(from..).take_while(|((task, _), _)| task == task_id);
        of_task
            .map(|((_, name), kept)| wire::ContainerUsage {
                name: name.clone(),
                samples: kept.samples.iter().filter(|sample| sample.at_ms > since_ms).map(message).collect(),
            })
            .collect()
    }

    fn note(&self, key: Key, look: Look) {
        let mut kept = self.0.lock();
        let has_room = kept.len() < USAGE_CONTAINERS;
        match kept.get_mut(&key) {
            Some(known) => {
                if let Some(sample) = sample(&known.last, &look) {
                    known.samples.push_back(sample);
                }
                known.last = look;
            }
            None if has_room => {
                kept.insert(key, Kept { last: look, samples: VecDeque::new() });
            }
            None => {}
        }
    }

    fn forget(&self, now_ms: i64) {
        let oldest = now_ms - i64::try_from(USAGE_KEPT.as_millis()).unwrap_or(i64::MAX);
        self.0.lock().retain(|_, kept| {
            let old = kept.samples.iter().take_while(|sample| sample.at_ms < oldest).count();
            kept.samples.drain(..old);
            kept.last.at_ms >= oldest
        });
    }
}

/// What was used between two looks at the same run of a container; none when it was started again in between.
fn sample(before: &Look, now: &Look) -> Option<Sample> {
    let is_same_run = before.runtime_id == now.runtime_id && now.cpu_ns >= before.cpu_ns;
    let period_ms = u32::try_from(now.at_ms - before.at_ms).ok().filter(|period| *period > 0);
    let grown = |now: u64, before: u64| capped(now.saturating_sub(before));
    Some(Sample {
        at_ms: now.at_ms,
        period_ms: period_ms.filter(|_| is_same_run)?,
        cpu_us: capped((now.cpu_ns - before.cpu_ns) / 1_000),
        memory_kib: capped(now.memory_bytes / 1_024),
        network_received: grown(now.network_received, before.network_received),
        network_sent: grown(now.network_sent, before.network_sent),
        block_read: grown(now.block_read, before.block_read),
        block_written: grown(now.block_written, before.block_written),
    })
}

fn capped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn message(sample: &Sample) -> wire::UsageSample {
    wire::UsageSample {
        time: Some(timestamp(sample.at_ms)),
        period_ms: sample.period_ms,
        cpu_us: sample.cpu_us.into(),
        memory_bytes: u64::from(sample.memory_kib) * 1_024,
        network_received_bytes: sample.network_received.into(),
        network_sent_bytes: sample.network_sent.into(),
        block_read_bytes: sample.block_read.into(),
        block_written_bytes: sample.block_written.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(task: &str, container: &str) -> Key {
        (task.to_owned(), container.to_owned())
    }

    fn look(runtime_id: &str, at_ms: i64, cpu_ns: u64) -> Look {
        Look {
            runtime_id: runtime_id.to_owned(),
            at_ms,
            cpu_ns,
            network_sent: cpu_ns / 10,
            ..Look::default()
        }
    }

    #[test]
    fn a_sample_is_what_was_used_between_two_looks() {
        let usage = Usage::default();
        usage.note(key("t", "app"), look("r", 1_000, 5_000_000));
        assert!(usage.of_task("t", 0)[0].samples.is_empty());
        usage.note(key("t", "app"), look("r", 6_000, 9_000_000));
        usage.note(key("t", "app"), look("r", 11_000, 9_500_000));
        usage.note(key("u", "app"), look("s", 11_000, 1));
        let told = usage.of_task("t", 0);
        assert_eq!(told.len(), 1, "another task is another's");
        let seen: Vec<_> = told[0]
            .samples
            .iter()
            .map(|sample| (sample.period_ms, sample.cpu_us, sample.network_sent_bytes))
            .collect();
        assert_eq!(seen, [(5_000, 4_000, 400_000), (5_000, 500, 50_000)]);
        assert_eq!(usage.of_task("t", 6_000)[0].samples.len(), 1);
    }

    #[test]
    fn a_container_that_was_started_again_begins_anew() {
        let usage = Usage::default();
        usage.note(key("t", "app"), look("r", 1_000, 9_000));
        usage.note(key("t", "app"), look("r", 6_000, 10));
        usage.note(key("t", "app"), look("another", 11_000, 5_000));
        assert!(usage.of_task("t", 0)[0].samples.is_empty());
        usage.note(key("t", "app"), look("another", 16_000, 8_000));
        assert_eq!(usage.of_task("t", 0)[0].samples[0].cpu_us, 3);
    }

    #[test]
    fn what_is_older_than_an_hour_is_forgotten() {
        let usage = Usage::default();
        let hour = i64::try_from(USAGE_KEPT.as_millis()).unwrap();
        for at in [0, 5_000, 10_000] {
            usage.note(key("t", "app"), look("r", at, 0));
        }
        usage.forget(hour + 7_000);
        assert_eq!(usage.of_task("t", -1)[0].samples.len(), 1);
        usage.forget(hour + 10_001);
        assert!(usage.of_task("t", -1).is_empty());
    }

    #[test]
    fn there_is_an_end_to_the_containers_that_are_watched() {
        let usage = Usage::default();
        for number in 0..=USAGE_CONTAINERS {
            usage.note(key(&format!("{number:04}"), "app"), look("r", 0, 0));
        }
        assert_eq!(usage.0.lock().len(), USAGE_CONTAINERS);
    }
}
