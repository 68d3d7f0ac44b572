//! Staying with a task to its end: its start, what it prints, and how it ended.

use std::time::Duration;

use berth_proto::ecs::v1::{Container, StopTaskRequest, Task};
use futures::StreamExt as _;
use tokio::time::Instant;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::{Exit, Failure};
use crate::logs::{self, Lines, LogStream, Prefix, Source, Start};
use crate::names::{short, short_id};
use crate::progress::Progress;

/// One task, and somebody who waits for its first line.
const POLL: Duration = Duration::from_millis(100);

/// How long the rest of the log is waited for when the task has stopped.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A shell's code for a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

struct Attendance<'a> {
    context: &'a Context,
    session: &'a Session,
    /// Id of the task.
    id: String,
    lines: Lines,
    progress: Option<Progress>,
    stream: Option<LogStream>,
    log_is_over: bool,
    interrupts: u32,
    stop_at: Option<Instant>,
    is_out_of_time: bool,
}

/// Stays with the task until it has stopped; the exit is that of `container`.
pub(super) async fn attend(
    context: &Context,
    session: &Session,
    task: &Task,
    container: &str,
    timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    let prefix = if task.containers.len() > 1 { Prefix::Container } else { Prefix::None };
    let mut attendance = Attendance {
        context,
        session,
        id: short(task.task_arn()).to_owned(),
        lines: Lines::new(&context.output, prefix, false),
        progress: Some(Progress::start(&context.output, &status_line(task))),
        stream: None,
        log_is_over: false,
        interrupts: 0,
        stop_at: timeout.map(|timeout| Instant::now() + timeout),
        is_out_of_time: false,
    };
    let Some(stopped) = attendance.until_stopped().await? else {
        return Ok(Exit::Container(INTERRUPTED));
    };
    attendance.last_words().await?;
    if attendance.is_out_of_time {
        return Err(Failure::timed_out(format!(
            "task {} was stopped: its time was over",
            short_id(&attendance.id)
        )));
    }
    outcome(&stopped, container)
}

/// How the task ended, as an exit.
fn outcome(task: &Task, container: &str) -> Result<Exit, Failure> {
    let main = task.containers.iter().find(|one| one.name() == container).or_else(|| task.containers.first());
    if let Some(code) = main.and_then(|one| one.exit_code) {
        return Ok(Exit::Container(u8::try_from(code & 0xff).unwrap_or(u8::MAX)));
    }
    let mut reasons: Vec<&str> = vec![task.stopped_reason()];
    reasons.extend(task.containers.iter().map(Container::reason));
    reasons.retain(|reason| !reason.is_empty());
    reasons.dedup();
    let id = short_id(task.task_arn());
    Err(Failure::wait_failed(format!("task {id} did not run: {}", reasons.join("; ")))
        .hint(format!("`berth task describe {id}` tells more")))
}

fn has_exited(task: &Task) -> bool {
    task.containers.iter().any(|container| container.exit_code.is_some())
}

fn status_line(task: &Task) -> String {
    let place = match short_id(task.container_instance_arn()) {
        "" if task.queue.is_some() => " and waits for a place".to_owned(),
        "" => String::new(),
        instance => format!(" on {instance}"),
    };
    format!("task {} {}{place}", short_id(task.task_arn()), task.last_status())
}

// === impl Attendance ===

