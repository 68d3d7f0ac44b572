//! The schema as the AWS codecs walk it: built once from the descriptors, so that no call looks anything up by reflection.
//!
//! A new message or operation needs no code here. What cannot be said in AWS JSON (unsigned numbers, bytes) does not
//! occur in the packages that are served, and a test says so. Members of Berth's own are left out: a client that checks
//! what it reads would not know them.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use berth_proto::DESCRIPTOR_SET;
use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};

use super::target::SERVICES;

/// The messages of every package that an AWS client can reach.
#[derive(Debug)]
pub struct Schema {
    messages: Vec<Message>,
    by_name: BTreeMap<String, Index>,
}

/// Where a message is in the [`Schema`].
pub type Index = usize;

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    /// In the order of their numbers.
    pub(super) members: Vec<Member>,
    by_json_name: HashMap<Box<str>, usize>,
    by_number: Vec<Option<usize>>,
}

/// One member of a message.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) number: u32,
    pub(super) json_name: Box<str>,
    pub(super) many: Many,
    pub(super) shape: Shape,
}

/// How many values a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Many {
    /// At most one.
    One,
    /// A list that is absent when it is empty.
    List,
    /// A list that is written even when it is empty, because AWS does and tools iterate over it blindly.
    ShownList,
    /// An object whose keys are free; its values have the member's shape.
    Map,
}

/// What a value looks like.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Bool,
    Int32,
    Int64,
    Double,
    Enum(Spellings),
    Time,
    Document,
    /// A message that stands for the list in its only member.
    BareList(Index),
    Message(Index),
}

/// The values of an enum and how AWS spells them.
#[derive(Debug)]
pub(super) struct Spellings(Vec<(i32, Box<str>)>);

/// Members of Berth's own have numbers from here on; AWS does not know them.
pub(super) const OWN_MEMBERS: u32 = 1_000;

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::build);

// === impl Schema ===

impl Schema {
    /// The schema that this binary was built with.
    pub fn get() -> &'static Self {
        &SCHEMA
    }

    /// The message of this full name, such as `berth.ecs.v1.Task`.
    pub fn message(&self, full_name: &str) -> Option<Index> {
        self.by_name.get(full_name).copied()
    }

    /// The full names of all messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub(super) fn at(&self, index: Index) -> &Message {
        &self.messages[index]
    }

    fn build() -> Self {
        let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("the schema was encoded at build time");
        let served = |message: &MessageDescriptor| {
            is_served(message.parent_file().package_name()) && !message.is_map_entry()
        };
        let descriptors: Vec<_> = pool.all_messages().filter(served).collect();
        let names = descriptors.iter().enumerate();
        let by_name = names.map(|(index, message)| (message.full_name().to_owned(), index)).collect();
        let builder = Builder { options: Options::of(&pool), by_name: &by_name };
        let messages = descriptors.iter().map(|message| builder.message(message)).collect();
        Self { messages, by_name }
    }
}

fn is_served(package: &str) -> bool {
    SERVICES.iter().any(|service| service.package == package)
}

// === impl Message ===

impl Message {
    pub(super) fn by_json_name(&self, name: &str) -> Option<&Member> {
        self.by_json_name.get(name).map(|index| &self.members[*index])
    }

    /// The member and its place among the others.
    pub(super) fn by_number(&self, number: u32) -> Option<(usize, &Member)> {
        let index = self.by_number.get(usize::try_from(number).ok()?).copied().flatten()?;
        Some((index, &self.members[index]))
    }
}

// === impl Spellings ===

impl Spellings {
    pub(super) fn name(&self, number: i32) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == number).map(|(_, name)| &**name)
    }

    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.0.iter().find(|(_, known)| **known == *name).map(|(number, _)| *number)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, name)| &**name)
    }
}

/// What the schema says about the AWS form of itself.
struct Options {
    aws_name: ExtensionDescriptor,
    bare_list: ExtensionDescriptor,
    shown_empty: ExtensionDescriptor,
}

struct Builder<'a> {
    options: Options,
    by_name: &'a BTreeMap<String, Index>,
}

// === impl Options ===

impl Options {
    fn of(pool: &DescriptorPool) -> Self {
        let extension = |name| pool.get_extension_by_name(name).expect("the schema declares its options");
        Self {
            aws_name: extension("berth.options.v1.aws_name"),
            bare_list: extension("berth.options.v1.bare_list"),
            shown_empty: extension("berth.options.v1.shown_empty"),
        }
    }
}

// === impl Builder ===

impl Builder<'_> {
    fn message(&self, message: &MessageDescriptor) -> Message {
        // Lists of an answer itself are always written.
        let is_answer = message.name().ends_with("Response");
        let known = message.fields().filter(|field| field.number() < OWN_MEMBERS);
        let mut members: Vec<_> = known.map(|field| self.member(&field, is_answer)).collect();
        members.sort_by_key(|member| member.number);
        let places = || members.iter().enumerate();
        let by_json_name = places().map(|(index, member)| (member.json_name.clone(), index)).collect();
        let last = members.last().map_or(0, |member| member.number);
        let by_number = (0..=last).map(|number| members.iter().position(|member| member.number == number));
        Message { by_number: by_number.collect(), by_json_name, members }
    }

    fn member(&self, field: &FieldDescriptor, is_answer: bool) -> Member {
        let shown =
            is_answer || field.options().get_extension(&self.options.shown_empty).as_bool() == Some(true);
        let (many, kind) = match field.kind() {
            Kind::Message(entry) if field.is_map() => (Many::Map, entry.map_entry_value_field().kind()),
            kind if field.is_list() => (if shown { Many::ShownList } else { Many::List }, kind),
            kind => (Many::One, kind),
        };
        let shape = self.shape(kind);
        Member {
            number: field.number(),
            json_name: field.json_name().into(),
            many,
            shape: shape.expect("the packages that are served use only kinds that AWS JSON has"),
        }
    }

    fn shape(&self, kind: Kind) -> Option<Shape> {
        Some(match kind {
            Kind::String => Shape::Text,
            Kind::Bool => Shape::Bool,
            Kind::Int32 => Shape::Int32,
            Kind::Int64 => Shape::Int64,
            Kind::Double => Shape::Double,
            Kind::Enum(kind) => Shape::Enum(self.spellings(&kind)),
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => Shape::Time,
                "google.protobuf.Value" => Shape::Document,
                name => {
                    let index = *self.by_name.get(name)?;
                    let bare =
                        message.options().get_extension(&self.options.bare_list).as_bool() == Some(true);
                    if bare { Shape::BareList(index) } else { Shape::Message(index) }
                }
            },
            _ => return None,
        })
    }

    /// All values but the unspecified one, which AWS does not have.
    fn spellings(&self, kind: &EnumDescriptor) -> Spellings {
        let values = kind.values().filter(|value| value.number() != 0);
        let named = values.map(|value| {
            let options = value.options();
            let spelling = options.get_extension(&self.options.aws_name);
            (value.number(), spelling.as_str().unwrap_or_default().into())
        });
        Spellings(named.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_every_enum_has_a_spelling() {
        for message in &Schema::get().messages {
            for member in &message.members {
                if let Shape::Enum(spellings) = &member.shape {
                    assert!(spellings.names().all(|name| !name.is_empty()), "{}", member.json_name);
                }
            }
        }
    }

    #[test]
    fn no_message_has_more_members_than_a_writer_can_remember() {
        for message in &Schema::get().messages {
            assert!(message.members.len() <= 64);
        }
    }
}
