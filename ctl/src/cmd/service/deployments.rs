//! `berth service deployments`, `rollback` and `continue`: what became of a service's deployments, and going back.

use berth_proto::admin::v1::RollBackServiceRequest;
use berth_proto::ecs::v1::{
    ContinueServiceDeploymentRequest, DeploymentLifecycleHookAction, DeploymentLifecycleHookStatus,
    DescribeServiceDeploymentsRequest, DescribeServiceDeploymentsResponse, ListServiceDeploymentsRequest,
    ServiceDeployment, ServiceDeploymentStatus, StopServiceDeploymentRequest, StopServiceDeploymentStopType,
};
use clap::Args;

use crate::api;
use crate::context::{Context, Session};
use crate::details::render_all;
use crate::failure::Failure;
use crate::names::short;
use crate::view::service_deployment as view;
use crate::wait::{WaitArgs, service as wait};

/// The most that the API describes at once.
const AT_ONCE: usize = 20;

/// Show the deployments of a service, newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  berth service deployments web\n  berth service deployments web --details -n 1"
)]
pub(crate) struct Deployments {
    /// The service
    name: String,
    /// The newest so many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    newest: usize,
    /// Everything about each
    #[arg(long)]
    details: bool,
}

/// Go back to an earlier revision of a service
#[derive(Debug, Args)]
#[command(after_help = "\
Without a revision: a deployment that is under way is stopped and undone; otherwise the service goes back to the last
revision that worked. The images are those that the revision ran, whatever their tags mean by now.

Examples:
  berth service rollback web --wait
  berth service rollback web 4980306466373577095")]
pub(crate) struct Rollback {
    /// The service
    name: String,
    /// The revision: ARN or number, as `berth service revisions` shows it
    revision: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Let a deployment go on that waits at a pause, or send it back
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  berth service continue web\n  berth service continue web --rollback")]
pub(crate) struct Continue {
    /// The service
    name: String,
    /// Undo the deployment instead
    #[arg(long)]
    rollback: bool,
}

/// The service deployments of a service, newest first.
async fn described(session: &Session, name: &str, newest: usize) -> Result<Vec<ServiceDeployment>, Failure> {
    let request = ListServiceDeploymentsRequest {
        cluster: session.cluster(),
        service: Some(api::service_name(name)),
        max_results: Some(100),
        ..ListServiceDeploymentsRequest::default()
    };
    let mut briefs = api::every(&session.client, request).await?;
    briefs.truncate(newest);
    let arns: Vec<String> = briefs.iter().map(|brief| brief.service_deployment_arn().to_owned()).collect();
    let mut all = Vec::new();
    for arns in arns.chunks(AT_ONCE) {
        let request = DescribeServiceDeploymentsRequest { service_deployment_arns: arns.to_vec() };
        all.extend(session.client.call(request).await?.service_deployments);
    }
    Ok(all)
}

// === impl Deployments ===

impl Deployments {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let service_deployments = described(session, &self.name, self.newest).await?;
        let response = DescribeServiceDeploymentsResponse { service_deployments, failures: Vec::new() };
        let all = &response.service_deployments;
        let names = || all.iter().map(|one| short(one.service_deployment_arn()).to_owned()).collect();
        context.output.result(&response, names, || {
            if self.details {
                let details: Vec<_> = all.iter().map(view::details).collect();
                return render_all(&details, context.output.surface());
            }
            context.output.table(&view::table(all, context.now_unix_ms()), "It was never deployed.")
        })
    }
}

// === impl Rollback ===

impl Rollback {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let name = api::service_name(&self.name);
        let newest = described(session, &name, 1).await?.into_iter().next();
        let under_way = newest
            .filter(|_| self.revision.is_none())
            .filter(|newest| newest.status() == ServiceDeploymentStatus::InProgress);
        let arn = match under_way {
            Some(under_way) => {
                let request = StopServiceDeploymentRequest {
                    service_deployment_arn: under_way.service_deployment_arn,
                    stop_type: Some(StopServiceDeploymentStopType::Rollback.into()),
                };
                session.client.call(request).await?.service_deployment_arn.unwrap_or_default()
            }
            None => {
                let request = RollBackServiceRequest {
                    cluster: session.cluster.clone(),
                    service: name.clone(),
                    service_revision: self.revision.unwrap_or_default(),
                };
                session.client.call(request).await?.service_deployment_arn
            }
        };
        context.output.note(&format!("service {name} goes back: service deployment {}", short(&arn)));
        if self.wait.wait {
            wait::until_stable(context, session, &[name], self.wait.timeout, wait::Story::SinceNow).await?;
        }
        Ok(())
    }
}

// === impl Continue ===

impl Continue {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let newest = described(session, &self.name, 1).await?.into_iter().next();
        let newest =
            newest.ok_or_else(|| Failure::refused(format!("service {} was never deployed", self.name)))?;
        let waits = DeploymentLifecycleHookStatus::AwaitingAction;
        let hook = newest.lifecycle_hook_details.iter().find(|hook| hook.status() == waits);
        let Some(hook) = hook else {
            let message = format!("the deployment of {} waits for nobody", self.name);
            return Err(
                Failure::refused(message).hint("`berth service deployments --details` shows its hooks")
            );
        };
        let action = match self.rollback {
            true => DeploymentLifecycleHookAction::Rollback,
            false => DeploymentLifecycleHookAction::Continue,
        };
        let request = ContinueServiceDeploymentRequest {
            service_deployment_arn: newest.service_deployment_arn.clone(),
            hook_id: hook.hook_id.clone(),
            action: Some(action.into()),
        };
        session.client.call(request).await?;
        let verb = if self.rollback { "goes back" } else { "goes on" };
        context.output.note(&format!("the deployment of {} {verb}", self.name));
        Ok(())
    }
}
