//! `berth key`: who may call.

use berth_proto::admin::v1::{
    CreateAccessKeyRequest, DeleteAccessKeyRequest, ListAccessKeysRequest, UpdateAccessKeyRequest,
};
use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::view;

/// Access keys: who may call
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key for a person, a tool or a pipeline; its secret is shown once
    #[command(after_help = "\
The same key opens both wires: this command line's, and the API as AWS serves it.

Examples:
  berth key create --description 'deploy pipeline'
  AWS_ENDPOINT_URL=http://c1:7402 AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... aws ecs list-clusters")]
    Create {
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        description: String,
    },
    /// Show all keys, without their secrets
    #[command(visible_alias = "ls")]
    List,
    /// Let a key open nothing until it is enabled again
    Disable {
        /// Its id
        id: String,
    },
    /// Let a disabled key open again
    Enable {
        /// Its id
        id: String,
    },
    /// Take a key out for good
    #[command(visible_alias = "rm")]
    Delete {
        /// Its id
        id: String,
    },
}

// === impl Key ===

impl Key {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.connect()?.client;
        match self {
            Self::Create { description } => {
                let made = client.call(CreateAccessKeyRequest { description }).await?;
                let id = made.access_key.as_ref().map(|key| key.access_key_id.clone()).unwrap_or_default();
                context.output.result(
                    &made,
                    || vec![id.clone()],
                    || {
                        context
                            .output
                            .table(&view::key::made(&id, &made.secret_access_key), "There is no key.")
                    },
                )?;
                context.output.note("Keep the secret: nobody can show it again.");
            }
            Self::List => {
                let response = client.call(ListAccessKeysRequest {}).await?;
                context.output.result(
                    &response,
                    || response.access_keys.iter().map(|key| key.access_key_id.clone()).collect(),
                    || {
                        let table = view::key::keys(&response.access_keys, context.now_unix_ms());
                        context.output.table(&table, "There is no access key.")
                    },
                )?;
            }
            Self::Disable { id } => set(context, id, false).await?,
            Self::Enable { id } => set(context, id, true).await?,
            Self::Delete { id } => {
                client.call(DeleteAccessKeyRequest { access_key_id: id.clone() }).await?;
                context.output.note(&format!("Deleted access key {id}."));
            }
        }
        Ok(Exit::Success)
    }
}

async fn set(context: &Context, id: String, enabled: bool) -> Result<(), Failure> {
    let client = context.connect()?.client;
    client.call(UpdateAccessKeyRequest { access_key_id: id.clone(), enabled }).await?;
    context.output.note(&format!("{} access key {id}.", if enabled { "Enabled" } else { "Disabled" }));
    Ok(())
}
