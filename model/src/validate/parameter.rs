//! Parameters: what may be asked of them, in the words of the Systems Manager.

use std::sync::Arc;

use berth_proto::ssm::v1 as pb;

use super::page::{self, Order};
use super::{Accepted, Admission, Decided, Listed};
use crate::command::{Command, PutParameter};
use crate::error::{ApiError, Exception};
use crate::limits::{ADVANCED_PARAMETER_BYTES, PARAMETERS, STANDARD_PARAMETER_BYTES};
use crate::parameter::{Parameter, ParameterType, ParameterVersion};
use crate::state::State;

/// Source: SSM API, `PutParameter.Name`: at most 15 levels, 1,011 characters without the ARN's beginning.
const NAME_LENGTH: usize = 1_011;
const LEVELS: usize = 15;
/// Source: SSM API, `GetParameters.Names` and `DeleteParameters.Names`.
const NAMES: usize = 10;
/// Source: SSM API, `MaxResults`.
const RESULTS: usize = 10;
const DESCRIBED: usize = 50;

const STANDARD: &str = "Standard";
const ADVANCED: &str = "Advanced";

/// The name in a reference: itself, or the one in its ARN. Of an ARN both spellings are tried, because it does not tell
/// `name` from `/name`.
pub fn find<'a>(reference: &str, view: &'a State) -> Option<&'a Arc<Parameter>> {
    match reference.split_once(":parameter/") {
        Some((arn, rest)) if arn.starts_with("arn:") => {
            view.parameter(&format!("/{rest}")).or_else(|| view.parameter(rest))
        }
        _ => view.parameter(reference),
    }
}

/// A parameter and the version that a selector names: `name`, `name:3`.
pub fn select<'a>(
    reference: &str,
    view: &'a State,
) -> Result<(&'a Arc<Parameter>, &'a ParameterVersion, Option<String>), ApiError> {
    if let Some(parameter) = find(reference, view) {
        return Ok((parameter, parameter.latest(), None));
    }
    let missing = || ApiError::new(Exception::ParameterNotFound, "");
    let (name, selector) = reference.rsplit_once(':').ok_or_else(missing)?;
    let parameter = find(name, view).ok_or_else(missing)?;
    let number = selector.parse().ok();
    let version = number.and_then(|number| parameter.version(number)).ok_or_else(|| {
        let text = format!("Systems Manager could not find version {selector} of {name}.");
        ApiError::new(Exception::ParameterVersionNotFound, text)
    })?;
    Ok((parameter, version, Some(format!(":{selector}"))))
}

/// PutParameter. `seal` encrypts the value for the state.
pub fn put(
    request: &pb::PutParameterRequest,
    sealed_value: &[u8],
    view: &State,
    admission: &Admission,
) -> Accepted<(u64, String)> {
    let name = request.name();
    check_name(name)?;
    let known = view.parameter(name);
    if known.is_some() && !request.overwrite() {
        let text = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
        return Err(ApiError::new(Exception::ParameterAlreadyExists, text));
    }
    if known.is_none() && view.parameters().count() >= PARAMETERS {
        let text = format!("{PARAMETERS} parameters exist, which is the most.");
        return Err(ApiError::new(Exception::ParameterLimitExceeded, text));
    }
    if request.allowed_pattern.as_deref().is_some_and(|pattern| !pattern.is_empty()) {
        return Err(validation("AllowedPattern is not supported: values are kept as they are."));
    }
    let before = known.map(|known| known.latest());
    let kind = match request.r#type.as_deref() {
        Some(spelling) => parse_type(spelling)?,
        None => {
            before.map(|before| before.kind).ok_or_else(|| validation("A parameter type is required."))?
        }
    };
    let tier = tier(request, before)?;
    let version = before.map_or(0, |before| before.version) + 1;
    let kept = |given: &Option<String>, of: fn(&ParameterVersion) -> &String| {
        given.clone().or_else(|| before.map(|before| of(before).clone())).unwrap_or_default()
    };
    let data_type = kept(&request.data_type, |before| &before.data_type);
    let put = PutParameter {
        name: name.to_owned(),
        version: ParameterVersion {
            version,
            kind,
            sealed_value: sealed_value.to_vec(),
            description: kept(&request.description, |before| &before.description),
            key_id: kept(&request.key_id, |before| &before.key_id),
            tier: tier.clone(),
            data_type: if data_type.is_empty() { "text".to_owned() } else { data_type },
            written_at: admission.now,
            written_by: admission.principal.clone(),
        },
    };
    Ok(((version, tier), Command::PutParameter(Box::new(put))))
}

