//! Chunks cut into lines, each under the name of where it came from.

use std::collections::BTreeMap;

use berth_proto::agent::v1::{LogChunk, LogSource};
use serde::Serialize;

use crate::failure::Failure;
use crate::names::short_id;
use crate::output::{Format, Ink, Output};

/// What stands before a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Nothing: there is one container.
    None,
    /// The container: there is one task.
    Container,
    /// Task and container.
    Task,
}

/// Prints the lines of any number of containers.
#[derive(Debug)]
pub(crate) struct Lines {
    output: Output,
    prefix: Prefix,
    timestamps: bool,
    /// What each container has printed since its last line ended.
    partial: BTreeMap<Place, Vec<u8>>,
    /// A colour for each container, in the order of appearance.
    lanes: BTreeMap<String, usize>,
}

type Place = (String, String, i32);

/// A line that grows beyond this without an end is printed as it is.
const MAX_LINE_BYTES: usize = 256 * 1024;

/// A line as a program reads it.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    task: &'a str,
    container: &'a str,
    source: &'static str,
    message: &'a str,
}

// === impl Lines ===

impl Lines {
    pub(crate) fn new(output: &Output, prefix: Prefix, timestamps: bool) -> Self {
        Self { output: output.clone(), prefix, timestamps, partial: BTreeMap::new(), lanes: BTreeMap::new() }
    }

    /// Prints the lines that this chunk completes.
    pub(crate) fn chunk(&mut self, chunk: &LogChunk) -> Result<(), Failure> {
        let place = (chunk.task_id.clone(), chunk.container.clone(), chunk.source);
        let mut bytes = self.partial.remove(&place).unwrap_or_default();
        bytes.extend_from_slice(&chunk.bytes);
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.line(chunk, &rest[..end])?;
            rest = &rest[end + 1..];
        }
        if rest.len() > MAX_LINE_BYTES {
            self.line(chunk, rest)?;
            rest = &[];
        }
        if !rest.is_empty() {
            self.partial.insert(place, rest.to_vec());
        }
        Ok(())
    }

    /// Prints what was left without an end of line.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        for ((task_id, container, source), bytes) in std::mem::take(&mut self.partial) {
            let chunk = LogChunk { task_id, container, source, ..LogChunk::default() };
            self.line(&chunk, &bytes)?;
        }
        Ok(())
    }

    fn line(&mut self, chunk: &LogChunk, bytes: &[u8]) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let time = chunk.time.as_ref().map(ToString::to_string);
        if matches!(self.output.format, Format::Json | Format::Yaml) {
            let source = if chunk.source() == LogSource::Stderr { "stderr" } else { "stdout" };
            let record =
                Record { time, task: &chunk.task_id, container: &chunk.container, source, message: text };
            return self.output.json_line(&record);
        }
        let mut line = String::new();
        if let Some(time) = time.filter(|_| self.timestamps) {
            line.push_str(&self.output.ink(Ink::Dim, &time));
            line.push(' ');
        }
        let origin = match self.prefix {
            Prefix::None => None,
            Prefix::Container => Some(chunk.container.clone()),
            Prefix::Task => Some(format!("{}/{}", short_id(&chunk.task_id), chunk.container)),
        };
        if let Some(origin) = origin {
            let next = self.lanes.len();
            let lane = *self.lanes.entry(origin.clone()).or_insert(next);
            line.push_str(&self.output.ink(Ink::Lane(lane), &format!("{origin} |")));
            line.push(' ');
        }
        line.push_str(text);
        self.output.line(&line)
    }
}
