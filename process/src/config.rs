//! Configuration files, and the values that configurations are made of.
//!
//! A component has a `Config` that derives `Deserialize` and has a default for every member; [`load_file`] reads it
//! from TOML. What the environment and the command line say goes on top of it, and is parsed by clap from the
//! same types. Durations and sizes are written with their unit and cannot be zero.
//!
//! All mistakes in a file are reported at once. Keys that nothing knows are no mistake, because a file must
//! survive going back to an older Berth: they are returned, to be warned of at start and refused by
//! `--check-config`.

mod duration;
mod mistakes;
mod quantity;
mod size;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use duration::NonZeroDuration;
pub use quantity::ParseError;
pub use size::NonZeroBytes;

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file was read, and is wrong.
    #[error("{path} has mistakes:\n{}", mistakes.join("\n"))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// Every mistake, with its line and column.
        mistakes: Vec<String>,
    },
}

/// Reads a `T` from the TOML file at `path`, with the keys that `T` does not know, as `session.lost_after`.
pub fn load_file<T: DeserializeOwned + Default>(path: &Path) -> Result<(T, Vec<String>), Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    load_text(&text).map_err(|mistakes| Error::Mistakes { path: path.to_owned(), mistakes })
}

/// Like [`load_file`], of a text; the error is every mistake in it.
pub fn load_text<T: DeserializeOwned + Default>(text: &str) -> Result<(T, Vec<String>), Vec<String>> {
    mistakes::load(text)
}

#[cfg(test)]
mod tests;
