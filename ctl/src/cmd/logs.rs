//! `berth logs`: what tasks print.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_proto::ecs::v1::{ListTasksRequest, Task};
use clap::Args;
use futures::stream::{SelectAll, StreamExt as _};

use crate::api;
use crate::context::{Context, Session};
use crate::failure::{Exit, Failure};
use crate::logs::{self, Lines, LogStream, Prefix, Source, Start};
use crate::names::{cluster_of, short, short_id, without_kind};
use crate::time::parse_duration;

/// What tasks print
#[derive(Debug, Args)]
#[command(after_help = "\
The log of a service is that of its running tasks; `-f` keeps up with tasks that come and go.

Examples:
  berth logs 3f2a91c0b7e4 --tail 100
  berth logs -f service/web
  berth logs service/web --since 5m -c app -o json")]
pub(crate) struct Logs {
    /// Tasks (ids, their beginnings, or ARNs) and services (service/NAME)
    #[arg(required = true, value_name = "TASK|service/NAME")]
    targets: Vec<String>,
    /// Go on showing what is printed
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines of each container
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    /// Only what was printed in this time, as 90s, 5m or 1h30m
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    since: Option<Duration>,
    /// Only this container
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Put the time before each line
    #[arg(short, long)]
    timestamps: bool,
}

/// How often a followed service is asked for tasks that are new.
const LOOK_FOR_TASKS: Duration = Duration::from_secs(2);

/// The streams that are shown, and where more come from.
struct Feed<'a> {
    logs: &'a Logs,
    context: &'a Context,
    session: Session,
    services: Vec<String>,
    shown: BTreeSet<String>,
    streams: SelectAll<LogStream>,
}

// === impl Logs ===

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        let session = if self.follow { session.patient() } else { session };
        let is_service = |target: &&String| without_kind(target, &["service", "svc"]).len() < target.len();
        let (services, tasks): (Vec<&String>, Vec<&String>) = self.targets.iter().partition(is_service);
        let tasks: Vec<String> = tasks.into_iter().cloned().collect();
        let mut feed = Feed {
            logs: &self,
            context,
            services: services.into_iter().map(|service| api::service_name(service)).collect(),
            shown: BTreeSet::new(),
            streams: SelectAll::new(),
            session,
        };
        let prefix = feed.first(&tasks).await?;
        feed.show(Lines::new(&context.output, prefix, self.timestamps)).await?;
        Ok(Exit::Success)
    }

    fn start(&self) -> Start {
        Start { tail: self.tail, since: self.since }
    }
}

// === impl Feed ===

impl Feed<'_> {
    /// Opens what there is now, and decides what has to stand before the lines.
    async fn first(&mut self, tasks: &[String]) -> Result<Prefix, Failure> {
        let whole = api::whole_task_ids(&self.session, tasks).await?;
        let mut found = Vec::new();
        for id in &whole {
            let session = self.session.in_cluster(cluster_of(id).unwrap_or_default());
            let response = api::tasks(&session, std::slice::from_ref(id)).await?;
            api::all_found(&response.failures, "task", "`berth ps --all` shows the tasks of the cluster")?;
            found.extend(response.tasks);
        }
        for service in self.services.clone() {
            found.extend(self.of_service(&service).await?);
        }
        for task in &found {
            self.add(task, self.logs.start());
        }
        if found.is_empty() && !self.logs.follow {
            self.context
                .output
                .note("There is no task whose log could be shown: `berth ps --all` shows all.");
        }
        let containers = match &self.logs.container {
            Some(_) => 1,
            None => found.iter().map(|task| task.containers.len()).max().unwrap_or_default(),
        };
        Ok(match (self.services.is_empty() && found.len() <= 1, containers <= 1) {
            (true, true) => Prefix::None,
            (true, false) => Prefix::Container,
            (false, _) => Prefix::Task,
        })
    }

    /// The tasks of a service; the stopped ones when none runs, for they tell why.
    async fn of_service(&self, service: &str) -> Result<Vec<Task>, Failure> {
        let running = self.tasks_of(service, false).await?;
        if !running.is_empty() || self.logs.follow {
            return Ok(running);
        }
        let stopped = self.tasks_of(service, true).await?;
        if !stopped.is_empty() {
            self.context
                .output
                .note(&format!("No task of service {service} runs; these are the stopped ones."));
        }
        Ok(stopped)
    }

    async fn tasks_of(&self, service: &str, stopped: bool) -> Result<Vec<Task>, Failure> {
        let filter =
            ListTasksRequest { service_name: Some(service.to_owned()), ..ListTasksRequest::default() };
        let arns = api::task_arns(&self.session, filter, stopped).await?;
        Ok(api::tasks(&self.session, &arns).await?.tasks)
    }

    fn add(&mut self, task: &Task, start: Start) {
        // What has not started has printed nothing, and is looked at again.
        let has_started = task.started_at.is_some() || matches!(task.last_status(), "RUNNING" | "STOPPED");
        let waits = self.logs.follow && !self.services.is_empty() && !has_started;
        if waits || !self.shown.insert(task.task_arn().to_owned()) {
            return;
        }
        let source = Source {
            cluster: cluster_of(task.task_arn()).unwrap_or(&self.session.cluster).to_owned(),
            task: short(task.task_arn()).to_owned(),
            container: self.logs.container.clone().unwrap_or_default(),
            follow: self.logs.follow,
        };
        self.streams.push(logs::open(&self.session.client, &self.context.clock, source, start));
    }

    async fn show(&mut self, mut lines: Lines) -> Result<(), Failure> {
        let keeps_up = self.logs.follow && !self.services.is_empty();
        let mut look = tokio::time::interval(LOOK_FOR_TASKS);
        look.tick().await;
        loop {
            tokio::select! {
                // Cancel-safe: a chunk that was taken is printed before the next await.
                next = self.streams.next(), if !self.streams.is_empty() => {
                    if let Some(next) = next {
                        self.print(&mut lines, next)?;
                    }
                }
                // Cancel-safe: a tick that was missed comes again.
                _ = look.tick(), if keeps_up => self.look_for_tasks().await?,
                else => break,
            }
        }
        lines.finish()
    }

    fn print(
        &self,
        lines: &mut Lines,
        next: Result<berth_proto::agent::v1::LogChunk, Failure>,
    ) -> Result<(), Failure> {
        match next {
            Ok(chunk) if !chunk.error.is_empty() => {
                self.context.output.note(&format!(
                    "log of {} ends: {}",
                    short_id(&chunk.task_id),
                    chunk.error
                ));
                Ok(())
            }
            Ok(chunk) => lines.chunk(&chunk),
            // One of several logs that cannot be read does not end the others.
            Err(failure) if self.shown.len() > 1 && !failure.silent => {
                self.context.output.failure(&failure);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn look_for_tasks(&mut self) -> Result<(), Failure> {
        for service in self.services.clone() {
            for task in self.tasks_of(&service, false).await? {
                self.add(&task, Start::default());
            }
        }
        Ok(())
    }
}
