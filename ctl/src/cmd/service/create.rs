//! `berth service create`.

use berth_proto::ecs::v1::{CreateServiceRequest, LaunchType, SchedulingStrategy, Tag};
use clap::Args;

use super::settings::Settings;
use crate::cmd::task::{client_token, launch_type};
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::input;
use crate::syntax;
use crate::wait::WaitArgs;

/// Make a service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  berth service create web --task-definition web --desired-count 3 --wait
  berth service create web -t web:7 -n 6 --placement-strategy spread=zone
  berth service create agent -t agent --daemon
  berth service create -f service.yaml --wait")]
pub(crate) struct Create {
    /// Its name: letters, digits, - and _ [default: the file's serviceName]
    name: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// One task on every instance instead of a number of them
    #[arg(long, conflicts_with = "desired_count")]
    daemon: bool,
    /// The launch type
    #[arg(long, value_parser = launch_type, value_name = "TYPE")]
    launch_type: Option<LaunchType>,
    /// A tag, as KEY=VALUE
    #[arg(long = "tag", value_parser = syntax::tag, value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
    #[command(flatten)]
    wait: WaitArgs,
}

// === impl Create ===

impl Create {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let wait = self.wait.clone();
        let request = self.request(session)?;
        // A file may name another cluster than the one in use.
        let session = session.in_cluster(request.cluster());
        let response = session.client.call(request).await?;
        super::show_changed(context, &session, &response, response.service.as_ref(), &wait).await
    }

    fn request(mut self, session: &Session) -> Result<CreateServiceRequest, Failure> {
        let mut request: CreateServiceRequest = match self.settings.file.take() {
            Some(file) => input::message_of(&input::read_document(&file)?, &file)?,
            None => CreateServiceRequest::default(),
        };
        let settings = &self.settings;
        request.deployment_configuration = settings.deployment(request.deployment_configuration.take());
        request.cluster = request.cluster.or_else(|| session.cluster());
        request.service_name = self.name.or(request.service_name);
        request.task_definition = settings.task_definition.clone().or(request.task_definition);
        request.desired_count = settings.desired_count.or(request.desired_count);
        request.launch_type = self.launch_type.map(i32::from).or(request.launch_type);
        request.enable_ecs_managed_tags =
            settings.enable_ecs_managed_tags.or(request.enable_ecs_managed_tags);
        request.propagate_tags = settings.propagate_tags.map(i32::from).or(request.propagate_tags);
        request.health_check_grace_period_seconds =
            settings.health_check_grace_period.or(request.health_check_grace_period_seconds);
        request.enable_execute_command = settings.enable_execute_command.or(request.enable_execute_command);
        request.availability_zone_rebalancing =
            settings.availability_zone_rebalancing.map(i32::from).or(request.availability_zone_rebalancing);
        if self.daemon {
            request.scheduling_strategy = Some(SchedulingStrategy::Daemon.into());
        } else if request.desired_count.is_none()
            && request.scheduling_strategy() != SchedulingStrategy::Daemon
        {
            request.desired_count = Some(1);
        }
        if !settings.placement_strategy.is_empty() {
            request.placement_strategy.clone_from(&settings.placement_strategy);
        }
        if !settings.placement_constraint.is_empty() {
            request.placement_constraints.clone_from(&settings.placement_constraint);
        }
        request.network_configuration = settings.network.over(request.network_configuration.take());
        request.tags.append(&mut self.tags);
        request.client_token.get_or_insert_with(client_token);
        complete(request)
    }
}

fn complete(request: CreateServiceRequest) -> Result<CreateServiceRequest, Failure> {
    if request.service_name().is_empty() {
        return Err(Failure::usage("the service has no name").hint("`berth service create NAME ...`"));
    }
    if request.task_definition().is_empty() {
        return Err(Failure::usage(format!("service {} has no task definition", request.service_name()))
            .hint(
                "add `--task-definition FAMILY`; `berth task-definition families` shows what is registered",
            ));
    }
    Ok(request)
}
