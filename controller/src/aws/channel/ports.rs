//! A session of many connections to one port of a container: each is a conduit of its own, and all share the data channel.
//!
//! To the session it looks like one conduit: bytes in, bytes out. A connection that does not take what is sent to it holds up
//! what the client sends to others, for they share one stream; it holds up nothing that comes from them.

use std::collections::BTreeMap;

use berth_proto::admin::v1::{ConduitRequest, conduit_request};
use berth_proto::agent::v1::conduit_input::Input;
use berth_proto::agent::v1::{ConduitInput, ConduitOutput};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, SelectAll, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::frames::{self, Frame, Frames};
use crate::conduit::{Outputs, over};
use crate::limits::{CHANNEL_CONNECTIONS, CONDUIT_CHUNKS_IN_FLIGHT};

/// Opens a connection, known by its number, for what will be sent to it.
pub(super) type Dial =
    Box<dyn Fn(u32, mpsc::Receiver<ConduitRequest>) -> BoxFuture<'static, Result<Outputs, Status>> + Send>;

/// One connection.
struct Connection {
    sender: mpsc::Sender<ConduitRequest>,
    /// Cancelled when it is dropped: then nothing of it is wanted any more.
    end: CancellationToken,
}

/// What comes of one: bytes, or that there are no more.
type Piece = (u32, Option<Bytes>);

struct Ports {
    dial: Dial,
    frames: Frames,
    connections: BTreeMap<u32, Connection>,
    pieces: SelectAll<BoxStream<'static, Piece>>,
    /// Sent to a connection that has not taken it.
    waiting: Option<(mpsc::Sender<ConduitRequest>, Bytes)>,
}

/// Carries what a client sends to its connections, and what comes of them to the client, until it is gone.
pub(super) fn carry(dial: Dial, mut requests: mpsc::Receiver<ConduitRequest>) -> Outputs {
    let joined = async_stream::stream! {
        let mut ports = Ports {
            dial,
            frames: Frames::default(),
            connections: BTreeMap::new(),
            pieces: SelectAll::new(),
            waiting: None,
        };
        loop {
            match ports.read() {
                Ok(answer) if answer.is_empty() => {}
                Ok(answer) => yield Ok(out(answer)),
                Err(error) => {
                    yield Ok(over(format!("{error}.")));
                    return;
                }
            }
            let answer = tokio::select! {
                // Cancel-safe: a request that was not taken stays in the channel.
                request = requests.recv(), if ports.waiting.is_none() => match request {
                    Some(request) => {
                        ports.arrive(request);
                        continue;
                    }
                    None => return,
                },
                // Cancel-safe: what waits is taken only when there is room.
                () = room(&mut ports.waiting) => continue,
                // Cancel-safe: a piece that was not taken stays in its stream.
                Some(piece) = ports.pieces.next() => ports.tell(piece),
            };
            if !answer.is_empty() {
                yield Ok(out(answer));
            }
        }
    };
    joined.boxed()
}

fn out(bytes: Bytes) -> ConduitOutput {
    ConduitOutput { bytes: bytes.into(), ..ConduitOutput::default() }
}

/// Passes on what waits as soon as that is possible. A connection that is gone needs it no more.
async fn room(waiting: &mut Option<(mpsc::Sender<ConduitRequest>, Bytes)>) {
    let Some((sender, bytes)) = waiting else { return std::future::pending().await };
    if let Ok(permit) = sender.reserve().await {
        let input = ConduitInput { input: Some(Input::Bytes(bytes.to_vec())) };
        permit.send(ConduitRequest { message: Some(conduit_request::Message::Input(input)) });
    }
    *waiting = None;
}

