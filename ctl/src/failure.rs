//! What can go wrong, as a person and a script see it: a message, a remedy, and an exit code.
//!
//! Every error of the command line ends as a [`Failure`]; `main` prints it and exits with its code. The codes are an
//! interface: scripts branch on them, `--help` documents them.

use std::fmt;

mod status;

pub(crate) use status::{from_status, is_loss, was_not_sent};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Success,
    /// The cluster understood the request and refused it.
    Refused,
    /// A wrong flag, file or profile: nothing was sent.
    Usage,
    /// No controller could be reached, or it did not accept the access key.
    Unreachable,
    /// The time allowed for waiting is over.
    TimedOut,
    /// What was waited for failed.
    WaitFailed,
    /// `run`: the exit code of the container.
    Container(u8),
}

/// The exit codes, as `--help` shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the cluster refused the request
  2  wrong usage: a flag, a file or a profile
  3  no controller could be reached, or it did not accept the access key
  4  timed out while waiting
  5  what was waited for failed: a deployment, a task, a cluster
  `berth run` exits with the exit code of the container.";

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Nobody reads the output any more: end without a word.
    pub(crate) silent: bool,
}

// === impl Exit ===

impl Exit {
    /// The number given to the operating system.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::TimedOut => 4,
            Exit::WaitFailed => 5,
            Exit::Container(code) => code,
        }
    }
}

// === impl Failure ===

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, silent: false }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, message)
    }

    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Self::new(Exit::TimedOut, message)
    }

    pub(crate) fn wait_failed(message: impl Into<String>) -> Self {
        Self::new(Exit::WaitFailed, message)
    }

    /// The reader of standard output is gone, as in `berth ps | head -1`: that is not an error.
    pub(crate) fn closed_pipe() -> Self {
        Self { silent: true, ..Self::new(Exit::Success, "standard output is closed") }
    }

    /// Names the remedy.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Gives an error of the file system or the like its place: what was being done to what.
pub(crate) trait OrUsage<T> {
    /// The value, or a usage failure that says `doing` before the error itself.
    fn or_usage(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> OrUsage<T> for Result<T, E> {
    fn or_usage(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| {
            let mut message = format!("{}: {error}", doing());
            let mut source = error.source();
            while let Some(cause) = source {
                message.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            Failure::usage(message)
        })
    }
}
