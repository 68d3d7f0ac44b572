//! Who the caller is, and credentials that end: the handlers.

use berth_model::error::ApiError;
use berth_model::time::Timestamp;
use berth_proto::sts::v1 as pb;
use berth_proto::sts::v1::security_tokens_server::SecurityTokens;
use tonic::{Request, Response, async_trait};

use super::auth::Principal;
use super::call::{Answer, Handlers};
use super::error::{Error, Unauthenticated};

/// Source: STS API, `GetSessionToken.DurationSeconds`.
const SECONDS: std::ops::RangeInclusive<i32> = 900..=129_600;
const DEFAULT_SECONDS: i32 = 43_200;

#[async_trait]
impl SecurityTokens for Handlers {
    async fn get_caller_identity(
        &self,
        request: Request<pb::GetCallerIdentityRequest>,
    ) -> Answer<pb::GetCallerIdentityResponse> {
        let principal = caller(&request)?;
        let view = self.shared().parts.consensus.view();
        Ok(Response::new(pb::GetCallerIdentityResponse {
            user_id: Some(match &principal.task {
                Some(task) => format!("{}:{}", principal.access_key_id, task.task_id),
                None => principal.access_key_id.to_string(),
            }),
            account: Some(view.scope().account.clone()),
            arn: Some(principal.arn(view.scope())),
        }))
    }

    async fn get_session_token(
        &self,
        request: Request<pb::GetSessionTokenRequest>,
    ) -> Answer<pb::GetSessionTokenResponse> {
        let principal = caller(&request)?;
        let seconds = request.into_inner().duration_seconds.unwrap_or(DEFAULT_SECONDS);
        if !SECONDS.contains(&seconds) {
            let (least, most) = (SECONDS.start(), SECONDS.end());
            let text = format!("DurationSeconds is {seconds}; it must be between {least} and {most}.");
            return Err(Error::from(ApiError::invalid(text)).into());
        }
        let shared = self.shared();
        let until_unix_ms = shared.parts.clock.unix_ms() + i64::from(seconds) * 1_000;
        let made = shared.authenticator.issue_session(
            &principal.access_key_id,
            until_unix_ms,
            &shared.parts.entropy,
        );
        let credentials = pb::Credentials {
            access_key_id: Some(made.access_key_id),
            secret_access_key: Some(made.secret),
            session_token: Some(made.token),
            expiration: Some(Timestamp::from_unix_ms(until_unix_ms).to_message()),
        };
        Ok(Response::new(pb::GetSessionTokenResponse { credentials: Some(credentials) }))
    }
}

fn caller<T>(request: &Request<T>) -> Result<Principal, Error> {
    let principal = request.extensions().get::<Principal>().cloned();
    Ok(principal.ok_or(Unauthenticated::NoPrincipal)?)
}
