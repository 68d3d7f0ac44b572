//! `berth task-definition`: what a task runs.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{
    DeleteTaskDefinitionsRequest, DeregisterTaskDefinitionRequest, DescribeTaskDefinitionRequest,
    DescribeTaskDefinitionResponse, ListTaskDefinitionFamiliesRequest, ListTaskDefinitionFamiliesResponse,
    ListTaskDefinitionsRequest, ListTaskDefinitionsResponse, TaskDefinition as Definition,
    TaskDefinitionFamilyStatus, TaskDefinitionField, TaskDefinitionStatus,
};
use clap::{Args, Subcommand};

use crate::api;
use crate::context::{Context, Session};
use crate::failure::{Exit, Failure};
use crate::json::Described;
use crate::names::{short, without_kind};
use crate::view::task_definition as view;

mod register;

pub(crate) use register::Register;
#[cfg(test)]
pub(crate) use register::registrable;

/// Task definitions: what a task runs
#[derive(Debug, Subcommand)]
pub(crate) enum TaskDefinition {
    /// Register a revision from a file
    #[command(visible_alias = "create")]
    Register(Register),
    /// Show everything about a task definition
    #[command(visible_alias = "get")]
    Describe {
        /// family (its newest active revision), family:revision, or ARN
        name: String,
    },
    /// Show revisions
    #[command(visible_alias = "ls")]
    List(List),
    /// Show families
    Families(Families),
    /// Deregister revisions: what runs goes on, nothing new starts
    Deregister {
        /// family:revision or ARN
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Delete revisions that are deregistered
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

/// Show revisions
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only of this family
    family: Option<String>,
    /// Only of this status: active, inactive or delete_in_progress
    #[arg(long, value_parser = status, default_value = "active")]
    status: TaskDefinitionStatus,
}

/// Show families
#[derive(Debug, Args)]
pub(crate) struct Families {
    /// Only those that begin like this
    prefix: Option<String>,
    /// Only those with a revision of this status: active, inactive or all
    #[arg(long, value_parser = family_status, default_value = "active")]
    status: TaskDefinitionFamilyStatus,
}

/// Delete revisions that are deregistered
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// family:revision or ARN
    #[arg(required = true)]
    names: Vec<String>,
    /// Deregister them first
    #[arg(long)]
    force: bool,
}

fn status(text: &str) -> Result<TaskDefinitionStatus, String> {
    TaskDefinitionStatus::from_aws_name(&text.to_uppercase())
        .ok_or_else(|| format!("`{text}` is not active, inactive or delete_in_progress"))
}

fn family_status(text: &str) -> Result<TaskDefinitionFamilyStatus, String> {
    TaskDefinitionFamilyStatus::from_aws_name(&text.to_uppercase())
        .ok_or_else(|| format!("`{text}` is not active, inactive or all"))
}

// === impl TaskDefinition ===

impl TaskDefinition {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Register(register) => register.run(context).await?,
            Self::Describe { name } => describe(context, &name).await?,
            Self::List(list) => list.run(context).await?,
            Self::Families(families) => families.run(context).await?,
            Self::Deregister { names } => deregister(context, &names).await?,
            Self::Delete(delete) => delete.run(context).await?,
        }
        Ok(Exit::Success)
    }
}

/// A task definition's name as the API wants it.
fn bare(name: &str) -> String {
    without_kind(name, &["task-definition", "td"]).to_owned()
}

/// Describes one task definition, with its tags.
pub(crate) async fn fetch(session: &Session, name: &str) -> Result<DescribeTaskDefinitionResponse, Failure> {
    let include = vec![TaskDefinitionField::Tags.into()];
    session.client.call(DescribeTaskDefinitionRequest { task_definition: Some(bare(name)), include }).await
}

async fn describe(context: &Context, name: &str) -> Result<(), Failure> {
    let response = fetch(&context.connect()?, name).await?;
    let definition = response.task_definition.clone().unwrap_or_default();
    context.output.result(
        &response,
        || vec![view::name(&definition)],
        || view::details(&definition, &response.tags).render(context.output.surface()),
    )
}

async fn deregister(context: &Context, names: &[String]) -> Result<(), Failure> {
    let session = context.connect()?;
    for name in names {
        let request = DeregisterTaskDefinitionRequest { task_definition: Some(bare(name)) };
        let response = session.client.call(request).await?;
        show(context, &response, response.task_definition.as_slice())?;
    }
    Ok(())
}

/// Shows the definitions of a response as a table.
fn show(context: &Context, response: &impl Described, definitions: &[Definition]) -> Result<(), Failure> {
    context.output.result(
        response,
        || definitions.iter().map(view::name).collect(),
        || context.output.table(&view::table(definitions), ""),
    )
}

// === impl List ===

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = ListTaskDefinitionsRequest {
            family_prefix: self.family,
            status: Some(self.status.into()),
            max_results: Some(100),
            ..ListTaskDefinitionsRequest::default()
        };
        let arns = api::every(&context.connect()?.client, request).await?;
        let table = view::arns(&arns);
        let response = ListTaskDefinitionsResponse { task_definition_arns: arns, next_token: None };
        context.output.result(
            &response,
            || response.task_definition_arns.iter().map(|arn| short(arn).to_owned()).collect(),
            || {
                context
                    .output
                    .table(&table, "No such task definition: `berth task-definition register -f FILE`.")
            },
        )
    }
}

// === impl Families ===

impl Families {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = ListTaskDefinitionFamiliesRequest {
            family_prefix: self.prefix,
            status: Some(self.status.into()),
            max_results: Some(100),
            ..ListTaskDefinitionFamiliesRequest::default()
        };
        let families = api::every(&context.connect()?.client, request).await?;
        let response = ListTaskDefinitionFamiliesResponse { families, next_token: None };
        context.output.result(
            &response,
            || response.families.clone(),
            || {
                let mut table = crate::table::Table::new(&[("FAMILY", crate::table::Keep::Always)]);
                for family in &response.families {
                    table.row([family.as_str().into()]);
                }
                context
                    .output
                    .table(&table, "No such family: `berth task-definition register -f FILE` makes one.")
            },
        )
    }
}

// === impl Delete ===

/// The most that the API deletes at once.
const DELETED_AT_ONCE: usize = 10;

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.connect()?;
        let names: Vec<String> = self.names.iter().map(|name| bare(name)).collect();
        if self.force {
            for name in &names {
                let request = DeregisterTaskDefinitionRequest { task_definition: Some(name.clone()) };
                session.client.call(request).await?;
            }
        }
        for names in names.chunks(DELETED_AT_ONCE) {
            let request = DeleteTaskDefinitionsRequest { task_definitions: names.to_vec() };
            let response = session.client.call(request).await?;
            show(context, &response, &response.task_definitions)?;
            api::all_found(
                &response.failures,
                "task definition",
                "only deregistered revisions can be deleted; `--force` deregisters them first",
            )?;
        }
        Ok(())
    }
}
