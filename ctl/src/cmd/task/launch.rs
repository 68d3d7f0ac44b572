//! Launching tasks: `berth task run` and `berth task start`, and what `berth run` shares with them.

use std::time::Duration;

use berth_process::entropy::Entropy;
use berth_proto::ecs::v1::{
    ContainerDefinition, ContainerOverride, Failure as Unplaced, KeyValuePair, LaunchType,
    PlacementConstraint, PlacementStrategy, QueueOptions, RunTaskRequest, RunTaskResponse, StartTaskRequest,
    Tag, TaskDefinition, TaskOverride,
};
use clap::Args;

use super::network::Network;
use crate::api;
use crate::cmd::task_definition;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::names::short;
use crate::syntax;
use crate::time::parse_duration;
use crate::view;

/// The most that one call runs.
const RUN_AT_ONCE: u32 = 10;

/// What is different from the task definition
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Overrides {
    /// An environment variable, as NAME=VALUE; a bare NAME takes its value from here
    #[arg(short, long = "env", value_parser = syntax::environment, value_name = "NAME=VALUE")]
    pub(crate) environment: Vec<KeyValuePair>,
    /// The container that variables and command are for [default: the first essential one]
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// The command, after --
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Waiting for a place
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Queue {
    /// Wait for a place when there is none, instead of failing
    #[arg(long)]
    queue: bool,
    /// Before those of a lower one, from -1000 to 1000 [default: 0]
    #[arg(long, requires = "queue", allow_hyphen_values = true, value_name = "N")]
    priority: Option<i32>,
    /// Give it up after so long without a place [default: never]
    #[arg(long, requires = "queue", value_parser = parse_duration, value_name = "TIME")]
    queue_timeout: Option<Duration>,
}

/// Run tasks where there is room
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  berth task run web --count 3
  berth task run migrate:4 --env DRY_RUN=1 -- ./migrate --verbose
  berth task run batch --placement-constraint 'memberOf=attribute:rack == r1'
  berth task run batch --count 50 --queue --priority 5 --queue-timeout 1h")]
pub(crate) struct Run {
    /// The task definition: family, family:revision or ARN
    task_definition: String,
    /// How many
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    #[command(flatten)]
    overrides: Overrides,
    /// What the task belongs to, for placement [default: family:FAMILY]
    #[arg(long, value_name = "TEXT")]
    group: Option<String>,
    /// Who started it
    #[arg(long, value_name = "TEXT")]
    started_by: Option<String>,
    /// The launch type
    #[arg(long, value_parser = super::launch_type, value_name = "TYPE")]
    launch_type: Option<LaunchType>,
    /// spread=zone, spread=FIELD, binpack=cpu, binpack=memory or random; several are applied in order
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
    #[command(flatten)]
    network: Network,
}

/// Start tasks on instances of your choice
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The task definition: family, family:revision or ARN
    task_definition: String,
    /// The container instances: ids, their beginnings, or ARNs
    #[arg(long = "instance", required = true, value_delimiter = ',', value_name = "ID,...")]
    instances: Vec<String>,
    #[command(flatten)]
    overrides: Overrides,
    /// What the task belongs to [default: family:FAMILY]
    #[arg(long, value_name = "TEXT")]
    group: Option<String>,
    /// Who started it
    #[arg(long, value_name = "TEXT")]
    started_by: Option<String>,
    /// A tag, as KEY=VALUE
    #[arg(long = "tag", value_parser = syntax::tag, value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
    /// Let commands be run in it: `berth exec`, and ExecuteCommand
    #[arg(long)]
    enable_execute_command: bool,
    #[command(flatten)]
    network: Network,
}

/// A token that makes a repeated request the same request.
pub(crate) fn client_token() -> String {
    format!("{:032x}", Entropy::system().u128())
}

/// The container whose end is the task's: the first essential one.
pub(crate) fn main_container(definition: &TaskDefinition) -> Option<&ContainerDefinition> {
    let containers = &definition.container_definitions;
    containers.iter().find(|container| container.essential.unwrap_or(true)).or_else(|| containers.first())
}

// === impl Overrides ===

impl Overrides {
    /// The overrides as the API takes them; the task definition is asked for only when it matters.
    pub(crate) async fn message(
        self,
        session: &Session,
        definition: &str,
    ) -> Result<Option<TaskOverride>, Failure> {
        if self.environment.is_empty() && self.command.is_empty() {
            return Ok(None);
        }
        let name = match &self.container {
            Some(name) => name.clone(),
            None => {
                let described =
                    task_definition::fetch(session, definition).await?.task_definition.unwrap_or_default();
                main_container(&described).map(|container| container.name().to_owned()).unwrap_or_default()
            }
        };
        Ok(Some(self.for_container(name)))
    }

    /// The overrides of a container whose name is known.
    pub(crate) fn for_container(self, name: String) -> TaskOverride {
        let container = ContainerOverride {
            name: Some(name),
            command: self.command,
            environment: self.environment,
            ..ContainerOverride::default()
        };
        TaskOverride { container_overrides: vec![container], ..TaskOverride::default() }
    }
}

