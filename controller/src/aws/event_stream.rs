//! Answers that go on: each message of the routes' stream is an event, framed as AWS frames them
//! (`application/vnd.amazon.eventstream`), its payload in the codec's spelling.

use std::convert::Infallible;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Buf, Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;

use super::call::{PREFIX_BYTES, refused};
use super::fault::Fault;
use super::json::{self, Times};
use super::target::Operation;

/// What such an answer is.
pub(super) const KIND: http::HeaderValue =
    http::HeaderValue::from_static("application/vnd.amazon.eventstream");

/// The messages of an answer, one by one.
pub(super) type Messages = BoxStream<'static, Result<Bytes, Status>>;

/// What is left of an answer that is read.
struct Rest {
    body: Body,
    buffer: BytesMut,
}

/// The messages in the body of an answer of the routes.
pub(super) fn messages(body: Body) -> Messages {
    let rest = Rest { body, buffer: BytesMut::new() };
    stream::unfold(Some(rest), |rest| async move {
        let mut rest = rest?;
        match rest.next().await {
            Some(Ok(message)) => Some((Ok(message), Some(rest))),
            Some(Err(status)) => Some((Err(status), None)),
            None => None,
        }
    })
    .boxed()
}

/// The body that carries them to a client.
pub(super) fn body(operation: &'static Operation, messages: Messages) -> Body {
    let first = frame("event", "initial-response", b"{}".to_vec());
    let events = messages.map(|message| match message {
        Ok(message) => event(operation, &message),
        Err(status) => fault(&Fault::from(&status)),
    });
    let frames = stream::once(std::future::ready(first)).chain(events);
    Body::new(axum::body::Body::from_stream(frames.map(Ok::<_, Infallible>)))
}

/// A message whose only member names the event.
fn event(operation: &Operation, message: &[u8]) -> Bytes {
    let mut document = Vec::with_capacity(message.len() * 2);
    let written = json::write(operation.output, message, Times::EpochSeconds, &mut document).ok();
    let value = written.and_then(|_| serde_json::from_slice::<serde_json::Map<_, _>>(&document).ok());
    match value.and_then(|members| members.into_iter().next()) {
        Some((name, value)) => frame("event", &name, value.to_string().into_bytes()),
        None => fault(&Fault::new("ServerException", "An event could not be written.")),
    }
}

fn fault(fault: &Fault) -> Bytes {
    let document = serde_json::json!({ "message": fault.message });
    frame("exception", &fault.name, document.to_string().into_bytes())
}

fn frame(kind: &'static str, name: &str, payload: Vec<u8>) -> Bytes {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let type_header = if kind == "exception" { ":exception-type" } else { ":event-type" };
    let message = Message::new(payload)
        .add_header(Header::new(":message-type", text(kind)))
        .add_header(Header::new(type_header, text(name)))
        .add_header(Header::new(":content-type", text("application/json")));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("names are short, and messages are bounded to a few MiB");
    bytes.into()
}

// === impl Rest ===

impl Rest {
    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        loop {
            if let Some(message) = self.take() {
                return Some(Ok(message));
            }
            match self.body.frame().await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => return frame.trailers_ref().and_then(refused).map(Err),
                },
                Err(status) => return Some(Err(status)),
            }
        }
    }

    /// A whole message, if there is one.
    fn take(&mut self) -> Option<Bytes> {
        let length = self.buffer.get(1..PREFIX_BYTES)?.try_into().map(u32::from_be_bytes).ok()?;
        let length = usize::try_from(length).ok()?;
        if self.buffer.len() < PREFIX_BYTES + length {
            return None;
        }
        self.buffer.advance(PREFIX_BYTES);
        Some(self.buffer.split_to(length).freeze())
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::read_message_from;

    use super::*;

    #[tokio::test]
    async fn messages_are_whole_however_they_arrive() {
        let framed = |text: &str| {
            let mut bytes = vec![0, 0, 0, 0, u8::try_from(text.len()).unwrap()];
            bytes.extend(text.as_bytes());
            bytes
        };
        let bytes = [framed("one"), framed(""), framed("three")].concat();
        let pieces: Vec<_> =
            bytes.chunks(4).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
        let body = Body::new(axum::body::Body::from_stream(stream::iter(pieces)));
        let found: Vec<_> = messages(body).map(Result::unwrap).collect().await;
        assert_eq!(found, ["one", "", "three"]);
    }

    #[test]
    fn a_refusal_within_the_stream_is_an_exception_that_clients_know() {
        let bytes = fault(&Fault::new("SessionTimeoutException", "too long"));
        let message = read_message_from(bytes).unwrap();
        let header = |name: &str| {
            let found = message.headers().iter().find(|header| header.name().as_str() == name);
            found.and_then(|header| header.value().as_string().ok()).map(|text| text.as_str().to_owned())
        };
        assert_eq!(header(":message-type").as_deref(), Some("exception"));
        assert_eq!(header(":exception-type").as_deref(), Some("SessionTimeoutException"));
        assert_eq!(&message.payload()[..], br#"{"message":"too long"}"#);
    }
}
