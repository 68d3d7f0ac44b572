//! That every operation of the schema has a golden reply and a golden refusal.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use berth_tests::harness::command::output;
use berth_tests::harness::require_aws_clients;
use prost_reflect::DescriptorPool;

/// Operations that never have anything to answer yet: see their handlers.
const NEVER_ANSWERED: [&str; 23] = [
    "AssociateGatewayWithCluster",
    "CreateDaemon",
    "CreateExpressGatewayService",
    "CreateGateway",
    "DeleteDaemon",
    "DeleteDaemonTaskDefinition",
    "DeleteExpressGatewayService",
    "DeleteGateway",
    "DescribeDaemon",
    "DescribeDaemonTaskDefinition",
    "DescribeExpressGatewayService",
    "DescribeGateway",
    "DescribeGatewayResources",
    "DescribeGatewayRoute",
    "DisassociateGatewayFromCluster",
    "ListDaemonDeployments",
    "ListServicesByNamespace",
    "RegisterDaemonTaskDefinition",
    "SubmitAttachmentStateChanges",
    "UpdateContainerAgent",
    "UpdateDaemon",
    "UpdateExpressGatewayService",
    "UpdateGateway",
];

/// Operations that answer, and always that there is none.
const EMPTY: [&str; 7] = [
    "DescribeDaemonDeployments",
    "DescribeDaemonRevisions",
    "ListDaemonTaskDefinitions",
    "ListDaemons",
    "ListGatewayClusterAssociations",
    "ListGatewayRoutes",
    "ListGateways",
];

fn golden(suffix: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("api/golden");
    let files = std::fs::read_dir(folder).expect("the folder of golden files");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(suffix).map(str::to_owned)).collect()
}

pub(crate) fn operations() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(berth_proto::DESCRIPTOR_SET).expect("encoded at build time");
    let services = pool.services().filter(|service| service.package_name() == "berth.ecs.v1");
    let methods =
        services.flat_map(|service| service.methods().map(|it| it.name().to_owned()).collect::<Vec<_>>());
    methods.collect()
}

#[test]
fn the_manual_tells_every_operation_and_its_state() {
    let Some(python) = require_aws_clients() else { return };
    let served: Vec<String> = operations().into_iter().collect();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("api/clients/table.py");
    let mut command = Command::new(python);
    command.arg(table).env("SERVED", served.join(","));
    command.env("LIMITED", NEVER_ANSWERED.join(",")).env("EMPTY", EMPTY.join(","));
    output(&mut command).expect("the table of docs/aws.md");
}

#[test]
fn every_operation_has_a_golden_reply_and_a_golden_refusal() {
    let operations = operations();
    assert!(operations.len() > 80, "the schema was not read: {operations:?}");
    let (replies, refusals) = (golden(".json"), golden(".refused.json"));
    for operation in &operations {
        let answered = replies.contains(operation) || NEVER_ANSWERED.contains(&operation.as_str());
        assert!(answered, "{operation} has no golden reply: add it to operations.py");
        let refused = refusals.contains(operation);
        assert!(refused, "{operation} has no golden refusal: add it to operations.py");
    }
}
