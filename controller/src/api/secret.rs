//! Secrets: the handlers. Values are sealed before they are proposed and opened only for who asks for them.

use std::collections::BTreeMap;

use berth_model::error::ApiError;
use berth_model::secret::{Secret, SecretVersion};
use berth_model::state::State;
use berth_model::time::Timestamp;
use berth_model::validate::secret::{self as validate, Sealed};
use berth_proto::secretsmanager::v1 as pb;
use berth_proto::secretsmanager::v1::secrets_server::Secrets;
use http::Extensions;
use tonic::{Request, Status, async_trait};

use super::call::{Answer, Handlers, Shared};
use super::error::{Error, IntoStatus};
use crate::region::Chosen;

const GONE: Error = Error::Vanished("the secret");

#[async_trait]
impl Secrets for Handlers {
    async fn create_secret(
        &self,
        request: Request<pb::CreateSecretRequest>,
    ) -> Answer<pb::CreateSecretResponse> {
        let message = request.get_ref();
        let sealed = self.sealed(message.name(), &message.secret_string, &message.secret_binary);
        self.decide(
            request,
            |request, view, admission| {
                sealed.with(|sealed| validate::create(request, sealed, view, admission))
            },
            |done| {
                let (name, version_id) = done.subject;
                let secret = done.view.secret(&name).ok_or(GONE)?;
                Ok(pb::CreateSecretResponse {
                    arn: Some(validate::arn(secret, done.view.scope())),
                    name: Some(name),
                    version_id,
                })
            },
        )
        .await
    }

    async fn get_secret_value(
        &self,
        request: Request<pb::GetSecretValueRequest>,
    ) -> Answer<pb::GetSecretValueResponse> {
        let shared = self.shared();
        self.read(request, |request, view| {
            let (secret, version) = validate::value(request, view)?;
            let value = shared.unseal(&Secret::seal_of(&secret.name), &version.sealed_value)?;
            let (secret_string, secret_binary) =
                if version.is_binary { (None, Some(value)) } else { (Some(value), None) };
            Ok(pb::GetSecretValueResponse {
                arn: Some(validate::arn(secret, view.scope())),
                name: Some(secret.name.clone()),
                version_id: Some(version.id.clone()),
                secret_binary,
                secret_string,
                version_stages: version.stages.clone(),
                created_date: Some(version.created_at.to_message()),
            })
        })
        .await
    }

    async fn put_secret_value(
        &self,
        request: Request<pb::PutSecretValueRequest>,
    ) -> Answer<pb::PutSecretValueResponse> {
        let message = request.get_ref();
        let name = self.name(request.extensions(), message.secret_id()).await?;
        let sealed = self.sealed(&name, &message.secret_string, &message.secret_binary);
        self.decide(
            request,
            |request, view, admission| sealed.with(|sealed| validate::put(request, sealed, view, admission)),
            |done| {
                let (name, id) = done.subject;
                let secret = done.view.secret(&name).ok_or(GONE)?;
                let version = secret.version(Some(&id), None);
                Ok(pb::PutSecretValueResponse {
                    arn: Some(validate::arn(secret, done.view.scope())),
                    name: Some(name),
                    version_stages: version.map(|version| version.stages.clone()).unwrap_or_default(),
                    version_id: Some(id),
                })
            },
        )
        .await
    }

    async fn update_secret(
        &self,
        request: Request<pb::UpdateSecretRequest>,
    ) -> Answer<pb::UpdateSecretResponse> {
        let message = request.get_ref();
        let name = self.name(request.extensions(), message.secret_id()).await?;
        let sealed = self.sealed(&name, &message.secret_string, &message.secret_binary);
        self.change(
            request,
            |request, view, admission| {
                sealed.with(|sealed| validate::update(request, sealed, view, admission))
            },
            |(name, version_id), view| {
                let secret = view.secret(&name).ok_or(GONE)?;
                Ok(pb::UpdateSecretResponse {
                    arn: Some(validate::arn(secret, view.scope())),
                    name: Some(name),
                    version_id,
                })
            },
        )
        .await
    }

    async fn describe_secret(
        &self,
        request: Request<pb::DescribeSecretRequest>,
    ) -> Answer<pb::DescribeSecretResponse> {
        self.read(request, |request, view| {
            let secret = validate::find(request.secret_id(), view)?;
            Ok(pb::DescribeSecretResponse {
                arn: Some(validate::arn(secret, view.scope())),
                name: Some(secret.name.clone()),
                description: given(&secret.description),
                kms_key_id: given(&secret.key_id),
                last_changed_date: Some(secret.changed_at.to_message()),
                deleted_date: secret.delete_at.map(Timestamp::to_message),
                created_date: Some(secret.created_at.to_message()),
                version_ids_to_stages: stages(secret),
            })
        })
        .await
    }

