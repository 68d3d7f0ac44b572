//! `berth task wait`: until tasks run, or have stopped.

use std::time::Duration;

use berth_proto::ecs::v1::Task;
use clap::{Args, ValueEnum};
use tokio::time::Instant;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::names::short_id;
use crate::progress::Progress;
use crate::time::parse_duration;
use crate::wait::POLL;

/// Wait until tasks run, or have stopped
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 4 when the time is over, and with 5 when a task stopped that was to run.

Example:
  berth task wait $(berth task run web -o name) --for running --timeout 60s")]
pub(crate) struct Wait {
    /// The tasks: ids, their beginnings, or ARNs
    #[arg(required = true)]
    tasks: Vec<String>,
    /// What to wait for
    #[arg(long = "for", value_enum, default_value = "running", value_name = "STATUS")]
    goal: Goal,
    /// How long at most
    #[arg(long, value_parser = parse_duration, default_value = "10m", value_name = "TIME")]
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Goal {
    Running,
    Stopped,
}

// === impl Wait ===

impl Wait {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let session = session.patient();
        let ids = api::whole_task_ids(&session, &self.tasks).await?;
        let deadline = Instant::now() + self.timeout;
        let mut progress = Progress::start(&context.output, "looking");
        loop {
            let response = api::tasks(&session, &ids).await?;
            api::all_found(&response.failures, "task", "`berth ps --all` shows the tasks of the cluster")?;
            let waiting: Vec<&Task> = response.tasks.iter().filter(|task| !self.goal.is_met(task)).collect();
            if let Some(task) = waiting.iter().find(|task| task.last_status() == "STOPPED") {
                return Err(Failure::wait_failed(format!(
                    "task {} stopped: {}",
                    short_id(task.task_arn()),
                    task.stopped_reason()
                ))
                .hint(format!(
                    "`berth task describe {0}` and `berth logs {0}` tell more",
                    short_id(task.task_arn())
                )));
            }
            if waiting.is_empty() {
                progress.done(&format!("{} of {} {}", response.tasks.len(), ids.len(), self.goal.name()));
                return Ok(());
            }
            let shown: Vec<String> = waiting
                .iter()
                .map(|task| format!("{} {}", short_id(task.task_arn()), task.last_status()))
                .collect();
            progress.update(&shown.join(", "));
            if Instant::now() >= deadline {
                return Err(Failure::timed_out(format!(
                    "still waiting after {:?}: {}",
                    self.timeout,
                    shown.join(", ")
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

// === impl Goal ===

impl Goal {
    fn is_met(self, task: &Task) -> bool {
        match self {
            Self::Running => task.last_status() == "RUNNING",
            Self::Stopped => task.last_status() == "STOPPED",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}
