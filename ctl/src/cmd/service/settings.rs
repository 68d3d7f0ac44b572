//! What `create` and `update` have in common: the flags, and how they change a deployment configuration.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{
    AvailabilityZoneRebalancing, DeploymentCircuitBreaker, DeploymentConfiguration, PlacementConstraint,
    PlacementStrategy, PropagateTags,
};
use clap::{Args, ValueEnum};

use crate::cmd::task::Network;
use crate::syntax;

/// What a service runs, and how it is deployed
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The task definition: family (its newest revision), family:revision or ARN
    #[arg(short, long, value_name = "NAME")]
    pub(super) task_definition: Option<String>,
    /// How many tasks
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) desired_count: Option<i32>,
    /// How many of the desired tasks must stay healthy during a deployment, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) minimum_healthy_percent: Option<i32>,
    /// How many tasks there may be during a deployment, in percent of the desired ones
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) maximum_percent: Option<i32>,
    /// Whether a deployment whose tasks keep failing is given up (on), and undone (rollback)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) circuit_breaker: Option<CircuitBreaker>,
    /// For how long after its start a task's health is not looked at
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) health_check_grace_period: Option<i32>,
    /// Whether tasks are moved when availability zones are unevenly loaded: enabled or disabled
    #[arg(long, value_parser = rebalancing, value_name = "WHAT")]
    pub(super) availability_zone_rebalancing: Option<AvailabilityZoneRebalancing>,
    /// Whether commands may be run in tasks that are started from now on: true or false
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "WHETHER")]
    pub(super) enable_execute_command: Option<bool>,
    /// Where the tags of tasks that are started from now on come from: service, task_definition or none
    #[arg(long, value_parser = propagate_tags, value_name = "SOURCE")]
    pub(super) propagate_tags: Option<PropagateTags>,
    /// Whether tasks that are started from now on have the tags aws:ecs:clusterName and aws:ecs:serviceName: true or false
    #[arg(long = "enable-ecs-managed-tags", num_args = 0..=1, default_missing_value = "true", value_name = "WHETHER")]
    pub(super) enable_ecs_managed_tags: Option<bool>,
    /// spread=zone, spread=FIELD, binpack=cpu, binpack=memory or random; several are applied in order
    #[arg(long, value_parser = syntax::placement_strategy, value_name = "STRATEGY")]
    pub(super) placement_strategy: Vec<PlacementStrategy>,
    /// distinctInstance, or memberOf=EXPRESSION
    #[arg(long, value_parser = syntax::placement_constraint, value_name = "CONSTRAINT")]
    pub(super) placement_constraint: Vec<PlacementConstraint>,
    #[command(flatten)]
    pub(super) network: Network,
    /// The request as a file, JSON or YAML, as AWS writes it; flags win over it; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<String>,
}

/// What happens when tasks keep failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CircuitBreaker {
    // Go on trying.
    Off,
    // Give the deployment up.
    On,
    // Give it up and go back to the last one that worked.
    Rollback,
}

fn propagate_tags(text: &str) -> Result<PropagateTags, String> {
    PropagateTags::from_aws_name(&text.to_uppercase())
        .ok_or_else(|| format!("`{text}` is not service, task_definition or none"))
}

fn rebalancing(text: &str) -> Result<AvailabilityZoneRebalancing, String> {
    AvailabilityZoneRebalancing::from_aws_name(&text.to_uppercase())
        .ok_or_else(|| format!("`{text}` is neither enabled nor disabled"))
}

// === impl Settings ===

impl Settings {
    /// True when the flags say anything about deployments.
    pub(super) fn changes_deployment(&self) -> bool {
        self.minimum_healthy_percent.is_some()
            || self.maximum_percent.is_some()
            || self.circuit_breaker.is_some()
    }

    /// The configuration with what the flags say; whatever they leave open stays.
    pub(super) fn deployment(
        &self,
        before: Option<DeploymentConfiguration>,
    ) -> Option<DeploymentConfiguration> {
        if !self.changes_deployment() {
            return before;
        }
        let mut configuration = before.unwrap_or_default();
        configuration.minimum_healthy_percent =
            self.minimum_healthy_percent.or(configuration.minimum_healthy_percent);
        configuration.maximum_percent = self.maximum_percent.or(configuration.maximum_percent);
        if let Some(breaker) = self.circuit_breaker {
            let before = configuration.deployment_circuit_breaker.take().unwrap_or_default();
            configuration.deployment_circuit_breaker = Some(DeploymentCircuitBreaker {
                enable: Some(breaker != CircuitBreaker::Off),
                rollback: Some(breaker == CircuitBreaker::Rollback),
                ..before
            });
        }
        Some(configuration)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn settings(line: &str) -> Settings {
        Line::try_parse_from(format!("x {line}").split_whitespace()).expect("valid flags").settings
    }

    #[test]
    fn flags_change_only_what_they_name() {
        let before = DeploymentConfiguration {
            minimum_healthy_percent: Some(100),
            maximum_percent: Some(150),
            bake_time_in_minutes: Some(5),
            ..DeploymentConfiguration::default()
        };
        let after = settings("--minimum-healthy-percent 50").deployment(Some(before.clone())).expect("some");
        assert_eq!(after, DeploymentConfiguration { minimum_healthy_percent: Some(50), ..before.clone() });
        assert_eq!(settings("").deployment(Some(before.clone())), Some(before));
        assert_eq!(settings("").deployment(None), None);
    }

    #[test]
    fn the_circuit_breaker_has_three_positions() {
        let breaker = |line: &str| {
            let configuration = settings(line).deployment(None).expect("some");
            let breaker = configuration.deployment_circuit_breaker.expect("set");
            (breaker.enable(), breaker.rollback())
        };
        assert_eq!(breaker("--circuit-breaker off"), (false, false));
        assert_eq!(breaker("--circuit-breaker on"), (true, false));
        assert_eq!(breaker("--circuit-breaker rollback"), (true, true));
    }
}
