//! `berth task`: running instances of a task definition.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{
    DescribeTasksResponse, LaunchType, ListTasksRequest, StopTaskRequest, Task as Message,
};
use clap::{Args, Subcommand};

use crate::api;
use crate::context::{Context, Session};
use crate::details::render_all;
use crate::failure::{Exit, Failure};
use crate::names::short;
use crate::view;

mod launch;
mod network;
pub(crate) mod usage;
mod wait;

pub(crate) use launch::{Overrides, Queue, client_token, main_container, placed};
pub(crate) use network::Network;

/// Tasks: running instances of a task definition
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run tasks where there is room; `berth run` also waits for one and shows what it prints
    Run(launch::Run),
    /// Start tasks on instances of your choice
    Start(launch::Start),
    /// Show tasks
    #[command(visible_alias = "ls")]
    List(List),
    /// Show everything about tasks
    #[command(visible_alias = "get")]
    Describe {
        /// The tasks: ids, their beginnings, or ARNs
        #[arg(required = true)]
        tasks: Vec<String>,
    },
    /// Stop tasks; a service replaces its own
    #[command(visible_alias = "rm")]
    Stop(Stop),
    /// Wait until tasks run, or have stopped
    Wait(wait::Wait),
    /// What the containers of a task use
    #[command(visible_alias = "top")]
    Usage(usage::Usage),
    /// Why a task is where it is, or why it would find no place
    Explain(super::explain::Task),
}

/// Which tasks
#[derive(Debug, Default, Args)]
pub(crate) struct List {
    /// Only of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only of this task definition family
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// Only on this container instance
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Only started by this
    #[arg(long, value_name = "TEXT")]
    started_by: Option<String>,
    /// Only of this launch type
    #[arg(long, value_parser = launch_type, value_name = "TYPE")]
    launch_type: Option<LaunchType>,
    /// Also the tasks that have stopped, as long as they are kept
    #[arg(short, long)]
    all: bool,
}

/// Stop tasks
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// The tasks: ids, their beginnings, or ARNs
    #[arg(required = true)]
    tasks: Vec<String>,
    /// Why; shown with the stopped task
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A launch type, in any case.
pub(crate) fn launch_type(text: &str) -> Result<LaunchType, String> {
    LaunchType::from_aws_name(&text.to_uppercase())
        .ok_or_else(|| format!("`{text}` is not one of EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES"))
}

// === impl Task ===

impl Task {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        match self {
            Self::Run(run) => run.run(context, &session).await?,
            Self::Start(start) => start.run(context, &session).await?,
            Self::List(list) => list.show(context, &session).await?,
            Self::Describe { tasks } => describe(context, &session, &tasks).await?,
            Self::Stop(stop) => stop.run(context, &session).await?,
            Self::Wait(wait) => wait.run(context, &session).await?,
            Self::Usage(usage) => usage.run(context, &session).await?,
            Self::Explain(explain) => explain.run(context, &session).await?,
        }
        Ok(Exit::Success)
    }
}

/// The ids of tasks, whole.
pub(crate) fn ids(tasks: &[Message]) -> Vec<String> {
    tasks.iter().map(|task| short(task.task_arn()).to_owned()).collect()
}

async fn describe(context: &Context, session: &Session, tasks: &[String]) -> Result<(), Failure> {
    let whole = api::whole_task_ids(session, tasks).await?;
    let response = api::tasks(session, &whole).await?;
    let now = context.now_unix_ms();
    let mut all = Vec::new();
    for task in &response.tasks {
        let mut details = view::task::details(task, now);
        let is_starting = ["PROVISIONING", "PENDING", "ACTIVATING"].contains(&task.last_status());
        if is_starting && context.output.is_for_people() {
            // An agent that does not answer has told how far it is; that is no reason to show nothing.
            let usage = usage::of_task(session, task.task_arn(), Some(0)).await.unwrap_or_default();
            details.lines("Images", view::usage::pulls(&usage.pulls, now));
        }
        all.push(details);
    }
    context.output.result(
        &response,
        || ids(&response.tasks),
        || render_all(&all, context.output.surface()),
    )?;
    api::all_found(&response.failures, "task", "`berth ps --all` shows the tasks of the cluster")
}

// === impl List ===

impl List {
    /// The tasks that were asked for, newest last.
    pub(crate) async fn fetch(&self, session: &Session) -> Result<DescribeTasksResponse, Failure> {
        let container_instance = match &self.instance {
            Some(instance) => api::whole_instance_ids(session, std::slice::from_ref(instance)).await?.pop(),
            None => None,
        };
        let filter = ListTasksRequest {
            service_name: self.service.as_deref().map(api::service_name),
            family: self.family.clone(),
            container_instance,
            started_by: self.started_by.clone(),
            launch_type: self.launch_type.map(i32::from),
            ..ListTasksRequest::default()
        };
        let arns = api::task_arns(session, filter, self.all).await?;
        let mut response = api::tasks(session, &arns).await?;
        // A task that went away between the two calls is not worth a word.
        response.failures.clear();
        response.tasks.sort_by(|left, right| {
            order(left).partial_cmp(&order(right)).unwrap_or(std::cmp::Ordering::Equal)
        });
        Ok(response)
    }

    /// Fetches and shows them.
    pub(crate) async fn show(&self, context: &Context, session: &Session) -> Result<(), Failure> {
        let response = self.fetch(session).await?;
        let table = view::task::table(&response.tasks, context.now_unix_ms());
        let when_empty = format!("Nothing runs in cluster {}{}.", session.cluster, self.filtered());
        context.output.result(
            &response,
            || ids(&response.tasks),
            || context.output.table(&table, &when_empty),
        )
    }

    fn filtered(&self) -> &'static str {
        let any = self.service.is_some() || self.family.is_some() || self.instance.is_some();
        if any || self.started_by.is_some() { " that fits the filters" } else { "" }
    }
}

/// Services together, then by age.
fn order(task: &Message) -> (&str, i64, i32, &str) {
    let created = task.created_at.unwrap_or_default();
    (task.group(), created.seconds, created.nanos, task.task_arn())
}

// === impl Stop ===

impl Stop {
    async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let whole = api::whole_task_ids(session, &self.tasks).await?;
        for task in whole {
            let request =
                StopTaskRequest { cluster: session.cluster(), task: Some(task), reason: self.reason.clone() };
            let response = session.client.call(request).await?;
            let tasks = response.task.as_slice();
            let table = view::task::table(tasks, context.now_unix_ms());
            context.output.result(&response, || ids(tasks), || context.output.table(&table, ""))?;
        }
        Ok(())
    }
}