/// What comes of a connection, once it is open.
fn pieces(number: u32, opening: BoxFuture<'static, Result<Outputs, Status>>) -> BoxStream<'static, Piece> {
    let pieces = async_stream::stream! {
        if let Ok(mut outputs) = opening.await {
            while let Some(Ok(output)) = outputs.next().await {
                let is_last = output.end || output.exit_code.is_some() || !output.error.is_empty();
                if !output.bytes.is_empty() {
                    yield (number, Some(Bytes::from(output.bytes)));
                }
                if is_last {
                    break;
                }
            }
        }
        yield (number, None);
    };
    pieces.boxed()
}

// === impl Ports ===

impl Ports {
    fn arrive(&mut self, request: ConduitRequest) {
        if let Some(conduit_request::Message::Input(ConduitInput { input: Some(Input::Bytes(bytes)) })) =
            request.message
        {
            self.frames.arrive(&bytes);
        }
    }

    /// Does what the frames say, up to one that has to wait; what is to be answered.
    fn read(&mut self) -> Result<Bytes, frames::NotFrames> {
        while self.waiting.is_none() {
            match self.frames.next()? {
                None => break,
                Some(Frame::Begin(number)) if self.connections.len() >= CHANNEL_CONNECTIONS => {
                    return Ok(frames::end(number));
                }
                Some(Frame::Begin(number)) => self.begin(number),
                Some(Frame::End(number)) => drop(self.connections.remove(&number)),
                Some(Frame::Bytes(number, bytes)) => {
                    let connection = self.connections.get(&number);
                    self.waiting = connection.map(|connection| (connection.sender.clone(), bytes));
                }
            }
        }
        Ok(Bytes::new())
    }

    fn begin(&mut self, number: u32) {
        let (sender, requests) = mpsc::channel(CONDUIT_CHUNKS_IN_FLIGHT);
        let end = CancellationToken::new();
        let ended = end.clone().cancelled_owned();
        self.pieces.push(pieces(number, (self.dial)(number, requests)).take_until(ended).boxed());
        self.connections.insert(number, Connection { sender, end });
    }

    /// What the client is told of it.
    fn tell(&mut self, (number, piece): Piece) -> Bytes {
        match piece {
            _ if !self.connections.contains_key(&number) => Bytes::new(),
            Some(bytes) => frames::bytes(number, &bytes),
            None => {
                self.connections.remove(&number);
                frames::end(number)
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: Bytes) -> ConduitRequest {
        let input = ConduitInput { input: Some(Input::Bytes(bytes.into())) };
        ConduitRequest { message: Some(conduit_request::Message::Input(input)) }
    }

    fn begin(number: u32) -> Bytes {
        let mut frame = frames::end(number).to_vec();
        frame[1] = 0;
        frame.into()
    }

    /// Connections say their number, and then what they are told, until they are told `bye`.
    fn echo() -> Dial {
        Box::new(|number, mut requests| {
            let outputs = async_stream::stream! {
                yield Ok(out(Bytes::from(number.to_string())));
                while let Some(request) = requests.recv().await {
                    let Some(conduit_request::Message::Input(ConduitInput { input: Some(Input::Bytes(bytes)) })) =
                        request.message
                    else {
                        continue;
                    };
                    if bytes == b"bye" {
                        break;
                    }
                    yield Ok(out(bytes.into()));
                }
                yield Ok(ConduitOutput { exit_code: Some(0), ..ConduitOutput::default() });
            };
            Box::pin(std::future::ready(Ok(outputs.boxed())))
        })
    }

    async fn next(outputs: &mut Outputs) -> Bytes {
        outputs.next().await.expect("it goes on").expect("no failure").bytes.into()
    }

    #[tokio::test]
    async fn connections_share_a_channel_and_end_one_by_one() {
        let (sender, requests) = mpsc::channel(16);
        let mut outputs = carry(echo(), requests);
        sender.send(input([begin(3), begin(5)].concat().into())).await.unwrap();
        let mut greeted = [next(&mut outputs).await, next(&mut outputs).await];
        greeted.sort();
        assert_eq!(greeted, [frames::bytes(3, b"3"), frames::bytes(5, b"5")]);
        sender.send(input(frames::bytes(5, b"hello"))).await.unwrap();
        assert_eq!(next(&mut outputs).await, frames::bytes(5, b"hello"));
        sender.send(input(frames::bytes(5, b"bye"))).await.unwrap();
        assert_eq!(next(&mut outputs).await, frames::end(5));
        sender.send(input(frames::bytes(3, b"still here"))).await.unwrap();
        assert_eq!(next(&mut outputs).await, frames::bytes(3, b"still here"));
        drop(sender);
        assert!(outputs.next().await.is_none(), "it ends with its client");
    }

    #[tokio::test]
    async fn a_connection_that_cannot_be_made_ends_alone() {
        let (sender, requests) = mpsc::channel(16);
        let refuse: Dial = Box::new(|number, requests| match number {
            3 => Box::pin(std::future::ready(Err(Status::unavailable("nobody listens")))),
            _ => echo()(number, requests),
        });
        let mut outputs = carry(refuse, requests);
        sender.send(input(begin(3))).await.unwrap();
        assert_eq!(next(&mut outputs).await, frames::end(3));
        sender.send(input(begin(5))).await.unwrap();
        assert_eq!(next(&mut outputs).await, frames::bytes(5, b"5"));
    }

    #[tokio::test]
    async fn what_is_no_frame_ends_the_session_with_a_reason() {
        let (sender, requests) = mpsc::channel(16);
        let mut outputs = carry(echo(), requests);
        sender.send(input(Bytes::from_static(b"GET / HTTP/1.1"))).await.unwrap();
        let last = outputs.next().await.unwrap().unwrap();
        assert!(last.error.contains("session-manager-plugin"), "{}", last.error);
        assert!(outputs.next().await.is_none());
    }

    #[tokio::test]
    async fn one_that_takes_nothing_holds_up_nothing_that_comes_from_others() {
        let (sender, requests) = mpsc::channel(16);
        // The first never takes anything; the second speaks on and on.
        let mixed: Dial = Box::new(|number, requests| {
            let outputs: Outputs = match number {
                3 => futures::stream::pending().boxed(),
                _ => futures::stream::repeat_with(|| Ok(out(Bytes::from_static(b"x")))).boxed(),
            };
            let held = futures::stream::once(async move {
                let _requests = requests;
                std::future::pending::<Result<ConduitOutput, Status>>().await
            });
            let joined = futures::stream::select(outputs, held).boxed();
            Box::pin(std::future::ready(Ok(joined)))
        });
        let mut outputs = carry(mixed, requests);
        sender.send(input([begin(3), begin(5)].concat().into())).await.unwrap();
        for _ in 0..2 * CONDUIT_CHUNKS_IN_FLIGHT {
            if sender.try_send(input(frames::bytes(3, b"into the void"))).is_err() {
                break;
            }
            assert_eq!(next(&mut outputs).await, frames::bytes(5, b"x"));
        }
        for _ in 0..100 {
            assert_eq!(next(&mut outputs).await, frames::bytes(5, b"x"));
        }
    }
}
