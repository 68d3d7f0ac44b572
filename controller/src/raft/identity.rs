//! Who a controller is: a number drawn at its first start and kept with its log.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use berth_process::entropy::Entropy;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, DiskError};

/// The name of a controller among its peers. Written as 16 hexadecimal digits; never zero.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ControllerId(u64);

const TREE: &str = "identity";
const KEY: &[u8] = b"controller_id";

/// The id kept on `disk`. At the first start one is drawn, and kept before it is returned.
pub(super) fn load_or_draw(disk: &Disk, entropy: &Entropy) -> Result<ControllerId, DiskError> {
    let tree = disk.tree(TREE)?;
    if let Some(bytes) = tree.get(KEY).map_err(DiskError::read)? {
        let bytes = <[u8; 8]>::try_from(&*bytes)
            .map_err(|_wrong_length| DiskError::Malformed { what: "controller id" })?;
        return Ok(ControllerId(u64::from_be_bytes(bytes)));
    }
    let id = ControllerId::draw(entropy);
    tree.insert(KEY, &id.0.to_be_bytes()).map_err(DiskError::write)?;
    disk.sync().map_err(DiskError::Sync)?;
    Ok(id)
}

// === impl ControllerId ===

impl ControllerId {
    /// A new id.
    pub fn draw(entropy: &Entropy) -> Self {
        loop {
            let id = entropy.u64();
            if id != 0 {
                return Self(id);
            }
        }
    }

    /// As a number, for messages.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for ControllerId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl FromStr for ControllerId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl fmt::Display for ControllerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ControllerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_drawn_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_draw(&Disk::open(dir.path()).unwrap(), &Entropy::seeded(1)).unwrap();
        let again = load_or_draw(&Disk::open(dir.path()).unwrap(), &Entropy::seeded(2)).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, ControllerId::default());
    }

    #[test]
    fn an_id_reads_as_it_is_written() {
        let id = ControllerId(0xbee);
        assert_eq!(id.to_string(), "0000000000000bee");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("controller".parse::<ControllerId>().is_err());
    }
}
