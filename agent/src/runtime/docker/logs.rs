//! A container's log as Docker kept it.

use std::time::Duration;

use bollard::Docker as Client;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;

use super::error::explain;
use super::logfile::LogFile;
use crate::runtime::{Error, LogOptions, LogRecord};

/// How often a log is looked at whose end was read.
const LOOK: Duration = Duration::from_millis(200);

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

/// The log of one container from Docker's files, as they are written, until all was read after its end.
pub(super) fn follow(
    file: LogFile,
    ended: CancellationToken,
) -> BoxStream<'static, Result<LogRecord, Error>> {
    let parts = stream::unfold(Some(file), move |file| {
        let ended = ended.clone();
        async move {
            let mut file = file?;
            loop {
                // Asked before the look, so that what was written last is not missed.
                let has_ended = ended.is_cancelled();
                let look = move || (file.read(), file);
                let (read, back) = match tokio::task::spawn_blocking(look).await {
                    Ok(looked) => looked,
                    Err(ended) => return Some((Err(Error::Unavailable(ended.to_string())), None)),
                };
                file = back;
                match read {
                    Ok(records) if !records.is_empty() => return Some((Ok(records), Some(file))),
                    Ok(_) if has_ended => return None,
                    // Cut short by the end of the container.
                    Ok(_) => drop(tokio::time::timeout(LOOK, ended.cancelled()).await),
                    Err(error) => return Some((Err(Error::Unavailable(error.to_string())), None)),
                }
            }
        }
    });
    let records = parts.flat_map(|part| match part {
        Ok(records) => stream::iter(records.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    });
    Box::pin(records)
}

fn record(line: LogOutput) -> LogRecord {
    let is_stderr = matches!(line, LogOutput::StdErr { .. });
    let (at_ns, bytes) = split_time(line.into_bytes());
    LogRecord { is_stderr, at_ns, bytes, is_after_gap: false }
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

pub(super) fn unix_ns(text: &str) -> Option<i64> {
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
