//! What people see of each noun: tables and descriptions. Pure functions of messages and the time.

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod scheduler;
pub(crate) mod secret;
pub(crate) mod security_group;
pub(crate) mod service;
pub(crate) mod service_deployment;
pub(crate) mod task;
pub(crate) mod task_definition;
pub(crate) mod usage;

use berth_proto::ecs::v1::Tag;

/// Tags as `key=value, key=value`.
fn tags(tags: &[Tag]) -> String {
    let one = |tag: &Tag| format!("{}={}", tag.key(), tag.value());
    tags.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A count, or nothing where the API says nothing.
fn count(count: Option<i32>) -> String {
    count.map(|count| count.to_string()).unwrap_or_default()
}
