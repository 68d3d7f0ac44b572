//! A whole agent over the scripted runtime, on paused time.

mod adoption;
mod failure;
mod host;
mod life;
mod resources;
