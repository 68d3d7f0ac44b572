//! Every operation of the schema has a case in which it is answered, and one in which it is refused.

use std::collections::BTreeSet;

use berth_proto::DESCRIPTOR_SET;
use prost::Message;
use prost_types::FileDescriptorSet;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Answered,
    Refused,
}

/// Operations that have nothing to answer yet.
const NEVER_ANSWERED: [&str; 23] = [
    "ecs.AssociateGatewayWithCluster",
    "ecs.CreateDaemon",
    "ecs.CreateExpressGatewayService",
    "ecs.CreateGateway",
    "ecs.DeleteDaemon",
    "ecs.DeleteDaemonTaskDefinition",
    "ecs.DeleteExpressGatewayService",
    "ecs.DeleteGateway",
    "ecs.DescribeDaemon",
    "ecs.DescribeDaemonTaskDefinition",
    "ecs.DescribeExpressGatewayService",
    "ecs.DescribeGateway",
    "ecs.DescribeGatewayResources",
    "ecs.DescribeGatewayRoute",
    "ecs.DisassociateGatewayFromCluster",
    "ecs.ListDaemonDeployments",
    "ecs.ListServicesByNamespace",
    "ecs.RegisterDaemonTaskDefinition",
    "ecs.SubmitAttachmentStateChanges",
    "ecs.UpdateContainerAgent",
    "ecs.UpdateDaemon",
    "ecs.UpdateExpressGatewayService",
    "ecs.UpdateGateway",
];

/// Packages whose services the API serves. Sessions and peers are others' to serve.
const PACKAGES: [(&str, &str); 4] = [
    ("berth.ecs.v1", "ecs"),
    ("berth.sts.v1", "sts"),
    ("berth.scheduler.v1", "scheduler"),
    ("berth.admin.v1", "admin"),
];

/// Operations that take nothing and so have nothing to refuse.
const NEVER_REFUSED: [&str; 3] = ["admin.ListControllers", "admin.ListReconcilers", "admin.ListAccessKeys"];

#[test]
fn every_operation_has_its_cases() {
    let covered: BTreeSet<(&str, Kind)> = [
        super::cluster::COVERED,
        super::task_definition::COVERED,
        super::task::COVERED,
        super::task::LISTING,
        super::service::COVERED,
        super::service_deployment::COVERED,
        super::service_deployment::back::COVERED,
        super::task_set::COVERED,
        super::container_instance::COVERED,
        super::container_instance::ATTRIBUTES,
        super::scheduler::COVERED,
        super::admin::COVERED,
        super::admin::EVENTS,
        super::admin::KEYS,
        super::admin::SECURITY_GROUPS,
        super::account::TAGS,
        super::account::SETTINGS,
        super::capacity_provider::COVERED,
        super::protection::COVERED,
        super::agents::COVERED,
        super::sts::COVERED,
        super::unmade::COVERED,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect();
    let operations = operations();
    assert!(operations.len() > 80, "the schema was not read: {operations:?}");
    for operation in &operations {
        let answered = covered.contains(&(operation.as_str(), Kind::Answered));
        assert!(answered || NEVER_ANSWERED.contains(&operation.as_str()), "{operation} is never answered");
        let refused = covered.contains(&(operation.as_str(), Kind::Refused));
        assert!(refused || NEVER_REFUSED.contains(&operation.as_str()), "{operation} is never refused");
    }
    for (operation, _) in covered {
        assert!(operations.contains(operation), "{operation} is not in the schema");
    }
}

fn operations() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(DESCRIPTOR_SET).expect("encoded at build time");
    let short = |package: &str| PACKAGES.iter().find(|(name, _)| *name == package).map(|(_, short)| *short);
    let mut operations = BTreeSet::new();
    for file in &set.file {
        let Some(package) = short(file.package()) else { continue };
        let methods = file.service.iter().flat_map(|service| &service.method);
        operations.extend(methods.map(|method| format!("{package}.{}", method.name())));
    }
    operations
}
