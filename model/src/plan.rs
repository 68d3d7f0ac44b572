//! Planners: from a view to the commands that bring it closer to what is wanted.
//!
//! A planner is a function. It is called for a key, never told what changed, and does the same after a restart with no
//! memory. It has no retries: it says when it wants to be called again.

use std::time::Duration;

use crate::command::Command;
use crate::limits::STOPPED_TASKS;
use crate::time::Timestamp;

pub mod drain;
pub mod gpu;
pub mod instance;
pub mod placement;
pub mod prefetch;
pub mod queue;
pub mod reaper;
pub mod rebalance;
pub mod scale_in;
pub mod service;

mod deployment;
mod ranking;

/// What a planner wants done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In order; at most [`crate::limits::COMMANDS_PER_PLAN`].
    pub commands: Vec<Command>,
    /// When to look again even if nothing changes.
    pub next_wake: Option<Timestamp>,
    /// Why it is so, for an operator who asks.
    pub notes: Vec<String>,
}

/// What operators set about planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a task without a health check has to be RUNNING before it counts as healthy. ECS waits 40 s.
    pub healthy_after: Duration,
    /// How long an instance may be silent before it is declared lost.
    pub instance_lost_after: Duration,
    /// How long STOPPED tasks and other things that are over stay describable.
    pub retention: Duration,
    /// How many STOPPED tasks stay describable at most; beyond it the oldest go before their time.
    pub stopped_tasks: usize,
    /// The wait after the second crash in a row; doubles with each further one.
    pub crash_backoff_base: Duration,
    /// The longest such wait.
    pub crash_backoff_cap: Duration,
    /// How long a service and the instances of its cluster have to be as they are before tasks move.
    pub rebalance_after: Duration,
    /// The most tasks of one cluster that are on the move at a time.
    pub rebalance_moves: u32,
}

// === impl Plan ===

impl Plan {
    /// Whether there is nothing to do now.
    pub fn is_quiet(&self) -> bool {
        self.commands.is_empty()
    }

    /// Asks to be called at this time, or earlier if that was asked for already.
    pub fn wake_at(&mut self, at: Timestamp) {
        self.next_wake = Some(self.next_wake.map_or(at, |earlier| earlier.min(at)));
    }
}

// === impl Policy ===

impl Default for Policy {
    fn default() -> Self {
        Self {
            healthy_after: Duration::from_secs(5),
            instance_lost_after: Duration::from_secs(10),
            retention: Duration::from_secs(7 * 24 * 3600),
            stopped_tasks: STOPPED_TASKS,
            crash_backoff_base: Duration::from_secs(1),
            crash_backoff_cap: Duration::from_secs(300),
            rebalance_after: Duration::from_secs(15),
            rebalance_moves: 10,
        }
    }
}
