//! What a task definition refers to: the forms of `valueFrom`, of `environmentFiles` and of `credentialsParameter`.
//!
//! Errors are what the ECS agent says when it cannot start a task for them.

use crate::error::ApiError;
use crate::parameter::Parameter;
use crate::secret::{Secret, SecretVersion};
use crate::state::State;
use crate::validate::secret::SUFFIX_LENGTH;
use crate::validate::{parameter, secret};

/// Below this path are the environment files that a definition names by the ARN of an object: bucket, then key.
pub const FILES: &str = "/s3";

/// Something sealed, and what to take out of it once it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What the value is bound to.
    pub seal: String,
    /// The value, encrypted.
    pub sealed: Vec<u8>,
    /// The member of the JSON document that it is, if only that is wanted.
    pub json_key: Option<String>,
    /// What to say of it when it cannot be read.
    pub reference: String,
}

/// What a `valueFrom` means: `NAME`, `arn:…:ssm:…:parameter/NAME`, or
/// `arn:…:secretsmanager:…:secret:NAME[:json-key[:version-stage[:version-id]]]`.
pub fn resolve(value_from: &str, view: &State) -> Result<Value, String> {
    match value_from.split(':').nth(2) {
        Some("secretsmanager") if value_from.starts_with("arn:") => of_secret(value_from, view),
        _ => of_parameter(value_from, view),
    }
}

/// What a `credentialsParameter` means: the name of a secret, or its ARN.
pub fn resolve_credentials(reference: &str, view: &State) -> Result<Value, String> {
    of_secret(reference, view)
}

/// What an entry of `environmentFiles` means. The ARN of an object names a parameter: what is in buckets elsewhere
/// nobody here can read.
pub fn resolve_file(reference: &str, view: &State) -> Result<Value, String> {
    if reference.split(':').nth(2) != Some("s3") {
        return resolve(reference, view);
    }
    let object = reference.splitn(6, ':').nth(5).unwrap_or_default();
    let name = format!("{FILES}/{object}");
    resolve(&name, view).map_err(|_| {
        format!(
            "failed to download env files: there is no parameter {name}, which is where the file of {reference} is \
             looked for"
        )
    })
}

fn of_parameter(reference: &str, view: &State) -> Result<Value, String> {
    let invalid = |_| format!("unable to retrieve secrets from ssm: invalid parameters: {reference}");
    let (found, version, _) = parameter::select(reference, view).map_err(invalid)?;
    Ok(Value {
        seal: Parameter::seal_of(&found.name),
        sealed: version.sealed_value.clone(),
        json_key: None,
        reference: reference.to_owned(),
    })
}

fn of_secret(reference: &str, view: &State) -> Result<Value, String> {
    let (name, [json_key, stage, id]) = parts(reference);
    let found = find(&name, stage, id, view);
    let found = match without_suffix(&name) {
        Some(bare) if found.is_err() => find(bare, stage, id, view).or(found),
        _ => found,
    };
    let (found, version) = found.map_err(|error| {
        format!(
            "unable to retrieve secret from asm: failed to fetch secret {name} from secrets manager: {}: {error}",
            error.exception.name()
        )
    })?;
    Ok(Value {
        seal: Secret::seal_of(&found.name),
        sealed: version.sealed_value.clone(),
        json_key: json_key.map(str::to_owned),
        reference: reference.to_owned(),
    })
}

fn find<'a>(
    name: &str,
    stage: Option<&str>,
    id: Option<&str>,
    view: &'a State,
) -> Result<(&'a std::sync::Arc<Secret>, &'a SecretVersion), ApiError> {
    let request = berth_proto::secretsmanager::v1::GetSecretValueRequest {
        secret_id: Some(name.to_owned()),
        version_id: id.map(str::to_owned),
        version_stage: stage.map(str::to_owned),
    };
    secret::value(&request, view)
}

/// An ARN without its last six letters. A definition that was written for AWS has those that AWS gave its secret; here
/// they are others, and what it means is the secret of that name.
fn without_suffix(arn: &str) -> Option<&str> {
    let (bare, suffix) = arn.rsplit_once('-')?;
    let is_suffix = suffix.len() == SUFFIX_LENGTH && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (arn.starts_with("arn:") && is_suffix).then_some(bare)
}

/// The secret itself, and the three parts that may follow its ARN. Empty ones count as absent.
fn parts(reference: &str) -> (String, [Option<&str>; 3]) {
    if !reference.starts_with("arn:") {
        return (reference.to_owned(), [None; 3]);
    }
    let fields: Vec<&str> = reference.split(':').collect();
    let (arn, rest) = fields.split_at(fields.len().min(7));
    let part = |at: usize| rest.get(at).copied().filter(|text| !text.is_empty());
    (arn.join(":"), [part(0), part(1), part(2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_suffix_is_one() {
        let arn = |name: &str| format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}");
        let rows =
            [("db-AbCdEf", Some("db")), ("db-a-AbCd12", Some("db-a")), ("db-password", None), ("db", None)];
        for (name, bare) in rows {
            assert_eq!(without_suffix(&arn(name)).map(str::to_owned), bare.map(arn), "{name}");
        }
        assert_eq!(without_suffix("db-AbCdEf"), None, "a name is whole");
    }

    #[test]
    fn empty_parts_keep_their_colons() {
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf";
        let rows = [
            (String::new(), [None, None, None]),
            (":user".to_owned(), [Some("user"), None, None]),
            (":user::".to_owned(), [Some("user"), None, None]),
            ("::AWSPREVIOUS:".to_owned(), [None, Some("AWSPREVIOUS"), None]),
            (":::1234".to_owned(), [None, None, Some("1234")]),
        ];
        for (rest, expected) in rows {
            assert_eq!(parts(&format!("{arn}{rest}")), (arn.to_owned(), expected), "{rest}");
        }
        assert_eq!(parts("db").0, "db");
    }
}
