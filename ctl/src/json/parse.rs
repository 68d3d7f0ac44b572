//! From JSON to a message. Every mistake is collected and named by its path, so that one run shows them all.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::nearest::nearest;
use super::{Described, is_bare_list, spelling};

/// What is wrong with a document; never empty.
#[derive(Debug)]
pub(crate) struct Mistakes(Vec<Mistake>);

#[derive(Debug)]
struct Mistake {
    path: String,
    problem: String,
}

/// Reads a message from AWS-shaped JSON. A null member counts as absent, an unknown one is a mistake.
pub(crate) fn from_value<M: Described>(value: &Json) -> Result<M, Mistakes> {
    let mut parser = Parser::default();
    let message = parser.message(&M::described(), value);
    match message {
        Some(message) if parser.mistakes.is_empty() => Ok(message.transcode_to().expect("same descriptor")),
        _ => Err(Mistakes(parser.mistakes)),
    }
}

// === impl Mistakes ===

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { path, problem }) in self.0.iter().enumerate() {
            let path = if path.is_empty() { "the document" } else { path };
            write!(f, "{}{path}: {problem}", if index == 0 { "" } else { "\n  " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

#[derive(Default)]
struct Parser {
    path: String,
    mistakes: Vec<Mistake>,
}

// === impl Parser ===

impl Parser {
    fn mistake<T>(&mut self, problem: impl Into<String>) -> Option<T> {
        self.mistakes.push(Mistake { path: self.path.clone(), problem: problem.into() });
        None
    }

    fn wanted<T>(&mut self, what: &str, found: &Json) -> Option<T> {
        let remedy = match found {
            Json::Number(_) | Json::Bool(_) if what == "a string" => ": put it in quotes",
            Json::String(text) if what != "a string" && text.parse::<f64>().is_ok() => ": remove the quotes",
            _ => "",
        };
        self.mistake(format!("wants {what}, not {}{remedy}", describe(found)))
    }

    /// Runs `read` one step deeper in the path.
    fn at<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let length = self.path.len();
        if !step.starts_with('[') && length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        let value = read(self);
        self.path.truncate(length);
        value
    }

    fn message(&mut self, descriptor: &MessageDescriptor, value: &Json) -> Option<DynamicMessage> {
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => return self.timestamp(descriptor, value),
            "google.protobuf.Value" => return decode(descriptor, &free_form(value)),
            _ => {}
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        if is_bare_list(descriptor) {
            let items = descriptor.fields().next().expect("a bare list has one member");
            let list = self.list(&items, value)?;
            message.set_field(&items, list);
            return Some(message);
        }
        let Json::Object(members) = value else {
            return self.wanted("an object", value);
        };
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let Some(field) =
                descriptor.get_field_by_json_name(name).filter(|field| field.json_name() == name)
            else {
                self.at(name, |parser| parser.mistake::<()>(unknown(descriptor, name)));
                continue;
            };
            if let Some(value) = self.at(name, |parser| parser.field(&field, value)) {
                message.set_field(&field, value);
            }
        }
        Some(message)
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Json) -> Option<Value> {
        if field.is_map() {
            self.map(field, value)
        } else if field.is_list() {
            self.list(field, value)
        } else {
            self.single(&field.kind(), value)
        }
    }

    fn list(&mut self, field: &FieldDescriptor, value: &Json) -> Option<Value> {
        let Json::Array(items) = value else {
            return self.wanted("a list", value);
        };
        let kind = field.kind();
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            list.extend(self.at(&format!("[{index}]"), |parser| parser.single(&kind, item)));
        }
        Some(Value::List(list))
    }

    fn map(&mut self, field: &FieldDescriptor, value: &Json) -> Option<Value> {
        let Json::Object(entries) = value else {
            return self.wanted("an object", value);
        };
        let kind = field.kind().as_message()?.map_entry_value_field().kind();
        let mut map = std::collections::HashMap::new();
        for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(value) = self.at(key, |parser| parser.single(&kind, value)) {
                map.insert(MapKey::String(key.clone()), value);
            }
        }
        Some(Value::Map(map))
    }

    fn single(&mut self, kind: &Kind, value: &Json) -> Option<Value> {
        match kind {
            Kind::Message(descriptor) => self.message(descriptor, value).map(Value::Message),
            Kind::Enum(kind) => self.enumeration(kind, value),
            Kind::Bool => match value.as_bool() {
                Some(value) => Some(Value::Bool(value)),
                None => self.wanted("true or false", value),
            },
            Kind::String => match value.as_str() {
                Some(value) => Some(Value::String(value.to_owned())),
                None => self.wanted("a string", value),
            },
            Kind::Double => match value.as_f64() {
                Some(number) => Some(Value::F64(number)),
                None => self.wanted("a number", value),
            },
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => match value.as_i64() {
                Some(value) => Some(Value::I64(value)),
                None => self.wanted("a whole number", value),
            },
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => match value.as_i64().map(i32::try_from) {
                Some(Ok(value)) => Some(Value::I32(value)),
                _ => self.wanted("a whole number of at most 2147483647", value),
            },
            Kind::Uint32 | Kind::Fixed32 | Kind::Uint64 | Kind::Fixed64 | Kind::Float | Kind::Bytes => {
                self.mistake("cannot be given in a file")
            }
        }
    }

    fn enumeration(&mut self, kind: &prost_reflect::EnumDescriptor, value: &Json) -> Option<Value> {
        let Some(text) = value.as_str() else {
            return self.wanted("a string", value);
        };
        let named: Vec<(String, i32)> = kind
            .values()
            .filter(|value| value.number() != 0)
            .map(|value| (spelling(&value), value.number()))
            .collect();
        if let Some((_, number)) = named.iter().find(|(name, _)| name == text) {
            return Some(Value::EnumNumber(*number));
        }
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let suggestion = match nearest(text, names.iter().copied()) {
            Some(name) => format!("; did you mean `{name}`?"),
            None => String::new(),
        };
        self.mistake(format!("`{text}` is not one of {}{suggestion}", names.join(", ")))
    }

    fn timestamp(&mut self, descriptor: &MessageDescriptor, value: &Json) -> Option<DynamicMessage> {
        let time = match value {
            Json::String(text) => text.parse::<prost_types::Timestamp>().ok(),
            Json::Number(number) => number.as_f64().map(epoch_seconds),
            _ => None,
        };
        match time {
            Some(time) => decode(descriptor, &time),
            None => self.wanted("a time such as 2030-01-31T12:00:00Z or seconds since 1970", value),
        }
    }
}

