//! The log of one task as a stream that survives its connection.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_process::clock::Clock;
use berth_proto::admin::v1::ReadLogsRequest;
use berth_proto::agent::v1::LogChunk;
use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::Streaming;

use crate::client::Client;
use crate::failure::{Failure, from_status, is_loss};

/// Chunks of one task, in the order in which they came.
pub(crate) type LogStream = BoxStream<'static, Result<LogChunk, Failure>>;

/// Whose log.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) cluster: String,
    /// Id or ARN.
    pub(crate) task: String,
    /// Empty: every container.
    pub(crate) container: String,
    pub(crate) follow: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start {
    /// Lines from the end; absent: all that is kept.
    pub(crate) tail: Option<u32>,
    pub(crate) since: Option<Duration>,
}

/// A follower that lost its stream this often in a row without a single chunk gives up.
const MAX_LOSSES: u32 = 5;

struct Follower {
    client: Client,
    clock: Clock,
    source: Source,
    start: Start,
    chunks: Option<Streaming<LogChunk>>,
    /// The newest chunk of each container: what was shown is not shown again.
    newest: BTreeMap<(String, i32), (i64, i32)>,
    /// Up to here after a reconnect, everything was shown before.
    resumed: BTreeMap<(String, i32), (i64, i32)>,
    losses: u32,
    ended: bool,
}

/// Opens the log of a task. The stream ends when the log does.
pub(crate) fn open(client: &Client, clock: &Clock, source: Source, start: Start) -> LogStream {
    let follower = Follower {
        client: client.clone(),
        clock: clock.clone(),
        source,
        start,
        chunks: None,
        newest: BTreeMap::new(),
        resumed: BTreeMap::new(),
        losses: 0,
        ended: false,
    };
    stream::unfold(follower, |mut follower| async move { follower.next().await.map(|item| (item, follower)) })
        .boxed()
}

// === impl Follower ===

impl Follower {
    async fn next(&mut self) -> Option<Result<LogChunk, Failure>> {
        while !self.ended {
            if self.chunks.is_none() {
                match self.client.open(self.request()).await {
                    Ok(chunks) => self.chunks = Some(chunks),
                    Err(failure) => return self.end_with(failure),
                }
            }
            let chunks = self.chunks.as_mut()?;
            match chunks.message().await {
                Ok(Some(chunk)) if self.is_new(&chunk) => {
                    self.losses = 0;
                    return Some(Ok(chunk));
                }
                Ok(Some(_)) => {}
                Ok(None) => self.ended = true,
                Err(status) if self.source.follow && self.losses < MAX_LOSSES && is_loss(&status) => {
                    self.resume()
                }
                Err(status) => return self.end_with(from_status(&status)),
            }
        }
        None
    }

    fn end_with(&mut self, failure: Failure) -> Option<Result<LogChunk, Failure>> {
        self.ended = true;
        Some(Err(failure))
    }

    fn request(&self) -> ReadLogsRequest {
        ReadLogsRequest {
            cluster: self.source.cluster.clone(),
            task: self.source.task.clone(),
            container: self.source.container.clone(),
            follow: self.source.follow,
            tail: self.start.tail,
            since_seconds: self.start.since.map(|since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX)),
        }
    }

    /// The connection broke: go on where it did, a second earlier, and leave out what was shown.
    fn resume(&mut self) {
        self.losses += 1;
        self.chunks = None;
        self.resumed.clone_from(&self.newest);
        if let Some((seconds, _)) = self.newest.values().max() {
            let ago_ms = self.clock.unix_ms().saturating_sub(seconds.saturating_mul(1_000)).max(0);
            let since =
                Duration::from_millis(u64::try_from(ago_ms).unwrap_or_default()) + Duration::from_secs(2);
            self.start = Start { tail: None, since: Some(since) };
        }
    }

    fn is_new(&mut self, chunk: &LogChunk) -> bool {
        let Some(time) = &chunk.time else {
            return true;
        };
        let key = (chunk.container.clone(), chunk.source);
        let at = (time.seconds, time.nanos);
        if self.resumed.get(&key).is_some_and(|shown| at <= *shown) {
            return false;
        }
        self.newest.insert(key, at);
        true
    }
}

#[cfg(test)]
mod tests {
    use berth_process::clock::Clock;

    use super::*;
    use crate::profile::Connection;

    fn follower(now_unix_ms: i64) -> Follower {
        let (clock, _hand) = Clock::manual(now_unix_ms);
        let connection = Connection {
            endpoints: vec!["127.0.0.1:1".to_owned()],
            ca_pem: None,
            access_key: None,
            cluster: "default".to_owned(),
            region: None,
        };
        let source = Source {
            cluster: "default".to_owned(),
            task: "t".to_owned(),
            container: String::new(),
            follow: true,
        };
        Follower {
            client: Client::new(&connection, &clock),
            clock,
            source,
            start: Start { tail: Some(10), since: None },
            chunks: None,
            newest: BTreeMap::new(),
            resumed: BTreeMap::new(),
            losses: 0,
            ended: false,
        }
    }

    fn chunk(container: &str, seconds: i64) -> LogChunk {
        let time = Some(prost_types::Timestamp { seconds, nanos: 0 });
        LogChunk { container: container.to_owned(), time, ..LogChunk::default() }
    }

    #[tokio::test]
    async fn a_resumed_log_begins_where_it_broke_off_and_repeats_nothing() {
        let mut follower = follower(110_000);
        assert!(follower.is_new(&chunk("app", 100)) && follower.is_new(&chunk("sidecar", 103)));
        follower.resume();
        let request = follower.request();
        assert_eq!((request.tail, request.since_seconds), (None, Some(9)));
        assert!(!follower.is_new(&chunk("app", 100)));
        assert!(follower.is_new(&chunk("app", 102)), "each container has a place of its own");
        assert!(!follower.is_new(&chunk("sidecar", 103)));
        assert!(follower.is_new(&chunk("sidecar", 103 + 1)));
    }
}
