//! ARNs: how a resource is named to the outside, and how a name that came from there is read.
//!
//! Source: ECS developer guide, "Account settings", long ARN format (the only one issued since April 2021).

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::id::{
    ClusterName, DeploymentId, InstanceId, ServiceDeploymentId, ServiceKey, TaskDefinitionKey, TaskId,
};

/// What stands in every ARN of this deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `aws` unless configured otherwise.
    pub partition: String,
    /// `us-east-1` unless configured otherwise.
    pub region: String,
    /// Twelve digits; `000000000000` unless configured otherwise.
    pub account: String,
}

impl Default for Scope {
    fn default() -> Self {
        Self { partition: "aws".into(), region: "us-east-1".into(), account: "000000000000".into() }
    }
}

// === impl Scope ===

impl Scope {
    fn arn(&self, resource: impl Display) -> String {
        format!("arn:{}:ecs:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// ARN of a cluster.
    pub fn cluster(&self, name: &ClusterName) -> String {
        self.arn(format_args!("cluster/{name}"))
    }

    /// ARN of a service.
    pub fn service(&self, key: &ServiceKey) -> String {
        self.arn(format_args!("service/{}/{}", key.cluster, key.name))
    }

    /// ARN of a task.
    pub fn task(&self, cluster: &ClusterName, id: TaskId) -> String {
        self.arn(format_args!("task/{cluster}/{id}"))
    }

    /// ARN of a container of a task. The last part is derived from the task and the container's name, so that it is
    /// the same whoever computes it.
    pub fn container(&self, cluster: &ClusterName, task: TaskId, container: &str) -> String {
        let number = task.number() ^ fnv128(container.as_bytes());
        self.arn(format_args!("container/{cluster}/{task}/{}", uuid(number)))
    }

    /// ARN of a service deployment.
    pub fn service_deployment(&self, key: &ServiceKey, id: ServiceDeploymentId) -> String {
        self.arn(format_args!("service-deployment/{}/{}/{id}", key.cluster, key.name))
    }

    /// ARN of a service revision, which has the number of its deployment.
    pub fn service_revision(&self, key: &ServiceKey, id: DeploymentId) -> String {
        self.arn(format_args!("service-revision/{}/{}/{}", key.cluster, key.name, id.number()))
    }

    /// ARN of a task set.
    pub fn task_set(&self, key: &ServiceKey, id: DeploymentId) -> String {
        self.arn(format_args!("task-set/{}/{}/{id}", key.cluster, key.name))
    }

    /// ARN of a container instance.
    pub fn container_instance(&self, cluster: &ClusterName, id: InstanceId) -> String {
        self.arn(format_args!("container-instance/{cluster}/{id}"))
    }

    /// ARN of a capacity provider.
    pub fn capacity_provider(&self, name: &str) -> String {
        self.arn(format_args!("capacity-provider/{name}"))
    }

    /// ARN of a parameter of the Systems Manager.
    pub fn parameter(&self, name: &str) -> String {
        let (partition, region, account) = (&self.partition, &self.region, &self.account);
        format!("arn:{partition}:ssm:{region}:{account}:parameter/{}", name.trim_start_matches('/'))
    }

    /// ARN of a log group.
    pub fn log_group(&self, name: &str) -> String {
        let (partition, region, account) = (&self.partition, &self.region, &self.account);
        format!("arn:{partition}:logs:{region}:{account}:log-group:{name}")
    }

    /// ARN of a revision of a task definition.
    pub fn task_definition(&self, key: &TaskDefinitionKey) -> String {
        self.arn(format_args!("task-definition/{key}"))
    }
}

/// A number in the shape of a UUID.
pub fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// The resource part of an ARN of this kind (`cluster`, `service`, …), or the text itself when it is a short name.
///
/// `short_name("service", "arn:aws:ecs:r:a:service/c/web")` is `Ok("c/web")`. An ARN of another kind is an error.
pub fn resource_part<'a>(kind: &str, text: &'a str) -> Result<&'a str, NotThisKind> {
    if !text.starts_with("arn:") {
        return Ok(text);
    }
    text.splitn(6, ':')
        .nth(5)
        .and_then(|resource| resource.strip_prefix(kind))
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or(NotThisKind)
}

/// The last segment of a name that may be an ARN: `web` of `service/c/web`.
pub fn short_name<'a>(kind: &str, text: &'a str) -> Result<&'a str, NotThisKind> {
    resource_part(kind, text).map(|part| part.rsplit('/').next().unwrap_or(part))
}

/// The region that an ARN names; none for a short name.
pub fn region_of(text: &str) -> Option<&str> {
    text.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2))
}

/// The text is an ARN of another kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ARN names another kind of resource")]
pub struct NotThisKind;

/// FNV-1a over 128 bits: spreads container names over ids without a cryptographic need.
pub fn fnv128(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_short_names_and_arns() {
        let rows = [
            ("service", "web", Ok("web")),
            ("service", "arn:aws:ecs:us-east-1:000000000000:service/c/web", Ok("c/web")),
            ("task-definition", "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3", Ok("web:3")),
            ("cluster", "arn:aws:ecs:us-east-1:000000000000:service/c/web", Err(NotThisKind)),
            ("cluster", "arn:aws:ecs", Err(NotThisKind)),
        ];
        for (kind, text, expected) in rows {
            assert_eq!(resource_part(kind, text), expected, "{kind} {text}");
        }
    }

    #[test]
    fn container_arns_differ_by_name_and_stay_the_same() {
        let scope = Scope::default();
        let cluster = ClusterName::new("c");
        let web = scope.container(&cluster, TaskId::new(7), "web");
        assert_ne!(web, scope.container(&cluster, TaskId::new(7), "log"));
        assert_eq!(web, scope.container(&cluster, TaskId::new(7), "web"));
    }
}