/// DeleteParameter.
pub fn delete(request: &pb::DeleteParameterRequest, view: &State) -> Accepted<()> {
    let known = find(request.name(), view).ok_or_else(|| ApiError::new(Exception::ParameterNotFound, ""))?;
    Ok(((), Command::DeleteParameters(vec![known.name.clone()])))
}

/// What DeleteParameters comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Those that go.
    pub names: Vec<String>,
    /// Those that are not there.
    pub unknown: Vec<String>,
}

/// DeleteParameters.
pub fn delete_many(request: &pb::DeleteParametersRequest, view: &State) -> Decided<Deletion> {
    check_count(&request.names)?;
    let (names, unknown): (Vec<_>, Vec<_>) =
        request.names.iter().cloned().partition(|name| view.parameter(name).is_some());
    let command = (!names.is_empty()).then(|| Command::DeleteParameters(names.clone()));
    Ok((Deletion { names, unknown }, command))
}

/// The names of GetParameters.
pub fn check_count(names: &[String]) -> Result<(), ApiError> {
    if (1..=NAMES).contains(&names.len()) {
        return Ok(());
    }
    Err(validation(format!("Between 1 and {NAMES} names can be given, not {}.", names.len())))
}

/// GetParametersByPath.
pub fn by_path(request: &pb::GetParametersByPathRequest, view: &State) -> Listed<Arc<Parameter>> {
    let path = request.path();
    if !path.starts_with('/') {
        let text = "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a \
                    forward slash \"/\".";
        return Err(validation(text));
    }
    let prefix = if path.ends_with('/') { path.to_owned() } else { format!("{path}/") };
    let is_below = |parameter: &&Arc<Parameter>| {
        let rest = parameter.name.strip_prefix(&prefix);
        rest.is_some_and(|rest| request.recursive() || !rest.contains('/'))
    };
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, RESULTS)?;
    let found = view.parameters().filter(is_below).cloned();
    Ok(bounds.cut(found, Order::Ascending, |parameter| parameter.name.clone()))
}

/// DescribeParameters.
pub fn describe(request: &pb::DescribeParametersRequest, view: &State) -> Listed<Arc<Parameter>> {
    for filter in &request.parameter_filters {
        let is_known = matches!(
            (filter.key(), filter.option()),
            ("Name", "" | "Equals" | "BeginsWith" | "Contains")
                | ("Type" | "Tier" | "KeyId", "" | "Equals")
                | ("Path", "" | "Recursive" | "OneLevel")
        );
        if !is_known {
            let text = format!("The filter {} {} is not known.", filter.key(), filter.option());
            return Err(validation(text));
        }
    }
    let passes = |parameter: &&Arc<Parameter>| {
        request.parameter_filters.iter().all(|filter| matches_filter(filter, parameter))
    };
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, DESCRIBED)?;
    let found = view.parameters().filter(passes).cloned();
    Ok(bounds.cut(found, Order::Ascending, |parameter| parameter.name.clone()))
}

/// GetParameterHistory: the parameter and the numbers of a page of its versions.
pub fn history<'a>(
    request: &pb::GetParameterHistoryRequest,
    view: &'a State,
) -> Result<(&'a Arc<Parameter>, page::Page<u64>), ApiError> {
    let known = find(request.name(), view).ok_or_else(|| ApiError::new(Exception::ParameterNotFound, ""))?;
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, DESCRIBED)?;
    let numbers = known.versions.iter().map(|version| version.version);
    Ok((known, bounds.cut(numbers, Order::Ascending, |number| format!("{number:020}"))))
}

