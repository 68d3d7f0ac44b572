//! One long-running program under test: its command line, its log file and the process that is it right now.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::command::{child_of, signal};
use super::log_scan;
use super::wait::try_until;

const READY_DEADLINE: Duration = Duration::from_secs(30);

/// Where a program runs.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this process's own namespaces.
    Here,
    /// In those of a host's init process.
    Host {
        /// The init process, in this process's numbering.
        init: u32,
    },
}

/// See the module. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    ready_file: PathBuf,
    child: Option<Child>,
    /// The program itself: `child` may be an `nsenter` in front of it.
    pid: Option<u32>,
}

// === impl Place ===

impl Place {
    /// The start of a command line that leads there, and ends what it starts when this thread ends.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Self::Host { init } = self {
            command.args(["nsenter", "--target", &init.to_string(), "--net", "--mount", "--pid", "--"]);
        }
        command
    }
}

// === impl Daemon ===

impl Daemon {
    /// A program that is yet to be started. `dir` gets its log and its ready file.
    #[must_use]
    pub fn new(name: &str, program: PathBuf, arguments: Vec<String>, dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program,
            arguments,
            log: dir.join("log"),
            ready_file: dir.join("ready.json"),
            child: None,
            pid: None,
        }
    }

    /// What the test calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it was started and not stopped by the test.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// Whether the process is there now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let pid = self.pid.or_else(|| child_of(self.child.as_ref()?.id()));
        let state = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        // An ended process that nobody asked about is a zombie: `pid (name) Z …`.
        state.is_some_and(|stat| !stat.contains(") Z "))
    }

    /// The memory that is its alone and in use now, in KiB; nothing when it does not run.
    #[must_use]
    pub fn memory_kib(&self) -> Option<u64> {
        let pid = self.pid.or_else(|| child_of(self.child.as_ref()?.id()))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        anonymous.split_whitespace().next()?.parse().ok()
    }

    /// An address that its ready file names.
    #[must_use]
    pub fn served(&self, what: &str) -> Option<String> {
        let ready: Value = serde_json::from_str(&std::fs::read_to_string(&self.ready_file).ok()?).ok()?;
        ready[what].as_str().map(str::to_owned)
    }

    /// Everything it has logged, over all its runs.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        log_scan::tail(&self.log, 60)
    }

    /// Starts it; it may not be ready yet.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn spawn(&mut self, place: &Place) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let _ = std::fs::remove_file(&self.ready_file);
        let log = self.open_log()?;
        let mut command = place.command();
        command.arg(&self.program).args(&self.arguments).arg("--ready-file").arg(&self.ready_file);
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        self.pid = match place {
            Place::Here => Some(child.id()),
            Place::Host { .. } => None,
        };
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it says that it serves; returns what its ready file holds.
    ///
    /// # Errors
    /// When it ends instead, or takes too long.
    pub async fn ready(&mut self) -> Result<Value> {
        let (name, ready_file, log) = (self.name.clone(), self.ready_file.clone(), self.log.clone());
        let child = self.child.as_mut().with_context(|| format!("{name} is not started"))?;
        let mut ended = None;
        let ready = try_until(READY_DEADLINE, async || {
            ended = child.try_wait()?;
            if ended.is_some() {
                return Ok(Value::Null);
            }
            let text =
                std::fs::read_to_string(&ready_file).with_context(|| format!("{name} is not ready"))?;
            serde_json::from_str(&text).with_context(|| format!("the ready file of {name} is not whole"))
        });
        let ready = ready.await.with_context(|| log_scan::tail(&log, 30))?;
        if let Some(status) = ended {
            self.child = None;
            bail!("{name} ended with {status} instead of serving:\n{}", log_scan::tail(&log, 30));
        }
        Ok(ready)
    }

    /// Kills it as a crash would: no handler runs, nothing is flushed.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = self.pid.take().or_else(|| child_of(child.id())) {
            signal(pid, "KILL");
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub async fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = self.child.as_mut().with_context(|| format!("{} is not started", self.name))?;
        let pid = self.pid.or_else(|| child_of(child.id()));
        signal(pid.with_context(|| format!("{} has no process", self.name))?, "TERM");
        let ended = try_until(deadline, async || child.try_wait()?.context("it still runs")).await;
        if ended.is_err() {
            self.kill();
        }
        (self.child, self.pid) = (None, None);
        ended.with_context(|| format!("{} does not end on SIGTERM", self.name))
    }

    /// Logs of all runs go to one file: a restart is part of the story.
    fn open_log(&self) -> Result<File> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        opened.with_context(|| format!("open {}", self.log.display()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
