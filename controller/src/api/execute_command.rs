//! ExecuteCommand, StartSession, and what is done with their sessions: the handlers.
//!
//! Nothing is kept of a session before its client comes: the token says everything, and the id keeps it from being used twice.

use berth_model::error::ApiError;
use berth_model::validate::execute_command as validate;
use berth_model::validate::session::{self, Wanted};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::commands_server::Commands;
use berth_proto::ssm::v1 as ssm;
use berth_proto::ssm::v1::sessions_server::Sessions;
use tonic::{Request, Response, async_trait};

use super::auth::Principal;
use super::auth::grant::{Granted, GrantedCommand, GrantedPort};
use super::call::{Answer, Handlers, Shared};
use super::error::{Error, Unauthenticated};
use crate::limits::SESSION_TOKEN_LIFE;
use crate::region::Chosen;

/// Where the caller reached this controller, as the beginning of a WebSocket's URL. Known of calls in AWS's protocols; for
/// others what is told is relative to the address that those are served at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Door(pub(crate) String);

/// What the ids of ECS's sessions begin with.
const SESSION_PREFIX: &str = "ecs-execute-command-";

/// Letters and digits of a session id after that.
const SESSION_SUFFIX: usize = 25;

#[async_trait]
impl Commands for Handlers {
    async fn execute_command(
        &self,
        request: Request<pb::ExecuteCommandRequest>,
    ) -> Answer<pb::ExecuteCommandResponse> {
        let principal = principal(&request)?;
        let region = Chosen::of(request.extensions()).map(ToString::to_string);
        let door = request.extensions().get::<Door>().cloned().unwrap_or_default();
        let shared = self.shared();
        self.read(request, |request, view| {
            let place = validate::check(request, view)?;
            let unclosed =
                || ApiError::invalid("Command can not be split into words: a quote is not closed.");
            let arguments = shlex::split(request.command()).ok_or_else(unclosed)?;
            let task = view.task(place.task);
            let task = task.ok_or_else(|| ApiError::invalid("The referenced task was not found."))?;
            let granted = Granted {
                session_id: shared.session_id(),
                access_key_id: principal.access_key_id.to_string(),
                region,
                command: Some(GrantedCommand {
                    cluster: task.cluster.to_string(),
                    task: place.task.to_string(),
                    container: place.container.clone(),
                    arguments,
                }),
                port: None,
                until_unix_ms: shared.token_end(),
            };
            let scope = view.scope();
            Ok(pb::ExecuteCommandResponse {
                cluster_arn: Some(scope.cluster(&task.cluster)),
                container_arn: Some(scope.container(&task.cluster, place.task, &place.container)),
                container_name: Some(place.container),
                interactive: Some(true),
                session: Some(shared.session(&granted, &door)),
                task_arn: Some(scope.task(&task.cluster, place.task)),
            })
        })
        .await
    }
}

#[async_trait]
impl Sessions for Handlers {
    async fn start_session(
        &self,
        request: Request<ssm::StartSessionRequest>,
    ) -> Answer<ssm::StartSessionResponse> {
        let principal = principal(&request)?;
        let region = Chosen::of(request.extensions()).map(ToString::to_string);
        let door = request.extensions().get::<Door>().cloned().unwrap_or_default();
        let shared = self.shared();
        self.read(request, |request, view| {
            let (cluster, place, wanted) = session::start(request, view)?;
            let (cluster, task, container) = (cluster.to_string(), place.task.to_string(), place.container);
            let (command, port) = match wanted {
                Wanted::Command(arguments) => {
                    (Some(GrantedCommand { cluster, task, container, arguments }), None)
                }
                Wanted::Port { host, port, local, is_single } => {
                    (None, Some(GrantedPort { cluster, task, container, host, port, local, is_single }))
                }
            };
            let granted = Granted {
                session_id: shared.session_id(),
                access_key_id: principal.access_key_id.to_string(),
                region,
                command,
                port,
                until_unix_ms: shared.token_end(),
            };
            let pb::Session { session_id, stream_url, token_value } = shared.session(&granted, &door);
            Ok(ssm::StartSessionResponse { session_id, stream_url, token_value })
        })
        .await
    }

    async fn resume_session(
        &self,
        request: Request<ssm::ResumeSessionRequest>,
    ) -> Answer<ssm::ResumeSessionResponse> {
        let principal = principal(&request)?;
        let door = request.extensions().get::<Door>().cloned().unwrap_or_default();
        let session_id = request.into_inner().session_id().to_owned();
        check(&session_id)?;
        let shared = self.shared();
        let granted = Granted {
            session_id,
            access_key_id: principal.access_key_id.to_string(),
            region: None,
            command: None,
            port: None,
            until_unix_ms: shared.token_end(),
        };
        let pb::Session { session_id, stream_url, token_value } = shared.session(&granted, &door);
        // Without a token the client says that its session timed out, which is what became of one that is not here.
        let is_here = shared.sessions.has(&granted.session_id);
        let token_value = token_value.filter(|_| is_here);
        Ok(Response::new(ssm::ResumeSessionResponse { session_id, stream_url, token_value }))
    }

    async fn terminate_session(
        &self,
        request: Request<ssm::TerminateSessionRequest>,
    ) -> Answer<ssm::TerminateSessionResponse> {
        principal(&request)?;
        let session_id = request.into_inner().session_id().to_owned();
        check(&session_id)?;
        // One that has ended is terminated too. Its channel may be at one controller and what it leads to at another.
        self.shared().sessions.end(&session_id);
        self.shared().parts.conduits.end(&session_id).await;
        Ok(Response::new(ssm::TerminateSessionResponse { session_id: Some(session_id) }))
    }
}

// === impl Shared ===

impl Shared {
    fn session_id(&self) -> String {
        let mut number = self.parts.entropy.u128();
        let letters = (0..SESSION_SUFFIX).map(|_| {
            let digit = u32::try_from(number % 36).unwrap_or(0);
            number /= 36;
            char::from_digit(digit, 36).unwrap_or('0')
        });
        format!("{SESSION_PREFIX}{}", letters.collect::<String>())
    }

    fn token_end(&self) -> i64 {
        let life = i64::try_from(SESSION_TOKEN_LIFE.as_millis()).unwrap_or(i64::MAX);
        self.now().unix_ms().saturating_add(life)
    }

    fn session(&self, granted: &Granted, Door(door): &Door) -> pb::Session {
        let id = &granted.session_id;
        pb::Session {
            session_id: Some(id.clone()),
            stream_url: Some(format!("{door}/v1/data-channel/{id}?role=publish_subscribe")),
            token_value: Some(self.authenticator.grant(granted, &self.parts.entropy)),
        }
    }
}

fn principal<T>(request: &Request<T>) -> Result<Principal, Error> {
    let principal = request.extensions().get::<Principal>().cloned();
    principal.ok_or_else(|| Unauthenticated::NoPrincipal.into())
}

fn check(session_id: &str) -> Result<(), Error> {
    if (1..=96).contains(&session_id.len()) {
        return Ok(());
    }
    Err(ApiError::invalid("SessionId must have 1 to 96 characters.").into())
}
