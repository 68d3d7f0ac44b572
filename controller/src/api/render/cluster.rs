//! Clusters as messages.

use berth_model::cluster::Cluster;
use berth_model::container_instance::InstanceStatus;
use berth_model::service::ServiceStatus;
use berth_model::state::State;
use berth_proto::ecs::v1 as pb;
use pb::ClusterField;

use super::count;

/// Which members are shown beyond those that always are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Include {
    attachments: bool,
    configurations: bool,
    settings: bool,
    statistics: bool,
    tags: bool,
}

/// What is counted of a cluster.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    instances: usize,
    running_tasks: u64,
    pending_tasks: u64,
    active_services: usize,
    draining_services: usize,
}

/// A cluster.
pub(crate) fn cluster(cluster: &Cluster, view: &State, include: Include) -> pb::Cluster {
    let counts = Counts::of(cluster, view);
    let mut message = cluster.spec.to_owned_message();
    message.cluster_arn = Some(view.scope().cluster(&cluster.name));
    message.cluster_name = Some(cluster.name.to_string());
    message.status = Some(cluster.status.as_str().to_owned());
    message.registered_container_instances_count = Some(count(counts.instances));
    message.running_tasks_count = Some(count(counts.running_tasks));
    message.pending_tasks_count = Some(count(counts.pending_tasks));
    message.active_services_count = Some(count(counts.active_services));
    include.cut(&mut message);
    if include.statistics {
        message.statistics = counts.statistics();
    }
    message
}

// === impl Include ===

impl Include {
    /// What is answered to a call that made or changed a cluster.
    pub(crate) const ECHO: Self =
        Self { attachments: true, configurations: true, settings: true, statistics: false, tags: true };

    /// What `include` asks for.
    pub(crate) fn new(fields: &[ClusterField]) -> Self {
        Self {
            attachments: fields.contains(&ClusterField::Attachments),
            configurations: fields.contains(&ClusterField::Configurations),
            settings: fields.contains(&ClusterField::Settings),
            statistics: fields.contains(&ClusterField::Statistics),
            tags: fields.contains(&ClusterField::Tags),
        }
    }

    /// Takes away what is not shown.
    fn cut(self, message: &mut pb::Cluster) {
        if !self.attachments {
            message.attachments.clear();
            message.attachments_status = None;
        }
        if !self.configurations {
            message.configuration = None;
        }
        if !self.settings {
            message.settings.clear();
        }
        if !self.tags {
            message.tags.clear();
        }
    }
}

// === impl Counts ===

impl Counts {
    fn of(cluster: &Cluster, view: &State) -> Self {
        let mut counts = Self::default();
        // Instances count their tasks, so a cluster of a million is counted without looking at each.
        for instance in view.instances_in(&cluster.name) {
            counts.instances += usize::from(instance.status != InstanceStatus::Inactive);
            counts.running_tasks += u64::from(instance.running_count);
            counts.pending_tasks += u64::from(instance.pending_count);
        }
        for service in view.services_in(&cluster.name) {
            counts.active_services += usize::from(service.status == ServiceStatus::Active);
            counts.draining_services += usize::from(service.status == ServiceStatus::Draining);
        }
        counts
    }

    /// Everything runs on registered instances, which ECS calls EC2.
    fn statistics(&self) -> Vec<pb::KeyValuePair> {
        let pairs = [
            ("runningEC2TasksCount", self.running_tasks.to_string()),
            ("runningFargateTasksCount", "0".to_owned()),
            ("pendingEC2TasksCount", self.pending_tasks.to_string()),
            ("pendingFargateTasksCount", "0".to_owned()),
            ("activeEC2ServiceCount", self.active_services.to_string()),
            ("activeFargateServiceCount", "0".to_owned()),
            ("drainingEC2ServiceCount", self.draining_services.to_string()),
            ("drainingFargateServiceCount", "0".to_owned()),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| pb::KeyValuePair { name: Some(name.to_owned()), value: Some(value) })
            .collect()
    }
}
