//! The network of tasks with addresses of their own, as flags.

use berth_proto::ecs::v1::{AwsVpcConfiguration, NetworkConfiguration};
use clap::Args;

/// What is meant when only groups are given: one subnet is as good as another.
const ANY_SUBNET: &str = "default";

/// The network of tasks in network mode awsvpc
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Network {
    /// A subnet; it is kept and shown, and says nothing else
    #[arg(long = "subnet", value_name = "NAME")]
    subnets: Vec<String>,
    /// A security group, by id or name; see `berth security-group`
    #[arg(long = "security-group", value_name = "GROUP")]
    security_groups: Vec<String>,
}

// === impl Network ===

impl Network {
    /// As the API takes it; nothing when nothing was given.
    pub(crate) fn message(&self) -> Option<NetworkConfiguration> {
        if self.subnets.is_empty() && self.security_groups.is_empty() {
            return None;
        }
        let subnets =
            if self.subnets.is_empty() { vec![ANY_SUBNET.to_owned()] } else { self.subnets.clone() };
        let security_groups = self.security_groups.clone();
        let own = AwsVpcConfiguration { subnets, security_groups, assign_public_ip: None };
        Some(NetworkConfiguration { awsvpc_configuration: Some(own) })
    }
}
