//! From AWS JSON to messages of the schema, for tests: a walk over the descriptor.
#![allow(clippy::wildcard_enum_match_arm, reason = "descriptors have kinds that the ECS API does not use")]

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use serde_json::Value as Json;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(berth_proto::DESCRIPTOR_SET).expect("the schema"));

/// The message type of this name in the ECS package.
pub(super) fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("berth.ecs.v1.{name}")).expect("a message of the schema")
}

/// The message that this JSON spells.
pub(super) fn message<M: Message + Default>(json: &Json) -> M {
    try_message(json).expect("JSON of this message")
}

/// The same, or what is wrong with the JSON.
pub(super) fn try_message<M: Message + Default>(json: &Json) -> Result<M, String> {
    let name = std::any::type_name::<M>().rsplit("::").next().expect("a type has a name");
    Ok(typed(&dynamic(&descriptor(name), json)?))
}

/// The typed message of a dynamic one.
pub(super) fn typed<M: Message + Default>(message: &DynamicMessage) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("the same schema")
}

/// Walks an object.
pub(super) fn dynamic(kind: &MessageDescriptor, json: &Json) -> Result<DynamicMessage, String> {
    let object = json.as_object().ok_or_else(|| format!("{}: not an object", kind.name()))?;
    let mut message = DynamicMessage::new(kind.clone());
    for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let field = kind
            .get_field_by_json_name(key)
            .ok_or_else(|| format!("{}: unknown member {key}", kind.name()))?;
        message.set_field(&field, member(&field, value)?);
    }
    Ok(message)
}

fn member(field: &FieldDescriptor, json: &Json) -> Result<Value, String> {
    if field.is_map() {
        let entries = json.as_object().ok_or_else(|| format!("{}: not an object", field.json_name()))?;
        let text = |value: &Json| value.as_str().map(|text| Value::String(text.to_owned()));
        let pairs =
            entries.iter().filter_map(|(key, value)| Some((MapKey::String(key.clone()), text(value)?)));
        return Ok(Value::Map(pairs.collect()));
    }
    let bare_list =
        |kind: &MessageDescriptor| kind.fields().next().filter(|only| only.is_list() && json.is_array());
    match (field.is_list(), field.kind()) {
        (true, _) => list(field, json),
        (false, Kind::Message(kind)) => match bare_list(&kind) {
            Some(items) => {
                let mut wrapper = DynamicMessage::new(kind);
                wrapper.set_field(&items, list(&items, json)?);
                Ok(Value::Message(wrapper))
            }
            None => Ok(Value::Message(dynamic(&kind, json)?)),
        },
        (false, _) => scalar(field, json),
    }
}

fn list(field: &FieldDescriptor, json: &Json) -> Result<Value, String> {
    let items = json.as_array().ok_or_else(|| format!("{}: not a list", field.json_name()))?;
    let item = |item: &Json| match field.kind() {
        Kind::Message(kind) => dynamic(&kind, item).map(Value::Message),
        _ => scalar(field, item),
    };
    items.iter().map(item).collect::<Result<_, _>>().map(Value::List)
}

fn scalar(field: &FieldDescriptor, json: &Json) -> Result<Value, String> {
    let value = match field.kind() {
        Kind::String => json.as_str().map(|text| Value::String(text.to_owned())),
        Kind::Bool => json.as_bool().map(Value::Bool),
        Kind::Int32 => json.as_i64().and_then(|number| i32::try_from(number).ok()).map(Value::I32),
        Kind::Int64 => json.as_i64().map(Value::I64),
        Kind::Double => json.as_f64().map(Value::F64),
        Kind::Enum(kind) => json.as_str().and_then(|text| spelled(&kind, text)).map(Value::EnumNumber),
        other => return Err(format!("{}: {other:?} is not written in these tests", field.json_name())),
    };
    value.ok_or_else(|| format!("{}: {json} is not one", field.json_name()))
}

fn spelled(kind: &EnumDescriptor, text: &str) -> Option<i32> {
    let option = POOL.get_extension_by_name("berth.options.v1.aws_name")?;
    let is = |value: &prost_reflect::EnumValueDescriptor| {
        value.options().get_extension(&option).as_str() == Some(text)
    };
    kind.values().find(is).map(|value| value.number())
}
