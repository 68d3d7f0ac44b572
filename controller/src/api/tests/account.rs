//! Tags of resources, and settings of the account.

mod setting;
mod tag;

pub(super) use setting::COVERED as SETTINGS;
pub(super) use tag::COVERED as TAGS;
