//! `berth run`: one task, what it prints, and its exit code.

use std::time::Duration;

use berth_proto::ecs::v1::{
    LaunchType, PlacementConstraint, PlacementStrategy, PortMapping, RunTaskRequest, Tag, Task,
    TaskDefinition,
};
use clap::{ArgGroup, Args};

use super::task::{self, Overrides, Queue};
use super::task_definition;
use crate::context::{Context, Session};
use crate::failure::{Exit, Failure};
use crate::syntax;
use crate::time::parse_duration;
use crate::view;

mod attend;
mod image;

/// Run one task, show what it prints, exit as it does
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["task_definition", "image"])),
    override_usage = "berth run [OPTIONS] <TASK_DEFINITION | --image IMAGE> [-- COMMAND...]",
    after_help = "\
Exits with the exit code of the container; with 5 when the task could not start. Ctrl-C stops the task.

With --image the task definition run-NAME is registered, or used again when nothing changed.

Examples:
  berth run --image alpine -- echo hello
  berth run --image postgres:16 -e PGPASSWORD -- psql -h db -c 'select 1'
  berth run migrate:4 -- ./migrate --verbose
  berth run web --detach
  berth run batch --queue --priority 5 --queue-timeout 10m"
)]
pub(crate) struct Run {
    /// The task definition: family, family:revision or ARN
    task_definition: Option<String>,
    /// An image, instead of a task definition
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// CPU units to reserve: 1024 are a core
    #[arg(long, value_name = "UNITS", requires = "image", default_value_t = 0)]
    cpu: i32,
    /// MiB of memory that it gets at most [default: 128 reserved, no limit]
    #[arg(long, value_name = "MIB", requires = "image")]
    memory: Option<i32>,
    /// A port, as CONTAINER or HOST:CONTAINER, with /udp behind it for UDP
    #[arg(short, long, value_parser = syntax::port_mapping, value_name = "PORT", requires = "image")]
    publish: Vec<PortMapping>,
    #[command(flatten)]
    overrides: Overrides,
    /// Do not wait for it: print its id and exit
    #[arg(short, long)]
    detach: bool,
    /// Stop it after this time and exit with 4
    #[arg(long, value_parser = parse_duration, value_name = "TIME", conflicts_with = "detach")]
    timeout: Option<Duration>,
    /// The launch type
    #[arg(long, value_parser = task::launch_type, value_name = "TYPE")]
    launch_type: Option<LaunchType>,
    /// spread=zone, spread=FIELD, binpack=cpu, binpack=memory or random
    #[arg(long, value_parser = syntax::placement_strategy, value_name = "STRATEGY")]
    placement_strategy: Vec<PlacementStrategy>,
    /// distinctInstance, or memberOf=EXPRESSION
    #[arg(long, value_parser = syntax::placement_constraint, value_name = "CONSTRAINT")]
    placement_constraint: Vec<PlacementConstraint>,
    /// A tag, as KEY=VALUE
    #[arg(long = "tag", value_parser = syntax::tag, value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
    /// Let commands be run in it: `berth exec`, and ExecuteCommand
    #[arg(long)]
    enable_execute_command: bool,
    #[command(flatten)]
    queue: Queue,
}

/// What marks tasks of this command.
const STARTED_BY: &str = "berth-run";

// === impl Run ===

impl Run {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        let definition = self.definition(&session).await?;
        let container = match self.overrides.container.clone() {
            Some(container) => container,
            None => task::main_container(&definition).map(|one| one.name().to_owned()).unwrap_or_default(),
        };
        let (detach, timeout) = (self.detach, self.timeout);
        let request = self.request(&session, &definition, &container);
        let response = session.client.call(request).await?;
        task::placed(&response.failures)?;
        let Some(task) = response.tasks.first() else {
            return Err(Failure::refused("the cluster ran no task, and gave no reason"));
        };
        if detach {
            show(context, &response, task)?;
            return Ok(Exit::Success);
        }
        attend::attend(context, &session.patient(), task, &container, timeout).await
    }

    /// The task definition that is named, or the one of the image.
    async fn definition(&self, session: &Session) -> Result<TaskDefinition, Failure> {
        match (&self.task_definition, &self.image) {
            (Some(name), _) => {
                Ok(task_definition::fetch(session, name).await?.task_definition.unwrap_or_default())
            }
            (None, Some(image)) => {
                let wanted = image::definition(image, self.cpu, self.memory, self.publish.clone());
                image::registered(session, wanted).await
            }
            (None, None) => Err(Failure::usage("neither a task definition nor an image is named")),
        }
    }

    fn request(self, session: &Session, definition: &TaskDefinition, container: &str) -> RunTaskRequest {
        let has_overrides = !self.overrides.environment.is_empty() || !self.overrides.command.is_empty();
        RunTaskRequest {
            cluster: session.cluster(),
            task_definition: Some(definition.task_definition_arn().to_owned()),
            count: Some(1),
            overrides: has_overrides.then(|| self.overrides.for_container(container.to_owned())),
            started_by: Some(STARTED_BY.to_owned()),
            launch_type: self.launch_type.map(i32::from),
            placement_strategy: self.placement_strategy,
            placement_constraints: self.placement_constraint,
            tags: self.tags,
            client_token: Some(task::client_token()),
            queue: self.queue.message(),
            enable_execute_command: self.enable_execute_command.then_some(true),
            ..RunTaskRequest::default()
        }
    }
}

fn show(
    context: &Context,
    response: &berth_proto::ecs::v1::RunTaskResponse,
    task: &Task,
) -> Result<(), Failure> {
    let table = view::task::table(std::slice::from_ref(task), context.now_unix_ms());
    context.output.result(response, || task::ids(&response.tasks), || context.output.table(&table, ""))
}
