//! Containers that log to `awslogs`: the runtime keeps what they write for a while, within bounds, and the agent reads it there.

use std::collections::BTreeMap;

use berth_proto::ecs::v1 as ecs;

use super::Context;
use crate::logs::options;
use crate::runtime::{Launch, label};

/// Files of the runtime's own log of one container, and their size. A reader that is behind by more loses the oldest.
const FILES: &str = "4";
const FILE_SIZE: &str = "16m";
/// Files of a container that would rather wait than lose something: few enough to look at each, and enough that little goes
/// with the oldest.
const FILES_WHEN_BLOCKING: u64 = 16;

pub(super) fn add(context: &Context<'_>, spool_bytes: u64, launch: &mut Launch) {
    let Some(log) = options::of(context.container) else { return };
    let text = serde_json::to_string(&log.options).expect("a map of texts has a JSON form");
    launch.labels.insert(label::LOG.to_owned(), text);
    let is_blocking = log.options.get("mode").is_some_and(|mode| mode == "blocking");
    let (files, size) = if is_blocking {
        (FILES_WHEN_BLOCKING.to_string(), (spool_bytes / FILES_WHEN_BLOCKING).to_string())
    } else {
        (FILES.to_owned(), FILE_SIZE.to_owned())
    };
    launch.definition.log_configuration = Some(ecs::LogConfiguration {
        log_driver: Some(ecs::LogDriver::JsonFile.into()),
        options: BTreeMap::from([("max-file".to_owned(), files), ("max-size".to_owned(), size)]),
        secret_options: Vec::new(),
    });
}
