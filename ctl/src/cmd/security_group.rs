//! `berth security-group`: who may talk to tasks that have addresses of their own.

use berth_proto::admin::v1::{
    ChangeSecurityGroupRequest, ChangeSecurityGroupResponse, CreateSecurityGroupRequest,
    DeleteSecurityGroupRequest, DescribeSecurityGroupsRequest,
};
use berth_proto::agent::v1::SecurityGroupRule;
use clap::{Args, Subcommand};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::view;

/// Security groups: who may talk to tasks with addresses of their own
#[derive(Debug, Subcommand)]
pub(crate) enum SecurityGroup {
    /// Make a group, which lets nothing in and everything out
    #[command(after_help = "\
Tasks in network mode awsvpc name groups by their ids or their names. A group that nobody made restricts nothing.

Examples:
  berth security-group create web
  berth security-group authorize web --ingress --protocol tcp --port 80
  berth security-group authorize db --ingress --protocol tcp --port 5432 --from web")]
    Create {
        /// Its name
        name: String,
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        description: String,
        /// The id to give it, for tasks that name one already
        #[arg(long, default_value = "", value_name = "SG-ID")]
        id: String,
    },
    /// Let something through
    Authorize(Change),
    /// Let something through no longer
    Revoke(Change),
    /// Show groups and their rules
    #[command(visible_alias = "ls", alias = "list")]
    Describe {
        /// Ids or names; all groups when there are none
        groups: Vec<String>,
    },
    /// Take out a group that no task and no rule names
    #[command(visible_alias = "rm")]
    Delete {
        /// Id or name
        group: String,
    },
}

/// A rule of a group
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Id or name of the group
    group: String,
    /// Of what comes to its tasks
    #[arg(long, required_unless_present = "egress", conflicts_with = "egress")]
    ingress: bool,
    /// Of what goes from its tasks
    #[arg(long)]
    egress: bool,
    /// tcp, udp, icmp or all
    #[arg(long, default_value = "all", value_parser = ["tcp", "udp", "icmp", "all"])]
    protocol: String,
    /// A port, or a range such as 8000-8010 [default: all]
    #[arg(long, value_name = "PORT", value_parser = ports)]
    port: Option<(u32, u32)>,
    /// The other end: addresses such as 10.0.0.0/8, or the tasks of a group
    #[arg(long, alias = "to", default_value = "0.0.0.0/0", value_name = "CIDR|GROUP")]
    from: String,
    /// What it is for
    #[arg(long, default_value = "", value_name = "TEXT")]
    description: String,
}

// === impl SecurityGroup ===

impl SecurityGroup {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.connect()?.client;
        match self {
            Self::Create { name, description, id } => {
                let request = CreateSecurityGroupRequest { name, description, group_id: id };
                let made = client.call(request).await?;
                let id = made.security_group.as_ref().map(|group| group.group_id.clone()).unwrap_or_default();
                context.output.result(&made, || vec![id.clone()], || id.clone())?;
            }
            Self::Authorize(change) => {
                let (group, is_ingress, rules) = change.rules();
                let mut request = ChangeSecurityGroupRequest { group, ..Default::default() };
                *if is_ingress { &mut request.authorize_ingress } else { &mut request.authorize_egress } =
                    rules;
                show(context, &client.call(request).await?)?;
            }
            Self::Revoke(change) => {
                let (group, is_ingress, rules) = change.rules();
                let mut request = ChangeSecurityGroupRequest { group, ..Default::default() };
                *if is_ingress { &mut request.revoke_ingress } else { &mut request.revoke_egress } = rules;
                show(context, &client.call(request).await?)?;
            }
            Self::Describe { groups } => {
                let found = client.call(DescribeSecurityGroupsRequest { groups }).await?;
                context.output.result(
                    &found,
                    || found.security_groups.iter().map(|group| group.group_id.clone()).collect(),
                    || {
                        let table = view::security_group::groups(&found.security_groups);
                        context.output.table(&table, "There is no security group.")
                    },
                )?;
            }
            Self::Delete { group } => {
                client.call(DeleteSecurityGroupRequest { group: group.clone() }).await?;
                context.output.note(&format!("Deleted security group {group}."));
            }
        }
        Ok(Exit::Success)
    }
}

// === impl Change ===

impl Change {
    /// The group, whether it is about what comes in, and the rule.
    fn rules(self) -> (String, bool, Vec<SecurityGroupRule>) {
        let (from_port, to_port) = self.port.unwrap_or_default();
        // Only addresses have a slash.
        let (cidr, group_id) =
            if self.from.contains('/') { (self.from, String::new()) } else { (String::new(), self.from) };
        let protocol = if self.protocol == "all" { "-1".to_owned() } else { self.protocol };
        let rule =
            SecurityGroupRule { protocol, from_port, to_port, cidr, group_id, description: self.description };
        (self.group, self.ingress, vec![rule])
    }
}

fn show(context: &Context, changed: &ChangeSecurityGroupResponse) -> Result<(), Failure> {
    let groups: Vec<_> = changed.security_group.iter().cloned().collect();
    context.output.result(
        changed,
        || groups.iter().map(|group| group.group_id.clone()).collect(),
        || context.output.table(&view::security_group::groups(&groups), "There is no security group."),
    )
}

/// `80` or `8000-8010`.
fn ports(text: &str) -> Result<(u32, u32), String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse().ok().filter(|port| (1..=65_535).contains(port));
    port(from).zip(port(to)).ok_or_else(|| "expected a port, or two with a hyphen between them".to_owned())
}
