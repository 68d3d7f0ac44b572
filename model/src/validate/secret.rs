//! Secrets: what may be asked of them, in the words of the Secrets Manager.

use std::sync::Arc;
use std::time::Duration;

use berth_proto::secretsmanager::v1 as pb;

use super::page::{self, Order};
use super::{Accepted, Admission, Decided, Listed};
use crate::arn::Scope;
use crate::command::{ChangeSecret, Command, Deletion};
use crate::error::{ApiError, Exception};
use crate::limits::{SECRET_BYTES, SECRETS};
use crate::secret::{CURRENT, Secret, SecretVersion};
use crate::state::State;
use crate::time::Timestamp;

pub mod reference;

/// Source: Secrets Manager API, `CreateSecret.Name`.
const NAME_LENGTH: usize = 512;
/// Source: Secrets Manager API, `DeleteSecret.RecoveryWindowInDays`.
const RECOVERY_DAYS: std::ops::RangeInclusive<i64> = 7..=30;
const DEFAULT_RECOVERY_DAYS: i64 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What stands after the name in an ARN: a hyphen and this many letters.
pub(crate) const SUFFIX_LENGTH: usize = 6;
const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Stages that one PutSecretValue names. Source: Secrets Manager API, `VersionStages`.
const STAGES: usize = 20;

/// A value as it goes into the state.
pub struct Sealed<'a> {
    /// Encrypted; none when the request brings no value.
    pub value: Option<&'a [u8]>,
    /// Whether it is the base 64 text of bytes.
    pub is_binary: bool,
    /// Whether a version holds the same value. Only who has the sealing key can tell.
    pub is_in: &'a dyn Fn(&SecretVersion) -> bool,
}

/// ARN of a secret.
pub fn arn(secret: &Secret, scope: &Scope) -> String {
    let (partition, region, account) = (&scope.partition, &scope.region, &scope.account);
    format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{}-{}", secret.name, secret.suffix)
}

/// The secret that a name or an ARN means. An ARN may lack its last six letters.
pub fn find<'a>(reference: &str, view: &'a State) -> Result<&'a Arc<Secret>, ApiError> {
    let found = match reference.split_once(":secret:") {
        Some((arn, rest)) if arn.starts_with("arn:") => {
            let split = rest.len().checked_sub(SUFFIX_LENGTH + 1).and_then(|at| rest.split_at_checked(at));
            let exact = split.and_then(|(name, suffix)| {
                let secret = view.secret(name)?;
                (suffix.strip_prefix('-') == Some(secret.suffix.as_str())).then_some(secret)
            });
            exact.or_else(|| view.secret(rest))
        }
        _ => view.secret(reference),
    };
    found.ok_or_else(|| {
        ApiError::new(Exception::ResourceNotFound, "Secrets Manager can't find the specified secret.")
    })
}

/// The name of the secret that a request is about: what a value is sealed for.
pub fn name(reference: &str, view: &State) -> Result<String, ApiError> {
    find(reference, view).map(|secret| secret.name.clone())
}

/// A secret that is not deleted.
fn usable<'a>(reference: &str, view: &'a State) -> Result<&'a Arc<Secret>, ApiError> {
    let secret = find(reference, view)?;
    if secret.delete_at.is_none() {
        return Ok(secret);
    }
    let text = "You can't perform this operation on the secret because it was marked for deletion.";
    Err(ApiError::new(Exception::InvalidRequest, text))
}

