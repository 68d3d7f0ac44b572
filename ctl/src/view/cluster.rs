//! Clusters, for people.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{Cluster, ClusterSetting};

use super::{count, tags};
use crate::details::Details;
use crate::table::{Cell, Keep, Table};

/// One line a cluster.
pub(crate) fn table(clusters: &[Cluster]) -> Table {
    let mut table = Table::new(&[
        ("NAME", Keep::Always),
        ("STATUS", Keep::Always),
        ("INSTANCES", Keep::IfRoom(1)),
        ("SERVICES", Keep::IfRoom(2)),
        ("RUNNING", Keep::Always),
        ("PENDING", Keep::IfRoom(3)),
        ("ARN", Keep::Wide),
    ]);
    for cluster in clusters {
        table.row([
            cluster.cluster_name().into(),
            Cell::status(cluster.status()),
            count(cluster.registered_container_instances_count).into(),
            count(cluster.active_services_count).into(),
            count(cluster.running_tasks_count).into(),
            count(cluster.pending_tasks_count).into(),
            cluster.cluster_arn().into(),
        ]);
    }
    table
}

/// Everything about one cluster.
pub(crate) fn details(cluster: &Cluster) -> Details {
    let setting = |setting: &ClusterSetting| format!("{}={}", setting.name().aws_name(), setting.value());
    let mut details = Details::new();
    details
        .field("Name", cluster.cluster_name())
        .field("ARN", cluster.cluster_arn())
        .field("Status", cluster.status())
        .field("Container instances", count(cluster.registered_container_instances_count))
        .field("Services", count(cluster.active_services_count))
        .field("Running tasks", count(cluster.running_tasks_count))
        .field("Pending tasks", count(cluster.pending_tasks_count))
        .field("Capacity providers", cluster.capacity_providers.join(", "))
        .field("Settings", cluster.settings.iter().map(setting).collect::<Vec<_>>().join(", "))
        .field("Tags", tags(&cluster.tags));
    let statistic = |pair: &berth_proto::ecs::v1::KeyValuePair| format!("{}: {}", pair.name(), pair.value());
    details.lines("Statistics", cluster.statistics.iter().map(statistic).collect());
    details
}
