//! The state as bytes: a version, then MessagePack with named members, so that a reader of another version can tell
//! what it knows from what it does not.

use super::State;

/// Version of the layout. Raised only when an older reader would misread, not when a member is added.
const LAYOUT_VERSION: u8 = 2;

/// A state of one region. Builds that know of no others read it too, and would leave those out without a word.
const ONE_REGION: u8 = 1;

/// The bytes are not a snapshot that this build can read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There is nothing in it.
    #[error("the snapshot is empty")]
    Empty,
    /// Written by a newer build.
    #[error("the snapshot has layout version {found}, this build reads {LAYOUT_VERSION}")]
    Version {
        /// The version it has.
        found: u8,
    },
    /// Not what it says it is.
    #[error("the snapshot cannot be read")]
    Malformed(#[source] rmp_serde::decode::Error),
}

// === impl State ===

impl State {
    /// The whole state as bytes. The same state gives the same bytes.
    pub fn encode_snapshot(&self) -> Vec<u8> {
        let version = if self.regions.is_empty() { ONE_REGION } else { LAYOUT_VERSION };
        let mut bytes = vec![version];
        let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
        serde::Serialize::serialize(self, &mut serializer).expect("writing into memory cannot fail");
        bytes
    }

    /// The state that [`Self::encode_snapshot`] wrote.
    pub fn decode_snapshot(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
        if ![ONE_REGION, LAYOUT_VERSION].contains(version) {
            return Err(DecodeError::Version { found: *version });
        }
        let mut state: Self = rmp_serde::from_slice(body).map_err(DecodeError::Malformed)?;
        state.rebuild_index();
        Ok(state)
    }
}
