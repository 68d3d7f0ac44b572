//! Access keys: who somebody is, and the secret that proves it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;

/// An access key pair, in the shape of AWS's: 20 characters and 40.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Public: names the key.
    pub access_key_id: String,
    /// Secret: signs requests.
    pub secret_access_key: String,
}

/// Whose access key it is. The third letter of the id tells, for people; what a key may do is the server's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A controller among controllers: `BKP…`.
    Peer,
    /// An agent: `BKA…`.
    Agent,
    /// An administrator: `BKU…`.
    Admin,
}

/// The letters of RFC 4648 base 32, which AWS uses too: no 0, 1, 8 or 9 to take for a letter.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// 17 letters of 5 bits: two keys never meet.
const ID_LETTERS: usize = 17;

/// 30 bytes are 40 characters of base64, and 240 bits.
const SECRET_BYTES: usize = 30;

// === impl AccessKey ===

impl AccessKey {
    /// A new key pair.
    pub fn generate(role: Role, entropy: &Entropy) -> Self {
        let mut id = [0; ID_LETTERS];
        entropy.fill(&mut id);
        let letters: String = id.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect();
        let mut secret = [0; SECRET_BYTES];
        entropy.fill(&mut secret);
        Self {
            access_key_id: format!("BK{}{letters}", role.letter()),
            secret_access_key: URL_SAFE_NO_PAD.encode(secret),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

// === impl Role ===

impl Role {
    fn letter(self) -> char {
        match self {
            Self::Peer => 'P',
            Self::Agent => 'A',
            Self::Admin => 'U',
        }
    }
}
