//! Which operation a request is for: from the names of AWS to the path and the messages of the schema.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use berth_proto::DESCRIPTOR_SET;
use prost_reflect::DescriptorPool;

use super::schema::{Index, Schema};

/// A service of AWS that is served.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// The package of the schema.
    pub package: &'static str,
    /// What stands in the scope of a signature.
    pub signing_name: &'static str,
    /// What stands before the operation in `X-Amz-Target`; empty when the service speaks another protocol.
    pub target_prefix: &'static str,
    /// The `Version` of requests in the query protocol; empty when the service speaks another protocol.
    pub query_version: &'static str,
}

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// As AWS names it.
    pub name: Box<str>,
    /// Where the routes have it.
    pub path: Box<str>,
    /// Its request.
    pub input: Index,
    /// Its answer.
    pub output: Index,
    /// Its answer goes on: what is above is one of its events.
    pub is_stream: bool,
}

/// All services that are served.
pub const SERVICES: [Service; 5] = [
    Service {
        package: "berth.ecs.v1",
        signing_name: "ecs",
        target_prefix: "AmazonEC2ContainerServiceV20141113",
        query_version: "",
    },
    Service { package: "berth.sts.v1", signing_name: "sts", target_prefix: "", query_version: "2011-06-15" },
    Service { package: "berth.ssm.v1", signing_name: "ssm", target_prefix: "AmazonSSM", query_version: "" },
    Service {
        package: "berth.secretsmanager.v1",
        signing_name: "secretsmanager",
        target_prefix: "secretsmanager",
        query_version: "",
    },
    Service {
        package: "berth.logs.v1",
        signing_name: "logs",
        target_prefix: "Logs_20140328",
        query_version: "",
    },
];

static OPERATIONS: LazyLock<BTreeMap<(&'static str, String), Operation>> = LazyLock::new(operations);

/// The service of an `X-Amz-Target` and the operation's name in it.
pub fn of_target(target: &str) -> Option<(&'static Service, &str)> {
    let (prefix, operation) = target.split_once('.')?;
    let mut spoken = SERVICES.iter().filter(|service| !service.target_prefix.is_empty());
    let service = spoken.find(|service| service.target_prefix == prefix)?;
    Some((service, operation))
}

/// The service of a request in the query protocol.
pub fn of_version(version: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| !version.is_empty() && service.query_version == version)
}

// === impl Service ===

impl Service {
    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        OPERATIONS.get(&(self.package, name.to_owned()))
    }

    /// All its operations, by name.
    pub fn operations(&self) -> impl Iterator<Item = &'static Operation> {
        let package = self.package;
        OPERATIONS.iter().filter(move |((of, _), _)| *of == package).map(|(_, operation)| operation)
    }
}

fn operations() -> BTreeMap<(&'static str, String), Operation> {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("the schema was encoded at build time");
    let mut operations = BTreeMap::new();
    for service in pool.services() {
        let Some(served) = SERVICES.iter().find(|served| served.package == service.package_name()) else {
            continue;
        };
        for method in service.methods() {
            let index = |message: prost_reflect::MessageDescriptor| {
                Schema::get().message(message.full_name()).expect("messages of a service are of its package")
            };
            let operation = Operation {
                name: method.name().into(),
                path: format!("/{}/{}", service.full_name(), method.name()).into(),
                input: index(method.input()),
                output: index(method.output()),
                is_stream: method.is_server_streaming(),
            };
            operations.insert((served.package, method.name().to_owned()), operation);
        }
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_an_operation() {
        let (service, name) = of_target("AmazonEC2ContainerServiceV20141113.RunTask").unwrap();
        assert_eq!(&*service.operation(name).unwrap().path, "/berth.ecs.v1.Tasks/RunTask");
        assert!(service.operation("Steal").is_none());
        assert_eq!(of_target("GraniteServiceVersion20100801.PutMetricData"), None);
        assert_eq!(of_target(".GetCallerIdentity"), None);
    }

    #[test]
    fn a_version_names_a_service() {
        assert_eq!(of_version("2011-06-15").map(|service| service.signing_name), Some("sts"));
        assert_eq!(of_version(""), None);
    }
}
