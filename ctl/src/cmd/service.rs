//! `berth service`: tasks that are kept running.

use std::time::Duration;

use berth_proto::ecs::v1::{Service as Message, UpdateServiceRequest};
use clap::{Args, Subcommand};

use crate::api;
use crate::context::{Context, Session};
use crate::details::render_all;
use crate::failure::{Exit, Failure};
use crate::json::Described;
use crate::time::parse_duration;
use crate::view;
use crate::wait::{WaitArgs, service as wait};

mod create;
mod delete;
mod deployments;
mod events;
mod rebalance;
mod revisions;
mod settings;
mod update;

/// Services: tasks that are kept running
#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Make a service
    Create(create::Create),
    /// Change a service; a new task definition starts a deployment
    Update(update::Update),
    /// Change how many tasks a service runs
    Scale(Scale),
    /// Show services
    #[command(visible_alias = "ls")]
    List,
    /// Show everything about services
    #[command(visible_alias = "get")]
    Describe {
        /// The services
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Delete services
    #[command(visible_alias = "rm")]
    Delete(delete::Delete),
    /// Wait until services are stable: one deployment, all tasks running
    Wait(Wait),
    /// Show what happened to a service
    Events(events::Events),
    /// Show the deployments of a service
    Deployments(deployments::Deployments),
    /// Show the revisions of a service
    Revisions(revisions::Revisions),
    /// Show what differs between two revisions of a service
    Diff(revisions::Diff),
    /// Go back to an earlier revision of a service
    Rollback(deployments::Rollback),
    /// Let a deployment go on that waits at a pause
    Continue(deployments::Continue),
    /// Why the next task of a service would go where, or find no place
    Explain(super::explain::Service),
    /// Move running tasks to where they would be placed now
    Rebalance(rebalance::Rebalance),
}

/// Change how many tasks a service runs
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  berth service scale web 5 --wait")]
pub(crate) struct Scale {
    /// The service
    name: String,
    /// How many tasks
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    desired_count: i32,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Wait until services are stable
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 4 when the time is over, and with 5 when a deployment fails, also when it is rolled back.

Example:
  berth service update web --task-definition web:8 && berth service wait web --timeout 5m")]
pub(crate) struct Wait {
    /// The services
    #[arg(required = true)]
    names: Vec<String>,
    /// How long at most
    #[arg(long, value_parser = parse_duration, default_value = "10m", value_name = "TIME")]
    timeout: Duration,
}

// === impl Service ===

impl Service {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        match self {
            Self::Create(create) => create.run(context, &session).await?,
            Self::Update(update) => update.run(context, &session).await?,
            Self::Scale(scale) => scale.run(context, &session).await?,
            Self::List => list(context, &session).await?,
            Self::Describe { names } => describe(context, &session, &names).await?,
            Self::Delete(delete) => delete.run(context, &session).await?,
            Self::Wait(wait) => wait.run(context, &session).await?,
            Self::Events(events) => events.run(context, &session).await?,
            Self::Deployments(deployments) => deployments.run(context, &session).await?,
            Self::Revisions(revisions) => revisions.run(context, &session).await?,
            Self::Diff(diff) => diff.run(context, &session).await?,
            Self::Rollback(rollback) => rollback.run(context, &session).await?,
            Self::Continue(go_on) => go_on.run(context, &session).await?,
            Self::Explain(explain) => explain.run(context, &session).await?,
            Self::Rebalance(rebalance) => rebalance.run(context, &session).await?,
        }
        Ok(Exit::Success)
    }
}

fn names(services: &[Message]) -> Vec<String> {
    services.iter().map(|service| service.service_name().to_owned()).collect()
}

/// Shows the services of a response as a table.
fn show(
    context: &Context,
    response: &impl Described,
    services: &[Message],
    when_empty: &str,
) -> Result<(), Failure> {
    let table = view::service::table(services, context.now_unix_ms());
    context.output.result(response, || names(services), || context.output.table(&table, when_empty))
}

/// Shows the service that a change answered with; or waits for it first, when that was asked for.
async fn show_changed(
    context: &Context,
    session: &Session,
    response: &impl Described,
    service: Option<&Message>,
    wait: &WaitArgs,
) -> Result<(), Failure> {
    let services = service.map(std::slice::from_ref).unwrap_or_default();
    if !wait.wait {
        return show(context, response, services, "");
    }
    let stable =
        wait::until_stable(context, session, &names(services), wait.timeout, wait::Story::SinceNow).await?;
    if context.output.is_for_people() {
        return Ok(());
    }
    let response = berth_proto::ecs::v1::DescribeServicesResponse { services: stable, failures: Vec::new() };
    show(context, &response, &response.services, "")
}

async fn list(context: &Context, session: &Session) -> Result<(), Failure> {
    let arns = api::service_arns(session).await?;
    let mut response = api::services(session, &arns).await?;
    // A service that went away between the two calls is not worth a word.
    response.failures.clear();
    response.services.sort_by(|left, right| left.service_name().cmp(right.service_name()));
    let when_empty = format!("Cluster {} has no service: `berth service create` makes one.", session.cluster);
    show(context, &response, &response.services, &when_empty)
}

async fn describe(context: &Context, session: &Session, wanted: &[String]) -> Result<(), Failure> {
    let response = api::services(session, wanted).await?;
    let now = context.now_unix_ms();
    context.output.result(
        &response,
        || names(&response.services),
        || {
            let all: Vec<_> = response.services.iter().map(|one| view::service::details(one, now)).collect();
            render_all(&all, context.output.surface())
        },
    )?;
    api::all_found(&response.failures, "service", "`berth service list` shows the services of the cluster")
}

// === impl Scale ===

impl Scale {
    async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let request = UpdateServiceRequest {
            cluster: session.cluster(),
            service: Some(api::service_name(&self.name)),
            desired_count: Some(self.desired_count),
            ..UpdateServiceRequest::default()
        };
        let response = session.client.call(request).await?;
        show_changed(context, session, &response, response.service.as_ref(), &self.wait).await
    }
}

// === impl Wait ===

impl Wait {
    async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let services: Vec<String> = self.names.iter().map(|name| api::service_name(name)).collect();
        let stable =
            wait::until_stable(context, session, &services, self.timeout, wait::Story::Deployment).await?;
        if context.output.is_for_people() {
            return Ok(());
        }
        let response =
            berth_proto::ecs::v1::DescribeServicesResponse { services: stable, failures: Vec::new() };
        show(context, &response, &response.services, "")
    }
}
