//! Messages as the AWS-shaped JSON that people and deploy tools write and read, by a walk over the schema.
//!
//! Members are camelCase, enums carry their AWS spelling, timestamps are RFC 3339, a message marked `bare_list` is a
//! bare list. What is absent stays absent in both directions. A new message needs no code here.

use std::sync::LazyLock;

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumValueDescriptor, ExtensionDescriptor, MessageDescriptor,
};

mod nearest;
mod parse;
mod render;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use parse::Mistakes;
pub(crate) use parse::from_value;
pub(crate) use render::{render, to_value};

/// A message that knows its own name in the schema.
pub(crate) trait Described: prost::Message + Default {
    /// The full name, such as `berth.ecs.v1.Task`.
    const NAME: &'static str;

    /// The descriptor of the message.
    fn described() -> MessageDescriptor {
        SCHEMA.pool.get_message_by_name(Self::NAME).expect("`Described::NAME` is a message of the schema")
    }
}

struct Schema {
    pool: DescriptorPool,
    aws_name: ExtensionDescriptor,
    bare_list: ExtensionDescriptor,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(berth_proto::DESCRIPTOR_SET)
        .expect("the schema was compiled with this binary");
    let extension = |name| pool.get_extension_by_name(name).expect("the schema declares its options");
    let aws_name = extension("berth.options.v1.aws_name");
    let bare_list = extension("berth.options.v1.bare_list");
    Schema { pool, aws_name, bare_list }
});

/// How the AWS API spells an enum value; its own name where the schema says nothing.
fn spelling(value: &EnumValueDescriptor) -> String {
    match value.options().get_extension(&SCHEMA.aws_name).as_str() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => value.name().to_owned(),
    }
}

/// True when the message stands for the list in its only member.
fn is_bare_list(message: &MessageDescriptor) -> bool {
    message.options().get_extension(&SCHEMA.bare_list).as_bool() == Some(true)
}

fn to_dynamic<M: Described>(message: &M) -> DynamicMessage {
    DynamicMessage::decode(M::described(), message.encode_to_vec().as_slice())
        .expect("a message decodes as what it was encoded from")
}
