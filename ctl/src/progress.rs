//! What is being waited for, on standard error: one redrawn line on a terminal, a line for each change elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::output::{Ink, Output};
use crate::time::span_ms;

/// A wait that somebody may be watching.
pub(crate) struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    last: Vec<String>,
    started: Instant,
}

/// Often enough to look alive, seldom enough not to be felt.
const TICK: Duration = Duration::from_millis(100);

// === impl Progress ===

impl Progress {
    /// Begins to show `message`.
    pub(crate) fn start(output: &Output, message: &str) -> Self {
        let bar = output.is_live().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TICK);
            bar
        });
        let mut progress = Self { output: output.clone(), bar, last: Vec::new(), started: Instant::now() };
        progress.update(message);
        progress
    }

    /// Replaces what is shown; the same again is not shown twice.
    pub(crate) fn update(&mut self, message: &str) {
        self.update_all(&[message.to_owned()]);
    }

    /// The same for several things: beside each other on a terminal; elsewhere a line for each that changed.
    pub(crate) fn update_all(&mut self, messages: &[String]) {
        match &self.bar {
            Some(bar) => bar.set_message(messages.join("  ·  ")),
            None => {
                for message in messages.iter().filter(|message| !self.last.contains(message)) {
                    self.output.note(message);
                }
            }
        }
        messages.clone_into(&mut self.last);
    }

    /// A line that stays, above what is shown.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.output.note(line)),
            None => self.output.note(line),
        }
    }

    /// Runs `print` while the line is out of the way of standard output.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Ends with good news, and how long it took.
    pub(crate) fn done(mut self, message: &str) {
        self.clear();
        let mark = self.output.error_ink(Ink::Green, "✓");
        let took = self.output.error_ink(Ink::Dim, &format!("({})", self.took()));
        self.output.note(&format!("{mark} {message} {took}"));
    }

    /// Ends without a word.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn took(&self) -> String {
        let elapsed = self.started.elapsed();
        if elapsed < Duration::from_secs(10) {
            return format!("{:.1}s", elapsed.as_secs_f64());
        }
        span_ms(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
