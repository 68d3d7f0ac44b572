//! A container's log as Docker kept it.

use bollard::Docker as Client;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::error::explain;
use crate::runtime::{Error, LogOptions, LogRecord};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The log of one container, line by line.
pub(super) fn stream(
    client: &Client,
    runtime_id: &str,
    options: &LogOptions,
) -> BoxStream<'static, Result<LogRecord, Error>> {
    let since_s =
        options.since_ns.map_or(0, |since| i32::try_from(since / NANOS_PER_SECOND).unwrap_or(i32::MAX));
    let since_ns = options.since_ns.unwrap_or(i64::MIN);
    let options = LogsOptions {
        follow: options.follow,
        stdout: true,
        stderr: true,
        since: since_s,
        timestamps: true,
        tail: options.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string()),
        ..Default::default()
    };
    let lines = client.logs(runtime_id, Some(options));
    let records = lines.map(|line| line.map(record).map_err(explain));
    // Docker cuts the moment to whole seconds.
    Box::pin(records.filter(move |record| {
        let is_wanted = record.as_ref().map_or(true, |record| record.at_ns >= since_ns);
        std::future::ready(is_wanted)
    }))
}

fn record(line: LogOutput) -> LogRecord {
    let is_stderr = matches!(line, LogOutput::StdErr { .. });
    let (at_ns, bytes) = split_time(line.into_bytes());
    LogRecord { is_stderr, at_ns, bytes }
}

/// Docker writes the time before each line, and a space between them.
fn split_time(line: Bytes) -> (i64, Bytes) {
    let space = line.iter().take(40).position(|byte| *byte == b' ');
    let time = space.and_then(|at| std::str::from_utf8(&line[..at]).ok()).and_then(unix_ns);
    match (time, space) {
        (Some(time), Some(at)) => (time, line.slice(at + 1..)),
        _ => (0, line),
    }
}

fn unix_ns(text: &str) -> Option<i64> {
    let time: prost_types::Timestamp = text.parse().ok()?;
    time.seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(time.nanos.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_taken_off_the_line() {
        let (at_ns, bytes) = split_time(Bytes::from_static(b"1970-01-01T00:00:02.000000001Z hello world\n"));
        assert_eq!((at_ns, bytes.as_ref()), (2_000_000_001, b"hello world\n".as_slice()));
        let (at_ns, bytes) = split_time(Bytes::from_static(b"no time here\n"));
        assert_eq!((at_ns, bytes.as_ref()), (0, b"no time here\n".as_slice()));
    }
}