// === impl Queue ===

impl Queue {
    /// As the API takes it; nothing when it is not to wait.
    pub(crate) fn message(&self) -> Option<QueueOptions> {
        let seconds = |wait: Duration| i32::try_from(wait.as_secs().max(1)).unwrap_or(i32::MAX);
        self.queue.then(|| QueueOptions {
            priority: self.priority,
            timeout_seconds: self.queue_timeout.map(seconds),
        })
    }
}

// === impl Run ===

impl Run {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let overrides = self.overrides.message(session, &self.task_definition).await?;
        let mut all = RunTaskResponse::default();
        let mut left = self.count;
        while left > 0 && all.failures.is_empty() {
            let count = left.min(RUN_AT_ONCE);
            left -= count;
            let request = RunTaskRequest {
                cluster: session.cluster(),
                task_definition: Some(self.task_definition.clone()),
                count: i32::try_from(count).ok(),
                overrides: overrides.clone(),
                group: self.group.clone(),
                started_by: self.started_by.clone(),
                launch_type: self.launch_type.map(i32::from),
                placement_strategy: self.placement_strategy.clone(),
                placement_constraints: self.placement_constraint.clone(),
                tags: self.tags.clone(),
                client_token: Some(client_token()),
                queue: self.queue.message(),
                enable_execute_command: self.enable_execute_command.then_some(true),
                network_configuration: self.network.over(None),
                ..RunTaskRequest::default()
            };
            let page = session.client.call(request).await?;
            all.tasks.extend(page.tasks);
            all.failures.extend(page.failures);
        }
        let table = view::task::table(&all.tasks, context.now_unix_ms());
        context.output.result(&all, || super::ids(&all.tasks), || context.output.table(&table, ""))?;
        placed(&all.failures)
    }
}

// === impl Start ===

impl Start {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let request = StartTaskRequest {
            cluster: session.cluster(),
            container_instances: api::whole_instance_ids(session, &self.instances).await?,
            overrides: self.overrides.message(session, &self.task_definition).await?,
            task_definition: Some(self.task_definition),
            group: self.group,
            started_by: self.started_by,
            tags: self.tags,
            enable_execute_command: self.enable_execute_command.then_some(true),
            network_configuration: self.network.over(None),
            ..StartTaskRequest::default()
        };
        let response = session.client.call(request).await?;
        let table = view::task::table(&response.tasks, context.now_unix_ms());
        context.output.result(
            &response,
            || super::ids(&response.tasks),
            || context.output.table(&table, ""),
        )?;
        placed(&response.failures)
    }
}

/// The failure for tasks that found no place, with what to do about it.
pub(crate) fn placed(unplaced: &[Unplaced]) -> Result<(), Failure> {
    let Some(first) = unplaced.first() else {
        return Ok(());
    };
    let mut reasons: Vec<String> = unplaced.iter().map(reason).collect();
    reasons.dedup();
    let hint = match first.reason() {
        reason if reason.starts_with("RESOURCE") => {
            "`berth instance list` shows what is free where; stop something, add a host, or ask for less"
        }
        "AGENT" => "the agent of the instance is not connected: `berth instance list`",
        "ATTRIBUTE" => {
            "no instance has the attributes that the task needs: `berth instance describe ID` shows them"
        }
        "EMPTY CAPACITY PROVIDER" | "NO CONTAINER INSTANCES" => {
            "the cluster has no container instance: start a `berth-agent` on a host"
        }
        _ => "`berth instance list` shows the hosts of the cluster",
    };
    Err(Failure::refused(format!("{} not placed: {}", tasks(unplaced.len()), reasons.join("; "))).hint(hint))
}

fn tasks(count: usize) -> String {
    if count == 1 { "a task was".to_owned() } else { format!("{count} tasks were") }
}

fn reason(unplaced: &Unplaced) -> String {
    let place = match short(unplaced.arn()) {
        "" => String::new(),
        instance => format!(" ({instance})"),
    };
    let detail = match unplaced.detail() {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    format!("{}{place}{detail}", unplaced.reason())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_a_place_is_an_error_with_a_remedy() {
        let unplaced = Unplaced { reason: Some("RESOURCE:MEMORY".to_owned()), ..Unplaced::default() };
        let failure = placed(&[unplaced.clone(), unplaced]).expect_err("not placed");
        assert_eq!(failure.message, "2 tasks were not placed: RESOURCE:MEMORY");
        assert!(failure.hint.expect("a remedy").contains("berth instance list"));
        assert!(placed(&[]).is_ok());
    }

    #[test]
    fn the_main_container_is_the_first_essential_one() {
        let container = |name: &str, essential| ContainerDefinition {
            name: Some(name.to_owned()),
            essential,
            ..ContainerDefinition::default()
        };
        let definition =
            |containers| TaskDefinition { container_definitions: containers, ..TaskDefinition::default() };
        let sidecar_first = definition(vec![container("log", Some(false)), container("app", None)]);
        assert_eq!(main_container(&sidecar_first).map(ContainerDefinition::name), Some("app"));
        assert_eq!(main_container(&definition(vec![])), None);
    }
}
