//! A whole cluster on this machine: controllers and agents as child processes on loopback, their state in one
//! directory. Everything here can be run again: what runs is left alone, what does not is started or removed.

mod containers;
mod layout;
mod process;
mod state;
mod stop;
mod up;

pub(crate) use layout::Wanted;
pub(crate) use state::{Kind, Member, State};
pub(crate) use stop::{down, stop_processes};
pub(crate) use up::{first_ended, up};
