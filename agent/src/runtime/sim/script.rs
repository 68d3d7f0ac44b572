//! What a simulated container does, written in the name of its image.
//!
//! `sim/` and then, separated by slashes:
//!
//! | Part | The container |
//! |---|---|
//! | `exit:N` | exits with N as soon as it has started |
//! | `exit-after:5s` | exits with 0 after that time |
//! | `crash-after:5s` | exits with 1 after that time |
//! | `oom-after:5s` | is killed for its memory after that time |
//! | `pull:3s` | takes that long to pull |
//! | `pull-fail`, `create-fail`, `start-fail` | cannot be pulled, created, started |
//! | `ports-taken:N` | finds its ports taken the first N times that one of its name is started |
//! | `stop:3s` | takes that long to end when it is asked to |
//! | `ignore-term` | has to be killed |
//! | `healthy-after:3s`, `unhealthy-after:3s` | says so, when it has a health check; healthy at once otherwise |
//!
//! Any other image, and any other part, runs until it is stopped, and ends at once then.

use std::time::Duration;

use berth_model::task::step::Health;

/// The behaviour of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// How long a pull takes.
    pub pull_latency: Duration,
    /// It is in no registry.
    pub pull_fails: bool,
    /// It cannot be created.
    pub create_fails: bool,
    /// It cannot be started.
    pub start_fails: bool,
    /// How often its ports are taken when it is to start.
    pub ports_taken: u32,
    /// When it ends of its own accord, and with what.
    pub exit: Option<(Duration, i32)>,
    /// It ends because it used too much memory.
    pub out_of_memory: bool,
    /// How long it takes to end when asked to; none: it never does.
    pub stop_latency: Option<Duration>,
    /// What its health check says.
    pub health: Health,
    /// When its health check says so.
    pub health_latency: Duration,
}

// === impl Script ===

impl Script {
    /// The behaviour of the image with this name.
    #[must_use]
    pub fn of(image: &str) -> Self {
        let mut script = Self::default();
        for part in image.strip_prefix("sim/").into_iter().flat_map(|parts| parts.split('/')) {
            let (name, value) = part.split_once(':').unwrap_or((part, ""));
            script.add(name, value);
        }
        script
    }

    fn add(&mut self, name: &str, value: &str) {
        let time = parse_time(value);
        match name {
            "exit" => self.exit = value.parse().ok().map(|code| (Duration::ZERO, code)),
            "exit-after" => self.exit = Some((time, 0)),
            "crash-after" => self.exit = Some((time, 1)),
            "oom-after" => {
                self.exit = Some((time, 137));
                self.out_of_memory = true;
            }
            "pull" => self.pull_latency = time,
            "pull-fail" => self.pull_fails = true,
            "create-fail" => self.create_fails = true,
            "start-fail" => self.start_fails = true,
            "ports-taken" => self.ports_taken = value.parse().unwrap_or(0),
            "stop" => self.stop_latency = Some(time),
            "ignore-term" => self.stop_latency = None,
            "healthy-after" => (self.health, self.health_latency) = (Health::Healthy, time),
            "unhealthy-after" => (self.health, self.health_latency) = (Health::Unhealthy, time),
            _ => {}
        }
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            pull_latency: Duration::ZERO,
            pull_fails: false,
            create_fails: false,
            start_fails: false,
            ports_taken: 0,
            exit: None,
            out_of_memory: false,
            stop_latency: Some(Duration::ZERO),
            health: Health::Healthy,
            health_latency: Duration::ZERO,
        }
    }
}

fn parse_time(text: &str) -> Duration {
    let (number, unit_ms) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1_000),
    };
    Duration::from_millis(number.parse::<u64>().unwrap_or(0).saturating_mul(unit_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_combined_and_nonsense_is_ignored() {
        let script = Script::of("sim/pull:3s/crash-after:250ms/ignore-term/whatever:x");
        assert_eq!(script.pull_latency, Duration::from_secs(3));
        assert_eq!(script.exit, Some((Duration::from_millis(250), 1)));
        assert_eq!(script.stop_latency, None);
        assert_eq!(Script::of("nginx:latest"), Script::default());
    }
}
