//! The ids in paths: what they name, and the code that only this instance can make.

use std::fmt::Write as _;

use berth_process::entropy::Entropy;
use ring::hmac;

/// Hexadecimal digits of the code: 128 bits are beyond guessing.
const CODE_DIGITS: usize = 32;

/// Makes ids and reads them.
pub(super) struct Ids(hmac::Key);

/// A key, as it is remembered.
pub(super) fn new_key(entropy: &Entropy) -> String {
    format!("{:032x}{:032x}", entropy.u128(), entropy.u128())
}

// === impl Ids ===

impl Ids {
    pub(super) fn new(key_hex: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key_hex.as_bytes()))
    }

    /// Of a container, by the position that it has in its task.
    pub(super) fn of_container(&self, task_id: &str, at: usize) -> String {
        let subject = format!("{task_id}-{at}");
        format!("{subject}-{}", self.code("container", &subject))
    }

    /// Of the credentials of a task.
    pub(super) fn of_credentials(&self, task_id: &str) -> String {
        format!("{task_id}-{}", self.code("credentials", task_id))
    }

    /// The task and the position that an id of [`Self::of_container`] names.
    pub(super) fn container<'a>(&self, id: &'a str) -> Option<(&'a str, usize)> {
        let subject = self.checked("container", id)?;
        let (task_id, at) = subject.rsplit_once('-')?;
        Some((task_id, at.parse().ok()?))
    }

    /// The task that an id of [`Self::of_credentials`] names.
    pub(super) fn credentials<'a>(&self, id: &'a str) -> Option<&'a str> {
        self.checked("credentials", id)
    }

    fn checked<'a>(&self, kind: &str, id: &'a str) -> Option<&'a str> {
        let (subject, code) = id.rsplit_once('-')?;
        let expected = self.code(kind, subject);
        // In constant time: what is compared is a secret.
        let same =
            ring::hmac::verify(&self.0, code.as_bytes(), hmac::sign(&self.0, expected.as_bytes()).as_ref());
        same.is_ok().then_some(subject)
    }

    fn code(&self, kind: &str, subject: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{kind}/{subject}").as_bytes());
        let mut code = String::with_capacity(CODE_DIGITS);
        for byte in &tag.as_ref()[..CODE_DIGITS / 2] {
            write!(code, "{byte:02x}").expect("a string takes everything");
        }
        code
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_a_changed_one_is_not() {
        let (ids, others) = (Ids::new("a"), Ids::new("b"));
        let id = ids.of_container("0123", 2);
        assert_eq!(ids.container(&id), Some(("0123", 2)));
        assert_eq!(others.container(&id), None);
        assert_eq!(ids.container(&id.replacen("0123", "0124", 1)), None);
        assert_eq!(ids.container(""), None);
        let credentials = ids.of_credentials("0123");
        assert_eq!(ids.credentials(&credentials), Some("0123"));
        assert_eq!(ids.credentials(&id), None, "what opens the one does not open the other");
    }
}