impl Attendance<'_> {
    /// The task when it has stopped; nothing when the person at the terminal does not want to wait for that.
    async fn until_stopped(&mut self) -> Result<Option<Task>, Failure> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Cancel-safe: a chunk that was taken is printed before the next await.
                chunk = next(&mut self.stream) => self.print(chunk)?,
                // Cancel-safe: a signal that comes later is seen later.
                _ = tokio::signal::ctrl_c() => {
                    self.interrupts += 1;
                    if self.interrupts > 1 {
                        return Ok(None);
                    }
                    self.stop("interrupted at the terminal").await?;
                }
                // Cancel-safe: a tick that was missed comes again.
                _ = poll.tick() => {
                    let task = self.look().await?;
                    if task.last_status() == "STOPPED" {
                        return Ok(Some(task));
                    }
                    if self.stop_at.is_some_and(|at| Instant::now() >= at) {
                        self.stop_at = None;
                        self.is_out_of_time = true;
                        self.stop("its time was over").await?;
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<Task, Failure> {
        let response = api::tasks(self.session, std::slice::from_ref(&self.id)).await?;
        api::all_found(&response.failures, "task", "it was stopped so long ago that it is forgotten")?;
        let task = response.tasks.into_iter().next().unwrap_or_default();
        let is_stopped = task.last_status() == "STOPPED";
        // What never ran has printed nothing; how it ended tells why.
        let has_run = if is_stopped { has_exited(&task) } else { task.last_status() == "RUNNING" };
        if has_run && self.stream.is_none() && !self.log_is_over {
            // From here on the terminal is the task's.
            self.progress = None;
            self.stream = Some(self.log(!is_stopped));
        } else if let Some(progress) = self.progress.as_mut().filter(|_| !is_stopped) {
            progress.update(&status_line(&task));
        }
        Ok(task)
    }

    fn log(&self, follow: bool) -> LogStream {
        let source = Source {
            cluster: self.session.cluster.clone(),
            task: self.id.clone(),
            container: String::new(),
            follow,
        };
        logs::open(&self.session.client, &self.context.clock, source, Start::default())
    }

    fn print(
        &mut self,
        chunk: Option<Result<berth_proto::agent::v1::LogChunk, Failure>>,
    ) -> Result<(), Failure> {
        match chunk {
            Some(Ok(chunk)) if chunk.error.is_empty() => self.lines.chunk(&chunk)?,
            Some(Ok(chunk)) => self.context.output.note(&format!("its log ends: {}", chunk.error)),
            Some(Err(failure)) if failure.silent => return Err(failure),
            // The task goes on, and its exit code is worth more than its output.
            Some(Err(failure)) => self.context.output.note(&format!("its log cannot be read: {failure}")),
            // The end of the log: nothing more to show until the task has stopped.
            None => {
                self.stream = None;
                self.log_is_over = true;
            }
        }
        Ok(())
    }

    async fn stop(&self, reason: &str) -> Result<(), Failure> {
        self.context.output.note(&format!("Stopping task {} ({reason}).", short_id(&self.id)));
        let request = StopTaskRequest {
            cluster: self.session.cluster(),
            task: Some(self.id.clone()),
            reason: Some(format!("Stopped by berth run: {reason}")),
        };
        self.session.client.call(request).await.map(|_| ())
    }

    /// What the task printed at its end may still be on its way.
    async fn last_words(&mut self) -> Result<(), Failure> {
        self.progress = None;
        if let Some(mut stream) = self.stream.take() {
            let deadline = Instant::now() + LAST_WORDS;
            while let Ok(Some(chunk)) = tokio::time::timeout_at(deadline, stream.next()).await {
                self.print(Some(chunk))?;
            }
        }
        self.lines.finish()
    }
}

/// The next chunk; never ready while there is no stream.
async fn next(stream: &mut Option<LogStream>) -> Option<Result<berth_proto::agent::v1::LogChunk, Failure>> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(containers: &[(&str, Option<i32>, &str)]) -> Task {
        let container = |(name, exit_code, reason): &(&str, Option<i32>, &str)| Container {
            name: Some((*name).to_owned()),
            exit_code: *exit_code,
            reason: Some((*reason).to_owned()),
            ..Container::default()
        };
        Task {
            stopped_reason: Some("Task failed to start".to_owned()),
            containers: containers.iter().map(container).collect(),
            ..Task::default()
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_main_container() {
        let both = task(&[("sidecar", Some(0), ""), ("app", Some(3), "")]);
        assert_eq!(outcome(&both, "app").expect("it ran"), Exit::Container(3));
        assert_eq!(outcome(&both, "sidecar").expect("it ran"), Exit::Container(0));
        assert_eq!(outcome(&task(&[("app", Some(137), "")]), "app").expect("it ran").code(), 137);
    }

    #[test]
    fn a_task_that_never_ran_is_a_failure_that_says_why() {
        let failure = outcome(&task(&[("app", None, "CannotPullContainerError: no such image")]), "app");
        let failure = failure.expect_err("it did not run");
        assert_eq!(failure.exit, Exit::WaitFailed);
        assert!(failure.message.ends_with("Task failed to start; CannotPullContainerError: no such image"));
    }
}
