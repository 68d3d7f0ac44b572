//! `berth service delete`.

use berth_proto::ecs::v1::DeleteServiceRequest;
use clap::Args;
use tokio::time::Instant;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::wait::{POLL, WaitArgs};

/// Delete services
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  berth service delete web --force --wait")]
pub(crate) struct Delete {
    /// The services
    #[arg(required = true)]
    names: Vec<String>,
    /// Even though they are scaled above 0: their tasks are stopped
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

// === impl Delete ===

impl Delete {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let names: Vec<String> = self.names.iter().map(|name| api::service_name(name)).collect();
        for name in &names {
            let request = DeleteServiceRequest {
                cluster: session.cluster(),
                service: Some(name.clone()),
                force: Some(self.force),
            };
            let response = session.client.call(request).await?;
            super::show(context, &response, response.service.as_slice(), "")?;
        }
        if self.wait.wait { self.until_gone(context, &session.patient(), &names).await } else { Ok(()) }
    }

    /// Gone is INACTIVE, or not found any more, with no task left.
    async fn until_gone(
        &self,
        context: &Context,
        session: &Session,
        names: &[String],
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + self.wait.timeout;
        let mut progress = Progress::start(&context.output, &format!("deleting {}", names.join(", ")));
        loop {
            let response = api::services(session, names).await?;
            let mut left = Vec::new();
            for service in response.services.iter().filter(|service| service.status() != "INACTIVE") {
                let running = service.running_count() + service.pending_count();
                left.push(match running {
                    0 => format!("{}: its last tasks are stopping", service.service_name()),
                    _ => format!("{}: {running} tasks run", service.service_name()),
                });
            }
            if left.is_empty() {
                progress.done(&format!("{} deleted", names.join(", ")));
                return Ok(());
            }
            progress.update_all(&left);
            if Instant::now() >= deadline {
                let message = format!("not gone after {:?}: {}", self.wait.timeout, left.join("; "));
                return Err(
                    Failure::timed_out(message).hint("`berth ps --service NAME` shows what still runs")
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
