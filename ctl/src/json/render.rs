//! From a message to JSON or YAML, in the order of the schema, so that what matters comes first.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{Described, is_bare_list, spelling, to_dynamic};

/// A message that serialises as AWS-shaped JSON.
pub(crate) struct Rendered(DynamicMessage);

/// The message, ready to be written by any serde format.
pub(crate) fn render<M: Described>(message: &M) -> Rendered {
    Rendered(to_dynamic(message))
}

/// The message as a JSON value.
pub(crate) fn to_value<M: Described>(message: &M) -> serde_json::Value {
    serde_json::to_value(render(message)).expect("a message has only string keys and finite depth")
}

struct Message<'a> {
    message: &'a DynamicMessage,
    /// Lists of the outermost message are written even when empty: a script can iterate over them blindly.
    outermost: bool,
}

struct Field<'a> {
    field: &'a FieldDescriptor,
    value: &'a Value,
}

struct Single<'a> {
    kind: &'a Kind,
    value: &'a Value,
}

// === impl Rendered ===

impl Serialize for Rendered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Message { message: &self.0, outermost: true }.serialize(serializer)
    }
}

// === impl Message ===

impl Message<'_> {
    fn shows(&self, field: &FieldDescriptor) -> bool {
        if self.message.has_field(field) || (self.outermost && field.is_list()) {
            return true;
        }
        // A member without presence always has a value; only an enum has one that says "nothing".
        !field.supports_presence() && !field.is_list() && !field.is_map() && field.kind().as_enum().is_none()
    }
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let descriptor = self.message.descriptor();
        let mut map = serializer.serialize_map(None)?;
        for field in descriptor.fields().filter(|field| self.shows(field)) {
            let value = self.message.get_field(&field);
            map.serialize_entry(field.json_name(), &Field { field: &field, value: &value })?;
        }
        map.end()
    }
}

// === impl Field ===

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.field.kind();
        match self.value {
            Value::List(items) => list(&kind, items, serializer),
            Value::Map(entries) => {
                let kind =
                    kind.as_message().expect("a map is a list of entries").map_entry_value_field().kind();
                let mut sorted: Vec<(String, &Value)> =
                    entries.iter().map(|(key, value)| (key_text(key), value)).collect();
                sorted.sort_by(|left, right| left.0.cmp(&right.0));
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, value) in sorted {
                    map.serialize_entry(&key, &Single { kind: &kind, value })?;
                }
                map.end()
            }
            value => Single { kind: &kind, value }.serialize(serializer),
        }
    }
}

fn list<S: Serializer>(kind: &Kind, items: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(items.len()))?;
    for value in items {
        sequence.serialize_element(&Single { kind, value })?;
    }
    sequence.end()
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

// === impl Single ===

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F32(value) => serializer.serialize_f32(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::String(value) => serializer.serialize_str(value),
            Value::Bytes(value) => serializer.serialize_str(&String::from_utf8_lossy(value)),
            Value::EnumNumber(number) => enumeration(self.kind, *number, serializer),
            Value::Message(message) => nested(message, serializer),
            Value::List(_) | Value::Map(_) => Err(serde::ser::Error::custom("a list inside a list")),
        }
    }
}

fn enumeration<S: Serializer>(kind: &Kind, number: i32, serializer: S) -> Result<S::Ok, S::Error> {
    match kind.as_enum().and_then(|kind| kind.get_value(number)) {
        Some(value) => serializer.serialize_str(&spelling(&value)),
        // A newer controller knows a value that this binary does not.
        None => serializer.serialize_str(&format!("UNKNOWN_{number}")),
    }
}

fn nested<S: Serializer>(message: &DynamicMessage, serializer: S) -> Result<S::Ok, S::Error> {
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => {
            let time: prost_types::Timestamp = message.transcode_to().map_err(serde::ser::Error::custom)?;
            serializer.serialize_str(&time.to_string())
        }
        "google.protobuf.Value" => {
            let value: prost_types::Value = message.transcode_to().map_err(serde::ser::Error::custom)?;
            free_form(&value).serialize(serializer)
        }
        _ if is_bare_list(&descriptor) => {
            let items = descriptor.fields().next().expect("a bare list has one member");
            list(&items.kind(), message.get_field(&items).as_list().unwrap_or_default(), serializer)
        }
        _ => Message { message, outermost: false }.serialize(serializer),
    }
}

fn free_form(value: &prost_types::Value) -> serde_json::Value {
    use prost_types::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(value)) => (*value).into(),
        Some(Kind::StringValue(value)) => value.clone().into(),
        Some(Kind::NumberValue(value)) => number(*value),
        Some(Kind::ListValue(list)) => list.values.iter().map(free_form).collect(),
        Some(Kind::StructValue(object)) => {
            object.fields.iter().map(|(key, value)| (key.clone(), free_form(value))).collect()
        }
    }
}

/// The schema keeps numbers of free-form documents as doubles; a whole one is written as it was read.
fn number(value: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return (value as i64).into();
    }
    value.into()
}
