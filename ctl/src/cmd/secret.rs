//! `berth secret`: values with versions, and with a while in which a deletion can be undone.

use berth_proto::secretsmanager::v1::{
    CreateSecretRequest, DeleteSecretRequest, GetSecretValueRequest, ListSecretsRequest, ListSecretsResponse,
    PutSecretValueRequest, RestoreSecretRequest,
};
use clap::{Args, Subcommand};

use crate::api;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::input::value_of;
use crate::view;

/// Secrets: values that task definitions refer to, with versions
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Make a secret
    #[command(after_help = "\
A task definition refers to it by the ARN that this prints, as `valueFrom` of a secret of a container; ARN:KEY:: is one
member of a value that is a JSON document. A secret with username and password is what `repositoryCredentials` names.

Examples:
  berth secret create db '{\"username\":\"app\",\"password\":\"s3cret\"}'
  berth secret create tls-key --file key.pem --description 'of the front'")]
    Create(Create),
    /// Give a secret another value; the one before stays at the stage AWSPREVIOUS
    #[command(visible_alias = "set")]
    Put {
        /// Name or ARN
        name: String,
        #[command(flatten)]
        value: Value,
    },
    /// Print the value of a secret
    Get {
        /// Name or ARN
        name: String,
        /// The value at this stage
        #[arg(long, value_name = "STAGE")]
        stage: Option<String>,
    },
    /// Show secrets, without their values
    #[command(visible_alias = "ls")]
    List {
        /// Also those that are deleted and can be restored
        #[arg(long)]
        all: bool,
    },
    /// Delete a secret; it can be restored for a while
    #[command(visible_alias = "rm")]
    Delete {
        /// Name or ARN
        name: String,
        /// For how many days it can be restored
        #[arg(long, value_name = "DAYS", conflicts_with = "force")]
        recovery_days: Option<i64>,
        /// At once, for good
        #[arg(long)]
        force: bool,
    },
    /// Undo the deletion of a secret
    Restore {
        /// Name or ARN
        name: String,
    },
}

/// Make a secret
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name
    name: String,
    #[command(flatten)]
    value: Value,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// A value, given or read.
#[derive(Debug, Args)]
pub(crate) struct Value {
    /// The value
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    value: Option<String>,
    /// Read the value from a file; `-` is standard input
    #[arg(short, long, value_name = "PATH")]
    file: Option<String>,
}

// === impl Secret ===

impl Secret {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.connect()?.client;
        match self {
            Self::Create(create) => {
                let made = client.call(create.request()?).await?;
                let arn = made.arn().to_owned();
                context.output.result(&made, || vec![arn.clone()], || arn.clone())?;
            }
            Self::Put { name, value } => {
                let request = PutSecretValueRequest {
                    secret_id: Some(name),
                    secret_string: Some(value.read()?),
                    ..PutSecretValueRequest::default()
                };
                let put = client.call(request).await?;
                let said = format!("{} has version {}.", put.name(), put.version_id());
                context.output.result(&put, || vec![put.version_id().to_owned()], || said.clone())?;
            }
            Self::Get { name, stage } => {
                let request =
                    GetSecretValueRequest { secret_id: Some(name), version_id: None, version_stage: stage };
                let found = client.call(request).await?;
                let value = found.secret_string.clone().or_else(|| found.secret_binary.clone());
                let value = value.unwrap_or_default();
                context.output.result(&found, || vec![value.clone()], || value.clone())?;
            }
            Self::List { all } => list(context, all).await?,
            Self::Delete { name, recovery_days, force } => {
                let request = DeleteSecretRequest {
                    secret_id: Some(name.clone()),
                    recovery_window_in_days: recovery_days,
                    force_delete_without_recovery: force.then_some(true),
                };
                client.call(request).await?;
                let end = if force { "." } else { "; `berth secret restore` undoes that for a while." };
                context.output.note(&format!("Deleted secret {name}{end}"));
            }
            Self::Restore { name } => {
                client.call(RestoreSecretRequest { secret_id: Some(name.clone()) }).await?;
                context.output.note(&format!("Restored secret {name}."));
            }
        }
        Ok(Exit::Success)
    }
}

async fn list(context: &Context, all: bool) -> Result<(), Failure> {
    let client = context.connect()?.client;
    let request = ListSecretsRequest { include_planned_deletion: Some(all), ..ListSecretsRequest::default() };
    let response = ListSecretsResponse { secret_list: api::every(&client, request).await?, next_token: None };
    context.output.result(
        &response,
        || response.secret_list.iter().map(|found| found.name().to_owned()).collect(),
        || {
            let table = view::secret::secrets(&response.secret_list, context.now_unix_ms());
            context.output.table(&table, "There is no secret.")
        },
    )
}

// === impl Create ===

impl Create {
    fn request(self) -> Result<CreateSecretRequest, Failure> {
        Ok(CreateSecretRequest {
            name: Some(self.name),
            secret_string: Some(self.value.read()?),
            description: self.description,
            ..CreateSecretRequest::default()
        })
    }
}

// === impl Value ===

impl Value {
    fn read(self) -> Result<String, Failure> {
        value_of(self.value, self.file.as_deref())
    }
}
