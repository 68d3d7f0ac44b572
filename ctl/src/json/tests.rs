//! What goes in comes out again, and what is wrong is named.

use std::path::Path;

use berth_proto::ecs::v1::{
    CreateServiceRequest, DescribeTasksResponse, RegisterTaskDefinitionRequest, ServiceEvent, Task,
    UpdateServiceRequest,
};
use serde_json::{Value, json};

use super::*;
use crate::cmd::task_definition::registrable;

/// Absent, null and empty are the same for lists and maps: the schema does not tell them apart.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), normal(value)))
            .filter(|(_, value)| !value.is_null() && *value != json!([]) && *value != json!({}))
            .collect(),
        Value::Array(items) => items.iter().map(normal).collect(),
        other => other.clone(),
    }
}

fn round_trip<M: Described>(document: &Value) -> Result<Value, Mistakes> {
    from_value::<M>(document).map(|message| normal(&to_value(&message)))
}

fn task_definitions(dir: &Path) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).expect("readable");
            all.push((path.display().to_string(), serde_json::from_str(&text).expect("JSON")));
        }
    }
    all
}

/// Collected documents are not all valid: a number in quotes, a member of another request, Windows' network mode.
fn is_refused_by_aws_too(mistakes: &str) -> bool {
    let known = [
        ".containerPort: wants a whole number",
        "networkConfiguration: no such member",
        "networkMode: `default` is not",
    ];
    mistakes.lines().all(|line| known.iter().any(|known| line.contains(known)))
}

/// `BERTH_TASK_DEFINITIONS` names a folder with more of them, as collected from public repositories.
#[test]
fn task_definitions_come_out_as_they_went_in() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/task-definitions");
    let mut all = task_definitions(&own);
    assert!(all.len() >= 2, "the fixtures are there");
    if let Some(more) = std::env::var_os("BERTH_TASK_DEFINITIONS") {
        all.extend(task_definitions(Path::new(&more)));
    }
    let mut wrong = Vec::new();
    for (name, document) in all {
        let (document, _) = registrable(document);
        match round_trip::<RegisterTaskDefinitionRequest>(&document) {
            Ok(after) if after == normal(&document) => {}
            Ok(_) => wrong.push(format!("{name}: changed on the way")),
            Err(mistakes) if is_refused_by_aws_too(&mistakes.to_string()) => {}
            Err(mistakes) => wrong.push(format!("{name}: {mistakes}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_kind_of_member_survives() {
    let document = json!({
        "serviceName": "web",
        "desiredCount": 0,
        "launchType": "EC2",
        "enableECSManagedTags": false,
        "schedulingStrategy": "REPLICA",
        "deploymentConfiguration": {
            "canaryConfiguration": {"canaryPercent": 2.5},
            "lifecycleHooks": [{"hookDetails": {"depth": [1, 2.5, "x", null, true]}, "lifecycleStages": ["PRE_SCALE_UP"]}],
        },
        "serviceConnectConfiguration": {
            "logConfiguration": {"logDriver": "json-file", "options": {"max-size": "10m", "a": ""}},
        },
        "volumeConfigurations": [{"name": "v", "managedEBSVolume": {"sizeInGiB": 20}}],
    });
    let message: CreateServiceRequest = from_value(&document).expect("a service");
    assert_eq!(message.desired_count, Some(0));
    assert_eq!(normal(&to_value(&message)), normal(&document));
}

#[test]
fn a_present_message_stays_present() {
    let document = json!({"family": "a", "volumes": [{"name": "v", "host": {}}]});
    let message: RegisterTaskDefinitionRequest = from_value(&document).expect("a task definition");
    assert!(message.volumes[0].host.is_some());
    assert_eq!(to_value(&message)["volumes"], document["volumes"]);
}

#[test]
fn a_bare_list_tells_absent_from_empty() {
    let read = |document: &Value| from_value::<UpdateServiceRequest>(document).expect("an update");
    assert_eq!(read(&json!({"service": "web"})).placement_strategy, None);
    let cleared = read(&json!({"service": "web", "placementStrategy": []}));
    assert_eq!(cleared.placement_strategy.as_ref().map(|list| list.items.len()), Some(0));
    assert_eq!(to_value(&cleared)["placementStrategy"], json!([]));
    let document = json!({"placementStrategy": [{"type": "spread", "field": "attribute:rack"}]});
    assert_eq!(to_value(&read(&document))["placementStrategy"], document["placementStrategy"]);
}

#[test]
fn times_are_written_as_people_read_them() {
    let rows = [
        (json!("2024-11-25T13:56:42.500Z"), "2024-11-25T13:56:42.500Z"),
        (json!(1_732_543_002), "2024-11-25T13:56:42Z"),
        (json!(1_732_543_002.5), "2024-11-25T13:56:42.500Z"),
        (json!("2024-11-25T14:56:42+01:00"), "2024-11-25T13:56:42Z"),
    ];
    for (time, expected) in rows {
        let event: ServiceEvent = from_value(&json!({"createdAt": time})).expect("a time");
        assert_eq!(to_value(&event)["createdAt"], expected);
    }
}

#[test]
fn whole_numbers_of_64_bits_are_numbers() {
    let task = Task { version: Some(9_007_199_254_740_993), ..Task::default() };
    let response = DescribeTasksResponse { tasks: vec![task], failures: Vec::new() };
    let value = to_value(&response);
    assert_eq!(value["tasks"][0]["version"], json!(9_007_199_254_740_993_i64));
    assert_eq!(value["failures"], json!([]), "a script can iterate over what is empty");
}

#[test]
fn members_come_in_the_order_of_the_schema() {
    let event = ServiceEvent { message: Some("m".to_owned()), id: Some("i".to_owned()), created_at: None };
    assert_eq!(serde_json::to_string(&render(&event)).expect("JSON"), r#"{"id":"i","message":"m"}"#);
}

#[test]
fn mistakes_are_all_named_with_a_way_out() {
    let rows = [
        (json!({"famly": "web"}), "famly: no such member; did you mean `family`?"),
        (
            json!({"containerDefinitions": [{"name": "a"}, {"portMapings": []}]}),
            "containerDefinitions[1].portMapings: no such member; did you mean `portMappings`?",
        ),
        (json!({"image": "nginx"}), "image: no such member here; it belongs into `containerDefinitions[]`"),
        (
            json!({"networkMode": "brigde"}),
            "networkMode: `brigde` is not one of bridge, host, awsvpc, none; did you mean `bridge`?",
        ),
        (json!({"cpu": 256}), "cpu: wants a string, not the number 256: put it in quotes"),
        (
            json!({"containerDefinitions": [{"cpu": "256"}]}),
            "containerDefinitions[0].cpu: wants a whole number of at most 2147483647, not the string \"256\": remove \
             the quotes",
        ),
        (json!({"containerDefinitions": {}}), "containerDefinitions: wants a list, not an object"),
        (json!([]), "the document: wants an object, not a list"),
        (
            json!({"famly": "web", "cpu": true}),
            "cpu: wants a string, not the boolean true: put it in quotes\n  famly: no such member; did you mean `family`?",
        ),
    ];
    for (document, expected) in rows {
        let mistakes = from_value::<RegisterTaskDefinitionRequest>(&document).expect_err("a mistake");
        assert_eq!(mistakes.to_string(), expected);
    }
}
