//! `berth cluster`: the names that group everything else.

use berth_proto::ecs::v1::{
    Cluster as ClusterMessage, ClusterSetting, CreateClusterRequest, DeleteClusterRequest,
    ListClustersRequest, Tag, UpdateClusterRequest,
};
use clap::{Args, Subcommand};

use crate::api;
use crate::context::{Context, Session};
use crate::details::render_all;
use crate::failure::{Exit, Failure};
use crate::syntax;
use crate::view;

/// Clusters: the names that group everything else
#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Make a cluster; one that exists already is left as it is
    #[command(after_help = "Example:\n  berth cluster create prod --tag team=web")]
    Create(Create),
    /// Show all clusters
    #[command(visible_alias = "ls")]
    List,
    /// Show everything about clusters
    #[command(visible_alias = "get")]
    Describe {
        /// The clusters [default: the one in use]
        names: Vec<String>,
    },
    /// Change the settings of a cluster
    Update(Update),
    /// Delete a cluster that has nothing in it
    #[command(visible_alias = "rm")]
    Delete {
        /// The cluster
        name: String,
    },
}

/// Make a cluster
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name: letters, digits, - and _
    name: String,
    /// A setting, as containerInsights=enabled
    #[arg(long = "setting", value_parser = syntax::cluster_setting, value_name = "NAME=VALUE")]
    settings: Vec<ClusterSetting>,
    /// A tag, as KEY=VALUE
    #[arg(long = "tag", value_parser = syntax::tag, value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
}

/// Change the settings of a cluster
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The cluster
    name: String,
    /// A setting, as containerInsights=enabled
    #[arg(long = "setting", value_parser = syntax::cluster_setting, value_name = "NAME=VALUE", required = true)]
    settings: Vec<ClusterSetting>,
}

// === impl Cluster ===

impl Cluster {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        match self {
            Self::Create(create) => {
                let request = CreateClusterRequest {
                    cluster_name: Some(create.name),
                    settings: create.settings,
                    tags: create.tags,
                    ..CreateClusterRequest::default()
                };
                let response = session.client.call(request).await?;
                one(context, &response, response.cluster.as_ref())?;
            }
            Self::List => list(context, &session).await?,
            Self::Describe { names } => describe(context, &session, names).await?,
            Self::Update(update) => {
                let request = UpdateClusterRequest {
                    cluster: Some(update.name),
                    settings: update.settings,
                    ..UpdateClusterRequest::default()
                };
                let response = session.client.call(request).await?;
                one(context, &response, response.cluster.as_ref())?;
            }
            Self::Delete { name } => {
                let response = session.client.call(DeleteClusterRequest { cluster: Some(name) }).await?;
                one(context, &response, response.cluster.as_ref())?;
            }
        }
        Ok(Exit::Success)
    }
}

fn one(
    context: &Context,
    response: &impl crate::json::Described,
    cluster: Option<&ClusterMessage>,
) -> Result<(), Failure> {
    let clusters = cluster.map(std::slice::from_ref).unwrap_or_default();
    context.output.result(
        response,
        || names(clusters),
        || context.output.table(&view::cluster::table(clusters), ""),
    )
}

fn names(clusters: &[ClusterMessage]) -> Vec<String> {
    clusters.iter().map(|cluster| cluster.cluster_name().to_owned()).collect()
}

async fn list(context: &Context, session: &Session) -> Result<(), Failure> {
    let request = ListClustersRequest { max_results: Some(100), ..ListClustersRequest::default() };
    let arns = api::every(&session.client, request).await?;
    let response = api::clusters(&session.client, &arns).await?;
    context.output.result(
        &response,
        || names(&response.clusters),
        || {
            let table = view::cluster::table(&response.clusters);
            context.output.table(&table, "There is no cluster: `berth cluster create NAME` makes one.")
        },
    )
}

async fn describe(context: &Context, session: &Session, mut wanted: Vec<String>) -> Result<(), Failure> {
    if wanted.is_empty() {
        wanted.push(session.cluster.clone());
    }
    let response = api::clusters(&session.client, &wanted).await?;
    context.output.result(
        &response,
        || names(&response.clusters),
        || {
            let all: Vec<_> = response.clusters.iter().map(view::cluster::details).collect();
            render_all(&all, context.output.surface())
        },
    )?;
    api::all_found(&response.failures, "cluster", "`berth cluster list` shows all")
}