/// CreateSecret.
pub fn create(
    request: &pb::CreateSecretRequest,
    sealed: &Sealed<'_>,
    view: &State,
    admission: &mut Admission,
) -> Decided<(String, Option<String>)> {
    let name = request.name();
    check_name(name)?;
    check_value(request.secret_string.as_deref(), request.secret_binary.as_deref())?;
    let token = request.client_request_token.as_deref();
    if let Some(known) = view.secret(name) {
        if known.delete_at.is_some() {
            let text = "You can't create this secret because a secret with this name is already scheduled for deletion.";
            return Err(ApiError::new(Exception::InvalidRequest, text));
        }
        if let Ok(Some(id)) = repeated(known, token, sealed, view) {
            return Ok(((name.to_owned(), Some(id)), None));
        }
        let text = format!("The operation failed because the secret {name} already exists.");
        return Err(ApiError::new(Exception::ResourceExists, text));
    }
    if view.secrets().count() >= SECRETS {
        let text = format!("{SECRETS} secrets exist, which is the most.");
        return Err(ApiError::new(Exception::LimitExceeded, text));
    }
    let version = version(sealed, token, &[], admission);
    let id = version.as_ref().map(|version| version.id.clone());
    let change = ChangeSecret {
        name: name.to_owned(),
        seen: 0,
        suffix: suffix(admission.ids.number()),
        description: Some(request.description().to_owned()),
        key_id: Some(request.kms_key_id().to_owned()),
        version,
        deletion: None,
    };
    Ok(((name.to_owned(), id), Some(Command::ChangeSecret(Box::new(change)))))
}

/// PutSecretValue.
pub fn put(
    request: &pb::PutSecretValueRequest,
    sealed: &Sealed<'_>,
    view: &State,
    admission: &mut Admission,
) -> Decided<(String, String)> {
    let secret = usable(request.secret_id(), view)?;
    check_value(request.secret_string.as_deref(), request.secret_binary.as_deref())?;
    if sealed.value.is_none() {
        return Err(ApiError::invalid("You must provide either SecretString or SecretBinary."));
    }
    if request.version_stages.len() > STAGES {
        return Err(ApiError::invalid(format!("A version has at most {STAGES} stages.")));
    }
    let token = request.client_request_token.as_deref();
    if let Some(id) = repeated(secret, token, sealed, view)? {
        return Ok(((secret.name.clone(), id), None));
    }
    let version = version(sealed, token, &request.version_stages, admission);
    let id = version.as_ref().map(|version| version.id.clone()).unwrap_or_default();
    let change = ChangeSecret { version, ..unchanged(secret) };
    Ok(((secret.name.clone(), id), Some(Command::ChangeSecret(Box::new(change)))))
}

/// UpdateSecret.
pub fn update(
    request: &pb::UpdateSecretRequest,
    sealed: &Sealed<'_>,
    view: &State,
    admission: &mut Admission,
) -> Accepted<(String, Option<String>)> {
    let secret = usable(request.secret_id(), view)?;
    check_value(request.secret_string.as_deref(), request.secret_binary.as_deref())?;
    let token = request.client_request_token.as_deref();
    let known = repeated(secret, token, sealed, view)?;
    let version = if known.is_some() { None } else { version(sealed, token, &[], admission) };
    let id = known.or_else(|| version.as_ref().map(|version| version.id.clone()));
    let change = ChangeSecret {
        description: request.description.clone(),
        key_id: request.kms_key_id.clone(),
        version,
        ..unchanged(secret)
    };
    Ok(((secret.name.clone(), id), Command::ChangeSecret(Box::new(change))))
}

/// DeleteSecret: until when it can be restored. ARN and name are told too, for it may be gone at once.
pub fn delete(
    request: &pb::DeleteSecretRequest,
    view: &State,
    admission: &Admission,
) -> Accepted<(String, String, Timestamp)> {
    let secret = find(request.secret_id(), view)?;
    if request.force_delete_without_recovery() && request.recovery_window_in_days.is_some() {
        let text = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.";
        return Err(ApiError::invalid(text));
    }
    let days = request.recovery_window_in_days.unwrap_or(DEFAULT_RECOVERY_DAYS);
    if !RECOVERY_DAYS.contains(&days) {
        let text = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).";
        return Err(ApiError::invalid(text));
    }
    let window = DAY * u32::try_from(days).unwrap_or_default();
    let window = if request.force_delete_without_recovery() { Duration::ZERO } else { window };
    let at = admission.now.plus(window);
    let change = ChangeSecret { deletion: Some(Deletion::At(at)), ..unchanged(secret) };
    let subject = (arn(secret, view.scope()), secret.name.clone(), at);
    Ok((subject, Command::ChangeSecret(Box::new(change))))
}