fn decode(descriptor: &MessageDescriptor, message: &impl prost::Message) -> Option<DynamicMessage> {
    DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice()).ok()
}

#[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit for 290 million years")]
fn epoch_seconds(seconds: f64) -> prost_types::Timestamp {
    let unix_ms = (seconds * 1_000.0).round() as i64;
    let nanos = i32::try_from(unix_ms.rem_euclid(1_000) * 1_000_000).unwrap_or_default();
    prost_types::Timestamp { seconds: unix_ms.div_euclid(1_000), nanos }
}

fn free_form(value: &Json) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(free_form).collect() })
        }
        Json::Object(members) => Kind::StructValue(prost_types::Struct {
            fields: members.iter().map(|(name, value)| (name.clone(), free_form(value))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Why a member is not known, with the one that was probably meant.
fn unknown(descriptor: &MessageDescriptor, name: &str) -> String {
    let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    if let Some(known) = nearest(name, fields.iter().map(FieldDescriptor::json_name)) {
        return format!("no such member; did you mean `{known}`?");
    }
    for field in &fields {
        let inside = field.kind().as_message().and_then(|message| message.get_field_by_json_name(name));
        if inside.is_some() {
            let list = if field.is_list() { "[]" } else { "" };
            return format!("no such member here; it belongs into `{}{list}`", field.json_name());
        }
    }
    let mut known: Vec<&str> = fields.iter().map(FieldDescriptor::json_name).collect();
    known.sort_unstable();
    format!("no such member; known are {}", known.join(", "))
}

fn describe(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        Json::String(text) => format!("the string \"{text}\""),
        Json::Number(number) => format!("the number {number}"),
        Json::Bool(value) => format!("the boolean {value}"),
    }
}
