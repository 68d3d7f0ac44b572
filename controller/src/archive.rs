//! The archive of logs: what containers wrote, on the disks of the controllers.
//!
//! Groups are in the state; streams and events are not in the log of consensus, which is for what is small. Whoever takes in
//! events ([`Quorum::store`]) sends them to every controller and answers when a majority has them on disk. A read
//! ([`Quorum::read`]) asks all and needs a majority, so it sees whatever was acknowledged. Events have the position
//! that their writer gave them, so one that is sent twice is one. A controller that is new copies what was written before
//! it came ([`fill`]); until it has, it is asked and does not count ([`whole`]).
//!
//! On each disk ([`Disk`]) events are in *slices*, by when they arrived: when there is too much, the oldest slice goes as a
//! whole, which costs nothing. Within a slice they are sorted by stream and position.
//!
//! **Architecture invariant:** nothing here decides who may read or write, and of the API it knows the trait that it is.

mod copy;
mod disk;
mod fill;
mod key;
mod merge;
mod quorum;
mod read;
mod slices;
mod sweep;
mod whole;
mod writer;

pub use disk::{Disk, OpenError};
pub use fill::fill;
pub use quorum::Quorum;
pub use sweep::sweep;
pub use writer::{WriteError, Writer};

#[cfg(test)]
mod tests;
