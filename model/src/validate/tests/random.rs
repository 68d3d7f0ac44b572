//! Whatever is sent, validation answers; what it admits, it admits again as it was described.
#![allow(clippy::wildcard_enum_match_arm, reason = "descriptors have kinds that the ECS API does not use")]

use berth_proto::agent::v1 as agent;
use berth_proto::ecs::v1 as pb;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};
use serde_json::json;

use super::json::{descriptor, message, typed};
use super::world::World;
use super::{fixtures, world};
use crate::id::Ids;
use crate::task_definition::TaskDefinition;
use crate::validate::{cluster, container_instance, report, service, task, task_definition};

/// Texts that mean something somewhere, and some that mean nothing anywhere.
const TEXTS: [&str; 28] = [
    "",
    "web",
    "web:1",
    "web:0",
    "web:99999999999",
    "a b",
    "default",
    "service:web",
    "arn:aws:ecs:us-east-1:000000000000:service/default/web",
    "arn:aws:ecs:us-east-1:000000000000:task/default/00000000000000000000000000000001",
    "arn:",
    "00000000000000000000000000000001",
    "0000000000000000000000000000000é",
    "512",
    "1 vCPU",
    ".5 GB",
    "-1",
    "8000-8010",
    "9-1",
    "cpu",
    "instanceId",
    "attribute:x",
    "aws:key",
    "CPU",
    "MEMORY",
    "nginx@sha256:",
    "ALL",
    "\u{0}\u{ffff}",
];
const NUMBERS: [i64; 14] = [0, 1, -1, 2, 5, 6, 80, 100, 128, 256, 300, 65_535, 65_536, i64::MAX];
/// How deep messages nest before only scalars are set.
const DEPTH: u32 = 5;

/// Fills messages from a seed.
struct Chaos(Ids);

impl Chaos {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.short() % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(u64::try_from(from.len()).expect("few"));
        from[usize::try_from(at).expect("few")]
    }

    fn message(&mut self, kind: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(kind.clone());
        for field in kind.fields() {
            if let Some(value) = self.maybe(&field, depth) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn maybe(&mut self, field: &FieldDescriptor, depth: u32) -> Option<Value> {
        if self.below(2) == 0 { self.field(field, depth) } else { None }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: u32) -> Option<Value> {
        // The maps of the ECS API have texts for values; those of google.protobuf do not, and nobody reads them.
        if field.is_map() && field.parent_message().package_name() != "berth.ecs.v1" {
            return None;
        }
        if field.is_map() {
            let entries = (0..self.below(3)).map(|_| {
                (MapKey::String(self.pick(&TEXTS).to_owned()), Value::String(self.pick(&TEXTS).to_owned()))
            });
            return Some(Value::Map(entries.collect()));
        }
        if field.is_list() {
            let few = if self.below(10) == 0 { 12 } else { 3 };
            return (0..self.below(few))
                .map(|_| self.one(field, depth))
                .collect::<Option<_>>()
                .map(Value::List);
        }
        self.one(field, depth)
    }

    fn one(&mut self, field: &FieldDescriptor, depth: u32) -> Option<Value> {
        let number = self.pick(&NUMBERS);
        Some(match field.kind() {
            Kind::Message(kind) if depth < DEPTH => Value::Message(self.message(&kind, depth + 1)),
            Kind::String => Value::String(self.pick(&TEXTS).to_owned()),
            Kind::Bool => Value::Bool(self.below(2) == 0),
            Kind::Int32 => Value::I32(i32::try_from(number).unwrap_or(i32::MIN)),
            Kind::Int64 => Value::I64(number),
            Kind::Uint32 => Value::U32(u32::try_from(number).unwrap_or(u32::MAX)),
            Kind::Uint64 => Value::U64(u64::try_from(number).unwrap_or(u64::MAX)),
            Kind::Double => Value::F64(f64::NAN),
            Kind::Enum(kind) => {
                let known = i64::try_from(kind.values().len()).expect("few");
                Value::EnumNumber(i32::try_from(number.rem_euclid(known + 1)).expect("few"))
            }
            _ => return None,
        })
    }

    /// Changes one member somewhere in a message that is there.
    fn disturb(&mut self, message: &mut DynamicMessage, depth: u32) {
        let fields: Vec<FieldDescriptor> = message.descriptor().fields().collect();
        let at = usize::try_from(self.below(u64::try_from(fields.len()).expect("few"))).expect("few");
        let field = &fields[at];
        if depth < DEPTH && message.has_field(field) && self.below(4) != 0 {
            match message.get_field_mut(field) {
                Value::Message(inner) => return self.disturb(inner, depth + 1),
                Value::List(items) => {
                    if let Some(Value::Message(inner)) = items.first_mut() {
                        return self.disturb(inner, depth + 1);
                    }
                }
                _ => {}
            }
        }
        if let Some(value) = self.field(field, depth) {
            message.set_field(field, value);
        }
    }

    fn request<M: Message + Default>(&mut self) -> M {
        let name = std::any::type_name::<M>().rsplit("::").next().expect("a type has a name");
        typed(&self.message(&descriptor(name), 0))
    }
}

/// A definition as DescribeTaskDefinition shows it, made into a request again.
fn as_request(definition: &TaskDefinition) -> pb::RegisterTaskDefinitionRequest {
    let described = definition.definition.to_owned_message();
    pb::RegisterTaskDefinitionRequest {
        family: described.family,
        task_role_arn: described.task_role_arn,
        execution_role_arn: described.execution_role_arn,
        network_mode: described.network_mode,
        container_definitions: described.container_definitions,
        volumes: described.volumes,
        placement_constraints: described.placement_constraints,
        requires_compatibilities: described.requires_compatibilities,
        cpu: described.cpu,
        memory: described.memory,
        tags: crate::validate::tag::render(&definition.tags),
        pid_mode: described.pid_mode,
        ipc_mode: described.ipc_mode,
        proxy_configuration: described.proxy_configuration,
        inference_accelerators: described.inference_accelerators,
        ephemeral_storage: described.ephemeral_storage,
        runtime_platform: described.runtime_platform,
        enable_fault_injection: described.enable_fault_injection,
        trusted_execution_configuration: described.trusted_execution_configuration,
    }
}

/// Registers a request and, if it is admitted, what was described of it; says whether it was admitted.
fn registers_again(world: &mut World, request: &pb::RegisterTaskDefinitionRequest) -> bool {
    let admission = world.admission();
    let Ok((first, command)) = task_definition::register(request, &world.state, &admission) else {
        return false;
    };
    world.apply(command);
    let described = world.state.task_definition(&first).expect("registered").clone();
    let again = as_request(&described);
    let (second, command) =
        task_definition::register(&again, &world.state, &admission).expect("what was described registers");
    world.apply(command);
    let registered = world.state.task_definition(&second).expect("registered");
    assert_eq!(registered.definition, described.definition);
    assert_eq!(registered.facts, described.facts);
    assert_eq!(registered.tags, described.tags);
    true
}

fn furnished() -> World {
    let mut world = World::new();
    world.instance("default");
    world.web();
    let request = message(&json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 1}));
    let mut admission = world.admission();
    let (_, command) = service::create(&request, &world.state, &mut admission).expect("a service");
    world.apply(command);
    world
}

