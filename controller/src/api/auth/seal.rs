//! Secrets in the state are sealed: encrypted under a key that only the controllers' identity file holds, so that
//! neither a disk nor a snapshot gives them away.

use std::fmt;

use berth_process::entropy::Entropy;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Seals and unseals secrets.
pub struct SealingKey(LessSafeKey);

/// The text is not a sealing key: 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealing key is 64 hexadecimal digits")]
pub struct NotASealingKey;

// === impl SealingKey ===

impl SealingKey {
    /// The key of an identity's `sealing_key_hex`.
    pub fn from_hex(digits: &str) -> Result<Self, NotASealingKey> {
        let nibble = |digit: char| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let nibbles: Option<Vec<u8>> = digits.chars().map(nibble).collect();
        let nibbles = nibbles.filter(|nibbles| nibbles.len() == 64).ok_or(NotASealingKey)?;
        let bytes: Vec<u8> = nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| NotASealingKey)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts a secret. The access key's id goes into the seal: a sealed secret moved to another key does not open.
    ///
    /// The nonce is random and stored before the ciphertext. Secrets are sealed a few times in the life of a cluster,
    /// so 96 random bits never repeat.
    pub fn seal(&self, access_key_id: &str, secret: &str, entropy: &Entropy) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = secret.as_bytes().to_vec();
        let aad = Aad::from(access_key_id.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("a secret is far shorter than the 256 GiB that the cipher takes");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts what [`Self::seal`] made. `None` when it was made with another key or for another access key, or changed.
    pub fn unseal(&self, access_key_id: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = ciphertext.to_vec();
        let aad = Aad::from(access_key_id.as_bytes());
        let opened = self.0.open_in_place(nonce, aad, &mut secret).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: char) -> SealingKey {
        SealingKey::from_hex(&digit.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn opens_only_with_the_same_key_for_the_same_access_key() {
        let sealed = key('a').seal("BKU1", "secret", &Entropy::seeded(1));
        assert_eq!(key('a').unseal("BKU1", &sealed).as_deref(), Some("secret"));
        assert_eq!(key('b').unseal("BKU1", &sealed), None);
        assert_eq!(key('a').unseal("BKU2", &sealed), None);
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(key('a').unseal("BKU1", &changed), None);
        assert_eq!(key('a').unseal("BKU1", &sealed[..5]), None);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn sealing_twice_gives_other_bytes() {
        let entropy = Entropy::seeded(1);
        assert_ne!(key('a').seal("BKU1", "secret", &entropy), key('a').seal("BKU1", "secret", &entropy));
    }

    #[test]
    fn refuses_what_is_no_key() {
        for text in ["", "ab", &"x".repeat(64), &"a".repeat(65)] {
            assert_eq!(SealingKey::from_hex(text).err(), Some(NotASealingKey), "{text}");
        }
    }
}
