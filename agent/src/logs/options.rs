//! What a container's log configuration says.

use std::collections::BTreeMap;

use berth_proto::ecs::v1 as ecs;
use regex::Regex;

use super::timeformat;
use crate::limits;
use crate::runtime::label;

/// What becomes of what a container writes faster than it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The oldest goes, and the log says how much.
    NonBlocking,
    /// The reader waits, and the container with it once the runtime's own files are full enough.
    Blocking,
}

/// How the log of one container is sent.
#[derive(Clone, Debug)]
pub struct Options {
    /// The task.
    pub task_id: String,
    /// Its name in the task definition.
    pub container: String,
    /// The stream it goes to.
    pub stream: String,
    /// What to do when the buffer is full.
    pub mode: Mode,
    /// How much may wait to be sent.
    pub buffer_bytes: usize,
    /// How a line looks that begins an event; every line is one without.
    pub first_line: Option<Regex>,
}

type Text = BTreeMap<String, String>;

// === impl Options ===

impl Options {
    /// Those of a container whose definition asks for this driver, once it has an id.
    #[must_use]
    pub fn of_definition(
        task_id: &str,
        container: &ecs::ContainerDefinition,
        runtime_id: &str,
    ) -> Option<Self> {
        let log = of(container)?;
        Some(Self::new(task_id, container.name(), runtime_id, &log.options))
    }

    /// Those of a container that is there, from the labels it was made with.
    #[must_use]
    pub fn of_labels(labels: &Text, runtime_id: &str) -> Option<Self> {
        let options: Text = serde_json::from_str(labels.get(label::LOG)?).ok()?;
        Some(Self::new(labels.get(label::TASK)?, labels.get(label::CONTAINER_NAME)?, runtime_id, &options))
    }

    fn new(task_id: &str, container: &str, runtime_id: &str, options: &Text) -> Self {
        let option = |name: &str| options.get(name).map(String::as_str).filter(|value| !value.is_empty());
        Self {
            task_id: task_id.to_owned(),
            container: container.to_owned(),
            stream: stream(task_id, container, options).unwrap_or_else(|| runtime_id.to_owned()),
            mode: if option("mode") == Some("blocking") { Mode::Blocking } else { Mode::NonBlocking },
            buffer_bytes: option("max-buffer-size")
                .and_then(bytes)
                .map_or(limits::LOG_BUFFER_BYTES, |bytes| {
                    bytes.clamp(LEAST_BUFFER, limits::LOG_BUFFERS_BYTES)
                }),
            first_line: first_line(option("awslogs-multiline-pattern"), option("awslogs-datetime-format")),
        }
    }
}

/// Less than this cannot hold one long event.
const LEAST_BUFFER: usize = 1 << 20;

/// The configuration of a container that logs here.
#[must_use]
pub(crate) fn of(container: &ecs::ContainerDefinition) -> Option<&ecs::LogConfiguration> {
    container.log_configuration.as_ref().filter(|log| log.log_driver() == ecs::LogDriver::Awslogs)
}

/// `PREFIX/CONTAINER/TASK`; none without a prefix.
#[must_use]
pub(crate) fn stream(task_id: &str, container: &str, options: &Text) -> Option<String> {
    let prefix = options.get("awslogs-stream-prefix").filter(|prefix| !prefix.is_empty())?;
    Some(format!("{prefix}/{container}/{task_id}"))
}

/// A size as Docker writes it: `10m`, `512k`, `1g`, a number of bytes.
pub(crate) fn bytes(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let units = [('k', 10), ('m', 20), ('g', 30)];
    let unit = units.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    digits.trim().parse::<usize>().ok()?.checked_mul(1 << shift)
}

/// A pattern that cannot be used is left out: each line is an event then, and nothing is lost.
fn first_line(pattern: Option<&str>, format: Option<&str>) -> Option<Regex> {
    let pattern = match (pattern, format) {
        (Some(pattern), _) => pattern.to_owned(),
        (None, Some(format)) => timeformat::pattern(format),
        (None, None) => return None,
    };
    Regex::new(&pattern)
        .inspect_err(|error| tracing::info!(pattern, %error, "a multi-line pattern cannot be used; each line is an event"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> Text {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_stream_is_named_by_prefix_container_and_task_or_by_the_containers_id() {
        let options = Options::new("t1", "web", "d0c", &text(&[("awslogs-stream-prefix", "ecs")]));
        assert_eq!(options.stream, "ecs/web/t1");
        assert_eq!(Options::new("t1", "web", "d0c", &text(&[])).stream, "d0c");
    }

    #[test]
    fn without_a_mode_nothing_blocks_and_ten_mebibytes_may_wait() {
        let options = Options::new("t1", "web", "d0c", &text(&[]));
        assert_eq!((options.mode, options.buffer_bytes), (Mode::NonBlocking, 10 << 20));
        let options =
            Options::new("t1", "web", "d0c", &text(&[("mode", "blocking"), ("max-buffer-size", "25M")]));
        assert_eq!((options.mode, options.buffer_bytes), (Mode::Blocking, 25 << 20));
    }

    #[test]
    fn sizes_are_read_as_docker_writes_them() {
        let rows = [
            ("10m", Some(10 << 20)),
            ("4KB", Some(4096)),
            ("77", Some(77)),
            ("1g", Some(1 << 30)),
            ("x", None),
        ];
        for (text, expected) in rows {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn labels_tell_what_the_definition_said() {
        let options = text(&[("awslogs-stream-prefix", "ecs"), ("mode", "blocking")]);
        let encoded = serde_json::to_string(&options).expect("a map of texts");
        let labels = text(&[(label::LOG, &encoded), (label::TASK, "t1"), (label::CONTAINER_NAME, "web")]);
        let found = Options::of_labels(&labels, "d0c").expect("all is there");
        assert_eq!((found.stream.as_str(), found.mode), ("ecs/web/t1", Mode::Blocking));
        assert!(Options::of_labels(&text(&[(label::TASK, "t1")]), "d0c").is_none());
    }
}
