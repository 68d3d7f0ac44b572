//! Metadata, version 4; version 3 is the same document, of which its clients read a part.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use berth_model::arn::Scope;
use berth_model::id::ClusterName;
use berth_model::network::{hardware_address, hardware_text, host_name};
use berth_model::task::step::{Health, Stage};
use berth_proto::AwsName as _;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;
use futures::future::join_all;
use serde_json::{Value, json};

use super::json::time;
use super::server::Server;
use crate::controllers::request;
use crate::engine::Known;
use crate::network::{GATEWAY, PAUSE};
use crate::runtime::Details;
use crate::task::container::pairs;
use crate::task::{Container, unix_ms};

/// CPU units of a vCPU.
const UNITS_PER_VCPU: f64 = 1_024.0;

// === impl Server ===

impl Server {
    /// A task.
    pub(super) async fn task(&self, task: &Known) -> Value {
        let containers = (0..task.containers.len()).map(|at| self.container(task, at));
        let mut containers = join_all(containers).await;
        containers.extend(self.pause(task).await);
        let (desired, report) = (&task.desired, &task.report);
        let definition = &desired.definition;
        let moment = |at: &Option<prost_types::Timestamp>| time(at.as_ref().map(unix_ms));
        let limits = json!({
            "CPU": definition.cpu_units.map(|units| f64::from(units) / UNITS_PER_VCPU),
            "Memory": definition.memory_mib,
        });
        let has_limits = definition.cpu_units.is_some() || definition.memory_mib.is_some();
        json!({
            "Cluster": cluster_arn(&desired.arn).unwrap_or_else(|| desired.cluster.clone()),
            "TaskARN": desired.arn,
            "Family": definition.message.family(),
            "Revision": definition.message.revision().to_string(),
            "DesiredStatus": if desired.stopped { "STOPPED" } else { "RUNNING" },
            "KnownStatus": report.last_status,
            "Limits": has_limits.then_some(limits),
            "PullStartedAt": moment(&report.pull_started_at),
            "PullStoppedAt": moment(&report.pull_stopped_at),
            "ExecutionStoppedAt": moment(&report.execution_stopped_at),
            "AvailabilityZone": Some(&self.parts.zone).filter(|zone| !zone.is_empty()),
            "LaunchType": "EC2",
            "ServiceName": desired.group.strip_prefix("service:"),
            "Group": Some(&desired.group).filter(|group| !group.is_empty()),
            "FaultInjectionEnabled": false,
            "Containers": containers,
        })
    }

    /// A task with its tags and those of its instance.
    pub(super) async fn task_with_tags(&self, task: &Known) -> Value {
        let mut document = self.task(task).await;
        match self.tags(task).await {
            Ok(tags) => {
                document["TaskTags"] = tags_of(&tags.task_tags);
                document["ContainerInstanceTags"] = tags_of(&tags.container_instance_tags);
            }
            Err(message) => {
                document["Errors"] = json!([{
                    "ErrorField": "TaskTags",
                    "ErrorCode": "ServerException",
                    "ErrorMessage": message,
                    "StatusCode": 503,
                    "ResourceARN": task.desired.arn,
                }]);
            }
        }
        document
    }

    async fn tags(&self, task: &Known) -> Result<wire::GetTaskTagsResponse, String> {
        let mut client = self.parts.controllers.client().ok_or("no controller answers")?;
        let question = wire::GetTaskTagsRequest {
            container_instance_id: self.parts.instance_id.clone(),
            task_id: task.desired.id.clone(),
        };
        let answer = client.get_task_tags(request(question)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned())
    }

    /// The container that holds the network of a task which has one of its own.
    async fn pause(&self, task: &Known) -> Option<Value> {
        let network = self.parts.network.as_ref()?;
        let id = network.pause_of(&task.desired.id)?;
        let details = self.parts.runtime.describe(&id).await.ok().flatten().unwrap_or_default();
        Some(json!({
            "DockerId": id,
            "Name": PAUSE,
            "DockerName": details.name,
            "ImageID": details.image_id,
            "Labels": details.labels,
            "DesiredStatus": "RESOURCES_PROVISIONED",
            "KnownStatus": "RESOURCES_PROVISIONED",
            "Limits": { "CPU": 0, "Memory": 0 },
            "CreatedAt": details.created_at,
            "Type": "CNI_PAUSE",
            "Networks": self.interface(task),
        }))
    }

    /// The network of a task that has an address of its own, as each of its containers sees it.
    fn interface(&self, task: &Known) -> Option<Value> {
        let address: Ipv4Addr = task.report.address.parse().ok()?;
        let block = self.parts.network.as_ref().and_then(|network| network.block());
        Some(json!([{
            "NetworkMode": "awsvpc",
            "IPv4Addresses": [address],
            "AttachmentIndex": 0,
            "MACAddress": hardware_text(hardware_address(address)),
            "IPv4SubnetCIDRBlock": block,
            "PrivateDNSName": host_name(address),
            "SubnetGatewayIpv4Address": format!("{GATEWAY}/32"),
        }]))
    }

