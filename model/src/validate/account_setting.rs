//! Account settings: what may be asked of them.

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

use super::page::{self, Order};
use super::{Accepted, Admission, Listed, name};
use crate::account_setting::{Rules, rules};
use crate::command::{AccountSetting, Command};
use crate::error::ApiError;
use crate::state::State;

/// Entries of a page. Source: ECS API, `ListAccountSettings.maxResults`.
const PAGE: usize = 10;

/// A setting as it is shown: its name, its value, and whose it is.
pub type Shown = pb::Setting;

/// PutAccountSetting: for the caller, or for another principal.
pub fn put(request: &pb::PutAccountSettingRequest, view: &State, admission: &Admission) -> Accepted<Shown> {
    let principal = principal(request.principal_arn.as_deref(), view, admission)?;
    set(request.name, request.value(), Some(principal), view)
}

/// PutAccountSettingDefault: for everybody who has none of their own.
pub fn put_default(request: &pb::PutAccountSettingDefaultRequest, view: &State) -> Accepted<Shown> {
    set(request.name, request.value(), None, view)
}

/// DeleteAccountSetting: the account's own counts again.
pub fn delete(
    request: &pb::DeleteAccountSettingRequest,
    view: &State,
    admission: &Admission,
) -> Accepted<Shown> {
    let (setting, _) = known(request.name)?;
    let principal = principal(request.principal_arn.as_deref(), view, admission)?;
    let value = of_account(setting, view).unwrap_or_default();
    let shown = shown(setting, value, Some(&principal), view);
    let name = setting.aws_name().to_owned();
    Ok((shown, Command::PutAccountSetting(AccountSetting { principal: Some(principal), name, value: None })))
}

/// ListAccountSettings: what was set for a principal, or with `effectiveSettings` what counts for it.
pub fn list(request: &pb::ListAccountSettingsRequest, view: &State, admission: &Admission) -> Listed<Shown> {
    if request.max_results.is_some_and(|asked| !(1..=10).contains(&asked)) {
        let asked = request.max_results();
        return Err(ApiError::invalid(format!("maxResults must be between 1 and 10, is {asked}.")));
    }
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, PAGE)?;
    let only = name::member::<pb::SettingName>("name", request.name)?;
    let value = request.value.as_deref().filter(|value| !value.is_empty());
    if value.is_some() && only.is_none() {
        return Err(ApiError::invalid("You must specify a setting name when filtering by value."));
    }
    let principal = principal(request.principal_arn.as_deref(), view, admission)?;
    let effective = request.effective_settings();
    let settings = pb::SettingName::ALL.iter().filter(|setting| only.is_none_or(|only| only == **setting));
    let of = |setting: &pb::SettingName| {
        let own = view.account_setting(Some(&principal), setting.aws_name());
        let found = own.or_else(|| of_account(*setting, view).filter(|_| effective));
        found
            .filter(|found| value.is_none_or(|wanted| wanted == *found))
            .map(|found| shown(*setting, found, Some(&principal), view))
    };
    let key = |shown: &Shown| shown.name().aws_name().to_owned();
    Ok(bounds.cut(settings.filter_map(of).collect::<Vec<_>>(), Order::Ascending, key))
}

/// What counts for a principal; nothing for a setting that there is not.
pub(super) fn in_force<'a>(setting: pb::SettingName, principal: &str, view: &'a State) -> Option<&'a str> {
    let own = view.account_setting(Some(principal), setting.aws_name());
    own.or_else(|| of_account(setting, view))
}

/// What counts for everybody who has no setting of their own.
fn of_account(setting: pb::SettingName, view: &State) -> Option<&str> {
    let account = view.account_setting(None, setting.aws_name());
    account.or_else(|| rules(setting).map(|rules| rules.default))
}

fn set(name: Option<i32>, value: &str, principal: Option<String>, view: &State) -> Accepted<Shown> {
    let (setting, rules) = known(name)?;
    let name = setting.aws_name();
    if rules.is_managed {
        return Err(ApiError::invalid(format!(
            "The setting {name} is managed by AWS and cannot be changed."
        )));
    }
    if !rules.allowed.contains(&value) {
        let allowed = rules.allowed.join(", ");
        return Err(ApiError::invalid(format!("The setting {name} takes {allowed}, not {value:?}.")));
    }
    let shown = shown(setting, value, principal.as_deref(), view);
    let command = AccountSetting { principal, name: name.to_owned(), value: Some(value.to_owned()) };
    Ok((shown, Command::PutAccountSetting(command)))
}

fn known(name: Option<i32>) -> Result<(pb::SettingName, Rules), ApiError> {
    let setting = name::member::<pb::SettingName>("name", name)?;
    let rules = setting.and_then(|setting| Some((setting, rules(setting)?)));
    rules.ok_or_else(|| ApiError::invalid("Setting name can not be blank."))
}

/// The root of the account stands for its default; anybody else is a user or a role of this account.
fn principal(given: Option<&str>, view: &State, admission: &Admission) -> Result<String, ApiError> {
    let Some(arn) = given.filter(|arn| !arn.is_empty()) else { return Ok(admission.principal.clone()) };
    let scope = view.scope();
    let account = format!("arn:{}:iam::{}:", scope.partition, scope.account);
    match arn.strip_prefix(&account) {
        Some(rest) if rest == "root" || rest.starts_with("user/") || rest.starts_with("role/") => {
            Ok(arn.to_owned())
        }
        _ => {
            Err(ApiError::invalid(format!("Invalid principalArn: {arn} is no user or role of this account.")))
        }
    }
}

fn shown(setting: pb::SettingName, value: &str, principal: Option<&str>, view: &State) -> Shown {
    let scope = view.scope();
    let root = format!("arn:{}:iam::{}:root", scope.partition, scope.account);
    let is_managed = rules(setting).is_some_and(|rules| rules.is_managed);
    let kind = if is_managed { pb::SettingType::AwsManaged } else { pb::SettingType::User };
    pb::Setting {
        name: Some(setting.into()),
        value: Some(value.to_owned()),
        principal_arn: Some(principal.map_or(root, str::to_owned)),
        r#type: Some(kind.into()),
    }
}
