//! Tokens that were verified a moment ago. Clients send one token with many calls.
//!
//! What is remembered is bound to the sealed secret it was verified with: a key that is replaced or removed is asked
//! for again at once.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::Principal;
use crate::limits::{VERIFIED_TOKEN_LIFE, VERIFIED_TOKENS};

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<HashMap<Box<str>, Entry>>);

#[derive(Debug)]
struct Entry {
    principal: Principal,
    sealed_secret: Vec<u8>,
    until_unix_ms: i64,
}

// === impl Verified ===

impl Verified {
    /// Who sent this token, if it was verified with this secret and its time is not over.
    pub(super) fn recall(&self, token: &str, sealed_secret: &[u8], now_unix_ms: i64) -> Option<Principal> {
        let entries = self.0.lock();
        let entry = entries.get(token)?;
        let holds = now_unix_ms < entry.until_unix_ms && entry.sealed_secret == sealed_secret;
        holds.then(|| entry.principal.clone())
    }

    /// Remembers a token that is valid until then.
    pub(super) fn remember(
        &self,
        token: &str,
        sealed_secret: &[u8],
        principal: &Principal,
        now_unix_ms: i64,
        valid_until_unix_ms: i64,
    ) {
        let life_ms = i64::try_from(VERIFIED_TOKEN_LIFE.as_millis()).unwrap_or(i64::MAX);
        let entry = Entry {
            principal: principal.clone(),
            sealed_secret: sealed_secret.to_vec(),
            until_unix_ms: valid_until_unix_ms.min(now_unix_ms.saturating_add(life_ms)),
        };
        let mut entries = self.0.lock();
        if entries.len() >= VERIFIED_TOKENS {
            entries.retain(|_, entry| now_unix_ms < entry.until_unix_ms);
        }
        if entries.len() >= VERIFIED_TOKENS {
            entries.clear();
        }
        entries.insert(token.into(), entry);
    }
}

#[cfg(test)]
mod tests {
    use berth_model::key::Role;

    use super::*;

    fn principal() -> Principal {
        Principal::of_key("BKU1", Role::Admin)
    }

    #[test]
    fn forgets_with_time_and_with_the_secret() {
        let verified = Verified::default();
        verified.remember("token", b"sealed", &principal(), 0, 10_000);
        assert_eq!(verified.recall("token", b"sealed", 9_999), Some(principal()));
        assert_eq!(verified.recall("token", b"sealed", 10_000), None);
        assert_eq!(verified.recall("token", b"replaced", 0), None);
        assert_eq!(verified.recall("other", b"sealed", 0), None);
        verified.remember("long", b"sealed", &principal(), 0, i64::MAX);
        assert_eq!(verified.recall("long", b"sealed", 30_000), None, "not for as long as the token is valid");
    }

    #[test]
    fn holds_no_more_than_its_bound() {
        let verified = Verified::default();
        for number in 0..=VERIFIED_TOKENS {
            verified.remember(&number.to_string(), b"sealed", &principal(), 0, 10_000);
        }
        assert!(verified.0.lock().len() <= VERIFIED_TOKENS);
    }
}
