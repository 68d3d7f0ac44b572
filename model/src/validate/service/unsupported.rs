//! What ECS can do for a service and this deployment cannot yet.

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::validate::name::member;
use crate::validate::unsupported;

/// Members that CreateService and UpdateService share, as far as they were given.
#[derive(Default)]
pub(super) struct Extras<'a> {
    pub(super) scheduling: Option<i32>,
    pub(super) controller: Option<&'a pb::DeploymentController>,
    pub(super) load_balancers: &'a [pb::LoadBalancer],
    pub(super) registries: &'a [pb::ServiceRegistry],
    pub(super) connect: Option<&'a pb::ServiceConnectConfiguration>,
    pub(super) volumes: &'a [pb::ServiceVolumeConfiguration],
    pub(super) lattice: &'a [pb::VpcLatticeConfiguration],
    pub(super) gateways: &'a [pb::GatewayConnector],
    pub(super) monitoring: Option<&'a pb::MonitoringConfiguration>,
    pub(super) capacity: &'a [pb::CapacityProviderStrategyItem],
    pub(super) role: Option<&'a str>,
    pub(super) grace_period_seconds: Option<i32>,
}

// === impl Extras ===

impl Extras<'_> {
    /// Refuses the first one that would have an effect. What only says that a feature is off is no request for it.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        member::<pb::SchedulingStrategy>("schedulingStrategy", self.scheduling)?;
        let controller = self.controller.and_then(|controller| controller.r#type);
        let controller = member::<pb::DeploymentControllerType>("deploymentController.type", controller)?;
        if self.grace_period_seconds.is_some_and(|seconds| seconds < 0) {
            return Err(ApiError::invalid("healthCheckGracePeriodSeconds must not be negative."));
        }
        let asked = [
            (
                controller == Some(pb::DeploymentControllerType::CodeDeploy),
                "The deploymentController CODE_DEPLOY",
            ),
            (!self.load_balancers.is_empty(), "A service with loadBalancers"),
            (!self.registries.is_empty(), "A service with serviceRegistries"),
            (
                self.connect.is_some_and(pb::ServiceConnectConfiguration::enabled),
                "A serviceConnectConfiguration that is enabled",
            ),
            (!self.volumes.is_empty(), "A service with volumeConfigurations"),
            (!self.lattice.is_empty(), "A service with vpcLatticeConfigurations"),
            (!self.gateways.is_empty(), "A service with gatewayConnectors"),
            (
                self.monitoring.is_some_and(|monitoring| !monitoring.metric_configurations.is_empty()),
                "A service with monitoring",
            ),
            (!self.capacity.is_empty(), "A capacityProviderStrategy"),
            (self.role.is_some_and(|role| !role.is_empty()), "A service with a role"),
        ];
        match asked.into_iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(unsupported(what)),
            None => Ok(()),
        }
    }
}
