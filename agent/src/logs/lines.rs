//! From what the runtime kept to events: pieces of a line are joined, lines of one event are joined, and each event gets the
//! position that it has however often it is read.

use berth_model::arn::fnv128;
use berth_proto::agent::v1 as wire;
use regex::Regex;

use crate::limits::LOG_EVENT_BYTES;
use crate::runtime::LogRecord;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// A line of which the end has not come yet, or an event.
#[derive(Debug)]
struct Open {
    at_ns: i64,
    /// Tells it from others of the same moment.
    index: u64,
    is_stderr: bool,
    bytes: Vec<u8>,
}

/// Makes events of one container, from a point on where lines begin.
#[derive(Debug)]
pub(super) struct Lines {
    runtime_id: String,
    first_line: Option<Regex>,
    /// Of standard output and of standard error.
    partial: [Option<Open>; 2],
    /// An event that more lines may belong to.
    pending: Option<Open>,
    /// Whether lines are left out, because their event began before.
    is_within: bool,
    /// The last moment of each, and how many lines it had.
    moments: [(i64, u64); 2],
}

// === impl Lines ===

impl Lines {
    /// `is_within`: the first lines may be of an event that began before, and was sent.
    pub(super) fn new(runtime_id: &str, first_line: Option<Regex>, is_within: bool) -> Self {
        Self {
            runtime_id: runtime_id.to_owned(),
            is_within: is_within && first_line.is_some(),
            first_line,
            partial: [None, None],
            pending: None,
            moments: [(i64::MIN, 0); 2],
        }
    }

    /// Takes a piece of the log; what events it completes are added.
    pub(super) fn push(&mut self, record: LogRecord, events: &mut Vec<wire::ContainerLogEvent>) {
        let source = usize::from(record.is_stderr);
        let line = match self.partial[source].take() {
            Some(mut line) => {
                line.bytes.extend_from_slice(&record.bytes);
                line
            }
            None => {
                let (at_ns, count) = &mut self.moments[source];
                *count = if *at_ns == record.at_ns { *count + 1 } else { 0 };
                *at_ns = record.at_ns;
                let (index, bytes) = (*count, record.bytes.to_vec());
                Open { at_ns: record.at_ns, index, is_stderr: record.is_stderr, bytes }
            }
        };
        if line.bytes.ends_with(b"\n") || line.bytes.len() > LOG_EVENT_BYTES {
            self.line(line, events);
        } else {
            self.partial[source] = Some(line);
        }
    }

    /// Nothing more came for a while, or will: what is there is all there is.
    pub(super) fn flush(&mut self, events: &mut Vec<wire::ContainerLogEvent>) {
        for source in 0..self.partial.len() {
            if let Some(line) = self.partial[source].take() {
                self.line(line, events);
            }
        }
        if let Some(event) = self.pending.take() {
            self.finish(&event, events);
        }
    }

    /// Whether lines wait for others.
    pub(super) fn is_waiting(&self) -> bool {
        self.pending.is_some() || self.partial.iter().any(Option::is_some)
    }

    fn line(&mut self, line: Open, events: &mut Vec<wire::ContainerLogEvent>) {
        let Some(first_line) = &self.first_line else {
            self.finish(&line, events);
            return;
        };
        let is_first = first_line.is_match(&String::from_utf8_lossy(&line.bytes));
        self.is_within &= !is_first;
        if self.is_within {
            return;
        }
        match &mut self.pending {
            Some(event) if !is_first && event.bytes.len() + line.bytes.len() <= LOG_EVENT_BYTES => {
                event.bytes.extend(line.bytes);
            }
            pending => {
                if let Some(event) = pending.replace(line) {
                    self.finish(&event, events);
                }
            }
        }
    }

