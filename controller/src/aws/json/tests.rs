//! Rows of JSON and messages, and the property that nothing is lost on the way.

use std::sync::LazyLock;

use berth_proto::DESCRIPTOR_SET;
use berth_proto::ecs::v1 as pb;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};

use super::super::schema::{OWN_MEMBERS, Schema};
use super::{Mistake, Times, read, write};

mod arbitrary;

/// A message of this name with random members, encoded.
pub(in crate::aws) fn random_message(name: &str, seed: u64) -> Vec<u8> {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(DESCRIPTOR_SET).expect("the schema's own descriptors"));
    let descriptor = POOL.get_message_by_name(name).expect("a message of the schema");
    arbitrary::message(&descriptor, seed).encode_to_vec()
}

fn from_json<M: Message + Default>(name: &str, document: &Value) -> Result<M, Mistake> {
    let index = Schema::get().message(&format!("berth.ecs.v1.{name}")).expect("a message of the schema");
    Ok(M::decode(&*read(index, document.to_string().as_bytes())?).expect("the reader writes messages"))
}

fn to_json(name: &str, message: &impl Message) -> Value {
    let index = Schema::get().message(&format!("berth.ecs.v1.{name}")).expect("a message of the schema");
    let mut document = Vec::new();
    write(index, &message.encode_to_vec(), Times::EpochSeconds, &mut document).expect("a message");
    serde_json::from_slice(&document).expect("the writer writes JSON")
}

#[test]
fn what_is_given_is_present_and_what_is_null_or_unknown_is_not() {
    let document = json!({"cluster": null, "desiredCount": 0, "serviceName": "", "madeUp": {"a": [1]}});
    let request: pb::CreateServiceRequest = from_json("CreateServiceRequest", &document).unwrap();
    let expected = pb::CreateServiceRequest {
        desired_count: Some(0),
        service_name: Some(String::new()),
        ..pb::CreateServiceRequest::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn an_empty_list_clears_where_absent_would_leave() {
    let given: pb::UpdateServiceRequest =
        from_json("UpdateServiceRequest", &json!({"placementStrategy": []})).unwrap();
    assert_eq!(given.placement_strategy.map(|list| list.items), Some(vec![]));
    let absent: pb::UpdateServiceRequest = from_json("UpdateServiceRequest", &json!({})).unwrap();
    assert_eq!(absent.placement_strategy, None);
}

#[test]
fn members_of_another_kind_are_named() {
    let rows = [
        (json!({"count": "1"}), "STRING_VALUE cannot be converted to Integer at 'count'"),
        (json!({"count": 2.5}), "NUMBER_VALUE cannot be converted to Integer at 'count'"),
        (json!({"count": 3_000_000_000_u64}), "NUMBER_VALUE cannot be converted to Integer at 'count'"),
        (json!({"cluster": 1}), "NUMBER_VALUE cannot be converted to String at 'cluster'"),
        (json!({"tags": {}}), "START_OBJECT cannot be converted to a list at 'tags'"),
        (json!({"tags": [[]]}), "START_ARRAY cannot be converted to a structure at 'tags.1.member'"),
        (
            json!({"enableExecuteCommand": 1}),
            "NUMBER_VALUE cannot be converted to Boolean at 'enableExecuteCommand'",
        ),
        (json!([]), "START_ARRAY cannot be converted to a structure"),
    ];
    for (document, expected) in rows {
        let mistake = from_json::<pb::RunTaskRequest>("RunTaskRequest", &document).unwrap_err();
        assert_eq!(mistake, Mistake::Malformed(expected.into()), "{document}");
    }
    assert!(matches!(read(0, b"{"), Err(Mistake::Malformed(_))));
}

#[test]
fn a_value_outside_its_enum_is_refused_in_words_of_ecs() {
    let document = json!({"placementStrategy": [{"type": "spread"}, {"type": "pack"}]});
    let mistake = from_json::<pb::RunTaskRequest>("RunTaskRequest", &document).unwrap_err();
    let expected = "1 validation error detected: Value 'pack' at 'placementStrategy.2.member.type' failed to satisfy \
                    constraint: Member must satisfy enum value set: [random, spread, binpack]";
    assert_eq!(mistake, Mistake::Constraint(expected.into()));
}

#[test]
fn whole_numbers_may_have_a_point_and_times_may_be_texts() {
    let request: pb::RunTaskRequest = from_json("RunTaskRequest", &json!({"count": 2.0})).unwrap();
    assert_eq!(request.count, Some(2));
    let rows = [
        (json!(1_700_000_000.25), 1_700_000_000, 250_000_000),
        (json!(1_700_000_000), 1_700_000_000, 0),
        (json!("2023-11-14T22:13:20Z"), 1_700_000_000, 0),
    ];
    for (time, seconds, nanos) in rows {
        let task: pb::Task = from_json("Task", &json!({ "startedAt": time })).unwrap();
        assert_eq!(task.started_at, Some(prost_types::Timestamp { seconds, nanos }), "{time}");
    }
    assert!(from_json::<pb::Task>("Task", &json!({"startedAt": 1e18})).is_err());
}

#[test]
fn times_are_numbers_and_empty_lists_of_an_answer_are_shown() {
    let at = |nanos| Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos });
    let task =
        pb::Task { started_at: at(0), stopped_at: at(7_000_000), version: Some(3), ..pb::Task::default() };
    let document =
        to_json("DescribeTasksResponse", &pb::DescribeTasksResponse { tasks: vec![task], failures: vec![] });
    assert_eq!(document["failures"], json!([]));
    let task = &document["tasks"][0];
    assert_eq!(task["startedAt"].to_string(), "1700000000");
    assert_eq!(task["stoppedAt"].to_string(), "1700000000.007");
    assert_eq!(task["version"], json!(3));
    assert_eq!(task.get("cpu"), None);
    assert_eq!(task["tags"], json!([]), "tools iterate over it blindly");
}

