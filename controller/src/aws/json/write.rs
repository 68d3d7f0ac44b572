//! From the bytes of a message to JSON, in one pass and in the order of the members' numbers.
//!
//! The bytes come from our own encoder, which writes the values of a list one after the other.

use bytes::Buf;
use prost::DecodeError;
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::super::schema::{Index, Many, Member, Schema, Shape};

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// As a number: seconds since 1970, with milliseconds.
    EpochSeconds,
    /// As a text, which XML wants.
    Rfc3339,
}

/// Appends the message that `bytes` are to `out`.
pub fn write(message: Index, bytes: &[u8], times: Times, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    Writer { schema: Schema::get(), times }.message(message, bytes, out)
}

struct Writer {
    schema: &'static Schema,
    times: Times,
}

/// The object that is being written.
#[derive(Default)]
struct Object<'a> {
    /// Whether a member was written.
    begun: bool,
    /// The list or map whose values are being written, and whether one was.
    open: Option<(&'a Member, bool)>,
    /// A bit for each member that was written, by its place.
    written: u64,
}

// === impl Object ===

impl<'a> Object<'a> {
    fn key(&mut self, member: &Member, out: &mut Vec<u8>) {
        if self.begun {
            out.push(b',');
        }
        self.begun = true;
        text(&member.json_name, out);
        out.push(b':');
    }

