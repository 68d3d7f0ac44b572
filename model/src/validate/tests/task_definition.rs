//! RegisterTaskDefinition and the rest, rule by rule.

use serde_json::{Value as Json, json};

use super::json::message;
use super::world::{World, verdict, with};
use crate::resource::Requirements;
use crate::validate::task_definition;

mod container;
mod fargate;
mod network;

/// One container that registers, in a definition for EC2.
fn ec2() -> Json {
    json!({"family": "web", "containerDefinitions": [{"name": "web", "image": "nginx", "memory": 100}]})
}

fn fargate() -> Json {
    json!({
        "family": "web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "web", "image": "nginx"}],
    })
}

/// The definition for EC2 with these members of its container changed.
fn container(changes: Json) -> Json {
    let mut definition = ec2();
    definition["containerDefinitions"][0] = with(&definition["containerDefinitions"][0], changes);
    definition
}

/// A definition for EC2 with these containers, each with the members it does not have from the first one.
fn containers(changes: Vec<Json>) -> Json {
    let base = ec2()["containerDefinitions"][0].clone();
    let containers: Vec<Json> = changes.into_iter().map(|change| with(&base, change)).collect();
    with(&ec2(), json!({"containerDefinitions": containers}))
}

#[track_caller]
fn check(rows: Vec<(Json, &str)>) {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for (request, expected) in rows {
        let found = verdict(world.try_register(&request));
        let found = found.strip_prefix("ClientException: ").unwrap_or(&found);
        if found != expected {
            wrong.push(format!("{request}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_definition_needs_a_family_and_containers() {
    let setting = |problem: &str| format!("Invalid setting for container 'web'. {problem}");
    let memory = setting("At least one of 'memory' or 'memoryReservation' must be specified.");
    let less = setting("'memory' must be greater than or equal to 'memoryReservation'.");
    let small = setting("The 'memory' value must be at least 6 MiB.");
    let long = "f".repeat(256);
    check(vec![
        (ec2(), "ok"),
        (with(&ec2(), json!({"family": null})), "Family should not be null or empty."),
        (with(&ec2(), json!({"family": "a b"})), "Family contains invalid characters."),
        (with(&ec2(), json!({"family": long})), "Family contains invalid characters."),
        (with(&ec2(), json!({"containerDefinitions": []})), "Container list cannot be empty."),
        (containers((0..11).map(|at| json!({"name": format!("c{at}")})).collect()), "Too many containers."),
        (containers((0..10).map(|at| json!({"name": format!("c{at}")})).collect()), "ok"),
        (containers(vec![json!({}), json!({})]), "Container names must be unique within a task definition."),
        (container(json!({"essential": false})), "Task definition doesn't have any essential container."),
        (container(json!({"name": null})), "Container.name should not be null or empty."),
        (container(json!({"name": "a.b"})), "Container.name contains invalid characters."),
        (container(json!({"image": ""})), "Container.image should not be null or empty."),
        (container(json!({"image": "a b"})), "Container.image contains invalid characters."),
        (container(json!({"memory": null})), &memory),
        (with(&container(json!({"memory": null})), json!({"memory": "512"})), "ok"),
        (container(json!({"memory": 5})), &small),
        (container(json!({"memoryReservation": 101})), &less),
        (container(json!({"memoryReservation": 100})), "ok"),
        (
            with(&ec2(), json!({"memory": "99"})),
            "The 'memory' setting for container 'web' is greater than for the task.",
        ),
        (
            with(&container(json!({"cpu": 257})), json!({"cpu": "256"})),
            "The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value.",
        ),
        (
            with(&ec2(), json!({"cpu": "64"})),
            "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon ECS \
             Developer Guide.",
        ),
        (
            with(&ec2(), json!({"memory": "much"})),
            "Invalid 'memory' setting for task. For more information, see the Troubleshooting section of the Amazon \
             ECS Developer Guide.",
        ),
        (with(&ec2(), json!({"cpu": ".25 vCPU", "memory": "0.5GB"})), "ok"),
        (with(&ec2(), json!({"cpu": "", "memory": "", "taskRoleArn": ""})), "ok"),
    ]);
}

#[test]
fn fills_in_what_ecs_echoes() {
    let mut world = World::new();
    let request = json!({
        "family": "web",
        "cpu": "1 vCPU",
        "memory": "1 GB",
        "containerDefinitions": [{
            "name": "web",
            "image": "nginx",
            "portMappings": [{"containerPort": 80}],
            "healthCheck": {"command": ["CMD-SHELL", "true"]},
        }],
    });
    let key = world.register(&request);
    let echoed = &world.state.task_definition(&key).expect("registered").definition;
    let expected: berth_proto::ecs::v1::TaskDefinition = message(&json!({
        "family": "web",
        "cpu": "1024",
        "memory": "1024",
        "containerDefinitions": [{
            "name": "web",
            "image": "nginx",
            "cpu": 0,
            "essential": true,
            "portMappings": [{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}],
            "healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 30, "timeout": 5, "retries": 3},
        }],
        "requiresAttributes": [
            {"name": "com.amazonaws.ecs.capability.docker-remote-api.1.29"},
            {"name": "ecs.capability.container-health-check"},
        ],
        "compatibilities": ["EXTERNAL", "EC2"],
    }));
    assert_eq!(**echoed, expected);
}

#[test]
fn facts_say_what_a_task_holds() {
    let mut world = World::new();
    let port = |mode: &str| {
        json!({
            "family": "web",
            "networkMode": mode,
            "ephemeralStorage": {"sizeInGiB": 21},
            "containerDefinitions": [
                {"name": "a", "image": "a", "cpu": 10, "memory": 200, "memoryReservation": 100,
                 "portMappings": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 53, "protocol": "udp"}]},
                {"name": "b", "image": "b", "cpu": 5, "memory": 50, "essential": false},
            ],
        })
    };
    let rows = [("bridge", vec![80], vec![]), ("host", vec![80], vec![53]), ("awsvpc", vec![], vec![])];
    for (mode, tcp_ports, udp_ports) in rows {
        let key = world.register(&port(mode));
        let facts = &world.state.task_definition(&key).expect("registered").facts;
        let needs = Requirements {
            cpu_units: 15,
            memory_mib: 150,
            tcp_ports: tcp_ports.into_iter().collect(),
            udp_ports: udp_ports.into_iter().collect(),
            gpus: 0,
            disk_mib: 21 << 10,
        };
        assert_eq!(facts.requirements(), needs, "{mode}");
    }
}

#[test]
fn revisions_are_described_listed_and_deleted() {
    let mut world = World::new();
    for _ in 0..11 {
        world.web();
    }
    let deregister = |reference: &str, world: &World| {
        task_definition::deregister(&message(&json!({"taskDefinition": reference})), &world.state)
    };
    assert_eq!(verdict(deregister("web", &world)), "ClientException: Revision is missing.");
    assert_eq!(
        verdict(deregister("web:12", &world)),
        "ClientException: The specified task definition does not exist."
    );
    assert_eq!(verdict(deregister("web:x", &world)), "ClientException: Invalid revision number. Number: x");
    let (_, command) = deregister("web:11", &world).expect("admitted");
    world.apply(command);

    let describe = |reference: &str, world: &World| {
        let request = message(&json!({"taskDefinition": reference}));
        task_definition::describe(&request, &world.state).map(|found| found.key.to_string())
    };
    assert_eq!(describe("web", &world).as_deref(), Ok("web:10"), "the latest ACTIVE one");
    assert_eq!(describe("web:11", &world).as_deref(), Ok("web:11"));
    let arn = "arn:aws:ecs:us-east-1:000000000000:task-definition/web:2";
    assert_eq!(describe(arn, &world).as_deref(), Ok("web:2"));
    assert_eq!(verdict(describe("db", &world)), "ClientException: Unable to describe task definition.");

    let list = |request: Json, world: &World| {
        let page = task_definition::list(&message(&request), &world.state).expect("a page");
        page.items.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(list(json!({"sort": "DESC", "maxResults": 2}), &world), ["web:10", "web:9"]);
    assert_eq!(list(json!({"status": "INACTIVE"}), &world), ["web:11"]);
    assert_eq!(list(json!({"familyPrefix": "we"}), &world), [""; 0], "the whole name of a family");

    let request = message(&json!({"taskDefinitions": ["web:11", "web:1", "web:99"]}));
    let deletion = task_definition::delete(&request, &world.state).expect("admitted");
    let reasons: Vec<&str> = deletion.failures.iter().map(|failure| failure.reason()).collect();
    assert_eq!(reasons, ["ACTIVE", "MISSING"]);
    world.apply(deletion.command.expect("one is INACTIVE"));
    assert_eq!(list(json!({"status": "DELETE_IN_PROGRESS"}), &world), ["web:11"]);
}

#[test]
fn families_are_listed_by_prefix_and_status() {
    let mut world = World::new();
    for family in ["api", "web", "web-admin"] {
        world.register(&with(&ec2(), json!({"family": family})));
    }
    let request = message(&json!({"taskDefinition": "web:1"}));
    let (_, command) = task_definition::deregister(&request, &world.state).expect("admitted");
    world.apply(command);
    let list = |request: Json| {
        let page = task_definition::list_families(&message(&request), &world.state).expect("a page");
        page.items.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(list(json!({})), ["api", "web", "web-admin"]);
    assert_eq!(list(json!({"familyPrefix": "web"})), ["web", "web-admin"]);
    assert_eq!(list(json!({"familyPrefix": "web", "status": "ACTIVE"})), ["web-admin"]);
    assert_eq!(list(json!({"status": "INACTIVE"})), ["web"]);
}
