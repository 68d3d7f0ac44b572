//! Who calls, and what it may call.
//!
//! A request carries a token that its sender signed with the secret of an access key. The key is looked up in the
//! state, its secret unsealed, the token verified, and the [`Principal`] put into the request's extensions, where
//! everything behind finds it. A request that has a principal already was authenticated by whoever put it there: no
//! network can set extensions.
//!
//! The peers' key is also known from the identity file: a controller that joins has no state to find it in.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use berth_model::arn::Scope;
use berth_model::id::Region;
use berth_model::key::{KeyStatus, Role};
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::{AccessKey, ClusterIdentity};
use berth_process::token;
use http::HeaderMap;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use tonic::Status;

use super::error::{Error, IntoStatus, Unauthenticated};
use super::{Consensus, Unavailable};

mod access;
pub(crate) mod grant;
mod seal;
pub(crate) mod session;
mod verified;

pub(in crate::api) use access::confine;
pub use seal::{NotASealingKey, SealingKey};
use verified::Verified;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The access key that it proved to hold.
    pub access_key_id: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// The task that it is, when it is one.
    pub task: Option<Arc<TaskRole>>,
}

/// A task that calls with the credentials of its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRole {
    /// ARN of the role.
    pub role_arn: String,
    /// The task.
    pub task_id: String,
    /// The region that it may act in, if that is not the deployment's own.
    #[serde(default)]
    pub region: Option<String>,
    /// The cluster that it may act in.
    pub cluster: String,
}

/// Knows callers by their tokens.
pub(crate) struct Authenticator {
    consensus: Arc<dyn Consensus>,
    sealing_key: SealingKey,
    peer_key: AccessKey,
    clock: Clock,
    verified: Verified,
}

/// What a request is to be signed with.
pub(crate) struct Held {
    /// The secret.
    pub(crate) secret: String,
    /// Who holds it.
    pub(crate) principal: Principal,
}

// === impl Principal ===

impl Principal {
    /// The holder of an access key.
    pub fn of_key(id: impl Into<Arc<str>>, role: Role) -> Self {
        Self { access_key_id: id.into(), role, task: None }
    }

    /// A task. Its bucket of calls is that of its role.
    pub fn of_task(task: TaskRole) -> Self {
        let access_key_id = task.role_arn.as_str().into();
        Self { access_key_id, role: Role::Task, task: Some(Arc::new(task)) }
    }

    /// Its name in what it makes, such as the `registeredBy` of a task definition.
    pub fn arn(&self, scope: &Scope) -> String {
        if let Some(task) = &self.task {
            let role = task.role_arn.rsplit('/').next().unwrap_or_default();
            let (partition, account) = (&scope.partition, &scope.account);
            return format!("arn:{partition}:sts::{account}:assumed-role/{role}/{}", task.task_id);
        }
        format!("arn:{}:iam::{}:user/{}", scope.partition, scope.account, self.access_key_id)
    }
}

// === impl Authenticator ===

impl Authenticator {
    /// Looks keys up in the state of `consensus`.
    pub(crate) fn new(
        consensus: Arc<dyn Consensus>,
        identity: &ClusterIdentity,
        clock: Clock,
    ) -> Result<Self, NotASealingKey> {
        let sealing_key = SealingKey::from_hex(&identity.sealing_key_hex)?;
        let peer_key = identity.peer_key.clone();
        Ok(Self { consensus, sealing_key, peer_key, clock, verified: Verified::default() })
    }

    /// Puts the principal of a request into it.
    fn authenticate(&self, request: &mut Parts) -> Result<(), Error> {
        if access::is_open_to_all(request.uri.path()) || request.extensions.get::<Principal>().is_some() {
            return Ok(());
        }
        let principal = self.principal(bearer(&request.headers).map_err(Unauthenticated::from)?)?;
        request.extensions.insert(principal);
        Ok(())
    }

    /// The secret that belongs to an access key id, and to a session token if there is one.
    pub(crate) fn credentials(
        &self,
        id: &str,
        session: Option<&str>,
        now_unix_ms: i64,
    ) -> Result<Held, Error> {
        let Some(token) = session else {
            let (secret, role) = self.secret(id)?;
            return Ok(Held { secret, principal: Principal::of_key(id, role) });
        };
        let opened = session::open(&self.sealing_key, id, token);
        let opened = opened.ok_or_else(|| Unauthenticated::UnknownKey(id.to_owned()))?;
        if now_unix_ms >= opened.until_unix_ms {
            return Err(Unauthenticated::SessionExpired.into());
        }
        let principal = match opened.task {
            Some(task) => self.running(task)?,
            // A session ends with the key that it was made with.
            None => {
                let (_, role) = self.secret(&opened.parent)?;
                Principal::of_key(opened.parent, role)
            }
        };
        Ok(Held { secret: opened.secret, principal })
    }

