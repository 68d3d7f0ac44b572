//! AWS JSON 1.1: objects whose members are those of the schema, times as epoch seconds, and what is absent left out.
//!
//! Messages go straight between JSON and their protobuf bytes, which is what the routes take and give.

mod read;
#[cfg(test)]
pub(in crate::aws) mod tests;
mod write;

pub use read::{Mistake, read};
pub use write::{Times, write};
