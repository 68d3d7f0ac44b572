//! From the state to response messages. Exactly the members that ECS returns; what a client registered is echoed as it
//! was, and the rest is filled in here.

use berth_model::error::ApiError;
use berth_model::task_definition::Tag;
use berth_model::time::Timestamp;
use berth_model::validate::name;
use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

pub(super) mod capacity_provider;
pub(super) mod cluster;
pub(super) mod container_instance;
pub(super) mod scheduler;
pub(super) mod service;
pub(super) mod service_deployment;
pub(super) mod task;
pub(super) mod task_definition;

/// Whether tags are part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// They are.
    Shown,
    /// They are not: the caller did not ask to include them.
    Hidden,
}

/// Tags as messages.
pub(super) fn tags(tags: &[Tag]) -> Vec<pb::Tag> {
    tags.iter().map(|tag| pb::Tag { key: Some(tag.key.clone()), value: Some(tag.value.clone()) }).collect()
}

/// A point in time that may not have come.
fn time(at: Option<Timestamp>) -> Option<prost_types::Timestamp> {
    at.map(Timestamp::to_message)
}

/// A count; more than the schema's `int32` holds is shown as the most that it holds.
fn count(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// Text that is empty when there is none.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

// === impl Tags ===

impl Tags {
    /// Shown if the list has the member that asks for them.
    pub(super) fn if_included<E: TryFrom<i32> + AwsName + PartialEq>(
        include: &[i32],
        asks: E,
    ) -> Result<Self, ApiError> {
        let include: Vec<E> = name::members("include", include)?;
        Ok(if include.contains(&asks) { Self::Shown } else { Self::Hidden })
    }

    /// The tags, if they are shown.
    fn filter(self, tags: Vec<pb::Tag>) -> Vec<pb::Tag> {
        match self {
            Self::Shown => tags,
            Self::Hidden => Vec::new(),
        }
    }
}
