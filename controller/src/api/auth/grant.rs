//! Sessions that were granted: a token that says who may run what, for whoever takes it on the data channel. Sealed under the
//! key that all controllers share, so any of them can take it; it ends with the access key that it was made for.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_process::entropy::Entropy;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Authenticator, Principal};

/// What a token is sealed for: it opens nothing else.
const SUBJECT: &str = "data-channel";

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Granted {
    /// The session that it is for.
    pub(crate) session_id: String,
    /// The access key of whoever asked.
    pub(crate) access_key_id: String,
    /// Where, if that is not the deployment's own region.
    pub(crate) region: Option<String>,
    /// What may be run; neither this nor a port for a token that only leads back to a session.
    pub(crate) command: Option<GrantedCommand>,
    /// What may be connected to.
    #[serde(default)]
    pub(crate) port: Option<GrantedPort>,
    /// When it ends.
    pub(crate) until_unix_ms: i64,
}

/// A command in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantedCommand {
    pub(crate) cluster: String,
    pub(crate) task: String,
    pub(crate) container: String,
    pub(crate) arguments: Vec<String>,
}

/// A port of a container, or of a host that it reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantedPort {
    pub(crate) cluster: String,
    pub(crate) task: String,
    pub(crate) container: String,
    /// The container itself when empty.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What the client said of its own end: it is told the same.
    pub(crate) local: BTreeMap<String, String>,
    /// The client has one connection only, and sends its bytes as they are.
    pub(crate) is_single: bool,
}

/// The sessions whose data channel is at this controller. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<BTreeMap<String, CancellationToken>>>);

/// One of them, until it is dropped.
pub(crate) struct Held {
    sessions: Sessions,
    id: String,
    /// Cancelled when somebody terminates it.
    pub(crate) end: CancellationToken,
}

// === impl Authenticator ===

impl Authenticator {
    /// The token of what is granted.
    pub(crate) fn grant(&self, granted: &Granted, entropy: &Entropy) -> String {
        let text = serde_json::to_string(granted).expect("texts and a number have a JSON form");
        URL_SAFE_NO_PAD.encode(self.sealing_key.seal(SUBJECT, &text, entropy))
    }

    /// What a token grants, and to whom, if it was made here and has not ended.
    pub(crate) fn granted(&self, token: &str, now_unix_ms: i64) -> Option<(Granted, Principal)> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let granted: Granted = serde_json::from_str(&self.sealing_key.unseal(SUBJECT, &sealed)?).ok()?;
        if now_unix_ms >= granted.until_unix_ms {
            return None;
        }
        let (_, role) = self.secret(&granted.access_key_id).ok()?;
        let principal = Principal::of_key(granted.access_key_id.clone(), role);
        Some((granted, principal))
    }
}

// === impl Sessions ===

impl Sessions {
    /// Takes one in, unless it is here.
    pub(crate) fn hold(&self, id: &str) -> Option<Held> {
        let mut sessions = self.0.lock();
        if sessions.contains_key(id) {
            return None;
        }
        let end = CancellationToken::new();
        sessions.insert(id.to_owned(), end.clone());
        Some(Held { sessions: self.clone(), id: id.to_owned(), end })
    }

    /// Whether one is here.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.lock().contains_key(id)
    }

    /// Ends one; whether it is here.
    pub(crate) fn end(&self, id: &str) -> bool {
        let sessions = self.0.lock();
        sessions.get(id).inspect(|end| end.cancel()).is_some()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.sessions.0.lock().remove(&self.id);
    }
}
