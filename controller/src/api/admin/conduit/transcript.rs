//! What was printed in a session, kept in a log group if its cluster says so.
//!
//! Keeping never holds up a session: what does not fit on the way to the archive is left out, and the log says how much. The
//! stream is named as the session, and there though nothing was printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use berth_model::error::ApiError;
use berth_model::log::Position;
use berth_model::state::State;
use berth_model::validate::execute_command::{self as validate, Place};
use berth_process::backoff::Backoff;
use berth_process::shutdown::OnError;
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{ConduitOutput, LogSource, OpenConduit};
use berth_proto::peer::v1 as peer;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::super::super::call::Shared;
use crate::limits::{TRANSCRIPT_BATCH_BYTES, TRANSCRIPT_BYTES, TRANSCRIPT_CHUNKS, TRANSCRIPT_LINE_BYTES};

/// How long what is printed gathers before it is kept.
const GATHER: Duration = Duration::from_secs(1);
/// Attempts to keep a part, with pauses of up to a second between them.
const ATTEMPTS: usize = 8;
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

const NANOS_PER_MILLI: u64 = 1_000_000;

/// What was printed at once, and whether to standard error.
type Chunk = (bool, Vec<u8>);

/// The session's end of it.
pub(super) struct Transcript {
    chunks: mpsc::Sender<Chunk>,
    lost_bytes: Arc<AtomicUsize>,
    /// What may still be kept.
    room_bytes: usize,
}

/// The archive's end of it.
struct Keeper {
    shared: Arc<Shared>,
    group_id: u64,
    stream: String,
    chunks: mpsc::Receiver<Chunk>,
    lost_bytes: Arc<AtomicUsize>,
    lines: Lines,
    /// Of the last event.
    order: u64,
    origin: u64,
}

/// Lines out of what is printed. Standard output and standard error each have their own.
#[derive(Default)]
struct Lines {
    rest: [Vec<u8>; 2],
}

/// The group that is to have what is printed in this conduit, if any is.
pub(super) fn group(
    shared: &Shared,
    place: &Place,
    open: &OpenConduit,
    view: &State,
) -> Result<Option<u64>, ApiError> {
    let target = open.target.as_ref().and_then(|target| target.target.as_ref());
    let wanted = validate::transcript(place, view).filter(|_| matches!(target, Some(Target::Command(_))));
    let Some(wanted) = wanted else { return Ok(None) };
    let elsewhere = wanted.region.and_then(|name| shared.parts.regions.choose(&name));
    let elsewhere = elsewhere.map(|region| shared.parts.consensus.view().in_region(region.0.as_ref()));
    let id = elsewhere.as_deref().unwrap_or(view).log_group(&wanted.group).map(|group| group.id);
    match id {
        None if wanted.is_required => Err(validate::no_transcript(&wanted.group)),
        id => Ok(id),
    }
}

// === impl Transcript ===

impl Transcript {
    pub(super) fn begin(shared: &Arc<Shared>, group_id: u64, session: &str) -> Self {
        let (sender, chunks) = mpsc::channel(TRANSCRIPT_CHUNKS);
        let lost_bytes = Arc::new(AtomicUsize::new(0));
        let keeper = Keeper {
            shared: Arc::clone(shared),
            group_id,
            stream: session.to_owned(),
            chunks,
            lost_bytes: Arc::clone(&lost_bytes),
            lines: Lines::default(),
            order: 0,
            origin: shared.parts.entropy.u64(),
        };
        shared.parts.shutdown.spawn("transcript", OnError::Log, async move {
            keeper.run().await;
            Ok::<(), std::convert::Infallible>(())
        });
        Self { chunks: sender, lost_bytes, room_bytes: TRANSCRIPT_BYTES }
    }

    /// Something was printed.
    pub(super) fn note(&mut self, output: &ConduitOutput) {
        let bytes = &output.bytes;
        if bytes.is_empty() {
            return;
        }
        let chunk = (output.source() == LogSource::Stderr, bytes.clone());
        let is_kept = bytes.len() <= self.room_bytes && self.chunks.try_send(chunk).is_ok();
        if is_kept {
            self.room_bytes -= bytes.len();
        } else {
            self.lost_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        }
    }
}

