//! `berth controller`: who decides.

use berth_proto::admin::v1::{ListControllersRequest, RemoveControllerRequest};
use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::view;

/// Controllers: who decides
#[derive(Debug, Subcommand)]
pub(crate) enum Controller {
    /// Show the controllers, and which of them leads
    #[command(visible_alias = "ls")]
    List,
    /// Take a controller out for good; refused when the rest could form no majority
    #[command(visible_alias = "rm")]
    Remove {
        /// Its id, or the beginning of it
        id: String,
    },
}

// === impl Controller ===

impl Controller {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.connect()?.client;
        let response = client.call(ListControllersRequest {}).await?;
        match self {
            Self::List => context.output.result(
                &response,
                || response.controllers.iter().map(|one| one.controller_id.clone()).collect(),
                || {
                    context
                        .output
                        .table(&view::admin::controllers(&response.controllers), "There is no controller.")
                },
            )?,
            Self::Remove { id } => {
                let mut fits = response.controllers.iter().filter(|one| one.controller_id.starts_with(&id));
                let (Some(one), None) = (fits.next(), fits.next()) else {
                    return Err(Failure::refused(format!(
                        "`{id}` is the beginning of no controller's id, or of several"
                    ))
                    .hint("`berth controller list` shows all"));
                };
                client.call(RemoveControllerRequest { controller_id: one.controller_id.clone() }).await?;
                context.output.note(&format!(
                    "Removed controller {} at {}: stop it, and do not start it again with the same data.",
                    one.controller_id, one.address
                ));
            }
        }
        Ok(Exit::Success)
    }
}
