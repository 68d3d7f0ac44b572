//! Attributes of container instances: names with optional values, some built in, some an operator's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use expression::Expression;

pub mod expression;

/// Name of the attribute with the architecture of the processor: `x86_64` or `arm64`.
pub const CPU_ARCHITECTURE: &str = "ecs.cpu-architecture";

/// Name of the zone attribute.
pub const AVAILABILITY_ZONE: &str = "ecs.availability-zone";

/// Attributes by name. `None` is an attribute that is there without a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, Option<String>>);

// === impl Attributes ===

impl Attributes {
    /// Whether an attribute of this name is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value, if the attribute is there and has one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Option::as_deref)
    }

    /// Adds or replaces an attribute.
    pub fn put(&mut self, name: &str, value: Option<&str>) {
        self.0.insert(name.to_owned(), value.map(str::to_owned));
    }

    /// Takes an attribute away; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<(&'a str, Option<&'a str>)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (&'a str, Option<&'a str>)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect())
    }
}
