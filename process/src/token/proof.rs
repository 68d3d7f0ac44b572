//! The proof that whoever calls is who it says: it knows the secret that its id was made from.
//!
//! Agents share one access key, which says that they are agents and not which. So each chooses a secret, and is known by
//! the secret's fingerprint: whoever is told the id of another cannot act as that one, and nobody has to remember any secret.

use std::fmt;

use ring::digest::{SHA256, digest};
use tonic::Status;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use crate::entropy::Entropy;

/// The metadata that a proof travels in.
pub const METADATA: &str = "berth-proof";

/// What only its owner knows: 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof(String);

// === impl Proof ===

impl Proof {
    /// A new one.
    #[must_use]
    pub fn new(entropy: &Entropy) -> Self {
        Self(format!("{:032x}{:032x}", entropy.u128(), entropy.u128()))
    }

    /// One that was kept.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// For whoever keeps it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The id that it is the proof of: 32 hexadecimal digits, half of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        digest(&SHA256, self.0.as_bytes()).as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn header(&self) -> MetadataValue<Ascii> {
        let mut header = self.0.parse().unwrap_or_else(|_| MetadataValue::from_static("?"));
        header.set_sensitive(true);
        header
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proof").field(&self.id()).finish()
    }
}

/// Who a request proves to be from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven(Option<String>);

// === impl Proven ===

impl Proven {
    /// That of a request with this metadata.
    #[must_use]
    pub fn of(metadata: &MetadataMap) -> Self {
        let text = metadata.get(METADATA).and_then(|value| value.to_str().ok());
        Self(text.map(|text| Proof::from_text(text.to_owned()).id()))
    }

    /// Whether it is from whoever has this id.
    ///
    /// # Errors
    /// What the caller is told when it is not.
    pub fn check(&self, id: &str) -> Result<(), Status> {
        if self.0.as_deref() == Some(id) {
            return Ok(());
        }
        Err(Status::permission_denied(format!(
            "This caller cannot prove that it is {id}: its secret is not the one that this id was made from."
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_proves_the_id_of_its_secret_and_no_other() {
        let entropy = Entropy::seeded(1);
        let (mine, theirs) = (Proof::new(&entropy), Proof::new(&entropy));
        let mut metadata = MetadataMap::new();
        assert!(Proven::of(&metadata).check(&mine.id()).is_err());
        metadata.insert(METADATA, mine.header());
        assert!(Proven::of(&metadata).check(&mine.id()).is_ok());
        let refused = Proven::of(&metadata).check(&theirs.id()).unwrap_err();
        assert!(refused.message().contains(&theirs.id()));
        assert_eq!(mine.id().len(), 32);
        assert_eq!(Proof::from_text(mine.text().to_owned()).id(), mine.id());
    }

    #[test]
    fn printing_shows_no_secret() {
        let proof = Proof::new(&Entropy::seeded(1));
        assert!(!format!("{proof:?} {:?}", proof.header()).contains(proof.text()));
    }
}
