//! What all handlers do: read a linearizable view, validate, propose, and answer from the state that came of it.

use std::sync::Arc;

use berth_model::command::{Command, Outcome, Rejection};
use berth_model::error::ApiError;
use berth_model::id::{Ids, Region, Revision};
use berth_model::state::{State, View};
use berth_model::time::Timestamp;
use berth_model::validate::{Accepted, Admission, Decided};
use berth_process::telemetry;
use tonic::{Request, Response, Status};
use tracing::{Span, debug};

use super::auth::grant::Sessions;
use super::auth::{Authenticator, Principal, confine};
use super::error::{Error, Unauthenticated};
use super::load::Load;
use super::{Parts, ProposeError};
use crate::limits::{CATCH_UP, RACES_PER_CALL};
use crate::region::Chosen;

mod cluster_name;

pub(super) use cluster_name::InCluster;

/// Implements every service of the API. Clones are the same.
#[derive(Clone)]
pub(crate) struct Handlers(Arc<Shared>);

/// What handlers share.
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) load: Load,
    pub(super) authenticator: Arc<Authenticator>,
    /// Sessions whose data channel is at this controller.
    pub(super) sessions: Sessions,
}

/// Who calls, and in which region; `None` is the deployment's own.
struct Caller {
    principal: Principal,
    region: Option<Region>,
}

/// What a handler returns.
pub(super) type Answer<T> = Result<Response<T>, Status>;

/// A change that was made.
pub(super) struct Done<T> {
    /// What the answer is about.
    pub(super) subject: T,
    /// What became of the command.
    pub(super) outcome: Outcome,
    /// A state with the change in it.
    pub(super) view: View,
}

// === impl Handlers ===

impl Handlers {
    /// Handlers over these parts.
    pub(super) fn new(parts: Parts, load: Load, authenticator: Arc<Authenticator>) -> Self {
        Self(Arc::new(Shared { parts, load, authenticator, sessions: Sessions::default() }))
    }

    /// What they share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// Answers a request that only reads.
    pub(super) async fn read<Q: InCluster, A>(
        &self,
        request: Request<Q>,
        answer: impl FnOnce(&Q, &View) -> Result<A, ApiError>,
    ) -> Answer<A> {
        let (caller, request) = open(request)?;
        let view = self.0.linearized_view(caller.region.as_ref()).await?;
        Ok(Response::new(answer(&request, &view).map_err(Error::from)?))
    }

    /// As [`Self::read`], for a request whose answer depends on who asks.
    pub(super) async fn read_as<Q: InCluster, A>(
        &self,
        request: Request<Q>,
        answer: impl FnOnce(&Q, &View, &Admission) -> Result<A, ApiError>,
    ) -> Answer<A> {
        let (caller, request) = open(request)?;
        let view = self.0.linearized_view(caller.region.as_ref()).await?;
        let admission = self.0.admission(&caller.principal, &view, self.0.parts.entropy.u128());
        Ok(Response::new(answer(&request, &view, &admission).map_err(Error::from)?))
    }

    /// Answers a request that changes something. `answer` gets `None` for what was gone again before it could be shown.
    pub(super) async fn change<Q: InCluster, T, A>(
        &self,
        request: Request<Q>,
        validate: impl Fn(&Q, &State, &mut Admission) -> Accepted<T>,
        answer: impl FnOnce(T, &View) -> Result<A, Error>,
    ) -> Answer<A> {
        let (caller, request) = open(request)?;
        let decide = |view: &State, admission: &mut Admission| {
            validate(&request, view, admission).map(|(subject, command)| (subject, Some(command)))
        };
        let done = self.0.submit(&caller, decide).await?;
        Ok(Response::new(answer(done.subject, &done.view)?))
    }

    /// As [`Self::change`], for a request that may come to nothing to change.
    pub(super) async fn decide<Q: InCluster, T, A>(
        &self,
        request: Request<Q>,
        validate: impl Fn(&Q, &State, &mut Admission) -> Decided<T>,
        answer: impl FnOnce(Done<T>) -> Result<A, Error>,
    ) -> Answer<A> {
        let (caller, request) = open(request)?;
        let decide = |view: &State, admission: &mut Admission| validate(&request, view, admission);
        Ok(Response::new(answer(self.0.submit(&caller, decide).await?)?))
    }
}

