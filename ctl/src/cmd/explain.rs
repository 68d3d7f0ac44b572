//! `berth task explain` and `berth service explain`: what every instance answers to a task, and why.

use berth_proto::ecs::v1::{PlacementConstraint, PlacementStrategy, RunTaskRequest};
use berth_proto::scheduler::v1::ExplainRequest;
use berth_proto::scheduler::v1::explain_request::Subject;
use clap::{ArgGroup, Args};

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::names::short;
use crate::syntax;
use crate::view;

/// Why a task is where it is, or why it would find no place
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["task", "run"])),
    after_help = "\
With --run nothing is started: it tells what would become of a task.

Examples:
  berth task explain 3f2a91c0b7e4
  berth task explain --run web:7 --placement-constraint 'memberOf=attribute:rack == r1'"
)]
pub(crate) struct Task {
    /// A task that is there: its id, the beginning of it, or its ARN
    task: Option<String>,
    /// A task definition that nobody runs yet: family, family:revision or ARN
    #[arg(long, value_name = "TASK_DEFINITION")]
    run: Option<String>,
    /// What it would belong to [default: family:FAMILY]
    #[arg(long, value_name = "TEXT", requires = "run")]
    group: Option<String>,
    /// spread=zone, spread=FIELD, binpack=cpu, binpack=memory or random; several are applied in order
    #[arg(long, value_parser = syntax::placement_strategy, value_name = "STRATEGY", requires = "run")]
    placement_strategy: Vec<PlacementStrategy>,
    /// distinctInstance, or memberOf=EXPRESSION
    #[arg(long, value_parser = syntax::placement_constraint, value_name = "CONSTRAINT", requires = "run")]
    placement_constraint: Vec<PlacementConstraint>,
}

/// Why the next task of a service would go where, or find no place
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  berth service explain web")]
pub(crate) struct Service {
    /// The service
    name: String,
}

// === impl Task ===

impl Task {
    pub(crate) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let subject = match (self.task, self.run) {
            (Some(task), _) => {
                let ids = api::whole_task_ids(session, &[task]).await?;
                Subject::Task(ids.into_iter().next().unwrap_or_default())
            }
            (None, definition) => Subject::Run(RunTaskRequest {
                cluster: session.cluster(),
                task_definition: definition,
                group: self.group,
                placement_strategy: self.placement_strategy,
                placement_constraints: self.placement_constraint,
                ..RunTaskRequest::default()
            }),
        };
        explain(context, session, subject).await
    }
}

// === impl Service ===

impl Service {
    pub(crate) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        explain(context, session, Subject::Service(api::service_name(&self.name))).await
    }
}

async fn explain(context: &Context, session: &Session, subject: Subject) -> Result<(), Failure> {
    let request = ExplainRequest { cluster: session.cluster.clone(), subject: Some(subject) };
    let response = session.client.call(request).await?;
    let able = || {
        let able = response.verdicts.iter().filter(|verdict| verdict.reasons.is_empty());
        able.map(|verdict| short(&verdict.container_instance_arn).to_owned()).collect()
    };
    context.output.result(&response, able, || {
        let table = view::scheduler::verdicts(&response);
        let empty = "The cluster has no container instances.";
        format!("{}\n\n{}", view::scheduler::explained(&response), context.output.table(&table, empty))
    })
}
