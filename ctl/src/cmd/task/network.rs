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
    /// Whether anything was given.
    pub(crate) fn is_given(&self) -> bool {
        !(self.subnets.is_empty() && self.security_groups.is_empty())
    }

    /// As the API takes it: what was before with what was given, or only that.
    pub(crate) fn over(&self, before: Option<NetworkConfiguration>) -> Option<NetworkConfiguration> {
        if !self.is_given() {
            return before;
        }
        let mut own: AwsVpcConfiguration =
            before.and_then(|before| before.awsvpc_configuration).unwrap_or_default();
        if !self.subnets.is_empty() {
            own.subnets.clone_from(&self.subnets);
        }
        if own.subnets.is_empty() {
            own.subnets.push(ANY_SUBNET.to_owned());
        }
        if !self.security_groups.is_empty() {
            own.security_groups.clone_from(&self.security_groups);
        }
        Some(NetworkConfiguration { awsvpc_configuration: Some(own) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(subnets: &[&str], groups: &[&str]) -> Network {
        let texts = |given: &[&str]| given.iter().map(|text| (*text).to_owned()).collect();
        Network { subnets: texts(subnets), security_groups: texts(groups) }
    }

    fn told(configuration: Option<NetworkConfiguration>) -> (Vec<String>, Vec<String>) {
        let own = configuration.and_then(|network| network.awsvpc_configuration).expect("there is one");
        (own.subnets, own.security_groups)
    }

    #[test]
    fn flags_change_only_what_they_name() {
        let before = given(&["here"], &["front"]).over(None);
        assert_eq!(
            told(given(&[], &["back"]).over(before.clone())),
            (vec!["here".into()], vec!["back".into()])
        );
        assert_eq!(
            told(given(&["there"], &[]).over(before.clone())),
            (vec!["there".into()], vec!["front".into()])
        );
        assert_eq!(given(&[], &[]).over(before.clone()), before);
        assert_eq!(told(given(&[], &["back"]).over(None)), (vec!["default".into()], vec!["back".into()]));
        assert_eq!(given(&[], &[]).over(None), None);
    }
}
