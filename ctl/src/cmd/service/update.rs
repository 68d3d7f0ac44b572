//! `berth service update`.

use berth_proto::ecs::v1::{PlacementConstraintList, PlacementStrategyList, UpdateServiceRequest};
use clap::{ArgGroup, Args};

use super::settings::Settings;
use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::input;
use crate::wait::WaitArgs;

/// Change a service
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("change").required(true).multiple(true).args([
        "task_definition", "desired_count", "minimum_healthy_percent", "maximum_percent", "circuit_breaker",
        "health_check_grace_period", "availability_zone_rebalancing", "enable_execute_command", "placement_strategy",
        "placement_constraint", "propagate_tags", "enable_ecs_managed_tags", "subnets", "security_groups", "file",
        "force_new_deployment",
    ])),
    override_usage = "berth service update <NAME> <WHAT TO CHANGE>...",
    after_help = "\
What is not named stays as it is. A file can also clear things: an empty list clears, an absent one does not.

Examples:
  berth service update web --task-definition web:8 --wait
  berth service update web --force                        new tasks of the same revision
  berth service update web --circuit-breaker rollback --minimum-healthy-percent 50
  berth service update web --security-group front         new tasks, in this group"
)]
pub(crate) struct Update {
    /// The service
    name: String,
    #[command(flatten)]
    settings: Settings,
    /// Replace all tasks, even when nothing else changes
    #[arg(long, visible_alias = "force")]
    force_new_deployment: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

// === impl Update ===

impl Update {
    pub(super) async fn run(mut self, context: &Context, session: &Session) -> Result<(), Failure> {
        let mut request: UpdateServiceRequest = match self.settings.file.take() {
            Some(file) => input::message_of(&input::read_document(&file)?, &file)?,
            None => UpdateServiceRequest::default(),
        };
        let name = api::service_name(&self.name);
        // A file may name another cluster than the one in use.
        let session = &session.in_cluster(request.cluster());
        let lacks_deployment =
            self.settings.changes_deployment() && request.deployment_configuration.is_none();
        let lacks_network = self.settings.network.is_given() && request.network_configuration.is_none();
        if lacks_deployment || lacks_network {
            // The API takes whole configurations: what the flags leave open is what the service has.
            let response = api::services(session, std::slice::from_ref(&name)).await?;
            let known = response.services.into_iter().next().unwrap_or_default();
            if lacks_deployment {
                request.deployment_configuration = known.deployment_configuration;
            }
            if lacks_network {
                request.network_configuration = known.network_configuration;
            }
        }
        self.change(&mut request);
        request.cluster = session.cluster();
        request.service = Some(name);
        let response = session.client.call(request).await?;
        super::show_changed(context, session, &response, response.service.as_ref(), &self.wait).await
    }

    fn change(&mut self, request: &mut UpdateServiceRequest) {
        let settings = &mut self.settings;
        request.deployment_configuration = settings.deployment(request.deployment_configuration.take());
        request.task_definition = settings.task_definition.take().or_else(|| request.task_definition.take());
        request.desired_count = settings.desired_count.or(request.desired_count);
        request.health_check_grace_period_seconds =
            settings.health_check_grace_period.or(request.health_check_grace_period_seconds);
        request.network_configuration = settings.network.over(request.network_configuration.take());
        request.propagate_tags = settings.propagate_tags.map(i32::from).or(request.propagate_tags);
        request.enable_ecs_managed_tags =
            settings.enable_ecs_managed_tags.or(request.enable_ecs_managed_tags);
        request.enable_execute_command = settings.enable_execute_command.or(request.enable_execute_command);
        request.availability_zone_rebalancing =
            settings.availability_zone_rebalancing.map(i32::from).or(request.availability_zone_rebalancing);
        if self.force_new_deployment {
            request.force_new_deployment = Some(true);
        }
        if !settings.placement_strategy.is_empty() {
            let items = std::mem::take(&mut settings.placement_strategy);
            request.placement_strategy = Some(PlacementStrategyList { items });
        }
        if !settings.placement_constraint.is_empty() {
            let items = std::mem::take(&mut settings.placement_constraint);
            request.placement_constraints = Some(PlacementConstraintList { items });
        }
    }
}