    async fn list_secrets(
        &self,
        request: Request<pb::ListSecretsRequest>,
    ) -> Answer<pb::ListSecretsResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            let secret_list = page.items.iter().map(|secret| entry(secret, view)).collect();
            Ok(pb::ListSecretsResponse { secret_list, next_token: page.next_token })
        })
        .await
    }

    async fn list_secret_version_ids(
        &self,
        request: Request<pb::ListSecretVersionIdsRequest>,
    ) -> Answer<pb::ListSecretVersionIdsResponse> {
        self.read(request, |request, view| {
            let secret = validate::find(request.secret_id(), view)?;
            let is_shown =
                |version: &&SecretVersion| request.include_deprecated() || !version.stages.is_empty();
            let versions =
                secret.versions.iter().filter(is_shown).map(|version| pb::SecretVersionsListEntry {
                    version_id: Some(version.id.clone()),
                    version_stages: version.stages.clone(),
                    created_date: Some(version.created_at.to_message()),
                });
            Ok(pb::ListSecretVersionIdsResponse {
                versions: versions.collect(),
                next_token: None,
                arn: Some(validate::arn(secret, view.scope())),
                name: Some(secret.name.clone()),
            })
        })
        .await
    }

    async fn delete_secret(
        &self,
        request: Request<pb::DeleteSecretRequest>,
    ) -> Answer<pb::DeleteSecretResponse> {
        self.change(
            request,
            |request, view, admission| validate::delete(request, view, admission),
            |(arn, name, at), _| {
                let deletion_date = Some(at.to_message());
                Ok(pb::DeleteSecretResponse { arn: Some(arn), name: Some(name), deletion_date })
            },
        )
        .await
    }

    async fn restore_secret(
        &self,
        request: Request<pb::RestoreSecretRequest>,
    ) -> Answer<pb::RestoreSecretResponse> {
        self.change(
            request,
            |request, view, _| validate::restore(request, view),
            |name, view| {
                let secret = view.secret(&name).ok_or(GONE)?;
                let arn = Some(validate::arn(secret, view.scope()));
                Ok(pb::RestoreSecretResponse { arn, name: Some(name) })
            },
        )
        .await
    }
}

/// A value as a request brought it.
struct Brought<'a> {
    shared: &'a Shared,
    /// What it is sealed for.
    subject: String,
    value: Option<String>,
    is_binary: bool,
    sealed: Option<Vec<u8>>,
}

// === impl Brought ===

impl Brought<'_> {
    fn with<T>(&self, validate: impl FnOnce(&Sealed<'_>) -> T) -> T {
        let is_in = |version: &SecretVersion| {
            let known = self.shared.unseal(&self.subject, &version.sealed_value).ok();
            version.is_binary == self.is_binary && known.is_some() && known == self.value
        };
        validate(&Sealed { value: self.sealed.as_deref(), is_binary: self.is_binary, is_in: &is_in })
    }
}

// === impl Handlers ===

impl Handlers {
    /// What a value is sealed for is the secret's name, whatever a request calls it.
    async fn name(&self, extensions: &Extensions, reference: &str) -> Result<String, Status> {
        let view = self.shared().linearized_view(Chosen::of(extensions)).await.map_err(Status::from)?;
        validate::name(reference, &view).map_err(|error: ApiError| error.into_status())
    }

    fn sealed(&self, name: &str, string: &Option<String>, binary: &Option<String>) -> Brought<'_> {
        let (shared, subject) = (self.shared(), Secret::seal_of(name));
        let value = string.as_ref().or(binary.as_ref()).cloned();
        let sealed = value.as_ref().map(|value| shared.seal(&subject, value));
        Brought { shared, subject, value, is_binary: string.is_none() && binary.is_some(), sealed }
    }
}

fn entry(secret: &Secret, view: &State) -> pb::SecretListEntry {
    pb::SecretListEntry {
        arn: Some(validate::arn(secret, view.scope())),
        name: Some(secret.name.clone()),
        description: given(&secret.description),
        kms_key_id: given(&secret.key_id),
        last_changed_date: Some(secret.changed_at.to_message()),
        deleted_date: secret.delete_at.map(Timestamp::to_message),
        created_date: Some(secret.created_at.to_message()),
        secret_versions_to_stages: stages(secret),
    }
}

fn stages(secret: &Secret) -> BTreeMap<String, pb::StageList> {
    let staged = secret.versions.iter().filter(|version| !version.stages.is_empty());
    staged.map(|version| (version.id.clone(), pb::StageList { stages: version.stages.clone() })).collect()
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
