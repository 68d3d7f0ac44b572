//! Keeping with a service why its tasks found no place.

use super::start::Placed;
use crate::command::{Command, RecordRefusal};
use crate::service::Service;
use crate::time::Timestamp;

/// What to record of an attempt to place tasks; nothing when it is recorded already.
pub(super) fn to_record(service: &Service, placed: &Placed, now: Timestamp) -> Option<Command> {
    let refused = placed.refusals.as_ref().map(|refusals| refusals.recorded(now, placed.unplaced));
    let is_known = match (&service.refused, &refused) {
        (None, None) => true,
        (Some(known), Some(refused)) => known.says_the_same(refused),
        (Some(_), None) | (None, Some(_)) => false,
    };
    (!is_known).then(|| {
        let (key, generation) = (service.key.clone(), service.generation);
        Command::RecordRefusal(Box::new(RecordRefusal { key, generation, refused }))
    })
}