    /// Makes room for one more value of a list or map.
    fn next(&mut self, member: &'a Member, out: &mut Vec<u8>) {
        match &mut self.open {
            Some((open, begun)) if open.number == member.number => {
                if *begun {
                    out.push(b',');
                }
                *begun = true;
            }
            _ => {
                self.close(out);
                self.key(member, out);
                out.push(if member.many == Many::Map { b'{' } else { b'[' });
                self.open = Some((member, true));
            }
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some((member, _)) = self.open.take() {
            out.push(if member.many == Many::Map { b'}' } else { b']' });
        }
    }
}

// === impl Writer ===

impl Writer {
    fn message(&self, index: Index, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let message = self.schema.at(index);
        let (mut object, mut rest) = (Object::default(), bytes);
        out.push(b'{');
        while rest.has_remaining() {
            let (number, wire) = decode_key(&mut rest)?;
            let Some((place, member)) = message.by_number(number) else {
                skip_field(wire, number, &mut rest, DecodeContext::default())?;
                continue;
            };
            object.written |= 1 << place;
            self.member(member, wire, &mut rest, &mut object, out)?;
        }
        object.close(out);
        for (place, member) in message.members.iter().enumerate() {
            if member.many == Many::ShownList && object.written & 1 << place == 0 {
                object.key(member, out);
                out.extend_from_slice(b"[]");
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn member<'a>(
        &self,
        member: &'a Member,
        wire: WireType,
        rest: &mut &[u8],
        object: &mut Object<'a>,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        if member.many == Many::One {
            object.close(out);
            return self.single(&member.shape, rest, out, |out| object.key(member, out));
        }
        if member.many == Many::Map {
            let entry = take(rest)?;
            object.next(member, out);
            return self.entry(&member.shape, entry, out);
        }
        if wire == WireType::LengthDelimited && is_number(&member.shape) {
            let mut packed = take(rest)?;
            while packed.has_remaining() {
                self.single(&member.shape, &mut packed, out, |out| object.next(member, out))?;
            }
            return Ok(());
        }
        self.single(&member.shape, rest, out, |out| object.next(member, out))
    }

    /// A value, after `begin` has written what comes before it. One that this build cannot name is left out.
    fn single(
        &self,
        shape: &Shape,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
        begin: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), DecodeError> {
        if let Shape::Enum(spellings) = shape {
            if let Some(name) = spellings.name(int32(decode_varint(rest)?)) {
                begin(out);
                text(name, out);
            }
            return Ok(());
        }
        begin(out);
        match shape {
            Shape::Text => text(&String::from_utf8_lossy(take(rest)?), out),
            Shape::Bool => out.extend_from_slice(if decode_varint(rest)? == 0 { b"false" } else { b"true" }),
            Shape::Int32 => number(int32(decode_varint(rest)?), out),
            Shape::Int64 => number(decode_varint(rest)?.cast_signed(), out),
            Shape::Double => number(double(rest)?, out),
            Shape::Time => self.time(&prost_types::Timestamp::decode(take(rest)?)?, out),
            Shape::Document => number(document(prost_types::Value::decode(take(rest)?)?), out),
            Shape::BareList(index) => self.bare_list(*index, take(rest)?, out)?,
            Shape::Message(index) => self.message(*index, take(rest)?, out)?,
            Shape::Enum(_) => unreachable!("written above"),
        }
        Ok(())
    }

    fn time(&self, time: &prost_types::Timestamp, out: &mut Vec<u8>) {
        match self.times {
            Times::EpochSeconds => epoch_seconds(time, out),
            Times::Rfc3339 => text(&time.to_string(), out),
        }
    }

    fn bare_list(&self, index: Index, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let items = self.schema.at(index).members.first().expect("a bare list has one member");
        let (mut begun, mut rest) = (false, bytes);
        out.push(b'[');
        while rest.has_remaining() {
            decode_key(&mut rest)?;
            self.single(&items.shape, &mut rest, out, |out| {
                if std::mem::replace(&mut begun, true) {
                    out.push(b',');
                }
            })?;
        }
        out.push(b']');
        Ok(())
    }

    /// An entry of a map: a message with the key as its first member and the value as its second.
    fn entry(&self, shape: &Shape, mut entry: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let (mut key, mut value) = (&b""[..], None);
        while entry.has_remaining() {
            match decode_key(&mut entry)? {
                (1, _) => key = take(&mut entry)?,
                (_, wire) => {
                    value = Some(entry);
                    skip_field(wire, 2, &mut entry, DecodeContext::default())?;
                }
            }
        }
        text(&String::from_utf8_lossy(key), out);
        out.push(b':');
        match value {
            Some(mut value) => self.single(shape, &mut value, out, |_| {}),
            // What is a default is not encoded, and every map of the schema has texts.
            None => {
                text("", out);
                Ok(())
            }
        }
    }
}

fn is_number(shape: &Shape) -> bool {
    matches!(shape, Shape::Enum(_) | Shape::Int32 | Shape::Int64 | Shape::Bool | Shape::Double)
}

/// A negative one was stretched to 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the upper half only repeats the sign")]
fn int32(varint: u64) -> i32 {
    varint as i32
}

fn double(rest: &mut &[u8]) -> Result<f64, DecodeError> {
    if rest.remaining() < 8 {
        return truncated();
    }
    Ok(rest.get_f64_le())
}

/// The bytes of a value that says its length.
fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
    let Some((taken, left)) = rest.split_at_checked(length) else { return truncated() };
    *rest = left;
    Ok(taken)
}

/// The library's own error for bytes that end too early.
fn truncated<T>() -> Result<T, DecodeError> {
    decode_varint(&mut &b""[..])?;
    unreachable!("nothing is no number")
}

fn text(text: &str, out: &mut Vec<u8>) {
    number(text, out);
}

/// Anything that has a JSON form of its own.
fn number(value: impl serde::Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &value).expect("memory takes everything, and keys are texts");
}

/// With milliseconds, if there are any.
fn epoch_seconds(time: &prost_types::Timestamp, out: &mut Vec<u8>) {
    let unix_ms = i128::from(time.seconds) * 1_000 + i128::from(time.nanos / 1_000_000);
    let sign = if unix_ms < 0 { "-" } else { "" };
    let (seconds, ms) = (unix_ms.unsigned_abs() / 1_000, unix_ms.unsigned_abs() % 1_000);
    let digits = if ms == 0 { format!("{sign}{seconds}") } else { format!("{sign}{seconds}.{ms:03}") };
    out.extend_from_slice(digits.as_bytes());
}

fn document(value: prost_types::Value) -> serde_json::Value {
    use prost_types::value::Kind;
    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(truth)) => truth.into(),
        Some(Kind::NumberValue(double)) => whole_or(double),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(document).collect(),
        Some(Kind::StructValue(object)) => {
            object.fields.into_iter().map(|(name, value)| (name, document(value))).collect()
        }
    }
}

/// A document's numbers are doubles; `2` should not come back as `2.0`.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53")]
fn whole_or(double: f64) -> serde_json::Value {
    if double.fract() == 0.0 && double.abs() <= 9_007_199_254_740_992.0 {
        return (double as i64).into();
    }
    double.into()
}
