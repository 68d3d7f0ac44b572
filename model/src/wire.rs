//! A message of the schema kept whole inside the state.
//!
//! Much of what a client says about a resource is only ever echoed. It stays the message it was, behind an `Arc`,
//! instead of being taken apart into fields nobody reads. What planners do read is parsed once, beside it.

use std::ops::Deref;
use std::sync::Arc;

use prost::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A shared, immutable message; stored as its protobuf bytes, so members added later cost nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Wire<M>(Arc<M>);

// === impl Wire ===

impl<M> Wire<M> {
    /// Wraps a message.
    pub fn new(message: M) -> Self {
        Self(Arc::new(message))
    }
}

impl<M: Clone> Wire<M> {
    /// An owned copy.
    pub fn to_owned_message(&self) -> M {
        (*self.0).clone()
    }
}

impl<M: Default> Default for Wire<M> {
    fn default() -> Self {
        Self::new(M::default())
    }
}

impl<M> Deref for Wire<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M: Message> Serialize for Wire<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.encode_to_vec())
    }
}

impl<'de, M: Message + Default> Deserialize<'de> for Wire<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor).and_then(|bytes| {
            M::decode(bytes.as_slice())
                .map(Self::new)
                .map_err(|error| de::Error::custom(format!("not the message: {error}")))
        })
    }
}

struct BytesVisitor;

impl<'de> de::Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the bytes of a protobuf message")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}
