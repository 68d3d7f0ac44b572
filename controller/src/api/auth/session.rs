//! Temporary credentials: an access key that ends by itself.
//!
//! Nothing is stored of them. The token holds the secret and the end, sealed under the key that all controllers share,
//! so any controller can check any of them; an end to the key they were made with is an end to them all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_process::entropy::Entropy;
use serde::{Deserialize, Serialize};

use super::{SealingKey, TaskRole};

/// What a holder gets.
pub(crate) struct Temporary {
    /// What the holder names itself by.
    pub(crate) access_key_id: String,
    /// What requests are signed with.
    pub(crate) secret: String,
    /// What goes with every request.
    pub(crate) token: String,
}

/// Whom credentials act for.
pub(super) enum Holder<'a> {
    /// Whoever holds an access key.
    Key(&'a str),
    /// A task.
    Task(TaskRole),
}

/// What a token says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Opened {
    /// The key that it acts for; empty when it acts for a task.
    pub(super) parent: String,
    /// The task that it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) task: Option<TaskRole>,
    /// What requests are signed with.
    pub(super) secret: String,
    /// When it ends.
    pub(super) until_unix_ms: i64,
}

/// Of a key that is good for as long as it exists, ids begin with `BK`; of one that ends, with this.
const PREFIX: &str = "BKT";

/// New credentials.
pub(super) fn issue(
    key: &SealingKey,
    holder: Holder<'_>,
    until_unix_ms: i64,
    entropy: &Entropy,
) -> Temporary {
    let access_key_id = format!("{PREFIX}{:016X}", entropy.u128() >> 64);
    let mut secret = [0; 30];
    entropy.fill(&mut secret);
    let (parent, task) = match holder {
        Holder::Key(id) => (id.to_owned(), None),
        Holder::Task(task) => (String::new(), Some(task)),
    };
    let opened = Opened { parent, task, secret: URL_SAFE_NO_PAD.encode(secret), until_unix_ms };
    let text = serde_json::to_string(&opened).expect("texts and a number have a JSON form");
    let token = URL_SAFE_NO_PAD.encode(key.seal(&access_key_id, &text, entropy));
    Temporary { access_key_id, secret: opened.secret, token }
}

/// What the token says, if it was made here and for this access key id.
pub(super) fn open(key: &SealingKey, access_key_id: &str, token: &str) -> Option<Opened> {
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_str(&key.unseal(access_key_id, &sealed)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_for_its_own_key_only() {
        let (key, entropy) = (SealingKey::from_hex(&"a".repeat(64)).unwrap(), Entropy::seeded(1));
        let made = issue(&key, Holder::Key("BKADMIN"), 1_000, &entropy);
        let opened = open(&key, &made.access_key_id, &made.token).unwrap();
        assert_eq!((opened.parent.as_str(), opened.until_unix_ms), ("BKADMIN", 1_000));
        assert_eq!(opened.secret, made.secret);
        assert_eq!(open(&key, "BKT0", &made.token), None);
        assert_eq!(open(&key, &made.access_key_id, "nonsense"), None);
        assert_ne!(issue(&key, Holder::Key("BKADMIN"), 1_000, &entropy).secret, made.secret);
    }
}
