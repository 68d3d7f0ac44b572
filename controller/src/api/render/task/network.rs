//! The address of a task as messages: ECS shows it as an attachment, and with every container.

use berth_model::network::{self, Membership};
use berth_model::task::{Task, TaskStatus};
use berth_proto::ecs::v1 as pb;

/// Source: ECS API, `Attachment.type`.
const KIND: &str = "ElasticNetworkInterface";

/// The interface of a task that has one of its own.
pub(super) fn attachments(task: &Task) -> Vec<pb::Attachment> {
    task.network.as_ref().map(|network| attachment(task, network)).into_iter().collect()
}

/// The same as its containers see it; nothing before it has an address.
pub(super) fn interfaces(task: &Task) -> Vec<pb::NetworkInterface> {
    let address = task.observed.address.filter(|_| task.network.is_some());
    let interface = |address: std::net::Ipv4Addr| pb::NetworkInterface {
        attachment_id: Some(network::attachment_id(task.id)),
        private_ipv4_address: Some(address.to_string()),
        ..pb::NetworkInterface::default()
    };
    address.map(interface).into_iter().collect()
}

fn attachment(task: &Task, membership: &Membership) -> pb::Attachment {
    let address = task.observed.address;
    let status = match (task.observed.last_status, address) {
        (TaskStatus::Stopped, _) => "DELETED",
        (TaskStatus::Deprovisioning, _) => "DETACHING",
        (_, Some(_)) => "ATTACHED",
        // No agent has said anything of it.
        (_, None) if task.observed.report_version == 0 => "PRECREATED",
        (_, None) => "ATTACHING",
    };
    let mut details = vec![("subnetId", membership.subnets.first().cloned().unwrap_or_default())];
    if let Some(address) = address {
        let hardware = network::hardware_text(network::hardware_address(address));
        details.extend([
            ("networkInterfaceId", network::interface_id(task.id)),
            ("macAddress", hardware),
            ("privateDnsName", network::host_name(address)),
            ("privateIPv4Address", address.to_string()),
        ]);
    }
    let pair =
        |(name, value): (&str, String)| pb::KeyValuePair { name: Some(name.to_owned()), value: Some(value) };
    pb::Attachment {
        id: Some(network::attachment_id(task.id)),
        r#type: Some(KIND.to_owned()),
        status: Some(status.to_owned()),
        details: details.into_iter().map(pair).collect(),
    }
}
