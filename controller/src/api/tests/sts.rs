//! Who the caller is, and credentials that end.

use berth_proto::sts::v1 as pb;
use berth_proto::sts::v1::security_tokens_client::SecurityTokensClient;

use super::cases;
use super::controller::{Controller, Signed, exception};

fn client(controller: &Controller) -> SecurityTokensClient<Signed> {
    SecurityTokensClient::new(controller.signed())
}

fn lasting(seconds: i32) -> pb::GetSessionTokenRequest {
    pb::GetSessionTokenRequest { duration_seconds: Some(seconds), ..pb::GetSessionTokenRequest::default() }
}

cases!(
    "sts",
    (GetCallerIdentity, Answered, everybody_may_ask_who_it_is, async |controller| {
        for key in [controller.identity.admin_key.clone(), controller.identity.agent_key.clone()] {
            let mut client = SecurityTokensClient::new(controller.signed_by(&key));
            let request = pb::GetCallerIdentityRequest {};
            let answer = client.get_caller_identity(request).await.unwrap().into_inner();
            let arn = format!("arn:aws:iam::000000000000:user/{}", key.access_key_id);
            assert_eq!((answer.account(), answer.arn()), ("000000000000", arn.as_str()));
        }
    }),
    (GetCallerIdentity, Refused, nobody_is_nobody, async |controller| {
        let mut client = SecurityTokensClient::new(controller.channel());
        let answer = client.get_caller_identity(pb::GetCallerIdentityRequest {}).await;
        assert_eq!(exception(answer), "MissingAuthenticationTokenException");
    }),
    (GetSessionToken, Answered, a_session_ends_when_it_says, async |controller| {
        let answer = client(&controller).get_session_token(lasting(900)).await.unwrap().into_inner();
        let made = answer.credentials.unwrap();
        let authenticator = controller.api.authenticator();
        let held = |after_ms: i64| {
            let now = controller.clock.unix_ms() + after_ms;
            authenticator.credentials(made.access_key_id(), Some(made.session_token()), now)
        };
        assert_eq!(held(899_999).ok().map(|held| held.secret).as_deref(), Some(made.secret_access_key()));
        assert!(held(900_000).is_err());
        assert!(authenticator.credentials(made.access_key_id(), None, controller.clock.unix_ms()).is_err());
    }),
    (GetSessionToken, Refused, a_session_is_neither_short_nor_endless, async |controller| {
        for seconds in [899, 129_601] {
            let answer = client(&controller).get_session_token(lasting(seconds)).await;
            assert_eq!(exception(answer), "InvalidParameterException", "{seconds}");
        }
    }),
);
