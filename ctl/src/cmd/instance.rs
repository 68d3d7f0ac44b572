//! `berth instance`: the hosts.

use berth_proto::ecs::v1::{
    ContainerInstance, ContainerInstanceStatus, DeregisterContainerInstanceRequest,
    UpdateContainerInstancesStateRequest,
};
use clap::{Args, Subcommand};

use crate::api;
use crate::context::{Context, Session};
use crate::details::render_all;
use crate::failure::{Exit, Failure};
use crate::names::short;
use crate::view;

mod drain;

/// The most whose status the API changes at once.
const UPDATED_AT_ONCE: usize = 10;

/// Container instances: the hosts
#[derive(Debug, Subcommand)]
pub(crate) enum Instance {
    /// Show the container instances
    #[command(visible_alias = "ls")]
    List(List),
    /// Show everything about container instances
    #[command(visible_alias = "get")]
    Describe {
        /// Ids, their beginnings, or ARNs
        #[arg(required = true)]
        instances: Vec<String>,
    },
    /// Let services move their tasks away, and place nothing new
    Drain(drain::Drain),
    /// Show how far drains are, and what they wait for
    Drains,
    /// Place tasks again
    Activate {
        /// Ids, their beginnings, or ARNs
        #[arg(required = true)]
        instances: Vec<String>,
    },
    /// Forget an instance for good
    #[command(visible_alias = "rm")]
    Deregister(Deregister),
    /// The attributes that placement looks at
    #[command(subcommand, visible_alias = "attributes")]
    Attribute(super::attribute::Attribute),
}

/// Show the container instances
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  berth instance list --filter 'attribute:rack == r1 and runningTasksCount > 0'"
)]
pub(crate) struct List {
    /// An expression of the cluster query language
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
}

/// Forget an instance for good
#[derive(Debug, Args)]
pub(crate) struct Deregister {
    /// Ids, their beginnings, or ARNs
    #[arg(required = true)]
    instances: Vec<String>,
    /// Even though tasks run there: services replace theirs, others are lost
    #[arg(long)]
    force: bool,
}

// === impl Instance ===

impl Instance {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        match self {
            Self::List(list) => list.run(context, &session).await?,
            Self::Describe { instances } => describe(context, &session, &instances).await?,
            Self::Drain(drain) => drain.run(context, &session).await?,
            Self::Drains => drain::list(context, &session).await?,
            Self::Activate { instances } => {
                let ids = api::whole_instance_ids(&session, &instances).await?;
                set_status(context, &session, &ids, ContainerInstanceStatus::Active).await?;
            }
            Self::Deregister(deregister) => deregister.run(context, &session).await?,
            Self::Attribute(attribute) => attribute.run(context, &session).await?,
        }
        Ok(Exit::Success)
    }
}

fn ids(instances: &[ContainerInstance]) -> Vec<String> {
    instances.iter().map(|instance| short(instance.container_instance_arn()).to_owned()).collect()
}

async fn describe(context: &Context, session: &Session, instances: &[String]) -> Result<(), Failure> {
    let whole = api::whole_instance_ids(session, instances).await?;
    let response = api::instances(session, &whole).await?;
    let now = context.now_unix_ms();
    let is_wide = context.output.surface().wide;
    context.output.result(
        &response,
        || ids(&response.container_instances),
        || {
            let details = |instance: &ContainerInstance| view::instance::details(instance, now, is_wide);
            let all: Vec<_> = response.container_instances.iter().map(details).collect();
            render_all(&all, context.output.surface())
        },
    )?;
    api::all_found(&response.failures, "container instance", "`berth instance list` shows all")
}

/// Sets the status of instances, and shows them.
async fn set_status(
    context: &Context,
    session: &Session,
    instances: &[String],
    status: ContainerInstanceStatus,
) -> Result<(), Failure> {
    for instances in instances.chunks(UPDATED_AT_ONCE) {
        let request = UpdateContainerInstancesStateRequest {
            cluster: session.cluster(),
            container_instances: instances.to_vec(),
            status: Some(status.into()),
        };
        let response = session.client.call(request).await?;
        let table = view::instance::table(&response.container_instances, context.now_unix_ms());
        let names = || ids(&response.container_instances);
        context.output.result(&response, names, || context.output.table(&table, ""))?;
        api::all_found(&response.failures, "container instance", "`berth instance list` shows all")?;
    }
    Ok(())
}

// === impl List ===

impl List {
    async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let arns = api::instance_arns(session, self.filter).await?;
        let mut response = api::instances(session, &arns).await?;
        response.failures.clear();
        let table = view::instance::table(&response.container_instances, context.now_unix_ms());
        let when_empty = format!(
            "Cluster {} has no container instance: start a `berth-agent` on a host.",
            session.cluster
        );
        let names = || ids(&response.container_instances);
        context.output.result(&response, names, || context.output.table(&table, &when_empty))
    }
}

// === impl Deregister ===

impl Deregister {
    async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        for id in api::whole_instance_ids(session, &self.instances).await? {
            let request = DeregisterContainerInstanceRequest {
                cluster: session.cluster(),
                container_instance: Some(id),
                force: Some(self.force),
            };
            let response = session.client.call(request).await?;
            let instances = response.container_instance.as_slice();
            let table = view::instance::table(instances, context.now_unix_ms());
            context.output.result(&response, || ids(instances), || context.output.table(&table, ""))?;
        }
        Ok(())
    }
}
