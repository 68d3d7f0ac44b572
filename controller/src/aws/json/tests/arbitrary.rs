//! Messages with random members, by a walk over their descriptors.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::super::schema::OWN_MEMBERS;

/// Deeper than any request; a message that has itself as a member ends here.
const DEPTH: usize = 6;

/// A message that is the same for the same seed, of members that AWS knows.
pub(super) fn message(descriptor: &MessageDescriptor, seed: u64) -> DynamicMessage {
    Maker { rng: StdRng::seed_from_u64(seed) }.message(descriptor, 0)
}

struct Maker {
    rng: StdRng,
}

// === impl Maker ===

impl Maker {
    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => return self.time(descriptor),
            "google.protobuf.Value" => return self.document(descriptor),
            _ => {}
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields().filter(|field| field.number() < OWN_MEMBERS) {
            if depth < DEPTH && self.rng.random_bool(0.5) {
                let value = self.field(&field, depth);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            let kind = entry.map_entry_value_field().kind();
            let entries = 0..self.rng.random_range(1..4);
            let map: HashMap<_, _> =
                entries.map(|_| (MapKey::String(self.text()), self.value(&kind, depth))).collect();
            return Value::Map(map);
        }
        if field.is_list() {
            let length = self.rng.random_range(1..4);
            return Value::List((0..length).map(|_| self.value(&field.kind(), depth)).collect());
        }
        self.value(&field.kind(), depth)
    }

    fn value(&mut self, kind: &Kind, depth: usize) -> Value {
        match kind {
            Kind::Bool => Value::Bool(self.rng.random()),
            Kind::Int32 => Value::I32(self.rng.random()),
            Kind::Int64 => Value::I64(self.rng.random()),
            // Halves have one exact decimal form.
            Kind::Double => Value::F64(f64::from(self.rng.random::<i32>()) / 2.0),
            Kind::Enum(kind) => {
                let named: Vec<i32> =
                    kind.values().map(|value| value.number()).filter(|number| *number != 0).collect();
                Value::EnumNumber(named[self.rng.random_range(0..named.len())])
            }
            Kind::Message(message) => Value::Message(self.message(message, depth + 1)),
            _ => Value::String(self.text()),
        }
    }

    fn text(&mut self) -> String {
        let length = self.rng.random_range(0..8);
        (0..length).map(|_| self.rng.random::<char>()).collect()
    }

    fn time(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let time = prost_types::Timestamp {
            seconds: self.rng.random_range(-2_000_000_000..4_000_000_000),
            nanos: self.rng.random_range(0..1_000) * 1_000_000,
        };
        transcode(descriptor, &time)
    }

    fn document(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        use prost_types::value::Kind;
        let text = prost_types::Value { kind: Some(Kind::StringValue(self.text())) };
        let truth = prost_types::Value { kind: Some(Kind::BoolValue(self.rng.random())) };
        let list = prost_types::ListValue { values: vec![text, truth] };
        transcode(descriptor, &prost_types::Value { kind: Some(Kind::ListValue(list)) })
    }
}

fn transcode(descriptor: &MessageDescriptor, message: &impl prost::Message) -> DynamicMessage {
    let made =
        DynamicMessage::decode(descriptor.clone(), &*message.encode_to_vec()).expect("the same message");
    debug_assert_eq!(made.descriptor(), *descriptor);
    made
}