    /// An event, or several if it is too long for one. An empty line is none.
    fn finish(&self, event: &Open, events: &mut Vec<wire::ContainerLogEvent>) {
        let text = String::from_utf8_lossy(&event.bytes);
        let mut rest = text.trim_end_matches(['\n', '\r']);
        for part in 0_u64.. {
            if rest.is_empty() {
                return;
            }
            let mut end = rest.len().min(LOG_EVENT_BYTES);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            events.push(wire::ContainerLogEvent {
                timestamp_ms: event.at_ns.div_euclid(NANOS_PER_MILLI),
                order: event.at_ns.max(0).unsigned_abs(),
                origin: self.origin(event, part),
                message: rest[..end].to_owned(),
            });
            rest = &rest[end..];
        }
    }

    /// The same whenever the event is read, and in the order of writing for those of one moment and source.
    fn origin(&self, event: &Open, part: u64) -> u64 {
        let whose = fnv128(self.runtime_id.as_bytes()) & 0xffff_ffff;
        let whose = u64::try_from(whose).unwrap_or_default();
        (event.index & 0xffff) << 48 | (part & 0x7fff) << 33 | u64::from(event.is_stderr) << 32 | whose
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(at_ns: i64, text: &str) -> LogRecord {
        LogRecord {
            is_stderr: false,
            at_ns,
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            is_after_gap: false,
        }
    }

    fn events(lines: &mut Lines, records: Vec<LogRecord>) -> Vec<wire::ContainerLogEvent> {
        let mut events = Vec::new();
        records.into_iter().for_each(|record| lines.push(record, &mut events));
        lines.flush(&mut events);
        events
    }

    fn messages(events: &[wire::ContainerLogEvent]) -> Vec<&str> {
        events.iter().map(|event| event.message.as_str()).collect()
    }

    #[test]
    fn pieces_of_a_line_are_joined_and_lines_of_both_sources_kept_apart() {
        let mut lines = Lines::new("c", None, false);
        let stderr = LogRecord { is_stderr: true, ..record(3_000_000, "wrong\n") };
        let records =
            vec![record(1_000_000, "one "), stderr, record(2_000_000, "line\r\n"), record(4_000_000, "\n")];
        let events = events(&mut lines, records);
        assert_eq!(messages(&events), ["wrong", "one line"]);
        assert_eq!((events[1].timestamp_ms, events[1].order), (1, 1_000_000));
    }

    #[test]
    fn lines_without_a_time_belong_to_the_event_before() {
        let pattern = Regex::new(r"^\d+ ").unwrap();
        let text = ["1 first\n", "  at a\n", "  at b\n", "2 second\n"];
        let records = |from: usize| {
            text.iter()
                .enumerate()
                .skip(from)
                .map(|(at, line)| record(i64::try_from(at).unwrap(), line))
                .collect()
        };
        let all = events(&mut Lines::new("c", Some(pattern.clone()), false), records(0));
        assert_eq!(messages(&all), ["1 first\n  at a\n  at b", "2 second"]);
        let rest = events(&mut Lines::new("c", Some(pattern), true), records(1));
        assert_eq!(messages(&rest), ["2 second"], "the rest of an event that was sent is not another");
        assert_eq!(rest[0], all[1], "the same event, whenever it is read");
    }

    #[test]
    fn lines_of_one_moment_are_different_events_in_their_order() {
        let records = || vec![record(5, "a\n"), record(5, "b\n"), record(5, "a\n")];
        let first = events(&mut Lines::new("c", None, false), records());
        assert!(first.windows(2).all(|pair| pair[0].origin < pair[1].origin));
        assert_eq!(first, events(&mut Lines::new("c", None, false), records()));
        assert_ne!(first, events(&mut Lines::new("d", None, false), records()));
    }

    #[test]
    fn a_line_that_is_too_long_is_several_events() {
        let long = "\u{e4}".repeat(LOG_EVENT_BYTES);
        let events = events(&mut Lines::new("c", None, false), vec![record(5, &long), record(6, "\n")]);
        assert!(events.len() > 1 && events.iter().all(|event| event.message.len() <= LOG_EVENT_BYTES));
        assert_eq!(messages(&events).concat(), long);
        assert!(events.windows(2).all(|pair| pair[0].origin < pair[1].origin));
    }
}
