//! How consensus is tuned.
//!
//! The defaults are for hosts in one region with disks that sync within tens of milliseconds: a dead leader is
//! replaced within a second. On slower disks or longer ways raise the heartbeat and the election timeouts together.

use std::time::Duration;

use berth_process::config::NonZeroDuration;
use berth_process::entropy::Entropy;
use openraft::SnapshotPolicy;
use serde::{Deserialize, Serialize};

use crate::limits::{LOG_MIB_BEFORE_SNAPSHOT, SNAPSHOT_CHUNK_BYTES};

/// How consensus is tuned. Every member has a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How often the leader is heard of. Also how long one message with log entries may take before it is sent again.
    pub heartbeat: NonZeroDuration,
    /// The shortest election timeout. A controller draws its own between this and the longest. It stands for election
    /// when it has not heard of the leader for twice its timeout: until the first half is over it also keeps others
    /// from being elected.
    pub election_timeout_min: NonZeroDuration,
    /// The longest election timeout.
    pub election_timeout_max: NonZeroDuration,
    /// Log entries between two snapshots.
    pub snapshot_every_entries: u64,
    /// Mebibytes of log entries between two snapshots, should they come first.
    pub snapshot_every_mib: u64,
    /// Log entries that are kept though a snapshot has them, for followers that are a little behind.
    pub keep_entries: u64,
    /// How long sending and installing the last part of a snapshot may take.
    pub install_snapshot_timeout: NonZeroDuration,
    /// How long a proposal is waited for; after that its outcome is unknown.
    pub propose_timeout: NonZeroDuration,
    /// How long a linearizable read is waited for.
    pub read_timeout: NonZeroDuration,
    /// How long a new controller may take to catch up before it is told to ask again.
    pub join_timeout: NonZeroDuration,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat: NonZeroDuration::from_millis(100),
            // A leader is missed after 500 to 800 ms, plus one tick of 150 ms at most: less than a second. And a
            // follower that waits half a second for its disk is not taken for lost.
            election_timeout_min: NonZeroDuration::from_millis(250),
            election_timeout_max: NonZeroDuration::from_millis(400),
            snapshot_every_entries: 20_000,
            snapshot_every_mib: LOG_MIB_BEFORE_SNAPSHOT,
            keep_entries: 5_000,
            install_snapshot_timeout: NonZeroDuration::from_secs(60),
            propose_timeout: NonZeroDuration::from_secs(10),
            read_timeout: NonZeroDuration::from_secs(5),
            join_timeout: NonZeroDuration::from_secs(60),
        }
    }
}

impl Config {
    /// Every way in which the values contradict each other.
    pub fn mistakes(&self) -> Vec<String> {
        let (heartbeat, min, max) = (self.heartbeat, self.election_timeout_min, self.election_timeout_max);
        let mut mistakes = Vec::new();
        let mut check = |holds: bool, mistake: String| {
            if !holds {
                mistakes.push(mistake);
            }
        };
        check(
            min.get() >= heartbeat.get() * 2,
            format!("election_timeout_min ({min}) must be at least twice the heartbeat ({heartbeat})"),
        );
        check(min < max, format!("election_timeout_min ({min}) must be below election_timeout_max ({max})"));
        check(
            max.get() < min.get() * 2,
            format!("election_timeout_max ({max}) must be below twice election_timeout_min ({min})"),
        );
        check(self.snapshot_every_entries > 0, "snapshot_every_entries must be above 0".to_owned());
        check(
            (1..=SNAPSHOT_MIB_MAX).contains(&self.snapshot_every_mib),
            format!("snapshot_every_mib must be between 1 and {SNAPSHOT_MIB_MAX}"),
        );
        check(
            self.keep_entries <= self.snapshot_every_entries,
            format!(
                "keep_entries ({}) must not be above snapshot_every_entries ({})",
                self.keep_entries, self.snapshot_every_entries
            ),
        );
        mistakes
    }

    /// How long a controller may be silent before it does not count as reachable.
    pub(super) fn silence_max(&self) -> Duration {
        self.election_timeout_max.get() * 3
    }

    /// openraft's own configuration. The election timeout is drawn here and not by openraft, so that one seed fixes
    /// every choice of a simulated cluster.
    pub(super) fn to_openraft(&self, entropy: &Entropy) -> openraft::Config {
        let (min, max) = (millis(self.election_timeout_min), millis(self.election_timeout_max));
        let election_timeout = min + entropy.below(max.saturating_sub(min));
        openraft::Config {
            cluster_name: "berth".to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: election_timeout,
            // openraft draws from an open range: this leaves one number.
            election_timeout_max: election_timeout + 1,
            install_snapshot_timeout: millis(self.install_snapshot_timeout),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every_entries),
            max_in_snapshot_log_to_keep: self.keep_entries,
            snapshot_max_chunk_size: SNAPSHOT_CHUNK_BYTES.try_into().unwrap_or(u64::MAX),
            max_payload_entries: PAYLOAD_ENTRIES,
            ..openraft::Config::default()
        }
    }
}

/// More log than this would take a controller minutes to replay when it starts.
const SNAPSHOT_MIB_MAX: u64 = 16 << 10;

/// Entries of one message to a follower; its bytes are bounded too.
const PAYLOAD_ENTRIES: u64 = 512;

fn millis(duration: NonZeroDuration) -> u64 {
    u64::try_from(duration.get().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_consistent_and_replace_a_leader_within_a_second() {
        let config = Config::default();
        assert_eq!(config.mistakes(), Vec::<String>::new());
        let tick = config.heartbeat.get() * 3 / 2;
        assert!(config.election_timeout_max.get() * 2 + tick < Duration::from_secs(1));
    }

    #[test]
    fn every_contradiction_is_named() {
        let ms = NonZeroDuration::from_millis;
        let config = Config {
            heartbeat: ms(200),
            election_timeout_min: ms(300),
            election_timeout_max: ms(600),
            snapshot_every_entries: 10,
            snapshot_every_mib: 0,
            keep_entries: 11,
            ..Config::default()
        };
        assert_eq!(
            config.mistakes(),
            [
                "election_timeout_min (300ms) must be at least twice the heartbeat (200ms)",
                "election_timeout_max (600ms) must be below twice election_timeout_min (300ms)",
                "snapshot_every_mib must be between 1 and 16384",
                "keep_entries (11) must not be above snapshot_every_entries (10)",
            ]
        );
    }

    #[test]
    fn the_election_timeout_follows_from_the_seed() {
        let drawn = |seed| Config::default().to_openraft(&Entropy::seeded(seed));
        assert_eq!(drawn(1).election_timeout_min, drawn(1).election_timeout_min);
        for seed in 0..50 {
            let config = drawn(seed).validate().unwrap();
            assert!((250..400).contains(&config.election_timeout_min));
        }
    }
}