#[test]
fn described_definitions_register_as_the_same() {
    let mut world = World::new();
    let admitted = fixtures::requests().iter().filter(|request| registers_again(&mut world, request)).count();
    assert!(admitted >= 20, "{admitted}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disturbed_definitions_are_answered_and_register_as_the_same(seed: u64, at: prop::sample::Index) {
        let mut world = World::new();
        let mut chaos = Chaos(Ids::from_seed(seed.into()));
        let requests = fixtures::requests();
        let request = at.get(&requests);
        let mut dynamic = DynamicMessage::new(descriptor("RegisterTaskDefinitionRequest"));
        dynamic.merge(request.encode_to_vec().as_slice()).expect("the same schema");
        for _ in 0..=chaos.below(3) {
            chaos.disturb(&mut dynamic, 0);
        }
        registers_again(&mut world, &typed(&dynamic));
    }

    #[test]
    fn random_requests_are_answered(seed: u64) {
        let mut world = furnished();
        let mut chaos = Chaos(Ids::from_seed(seed.into()));
        let mut admission = world.admission();
        let view = &world.state;
        let verdicts = [
            world::verdict(cluster::create(&chaos.request(), view, &admission)),
            world::verdict(cluster::update(&chaos.request(), view)),
            world::verdict(cluster::delete(&chaos.request(), view)),
            world::verdict(cluster::describe(&chaos.request(), view)),
            world::verdict(cluster::list(&chaos.request(), view)),
            world::verdict(task_definition::register(&chaos.request(), view, &admission)),
            world::verdict(task_definition::deregister(&chaos.request(), view)),
            world::verdict(task_definition::delete(&chaos.request(), view)),
            world::verdict(task_definition::describe(&chaos.request(), view)),
            world::verdict(task_definition::list(&chaos.request(), view)),
            world::verdict(task_definition::list_families(&chaos.request(), view)),
            world::verdict(service::create(&chaos.request(), view, &mut admission)),
            world::verdict(service::update(&chaos.request(), view, &mut admission)),
            world::verdict(service::delete(&chaos.request(), view)),
            world::verdict(service::describe(&chaos.request(), view)),
            world::verdict(service::list(&chaos.request(), view)),
            world::verdict(task::run(&chaos.request(), view, &mut admission)),
            world::verdict(task::start(&chaos.request(), view, &mut admission)),
            world::verdict(task::stop(&chaos.request(), view)),
            world::verdict(task::describe(&chaos.request(), view)),
            world::verdict(task::list(&chaos.request(), view)),
            world::verdict(container_instance::register(&chaos.request(), view, &mut admission)),
            world::verdict(container_instance::update_state(&chaos.request(), view)),
            world::verdict(container_instance::deregister(&chaos.request(), view)),
            world::verdict(container_instance::put_attributes(&chaos.request(), view)),
            world::verdict(container_instance::delete_attributes(&chaos.request(), view)),
            world::verdict(container_instance::describe(&chaos.request(), view)),
            world::verdict(container_instance::list(&chaos.request(), view)),
            world::verdict(container_instance::list_attributes(&chaos.request(), view)),
        ];
        for verdict in verdicts {
            prop_assert!(!verdict.ends_with(": "), "a refusal without a text: {verdict}");
        }
    }

    #[test]
    fn random_bytes_from_agents_are_answered(bytes: Vec<u8>) {
        let world = World::new();
        if let Ok(hello) = agent::Hello::decode(bytes.as_slice()) {
            let _ = container_instance::from_hello(&hello, None, &world.state, crate::time::Timestamp::default());
        }
        if let Ok(seen) = agent::TaskReport::decode(bytes.as_slice()) {
            let _ = report::observed(&seen);
        }
    }
}
