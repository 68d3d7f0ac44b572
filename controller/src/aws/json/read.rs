//! From JSON to the bytes of a message. Unknown members are skipped and a null one counts as absent, as AWS does.

use std::fmt::Write as _;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use serde_json::Value;

use super::super::schema::{Index, Many, Member, Schema, Shape, Spellings};

/// Why a document is not the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// It is no JSON object, or a member is of the wrong kind.
    #[error("{0}")]
    Malformed(String),
    /// A member has a value that its enum does not.
    #[error("{0}")]
    Constraint(String),
}

/// The bytes of the message that `document` is. An empty document is an empty message.
pub fn read(message: Index, document: &[u8]) -> Result<Vec<u8>, Mistake> {
    let mut bytes = Vec::with_capacity(document.len());
    if document.is_empty() {
        return Ok(bytes);
    }
    let value = serde_json::from_slice(document).map_err(|error| Mistake::Malformed(error.to_string()))?;
    Reader { schema: Schema::get(), path: String::new() }.message(message, &value, &mut bytes)?;
    Ok(bytes)
}

struct Reader {
    schema: &'static Schema,
    /// As AWS writes it: `containerDefinitions.1.member.name`.
    path: String,
}

// === impl Reader ===

impl Reader {
    fn message(&mut self, index: Index, value: &Value, out: &mut Vec<u8>) -> Result<(), Mistake> {
        let Value::Object(members) = value else { return self.wrong(value, "a structure") };
        let message = self.schema.at(index);
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(member) = message.by_json_name(name) {
                self.at(name, |reader| reader.member(member, value, out))?;
            }
        }
        Ok(())
    }

    /// Runs `read` one step deeper in the path.
    fn at<T>(
        &mut self,
        step: &str,
        read: impl FnOnce(&mut Self) -> Result<T, Mistake>,
    ) -> Result<T, Mistake> {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        let done = read(self);
        self.path.truncate(length);
        done
    }

    fn member(&mut self, member: &Member, value: &Value, out: &mut Vec<u8>) -> Result<(), Mistake> {
        match member.many {
            Many::One => self.single(member.number, &member.shape, value, out),
            Many::List | Many::ShownList => self.list(member, value, out),
            Many::Map => self.map(member, value, out),
        }
    }

    fn list(&mut self, member: &Member, value: &Value, out: &mut Vec<u8>) -> Result<(), Mistake> {
        let Value::Array(items) = value else { return self.wrong(value, "a list") };
        for (position, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
            let step = format!("{}.member", position + 1);
            self.at(&step, |reader| reader.single(member.number, &member.shape, item, out))?;
        }
        Ok(())
    }

    fn map(&mut self, member: &Member, value: &Value, out: &mut Vec<u8>) -> Result<(), Mistake> {
        let Value::Object(entries) = value else { return self.wrong(value, "a map") };
        for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
            let mut entry = Vec::new();
            put_bytes(1, key.as_bytes(), &mut entry);
            self.at(key, |reader| reader.single(2, &member.shape, value, &mut entry))?;
            put_bytes(member.number, &entry, out);
        }
        Ok(())
    }

    fn single(
        &mut self,
        number: u32,
        shape: &Shape,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Mistake> {
        match shape {
            Shape::Text => match value {
                Value::String(text) => put_bytes(number, text.as_bytes(), out),
                other => return self.wrong(other, "String"),
            },
            Shape::Bool => match value {
                Value::Bool(truth) => put_varint(number, u64::from(*truth), out),
                other => return self.wrong(other, "Boolean"),
            },
            Shape::Int32 => {
                let whole = whole(value).and_then(|whole| i32::try_from(whole).ok());
                let Some(whole) = whole else { return self.wrong(value, "Integer") };
                put_varint(number, i64::from(whole).cast_unsigned(), out);
            }
            Shape::Int64 => {
                let Some(whole) = whole(value) else { return self.wrong(value, "Long") };
                put_varint(number, whole.cast_unsigned(), out);
            }
            Shape::Double => {
                let Some(double) = value.as_f64() else { return self.wrong(value, "Double") };
                encode_key(number, WireType::SixtyFourBit, out);
                out.extend_from_slice(&double.to_le_bytes());
            }
            Shape::Enum(spellings) => {
                let Value::String(name) = value else { return self.wrong(value, "String") };
                let known = spellings.number(name).ok_or_else(|| self.no_member_of(spellings, name))?;
                put_varint(number, i64::from(known).cast_unsigned(), out);
            }
            Shape::Time => {
                let Some(time) = time(value) else { return self.wrong(value, "Timestamp") };
                put_bytes(number, &time.encode_to_vec(), out);
            }
            Shape::Document => put_bytes(number, &document(value).encode_to_vec(), out),
            Shape::BareList(index) => {
                let mut list = Vec::new();
                let items = self.schema.at(*index).members.first();
                self.list(items.expect("a bare list has one member"), value, &mut list)?;
                put_bytes(number, &list, out);
            }
            Shape::Message(index) => {
                let mut inner = Vec::new();
                self.message(*index, value, &mut inner)?;
                put_bytes(number, &inner, out);
            }
        }
        Ok(())
    }

    fn wrong<T>(&self, found: &Value, wanted: &str) -> Result<T, Mistake> {
        let found = match found {
            Value::Null => "NULL_VALUE",
            Value::Bool(true) => "TRUE_VALUE",
            Value::Bool(false) => "FALSE_VALUE",
            Value::Number(_) => "NUMBER_VALUE",
            Value::String(_) => "STRING_VALUE",
            Value::Array(_) => "START_ARRAY",
            Value::Object(_) => "START_OBJECT",
        };
        let mut text = format!("{found} cannot be converted to {wanted}");
        if !self.path.is_empty() {
            // Writing into a String cannot fail.
            let _ = write!(text, " at '{}'", self.path);
        }
        Err(Mistake::Malformed(text))
    }

    /// ECS's own text.
    fn no_member_of(&self, spellings: &Spellings, name: &str) -> Mistake {
        let known: Vec<&str> = spellings.names().collect();
        Mistake::Constraint(format!(
            "1 validation error detected: Value '{name}' at '{}' failed to satisfy constraint: Member must satisfy \
             enum value set: [{}]",
            self.path,
            known.join(", ")
        ))
    }
}

fn put_varint(number: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A whole number, also when it is written as `2.0`.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53")]
fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
    })
}

/// Epoch seconds, or RFC 3339 as some tools send it.
fn time(value: &Value) -> Option<prost_types::Timestamp> {
    match value {
        Value::Number(number) => seconds(number.as_f64()?),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be within the years that a Timestamp has")]
fn seconds(seconds: f64) -> Option<prost_types::Timestamp> {
    // The years 1 to 9999, as google.protobuf.Timestamp has them.
    if !(-62_135_596_800.0..=253_402_300_799.0).contains(&seconds) {
        return None;
    }
    let unix_ms = (seconds * 1_000.0).round() as i64;
    let nanos = i32::try_from(unix_ms.rem_euclid(1_000) * 1_000_000).unwrap_or_default();
    Some(prost_types::Timestamp { seconds: unix_ms.div_euclid(1_000), nanos })
}

fn document(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(document).collect() })
        }
        Value::Object(members) => Kind::StructValue(prost_types::Struct {
            fields: members.iter().map(|(name, value)| (name.clone(), document(value))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
