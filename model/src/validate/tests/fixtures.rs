//! Task definitions that real projects deploy to ECS: each registers, or is refused for the reason that ECS has.
//!
//! Some of them were described by ECS before they were published, with the attributes and launch types that it
//! computed: ours must be the same.

use std::collections::BTreeSet;
use std::path::PathBuf;

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;
use serde_json::Value as Json;

use super::json::try_message;
use super::world::World;
/// Members of a described task definition that RegisterTaskDefinition does not take; deploy tools leave them out.
const DESCRIBED: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// What is refused, and how. `schema` are those that no client library would send: a member or a value that the API
/// does not have.
const REFUSED: [(&str, &str); 14] = [
    ("006", "schema: containerPort: \"3000\" is not one"),
    // Placeholders for a tool to fill in.
    ("013", "ClientException: Container.image contains invalid characters."),
    ("039", "ClientException: Container.image contains invalid characters."),
    ("113", "ClientException: Container.image contains invalid characters."),
    ("144", "ClientException: Container.image contains invalid characters."),
    ("145", "ClientException: Container.image contains invalid characters."),
    // The image is added by the deploy action.
    ("062", "ClientException: Container.image should not be null or empty."),
    (
        "019",
        "ClientException: Invalid setting for container 'mongodb'. At least one of 'memory' or 'memoryReservation' \
         must be specified.",
    ),
    ("035", "schema: RegisterTaskDefinitionRequest: unknown member networkConfiguration"),
    ("112", "schema: networkMode: \"default\" is not one"),
    ("139", NO_ROLE),
    ("140", NO_ROLE),
    ("141", NO_ROLE),
    ("142", NO_ROLE),
];
const NO_ROLE: &str = "ClientException: Fargate requires task definition to have execution role ARN to support log \
                       driver awslogs.";

fn expected(name: &str) -> &'static str {
    REFUSED.iter().find(|(refused, _)| *refused == name).map_or("ok", |(_, text)| text)
}

fn fixtures() -> Vec<(String, Json)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/task-definitions");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(files.len() >= 40);
    let read = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON"))
    };
    files.into_iter().map(read).collect()
}

/// The request that a deploy tool makes of a file.
fn request(json: &Json) -> Result<pb::RegisterTaskDefinitionRequest, String> {
    let mut members = json.as_object().expect("an object").clone();
    members.retain(|name, _| !DESCRIBED.contains(&name.as_str()));
    try_message(&Json::Object(members))
}

/// Every request that the files make and the schema can read.
pub(super) fn requests() -> Vec<pb::RegisterTaskDefinitionRequest> {
    fixtures().iter().filter_map(|(_, json)| request(json).ok()).collect()
}

#[test]
fn register_or_are_refused_as_by_ecs() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for (name, json) in fixtures() {
        let verdict = match request(&json) {
            Err(problem) => format!("schema: {problem}"),
            Ok(request) => super::world::verdict(world.try_register_message(&request)),
        };
        if verdict != expected(&name) {
            wrong.push(format!("(\"{name}\", {verdict:?}),"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn require_the_attributes_that_ecs_computed() {
    let mut world = World::new();
    let mut compared = 0;
    for (name, json) in fixtures() {
        let (Some(recorded), Ok(request)) =
            (json.get("requiresAttributes").and_then(Json::as_array), request(&json))
        else {
            continue;
        };
        let Ok(key) = world.try_register_message(&request) else { continue };
        let definition = world.state.task_definition(&key).expect("registered");
        let recorded: BTreeSet<&str> =
            recorded.iter().filter_map(|attribute| attribute["name"].as_str()).collect();
        let computed: BTreeSet<&str> =
            definition.facts.required_attributes.iter().map(String::as_str).collect();
        assert_eq!(computed, recorded, "{name}");
        let listed: Vec<&str> =
            definition.definition.requires_attributes.iter().map(pb::Attribute::name).collect();
        assert_eq!(listed, computed.into_iter().collect::<Vec<_>>(), "{name}");
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
}

#[test]
fn are_compatible_with_the_launch_types_that_ecs_listed() {
    let mut world = World::new();
    for (name, json) in fixtures() {
        let (Some(recorded), Ok(request)) =
            (json.get("compatibilities").and_then(Json::as_array), request(&json))
        else {
            continue;
        };
        let Ok(key) = world.try_register_message(&request) else { continue };
        let definition = world.state.task_definition(&key).expect("registered");
        let computed: BTreeSet<&str> =
            definition.definition.compatibilities().map(AwsName::aws_name).collect();
        let recorded: BTreeSet<&str> = recorded.iter().filter_map(Json::as_str).collect();
        // EXTERNAL and MANAGED_INSTANCES came after some of the files were written.
        let newer = BTreeSet::from(["EXTERNAL", "MANAGED_INSTANCES"]);
        assert!(computed.is_superset(&recorded), "{name}: {computed:?} {recorded:?}");
        assert!(
            computed.difference(&recorded).all(|one| newer.contains(one)),
            "{name}: {computed:?} {recorded:?}"
        );
    }
}
