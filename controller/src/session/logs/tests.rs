//! Log streams between a reader and an agent that a test plays.

use std::time::Duration;

use futures::stream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::session::registry::Entry;

const PATIENCE: Duration = Duration::from_secs(5);

/// One agent's session, and what the controller sends on it.
struct Agent {
    logs: Logs,
    instance: InstanceId,
    end: CancellationToken,
    sent: mpsc::Receiver<pb::ControllerMessage>,
}

impl Agent {
    fn connected() -> Self {
        let registry = Registry::default();
        let instance: InstanceId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let end = CancellationToken::new();
        let (outbound, sent) = mpsc::channel(8);
        let entry = Entry { end: end.clone(), manifest_changed: Arc::new(Notify::new()), outbound };
        registry.insert(instance, entry);
        Self { logs: Logs::new(registry, Entropy::seeded(1)), instance, end, sent }
    }

    /// Asks for a log; returns the stream and the request's id as the agent gets it.
    fn asked(&mut self) -> (LogStream, String) {
        let stream = self.logs.open(self.instance, pb::OpenLogs::default()).unwrap();
        let message = self.sent.try_recv().unwrap().message;
        let Some(pb::controller_message::Message::OpenLogs(open)) = message else { panic!("{message:?}") };
        (stream, open.request_id)
    }

    async fn push(&self, chunks: Vec<pb::LogChunk>) {
        self.logs.receive(stream::iter(chunks.into_iter().map(Ok))).await.unwrap();
    }
}

fn chunk(request_id: &str, text: &str) -> pb::LogChunk {
    pb::LogChunk { request_id: request_id.to_owned(), bytes: text.into(), ..pb::LogChunk::default() }
}

async fn next(stream: &mut LogStream) -> Option<Result<pb::LogChunk, SessionEnded>> {
    timeout(PATIENCE, stream.next()).await.expect("the log goes on or ends")
}

#[tokio::test]
async fn the_end_of_an_empty_log_reaches_its_reader() {
    let mut agent = Agent::connected();
    let (mut stream, id) = agent.asked();
    agent.push(vec![chunk(&id, "")]).await;
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn a_log_is_passed_on_in_order_without_its_announcement() {
    let mut agent = Agent::connected();
    let (mut stream, id) = agent.asked();
    agent.push(vec![chunk(&id, ""), chunk(&id, "one"), chunk(&id, "two")]).await;
    assert_eq!(next(&mut stream).await, Some(Ok(chunk(&id, "one"))));
    assert_eq!(next(&mut stream).await, Some(Ok(chunk(&id, "two"))));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn a_reader_is_told_when_the_agent_goes_away() {
    let mut agent = Agent::connected();
    let (mut stream, _id) = agent.asked();
    agent.end.cancel();
    assert_eq!(next(&mut stream).await, Some(Err(SessionEnded)));
    assert_eq!(next(&mut stream).await, None);
}