/// The caller of a request, and the request itself, if the caller may ask it of the cluster that it names.
fn open<Q: InCluster>(request: Request<Q>) -> Result<(Caller, Q), Error> {
    let principal = request.extensions().get::<Principal>().cloned();
    let region = Chosen::of(request.extensions()).cloned();
    let request = request.into_inner();
    note_cluster(&request);
    let principal = principal.ok_or(Unauthenticated::NoPrincipal)?;
    confine(&principal, region.as_ref(), request.cluster())?;
    Ok((Caller { principal, region }, request))
}

/// Adds the cluster that a request is about to its span.
pub(super) fn note_cluster(request: &impl InCluster) {
    if let Some(cluster) = request.cluster() {
        Span::current().record("cluster", cluster);
    }
}

// === impl Shared ===

impl Shared {
    /// The state of a region that has everything in it that was acknowledged before this was called.
    pub(super) async fn linearized_view(&self, region: Option<&Region>) -> Result<View, Error> {
        Ok(self.parts.consensus.linearized_view().await?.in_region(region))
    }

    /// The time of day.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.parts.clock.unix_ms())
    }

    /// Carries out what `decide` makes of the newest state. When somebody else was faster, it decides again.
    async fn submit<T>(
        &self,
        caller: &Caller,
        decide: impl Fn(&State, &mut Admission) -> Decided<T>,
    ) -> Result<Done<T>, Error> {
        let seed = self.parts.entropy.u128();
        let mut lost = 0;
        loop {
            let view = self.linearized_view(caller.region.as_ref()).await?;
            let mut admission = self.admission(&caller.principal, &view, seed);
            let (subject, command) = decide(&view, &mut admission)?;
            let Some(command) = command else {
                return Ok(Done { subject, outcome: Outcome::Unchanged, view });
            };
            let tasks = tasks_of(&command);
            match self.parts.consensus.propose(view.addressed(command)).await {
                Ok((_, outcome)) if started_none(&outcome, tasks) && lost < RACES_PER_CALL => {
                    lost += 1;
                    debug!(lost, "others took the room that was there");
                }
                Ok((revision, outcome)) => {
                    let view = self.caught_up(revision).await?.in_region(caller.region.as_ref());
                    return Ok(Done { subject, outcome, view });
                }
                Err(ProposeError::Rejected(rejection)) if is_race(&rejection) && lost < RACES_PER_CALL => {
                    lost += 1;
                    debug!(%rejection, lost, "somebody else was faster");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn admission(&self, principal: &Principal, view: &State, seed: u128) -> Admission {
        Admission {
            now: self.now(),
            ids: Ids::from_seed(seed),
            principal: principal.arn(view.scope()),
            traceparent: telemetry::traceparent(),
        }
    }

    /// The local state of everything, once it is at this revision.
    pub(super) async fn caught_up(&self, revision: Revision) -> Result<View, Error> {
        let mut views = self.parts.consensus.views();
        let reached = views.wait_for(|view| view.revision() >= revision);
        match tokio::time::timeout(CATCH_UP, reached).await {
            Ok(Ok(view)) => Ok(view.clone()),
            Ok(Err(_)) | Err(_) => Err(Error::Behind),
        }
    }
}

/// How many tasks a command starts.
fn tasks_of(command: &Command) -> usize {
    if let Command::StartTasks(start) = command { start.tasks.len() } else { 0 }
}

/// Whether nothing came of a command that was to start tasks, because where they were placed there is no room any more.
/// Elsewhere there may be. When only some were refused, the caller learns which: the others run already.
fn started_none(outcome: &Outcome, tasks: usize) -> bool {
    matches!(outcome, Outcome::Started { refused } if !refused.is_empty() && refused.len() == tasks)
}

/// Whether deciding again on a newer state may come to something else.
fn is_race(rejection: &Rejection) -> bool {
    match rejection {
        Rejection::Stale { .. }
        | Rejection::RevisionTaken { .. }
        | Rejection::Gone { .. }
        | Rejection::AddressesTaken { .. } => true,
        Rejection::Refused(_) | Rejection::Malformed(_) => false,
    }
}
