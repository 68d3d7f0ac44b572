//! What tasks print: streams of chunks from the controllers, followed over broken connections, cut into lines.

mod lines;
mod stream;

pub(crate) use lines::{Lines, Prefix};
pub(crate) use stream::{LogStream, Source, Start, open};