// === impl Keeper ===

impl Keeper {
    /// Keeps what comes until the session has ended.
    async fn run(mut self) {
        self.keep(Vec::new()).await;
        let mut is_over = false;
        while !is_over {
            let mut texts = Vec::new();
            is_over = self.gather(&mut texts).await;
            let lost = self.lost_bytes.swap(0, Ordering::Relaxed);
            if lost > 0 {
                texts.push(format!("[berth] {lost} bytes that were printed are missing here"));
            }
            if !texts.is_empty() {
                self.keep(texts).await;
            }
        }
    }

    /// Takes what comes, and what comes soon after it; whether that was all.
    async fn gather(&mut self, texts: &mut Vec<String>) -> bool {
        let (mut bytes, mut until) = (0, None);
        while bytes < TRANSCRIPT_BATCH_BYTES {
            let chunk = match until {
                None => self.chunks.recv().await,
                Some(until) => match timeout_at(until, self.chunks.recv()).await {
                    Ok(chunk) => chunk,
                    Err(_) => return false,
                },
            };
            let Some((is_error, chunk)) = chunk else {
                self.lines.end(texts);
                return true;
            };
            until = until.or_else(|| Some(Instant::now() + GATHER));
            bytes += chunk.len();
            self.lines.push(is_error, &chunk, texts);
        }
        false
    }

    async fn keep(&mut self, texts: Vec<String>) {
        let at_ms = self.shared.now().unix_ms();
        let now = at_ms.unsigned_abs().saturating_mul(NANOS_PER_MILLI);
        let events = texts.into_iter().map(|message| {
            self.order = now.max(self.order + 1);
            let at = Position { timestamp_ms: at_ms, order: self.order, origin: self.origin };
            peer::LogEvent { key: Some(at.to_message()), ingested_at_ms: at_ms, message }
        });
        let request = peer::StoreLogsRequest {
            events: events.collect(),
            group_id: self.group_id,
            stream: self.stream.clone(),
            at_ms,
            ..Default::default()
        };
        let mut backoff = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE, self.shared.parts.entropy.clone());
        for _ in 0..ATTEMPTS {
            match self.shared.archive(request.clone()).await {
                Ok(()) => return,
                Err(status) => {
                    tracing::debug!(session = self.stream, error = %status, "a transcript cannot be kept now");
                }
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
        tracing::warn!(session = self.stream, "a part of what was printed in a session was not kept");
    }
}

// === impl Lines ===

impl Lines {
    fn push(&mut self, is_error: bool, bytes: &[u8], texts: &mut Vec<String>) {
        let rest = &mut self.rest[usize::from(is_error)];
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(part);
            if part.ends_with(b"\n") || rest.len() > TRANSCRIPT_LINE_BYTES {
                finish(rest, texts);
            }
        }
    }

    /// What has no end is a line too.
    fn end(&mut self, texts: &mut Vec<String>) {
        self.rest.iter_mut().for_each(|rest| finish(rest, texts));
    }
}

/// An empty line is no event.
fn finish(rest: &mut Vec<u8>, texts: &mut Vec<String>) {
    let line = String::from_utf8_lossy(rest);
    let line = line.trim_end_matches(['\r', '\n']);
    if !line.is_empty() {
        texts.push(line.to_owned());
    }
    rest.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let (mut lines, mut texts) = (Lines::default(), Vec::new());
        for (is_error, chunk) in [(false, "a"), (true, "e\n"), (false, "b\r\nc\n\n"), (false, "d")] {
            lines.push(is_error, chunk.as_bytes(), &mut texts);
        }
        assert_eq!(texts, ["e", "ab", "c"]);
        lines.end(&mut texts);
        assert_eq!(texts, ["e", "ab", "c", "d"]);
        lines.push(false, &vec![b'x'; TRANSCRIPT_LINE_BYTES + 1], &mut texts);
        assert_eq!(texts.len(), 5, "one without an end has one");
    }
}