#[test]
fn maps_lists_and_enums_have_their_json_forms() {
    let document = json!({
        "logDriver": "awslogs",
        "options": {"awslogs-group": "a \"b\"", "awslogs-region": ""},
        "secretOptions": [{"name": "n", "valueFrom": "v"}],
    });
    let log: pb::LogConfiguration = from_json("LogConfiguration", &document).unwrap();
    assert_eq!(to_json("LogConfiguration", &log), document);
}

#[test]
fn members_that_aws_does_not_have_are_neither_written_nor_read() {
    let container = pb::Container {
        name: Some("main".into()),
        last_log_lines: vec!["out of memory".into()],
        ..pb::Container::default()
    };
    let document = to_json("Container", &container);
    assert_eq!(document["name"], json!("main"));
    assert_eq!(document.get("lastLogLines"), None);
    let given = json!({"name": "main", "lastLogLines": ["made up"]});
    let read: pb::Container = from_json("Container", &given).unwrap();
    assert_eq!(read.last_log_lines, Vec::<String>::new());
}

#[test]
fn no_member_of_the_schema_has_a_number_of_our_own() {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("encoded at build time");
    let mut left_out = 0;
    for name in Schema::get().names() {
        let index = Schema::get().message(name).expect("a message of the schema");
        let descriptor = pool.get_message_by_name(name).expect("a message of the schema");
        for field in descriptor.fields() {
            let is_known = Schema::get().at(index).by_number(field.number()).is_some();
            assert_eq!(is_known, field.number() < OWN_MEMBERS, "{name}.{}", field.name());
            left_out += u32::from(!is_known);
        }
    }
    assert!(left_out > 0, "the descriptors have none: the rule is not tested");
}

/// What random members a message has, as JSON and as bytes.
fn survives(name: &str, seed: u64) {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("encoded at build time");
    let descriptor = pool.get_message_by_name(name).expect("a message of the schema");
    let message = arbitrary::message(&descriptor, seed);
    let index = Schema::get().message(name).expect("a message of the schema");
    let mut document = Vec::new();
    write(index, &message.encode_to_vec(), Times::EpochSeconds, &mut document).expect("a message");
    let back = read(index, &document).unwrap_or_else(|mistake| {
        panic!("{name} with seed {seed}: {mistake} in {}", String::from_utf8_lossy(&document));
    });
    let back = DynamicMessage::decode(descriptor, &*back).expect("the reader writes messages");
    assert_eq!(back, message, "{name} with seed {seed}: {}", String::from_utf8_lossy(&document));
}

#[test]
fn every_message_survives_the_way_to_json_and_back() {
    for name in Schema::get().names() {
        for seed in 0..8 {
            survives(name, seed);
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_message_survives_the_way_to_json_and_back(seed: u64, place: proptest::sample::Index) {
        let names: Vec<&str> = Schema::get().names().collect();
        survives(names[place.index(names.len())], seed);
    }

    #[test]
    fn nothing_that_is_sent_makes_the_reader_panic(document: Vec<u8>, place: proptest::sample::Index) {
        let names: Vec<&str> = Schema::get().names().collect();
        let name = names[place.index(names.len())];
        // Whatever comes of it, it comes as an answer.
        let _ = read(Schema::get().message(name).expect("a message"), &document);
    }
}
