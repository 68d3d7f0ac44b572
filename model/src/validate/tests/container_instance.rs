//! Container instances and their attributes, rule by rule.

use berth_proto::agent::v1 as agent;
use berth_proto::ecs::v1 as pb;
use serde_json::{Value as Json, json};

use super::json::message;
use super::world::{World, verdict, with};
use crate::time::Timestamp;
use crate::validate::container_instance;

fn resources() -> Json {
    json!([
        {"name": "CPU", "type": "INTEGER", "integerValue": 2048},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": 4096},
        {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22", "2375"]},
        {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
    ])
}

#[test]
fn registration_needs_resources_that_make_sense() {
    let mut world = World::new();
    let mut admission = world.admission();
    let rows = [
        (json!({}), "ok"),
        (json!({"cluster": "gone"}), "ClusterNotFoundException: Cluster not found."),
        (
            json!({"totalResources": []}),
            "InvalidParameterException: totalResources must have CPU and MEMORY above 0.",
        ),
        (
            json!({"totalResources": [{"name": "CPU", "integerValue": -1}]}),
            "InvalidParameterException: The resource CPU has the value -1.",
        ),
        (
            json!({"totalResources": [{"name": "PORTS", "stringSetValue": ["ssh"]}]}),
            "InvalidParameterException: \"ssh\" in PORTS is not a port.",
        ),
        (
            json!({"totalResources": [{"name": "TAPE", "integerValue": 1}]}),
            "InvalidParameterException: Unknown resource \"TAPE\": CPU, MEMORY, PORTS, PORTS_UDP, GPU and DISK are known.",
        ),
        (
            json!({"attributes": [{"name": "a b"}]}),
            "InvalidParameterException: An attribute name must have 1 to 128 letters, numbers, hyphens, underscores, \
             slashes and periods: \"a b\".",
        ),
        (
            json!({"platformDevices": [{"id": "0", "type": "GPU"}]}),
            "UnsupportedFeatureException: A container instance with platformDevices is not supported yet.",
        ),
    ];
    for (change, expected) in rows {
        let request = with(&json!({"totalResources": resources()}), change.clone());
        let found = verdict(container_instance::register(&message(&request), &world.state, &mut admission));
        assert_eq!(found, expected, "{change}");
    }
}

#[test]
fn a_hello_registers_the_instance_that_it_names() {
    let mut world = World::new();
    let registration: pb::RegisterContainerInstanceRequest = message(
        &json!({"totalResources": resources(), "attributes": [{"name": "ecs.availability-zone", "value": "a"}]}),
    );
    let hello = agent::Hello {
        container_instance_id: "0123456789abcdef0123456789abcdef".into(),
        cluster: "default".into(),
        total_resources: registration.total_resources,
        attributes: registration.attributes,
        host_name: "host-1".into(),
        ..agent::Hello::default()
    };
    let now = Timestamp::from_unix_ms(5);
    let (id, command) = container_instance::from_hello(&hello, None, &world.state, now).expect("admitted");
    world.apply(command);
    let instance = world.state.instance(id).expect("registered");
    assert_eq!(id.to_string(), hello.container_instance_id);
    assert_eq!((instance.capacity.cpu_units, instance.capacity.memory_mib), (2048, 4096));
    assert_eq!(instance.capacity.reserved_tcp_ports.iter().collect::<Vec<_>>(), [22, 2375]);
    assert_eq!((instance.zone(), instance.spec.ec2_instance_id()), ("a", "host-1"));

    let nameless = agent::Hello { container_instance_id: "host-1".into(), ..hello.clone() };
    assert_eq!(
        verdict(container_instance::from_hello(&nameless, None, &world.state, now)),
        "InvalidParameterException: Invalid container instance id \"host-1\"."
    );
    let elsewhere = agent::Hello { cluster: "gone".into(), ..hello };
    assert_eq!(
        verdict(container_instance::from_hello(&elsewhere, None, &world.state, now)),
        "ClusterNotFoundException: Cluster not found."
    );
}

#[test]
fn only_an_instance_with_addresses_to_give_says_that_it_can() {
    use crate::network::{Addressing, TASK_ENI};
    let mut world = World::new();
    let registration: pb::RegisterContainerInstanceRequest =
        message(&json!({"totalResources": resources(), "attributes": [{"name": TASK_ENI}]}));
    let hello = agent::Hello {
        container_instance_id: "0123456789abcdef0123456789abcdef".into(),
        cluster: "default".into(),
        total_resources: registration.total_resources,
        attributes: registration.attributes,
        address: "10.0.0.1".into(),
        ..agent::Hello::default()
    };
    let (now, addressing) = (Timestamp::from_unix_ms(5), Addressing::DEFAULT);
    let place = |hello: &agent::Hello, world: &World| {
        container_instance::place(hello, &world.state, &addressing).expect("its id is one")
    };
    let unreachable = agent::Hello { address: String::new(), ..hello.clone() };
    let unable = agent::Hello { attributes: Vec::new(), ..hello.clone() };
    assert_eq!((place(&unreachable, &world), place(&unable, &world)), (None, None));
    let given = place(&hello, &world).expect("there are blocks");
    assert!(addressing.range.holds(given.block));
    for (place, says_so) in [(None, false), (Some(given), true)] {
        let (id, command) =
            container_instance::from_hello(&hello, place, &world.state, now).expect("admitted");
        world.apply(command);
        let instance = world.state.instance(id).expect("registered");
        assert_eq!((instance.has_attribute(TASK_ENI), instance.network), (says_so, place));
    }
    assert_eq!(place(&hello, &world), Some(given), "it keeps its block");
}

#[test]
fn states_are_set_on_what_is_found() {
    let mut world = World::new();
    let id = world.instance("default").to_string();
    let missing = "0".repeat(32);
    let update = |change: Json, world: &World| {
        let request = with(&json!({"containerInstances": [id, missing], "status": "DRAINING"}), change);
        container_instance::update_state(&message(&request), &world.state)
    };
    let drained = update(json!({}), &world).expect("admitted");
    assert_eq!((drained.ids.len(), drained.failures[0].reason()), (1, "MISSING"));
    world.apply(drained.command.expect("one is there"));
    let none = update(json!({"containerInstances": [missing]}), &world).expect("admitted");
    assert_eq!(none.command, None);
    for status in [Json::Null, json!("REGISTERING")] {
        assert_eq!(
            verdict(update(json!({"status": status}), &world)),
            "InvalidParameterException: Container instance status should be one of [ACTIVE,DRAINING]."
        );
    }
    let list = |request: Json| {
        container_instance::list(&message(&request), &world.state).map(|page| page.items.len())
    };
    assert_eq!(list(json!({})), Ok(1));
    assert_eq!(list(json!({"status": "DRAINING"})), Ok(1));
    assert_eq!(list(json!({"status": "ACTIVE"})), Ok(0));
    assert_eq!(list(json!({"filter": "attribute:none exists"})), Ok(0));
    assert_eq!(list(json!({"filter": "not(attribute:none exists) and runningTasksCount == 0"})), Ok(1));
    assert_eq!(
        verdict(list(json!({"filter": "attribute:x exists and"}))),
        "InvalidParameterException: Invalid expression in filter, at character 23: expected attribute:NAME, \
         task:group, agentConnected, agentVersion, ec2InstanceId, registeredAt or runningTasksCount, found the end."
    );
    let deregister = |reference: &str| {
        let request = json!({"containerInstance": reference});
        verdict(container_instance::deregister(&message(&request), &world.state))
    };
    assert_eq!(deregister(&id), "ok");
    assert_eq!(
        deregister(&missing),
        "InvalidParameterException: The referenced container instance was not found."
    );
    assert_eq!(deregister(""), "InvalidParameterException: Container instance can not be blank.");
}

#[test]
fn attributes_are_put_listed_and_deleted() {
    let mut world = World::new();
    let id = world.instance("default").to_string();
    let put = |attribute: Json, world: &World| {
        let attribute = with(&json!({"name": "rack", "value": "r1", "targetId": id}), attribute);
        container_instance::put_attributes(&message(&json!({"attributes": [attribute]})), &world.state)
    };
    let rows = [
        (json!({}), "ok"),
        (json!({"value": null}), "ok"),
        (
            json!({"targetId": "0".repeat(32)}),
            "TargetNotFoundException: Could not find target 00000000000000000000000000000000.",
        ),
        (json!({"targetId": null}), "InvalidParameterException: targetId can not be blank."),
        (
            json!({"name": "ecs.capability.task-eni"}),
            "InvalidParameterException: The attribute ecs.capability.task-eni is reserved for the agent.",
        ),
        (
            json!({"value": " r1"}),
            "InvalidParameterException: The value of attribute rack must have at most 128 letters, numbers, spaces and \
             - _ . / \\ @ : + without spaces at the ends.",
        ),
    ];
    for (attribute, expected) in rows {
        assert_eq!(verdict(put(attribute.clone(), &world)), expected, "{attribute}");
    }
    let (answer, command) = put(json!({}), &world).expect("admitted");
    assert!(answer[0].target_id().ends_with(&id));
    world.apply(command);
    let list = |request: Json, world: &World| {
        let request = with(&json!({"targetType": "container-instance"}), request);
        container_instance::list_attributes(&message(&request), &world.state).map(|page| page.items)
    };
    assert_eq!(
        list(json!({"attributeName": "rack", "attributeValue": "r1"}), &world).map(|found| found.len()),
        Ok(1)
    );
    assert_eq!(
        list(json!({"attributeName": "rack", "attributeValue": "r2"}), &world).map(|found| found.len()),
        Ok(0)
    );
    assert_eq!(
        verdict(list(json!({"targetType": null}), &world)),
        "InvalidParameterException: targetType must be container-instance."
    );
    let request = json!({"attributes": [{"name": "rack", "targetId": id}]});
    let (_, command) =
        container_instance::delete_attributes(&message(&request), &world.state).expect("admitted");
    world.apply(command);
    assert_eq!(list(json!({"attributeName": "rack"}), &world).map(|found| found.len()), Ok(0));
}
