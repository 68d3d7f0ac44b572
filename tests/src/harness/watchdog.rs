//! Ends a test run that hangs. The test framework has no deadline of its own, and a run that never ends tells nothing.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::log_scan;

/// Several times what the longest test takes on two busy cores.
pub const LIMIT: Duration = Duration::from_secs(480);

/// Watches over one test from its making to its dropping: whatever the test waits for, a call, a container engine or a
/// process that does not end.
#[derive(Debug)]
pub struct Watchdog {
    _alive: Sender<()>,
}

// === impl Watchdog ===

impl Watchdog {
    /// Begins to watch. When the test takes longer than `limit`, the end of each log below `dir` is printed, and the process ends.
    #[must_use]
    pub fn over(dir: PathBuf, limit: Duration) -> Self {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let (alive, ended) = channel::<()>();
        std::thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                end(&test, &dir, limit);
            }
        });
        Self { _alive: alive }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the framework would print what it captured only at an end that never comes"
)]
fn end(test: &str, dir: &std::path::Path, limit: Duration) -> ! {
    eprintln!("{test} hangs: it was given {limit:?}");
    for member in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let log = member.path().join("log");
        if log.exists() {
            eprintln!("--- the end of {} ---\n{}", log.display(), log_scan::tail(&log, 60));
        }
    }
    std::process::abort()
}
