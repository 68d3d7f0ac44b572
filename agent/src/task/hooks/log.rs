//! Containers that log to `awslogs`: the runtime keeps what they write for a while, within bounds, and the agent reads it there.

use std::collections::BTreeMap;

use berth_proto::ecs::v1 as ecs;

use super::Context;
use crate::logs::options;
use crate::runtime::{Launch, label};

/// Files of the runtime's own log of one container, and their size. A reader that is behind by more loses the oldest.
const FILES: &str = "4";
const FILE_SIZE: &str = "16m";
/// The same for a container that would rather wait than lose something.
const FILES_WHEN_BLOCKING: &str = "16";
const FILE_SIZE_WHEN_BLOCKING: &str = "64m";

pub(super) fn add(context: &Context<'_>, launch: &mut Launch) {
    let Some(log) = options::of(context.container) else { return };
    let text = serde_json::to_string(&log.options).expect("a map of texts has a JSON form");
    launch.labels.insert(label::LOG.to_owned(), text);
    let is_blocking = log.options.get("mode").is_some_and(|mode| mode == "blocking");
    let (files, size) =
        if is_blocking { (FILES_WHEN_BLOCKING, FILE_SIZE_WHEN_BLOCKING) } else { (FILES, FILE_SIZE) };
    launch.definition.log_configuration = Some(ecs::LogConfiguration {
        log_driver: Some(ecs::LogDriver::JsonFile.into()),
        options: BTreeMap::from([
            ("max-file".to_owned(), files.to_owned()),
            ("max-size".to_owned(), size.to_owned()),
        ]),
        secret_options: Vec::new(),
    });
}