/// RestoreSecret.
pub fn restore(request: &pb::RestoreSecretRequest, view: &State) -> Accepted<String> {
    let secret = find(request.secret_id(), view)?;
    let change = ChangeSecret { deletion: Some(Deletion::Never), ..unchanged(secret) };
    Ok((secret.name.clone(), Command::ChangeSecret(Box::new(change))))
}

/// GetSecretValue.
pub fn value<'a>(
    request: &pb::GetSecretValueRequest,
    view: &'a State,
) -> Result<(&'a Arc<Secret>, &'a SecretVersion), ApiError> {
    let secret = usable(request.secret_id(), view)?;
    let id = request.version_id.as_deref().filter(|id| !id.is_empty());
    let stage = request.version_stage.as_deref().filter(|stage| !stage.is_empty());
    let version = secret.version(id, stage).ok_or_else(|| {
        let what = match (id, stage) {
            (Some(id), _) => format!("VersionId: {id}"),
            (None, stage) => format!("staging label: {}", stage.unwrap_or(CURRENT)),
        };
        let text = format!("Secrets Manager can't find the specified secret value for {what}");
        ApiError::new(Exception::ResourceNotFound, text)
    })?;
    Ok((secret, version))
}

/// ListSecrets.
pub fn list(request: &pb::ListSecretsRequest, view: &State) -> Listed<Arc<Secret>> {
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, page::DEFAULT_RESULTS)?;
    let is_shown = |secret: &&Arc<Secret>| request.include_planned_deletion() || secret.delete_at.is_none();
    let found = view.secrets().filter(is_shown).cloned();
    Ok(bounds.cut(found, Order::Ascending, |secret| secret.name.clone()))
}

/// The version that this request made when it came before: its token names it. With another value, the token is taken.
fn repeated(
    secret: &Secret,
    token: Option<&str>,
    sealed: &Sealed<'_>,
    view: &State,
) -> Result<Option<String>, ApiError> {
    let known = sealed.value.and(token).and_then(|token| secret.version(Some(token), None));
    let Some(known) = known else { return Ok(None) };
    if (sealed.is_in)(known) {
        return Ok(Some(known.id.clone()));
    }
    let text = format!(
        "You can't use ClientRequestToken {} because that value is already in use for a version of secret {}.",
        known.id,
        arn(secret, view.scope())
    );
    Err(ApiError::new(Exception::ResourceExists, text))
}

/// A change that changes nothing.
fn unchanged(secret: &Secret) -> ChangeSecret {
    ChangeSecret {
        name: secret.name.clone(),
        seen: secret.generation,
        suffix: secret.suffix.clone(),
        description: None,
        key_id: None,
        version: None,
        deletion: None,
    }
}

fn version(
    sealed: &Sealed<'_>,
    token: Option<&str>,
    stages: &[String],
    admission: &mut Admission,
) -> Option<SecretVersion> {
    let stages = if stages.is_empty() { vec![CURRENT.to_owned()] } else { stages.to_vec() };
    let id = token.filter(|token| !token.is_empty()).map(str::to_owned);
    Some(SecretVersion {
        sealed_value: sealed.value?.to_vec(),
        is_binary: sealed.is_binary,
        id: id.unwrap_or_else(|| crate::arn::uuid(admission.ids.number())),
        stages,
        created_at: admission.now,
    })
}

fn suffix(mut number: u128) -> String {
    let letter = |_| {
        let letters = LETTERS.len() as u128;
        let at = usize::try_from(number % letters).unwrap_or_default();
        number /= letters;
        char::from(LETTERS[at])
    };
    (0..SUFFIX_LENGTH).map(letter).collect()
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    if (1..=NAME_LENGTH).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let text = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    Err(ApiError::new(Exception::Validation, text))
}

fn check_value(string: Option<&str>, binary: Option<&str>) -> Result<(), ApiError> {
    if string.is_some() && binary.is_some() {
        return Err(ApiError::invalid(
            "You can't specify both a binary secret value and a string secret value.",
        ));
    }
    if string.or(binary).is_some_and(|value| value.len() > SECRET_BYTES) {
        let text = format!("A secret value has at most {SECRET_BYTES} bytes.");
        return Err(ApiError::invalid(text));
    }
    Ok(())
}