    /// One container of a task.
    pub(super) async fn container(&self, task: &Known, at: usize) -> Value {
        let container = &task.containers[at];
        let details = match &container.runtime_id {
            // A runtime that does not answer leaves out what only it knows.
            Some(id) => self.parts.runtime.describe(id).await.ok().flatten(),
            None => None,
        };
        let mut document = render(task, at, container, details.unwrap_or_default());
        if let Some(interface) = self.interface(task) {
            document["Networks"] = interface;
        }
        document
    }
}

fn render(task: &Known, at: usize, container: &Container, details: Details) -> Value {
    let definition = &task.desired.definition.containers[at];
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let health = definition.health_check.as_ref().map(|_| {
        json!({
            "status": health_status(container.seen.health),
            "statusSince": details.health.as_ref().and_then(|health| health.since.clone()),
            "exitCode": details.health.as_ref().and_then(|health| health.exit_code),
            "output": details.health.as_ref().and_then(|health| health.output.clone()),
        })
    });
    let log = definition.log_configuration.as_ref();
    let is_waited_for = !task.desired.stopped && container.seen.stage != Stage::Stopped;
    json!({
        "DockerId": container.runtime_id,
        "Name": definition.name(),
        "DockerName": known(&details.name),
        "Image": definition.image(),
        "ImageID": known(&details.image_id),
        "Ports": (!container.network_bindings.is_empty()).then(|| ports(&container.network_bindings)),
        "Labels": (!details.labels.is_empty()).then_some(&details.labels),
        "DesiredStatus": if is_waited_for { "RUNNING" } else { "STOPPED" },
        "KnownStatus": known_status(container.seen.stage),
        "ExitCode": container.seen.exit_code,
        "Limits": { "CPU": definition.cpu(), "Memory": definition.memory },
        "CreatedAt": known(&details.created_at),
        "StartedAt": time(container.seen.started_at_ms),
        "FinishedAt": time(container.seen.exited_at_ms.filter(|_| container.seen.stage == Stage::Stopped)),
        "Type": "NORMAL",
        "Health": health,
        "Volumes": (!details.mounts.is_empty()).then(|| mounts(&details.mounts)),
        "LogDriver": log.map(|log| log.log_driver().aws_name()),
        "LogOptions": log.map(|log| &log.options).filter(|options| !options.is_empty()),
        "ContainerARN": container_arn(&task.desired.arn, definition.name()),
        "Networks": networks(&details),
        "RestartCount": definition.restart_policy.as_ref().filter(|policy| policy.enabled()).map(|_| container.restarts),
    })
}

fn ports(bindings: &[ecs::NetworkBinding]) -> Value {
    // Here, unlike in its API, ECS lists the ports of a range one by one.
    let ports = |binding: &ecs::NetworkBinding| {
        let (protocol, host_ip) = (binding.protocol().aws_name(), binding.bind_ip.clone());
        pairs(binding).map(move |(inside, host)| {
            json!({ "ContainerPort": inside, "Protocol": protocol, "HostPort": host, "HostIp": host_ip })
        })
    };
    bindings.iter().flat_map(ports).collect()
}

fn mounts(mounts: &BTreeMap<String, String>) -> Value {
    mounts.iter().map(|(inside, source)| json!({ "Source": source, "Destination": inside })).collect()
}

fn networks(details: &Details) -> Value {
    let network = |(mode, network): (&String, &crate::runtime::Network)| {
        json!({
            "NetworkMode": mode,
            "IPv4Addresses": (!network.ipv4.is_empty()).then_some(&network.ipv4),
            "IPv6Addresses": (!network.ipv6.is_empty()).then_some(&network.ipv6),
            "MACAddress": Some(&network.mac).filter(|mac| !mac.is_empty()),
        })
    };
    details.networks.iter().map(network).collect()
}

fn tags_of(tags: &[ecs::Tag]) -> Value {
    tags.iter()
        .map(|tag| (tag.key().to_owned(), Value::from(tag.value())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// `arn:…:cluster/NAME` of `arn:…:task/NAME/ID`.
fn cluster_arn(task_arn: &str) -> Option<String> {
    let (scope, rest) = task_arn.split_once(":task/")?;
    Some(format!("{scope}:cluster/{}", rest.split_once('/')?.0))
}

/// The same that DescribeTasks tells.
fn container_arn(task_arn: &str, container: &str) -> Option<String> {
    let mut parts = task_arn.splitn(6, ':').skip(1).map(str::to_owned);
    let (partition, _ecs, region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let resource = parts.next()?;
    let (cluster, id) = resource.strip_prefix("task/")?.split_once('/')?;
    let scope = Scope { partition, region, account };
    Some(scope.container(&ClusterName::new(cluster), id.parse().ok()?, container))
}

fn known_status(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "NONE",
        Stage::Pulled => "PULLED",
        Stage::Created => "CREATED",
        Stage::Running => "RUNNING",
        Stage::Stopped => "STOPPED",
    }
}

fn health_status(health: Health) -> &'static str {
    match health {
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
        Health::Unknown => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_is_named_in_full() {
        let arn = "arn:aws:ecs:us-east-1:000000000000:task/prod/0123";
        assert_eq!(cluster_arn(arn).as_deref(), Some("arn:aws:ecs:us-east-1:000000000000:cluster/prod"));
        assert_eq!(cluster_arn("0123"), None);
    }
}
