//! In which region a command is carried out.

use std::sync::Arc;

use super::Applied;
use crate::command::{Command, Envelope, InRegion, Rejection};
use crate::container_instance::ContainerInstance;
use crate::error::{ApiError, Exception};
use crate::id::Revision;
use crate::limits::REGIONS;
use crate::state::State;
use crate::time::Timestamp;

/// Applies a command where it says.
pub(super) fn apply(state: &mut State, revision: Revision, envelope: &Envelope) -> Applied {
    let now = envelope.issued_at;
    let Command::InRegion(there) = &envelope.command else {
        return match check_instance(state, None, &envelope.command) {
            Ok(()) => state.apply_here(revision, now, &envelope.command),
            Err(rejection) => rejected(rejection),
        };
    };
    let InRegion { region, command } = there;
    if command.is_of_deployment() {
        return rejected(Rejection::Malformed(format!("region {region} has no part in this command")));
    }
    if state.is_called(region) {
        let command = (**command).clone();
        return apply(state, revision, &Envelope { command, ..envelope.clone() });
    }
    match check_instance(state, Some(there), command) {
        Ok(()) => apply_there(state, revision, now, there),
        Err(rejection) => rejected(rejection),
    }
}

fn apply_there(state: &mut State, revision: Revision, now: Timestamp, there: &InRegion) -> Applied {
    let InRegion { region, command } = there;
    let is_full = state.regions.len() >= REGIONS;
    let applied = match state.regions.get_mut(region) {
        Some(known) => {
            let known = Arc::make_mut(known);
            let before = known.revision;
            let applied = known.apply_here(revision, now, command);
            if applied.reply.is_err() {
                known.revision = before;
            }
            applied
        }
        None if is_full => {
            let message = format!("Region {region} is not in use, and {REGIONS} others are: no more can be.");
            return rejected(ApiError::new(Exception::LimitExceeded, message).into());
        }
        None => {
            let mut made = state.empty_region(region);
            let applied = made.apply_here(revision, now, command);
            if applied.reply.is_ok() {
                state.regions.insert(region.clone(), Arc::new(made));
            }
            applied
        }
    };
    if state.regions.get(region).is_some_and(|region| region.is_vacant()) {
        state.regions.remove(region);
    }
    applied
}

/// An instance is in one region: its agent, its leases and its tasks are known by its id alone.
fn check_instance(state: &State, there: Option<&InRegion>, command: &Command) -> Result<(), Rejection> {
    let Command::RegisterInstance(offer) = command else { return Ok(()) };
    let region = there.map(|there| &there.region);
    match state.region_of_instance(offer.id).filter(|known| known.region() != region) {
        None => check_block(state, offer),
        Some(known) => {
            let message =
                format!("Container instance {} belongs to region {}.", offer.id, known.scope().region);
            Err(ApiError::invalid(message).into())
        }
    }
}

/// Addresses are the deployment's: no instance of any region has another's.
fn check_block(state: &State, offer: &ContainerInstance) -> Result<(), Rejection> {
    let Some(place) = offer.network else { return Ok(()) };
    let taken = state.blocks_in_use().find(|(id, block)| *id != offer.id && block.overlaps(place.block));
    match taken {
        None => Ok(()),
        Some((id, _)) => Err(Rejection::AddressesTaken { block: place.block.to_string(), instance: id }),
    }
}

fn rejected(rejection: Rejection) -> Applied {
    Applied { reply: Err(rejection), changes: Vec::new(), region: None }
}