fn matches_filter(filter: &pb::ParameterStringFilter, parameter: &Parameter) -> bool {
    let latest = parameter.latest();
    let holds = |value: &String| match (filter.key(), filter.option()) {
        ("Name", "BeginsWith") => parameter.name.starts_with(value.as_str()),
        ("Name", "Contains") => parameter.name.contains(value.as_str()),
        ("Name", _) => parameter.name == *value,
        ("Type", _) => latest.kind.as_str() == value,
        ("Tier", _) => latest.tier == *value,
        ("KeyId", _) => latest.key_id == *value,
        ("Path", option) => {
            let rest = parameter.name.strip_prefix(value.trim_end_matches('/'));
            let rest = rest.and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|rest| option != "OneLevel" || !rest.contains('/'))
        }
        _ => false,
    };
    filter.values.iter().any(holds)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    if name.is_empty() || name.len() > NAME_LENGTH || !name.bytes().all(allowed) {
        let text = "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of \
                    sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the \
                    following 3 symbols .-_";
        return Err(validation(text));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(validation("Parameter name must be a fully qualified name."));
    }
    let first = name.trim_start_matches('/').to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(validation(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        ));
    }
    if name.trim_matches('/').split('/').count() > LEVELS || name.contains("//") || name.ends_with('/') {
        return Err(validation(format!(
            "A parameter name is a path of at most {LEVELS} names, none of them empty."
        )));
    }
    Ok(())
}

fn parse_type(spelling: &str) -> Result<ParameterType, ApiError> {
    ParameterType::ALL.into_iter().find(|kind| kind.as_str() == spelling).ok_or_else(|| {
        let text = format!(
            "1 validation error detected: Value '{spelling}' at 'type' failed to satisfy constraint: Member must satisfy \
             enum value set: [SecureString, StringList, String]"
        );
        validation(text)
    })
}

fn tier(request: &pb::PutParameterRequest, before: Option<&ParameterVersion>) -> Result<String, ApiError> {
    let length = request.value().len();
    if length == 0 {
        return Err(validation("A parameter needs a value."));
    }
    let is_large = length > STANDARD_PARAMETER_BYTES;
    let tier = match request.tier() {
        "" if before.is_some_and(|before| before.tier == ADVANCED) => ADVANCED,
        "Intelligent-Tiering" if is_large => ADVANCED,
        "" | "Intelligent-Tiering" | STANDARD => STANDARD,
        ADVANCED => ADVANCED,
        other => {
            return Err(validation(format!("{other} is no tier: Standard, Advanced, Intelligent-Tiering.")));
        }
    };
    if tier == STANDARD && is_large {
        let text = format!(
            "Standard tier parameters support a maximum parameter value of {STANDARD_PARAMETER_BYTES} characters. To \
             create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
        );
        return Err(validation(text));
    }
    if length > ADVANCED_PARAMETER_BYTES {
        let text = format!(
            "Advanced tier parameters support a maximum parameter value of {ADVANCED_PARAMETER_BYTES} characters."
        );
        return Err(validation(text));
    }
    Ok(tier.to_owned())
}

fn validation(text: impl Into<String>) -> ApiError {
    ApiError::new(Exception::Validation, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_or_a_path_from_the_root() {
        for name in ["db", "/db", "/prod/web/db.url", "a-b_c"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "prod/db", "/prod//db", "/prod/", "/aws/x", "ssm-x", "with space", "colon:1"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_value_has_the_size_of_its_tier() {
        let put = |bytes: usize, tier: &str| pb::PutParameterRequest {
            value: Some("x".repeat(bytes)),
            tier: Some(tier.to_owned()),
            ..pb::PutParameterRequest::default()
        };
        let of = |bytes, named: &str| tier(&put(bytes, named), None).ok();
        assert_eq!(of(STANDARD_PARAMETER_BYTES, "").as_deref(), Some(STANDARD));
        assert_eq!(of(STANDARD_PARAMETER_BYTES + 1, ""), None);
        assert_eq!(of(STANDARD_PARAMETER_BYTES + 1, "Intelligent-Tiering").as_deref(), Some(ADVANCED));
        assert_eq!(of(ADVANCED_PARAMETER_BYTES + 1, ADVANCED), None);
    }
}