    /// Credentials that act for a key until then.
    pub(crate) fn issue_session(
        &self,
        parent: &str,
        until_unix_ms: i64,
        entropy: &Entropy,
    ) -> session::Temporary {
        session::issue(&self.sealing_key, session::Holder::Key(parent), until_unix_ms, entropy)
    }

    /// Credentials that act for a task until then, or until the task ends.
    pub(crate) fn issue_task_session(
        &self,
        task: TaskRole,
        until_unix_ms: i64,
        entropy: &Entropy,
    ) -> session::Temporary {
        session::issue(&self.sealing_key, session::Holder::Task(task), until_unix_ms, entropy)
    }

    /// Encrypts the secret of a new key, as the state keeps it.
    pub(crate) fn seal(&self, id: &str, secret: &str, entropy: &Entropy) -> Vec<u8> {
        self.sealing_key.seal(id, secret, entropy)
    }

    /// Decrypts what [`Self::seal`] made. `None` when it was made with another key or for something else.
    pub(crate) fn unseal(&self, id: &str, sealed: &[u8]) -> Option<String> {
        self.sealing_key.unseal(id, sealed)
    }

    /// A task that has not ended; what an ended one held opens nothing.
    fn running(&self, task: TaskRole) -> Result<Principal, Error> {
        let id = task.task_id.parse().ok();
        let region = task.region.as_deref().map(Region::new);
        let view = self.consensus.view().in_region(region.as_ref());
        let is_running = id.is_some_and(|id| view.task(id).is_some_and(|it| !it.is_stopped()));
        if is_running { Ok(Principal::of_task(task)) } else { Err(Unauthenticated::SessionExpired.into()) }
    }

    fn secret(&self, id: &str) -> Result<(String, Role), Error> {
        let view = self.consensus.view();
        if view.cluster_id().is_empty() {
            return Err(Unavailable("this controller has not joined its cluster yet".into()).into());
        }
        let key = view.access_key(id).filter(|key| key.status == KeyStatus::Active);
        let key = key.ok_or_else(|| Unauthenticated::UnknownKey(id.to_owned()))?;
        let secret = self.sealing_key.unseal(id, &key.sealed_secret);
        let secret = secret.ok_or_else(|| Unauthenticated::Unreadable(id.to_owned()))?;
        Ok((secret, key.role))
    }

    fn principal(&self, token: &str) -> Result<Principal, Error> {
        let id = token::access_key_id(token).map_err(Unauthenticated::from)?;
        let view = self.consensus.view();
        let now_unix_ms = self.clock.unix_ms();
        let known = view.access_key(&id);
        if known.is_some_and(|key| key.status == KeyStatus::Disabled) {
            return Err(Unauthenticated::UnknownKey(id).into());
        }
        let Some(key) = known else {
            return self.peer(&id, token, view.cluster_id().is_empty(), now_unix_ms);
        };
        if let Some(principal) = self.verified.recall(token, &key.sealed_secret, now_unix_ms) {
            return Ok(principal);
        }
        let secret = self.sealing_key.unseal(&id, &key.sealed_secret);
        let secret = secret.ok_or_else(|| Unauthenticated::Unreadable(id.clone()))?;
        let claims = token::verify(token, &secret, now_unix_ms).map_err(Unauthenticated::from)?;
        let principal = Principal::of_key(id, key.role);
        let until_unix_ms = claims.expires_at.saturating_mul(1_000);
        self.verified.remember(token, &key.sealed_secret, &principal, now_unix_ms, until_unix_ms);
        Ok(principal)
    }

    /// A key that the state does not have: the peers' own, or nobody's.
    fn peer(&self, id: &str, token: &str, stateless: bool, now_unix_ms: i64) -> Result<Principal, Error> {
        if id == self.peer_key.access_key_id {
            token::verify(token, &self.peer_key.secret_access_key, now_unix_ms)
                .map_err(Unauthenticated::from)?;
            return Ok(Principal::of_key(id, Role::Peer));
        }
        if stateless {
            return Err(Unavailable("this controller has not joined its cluster yet".into()).into());
        }
        Err(Unauthenticated::UnknownKey(id.to_owned()).into())
    }
}

/// The layer that finds out who calls.
pub(crate) async fn authenticate(
    State(authenticator): State<Arc<Authenticator>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match authenticator.authenticate(&mut parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => Status::from(error).into_http(),
    }
}

/// The layer that lets nobody call what its role has no business with.
pub(crate) async fn authorise(request: Request, next: Next) -> Response {
    match access::check(request.uri().path(), request.extensions().get::<Principal>()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_status().into_http(),
    }
}

/// The token that a request carries.
fn bearer(headers: &HeaderMap) -> Result<&str, token::Error> {
    let value = headers.get(token::METADATA).ok_or(token::Error::Missing)?;
    let value = value.to_str().map_err(|_| token::Error::Malformed)?;
    value.strip_prefix("Bearer ").ok_or(token::Error::Missing)
}
