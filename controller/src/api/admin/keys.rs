//! Access keys: the handlers.

use berth_model::key::{AccessKey, KeyStatus, Role};
use berth_model::time::Timestamp;
use berth_model::validate::key::{self as validate, Wanted};
use berth_process::identity;
use berth_proto::admin::v1 as pb;
use tonic::{Request, Response};

use crate::api::call::{Answer, Handlers};
use crate::api::error::Error;
use crate::region::Chosen;

const GONE: Error = Error::Vanished("the access key");

pub(super) async fn create(
    handlers: &Handlers,
    request: Request<pb::CreateAccessKeyRequest>,
) -> Answer<pb::CreateAccessKeyResponse> {
    let shared = handlers.shared();
    let made = identity::AccessKey::generate(identity::Role::Admin, &shared.parts.entropy);
    let (id, secret) = (&made.access_key_id, &made.secret_access_key);
    let sealed_secret = shared.authenticator.seal(id, secret, &shared.parts.entropy);
    let wanted = Wanted { id: id.clone(), sealed_secret, description: request.get_ref().description.clone() };
    handlers
        .change(
            of_deployment(request),
            |_, view, admission| validate::create(&wanted, view, admission),
            |id, view| {
                Ok(pb::CreateAccessKeyResponse {
                    access_key: Some(render(view.access_key(&id).ok_or(GONE)?)),
                    secret_access_key: secret.clone(),
                })
            },
        )
        .await
}

pub(super) async fn list(handlers: &Handlers) -> Answer<pb::ListAccessKeysResponse> {
    let view = handlers.shared().linearized_view(None).await?;
    let access_keys = view.access_keys().map(render).collect();
    Ok(Response::new(pb::ListAccessKeysResponse { access_keys }))
}

pub(super) async fn update(
    handlers: &Handlers,
    request: Request<pb::UpdateAccessKeyRequest>,
) -> Answer<pb::UpdateAccessKeyResponse> {
    let status = if request.get_ref().enabled { KeyStatus::Active } else { KeyStatus::Disabled };
    handlers
        .change(
            of_deployment(request),
            |request, view, _| validate::set_status(&request.access_key_id, status, view),
            |id, view| {
                let access_key = Some(render(view.access_key(&id).ok_or(GONE)?));
                Ok(pb::UpdateAccessKeyResponse { access_key })
            },
        )
        .await
}

pub(super) async fn delete(
    handlers: &Handlers,
    request: Request<pb::DeleteAccessKeyRequest>,
) -> Answer<pb::DeleteAccessKeyResponse> {
    handlers
        .change(
            of_deployment(request),
            |request, view, _| validate::delete(&request.access_key_id, view),
            |(), _| Ok(pb::DeleteAccessKeyResponse {}),
        )
        .await
}

/// Keys are the deployment's, whatever region a call is in.
fn of_deployment<Q>(mut request: Request<Q>) -> Request<Q> {
    request.extensions_mut().remove::<Chosen>();
    request
}

fn render(key: &AccessKey) -> pb::AccessKey {
    let role = match key.role {
        Role::Admin => "admin",
        Role::Agent => "agent",
        Role::Peer => "peer",
        Role::Task => "task",
    };
    pb::AccessKey {
        access_key_id: key.id.clone(),
        role: role.to_owned(),
        enabled: key.status == KeyStatus::Active,
        created_at: Some(key.created_at.to_message()),
        last_used_at: key.last_used_at.map(Timestamp::to_message),
        description: key.description.clone(),
    }
}
