//! Lifecycle hooks of deployments: what they may be, and at which stages.
//!
//! ECS knows Lambda functions and pauses. In the place of a function's ARN stand here an `http://` or `https://` URL, or
//! a task definition whose task has to exit with 0: by family, `family:revision` or ARN, or `task-definition:target` for
//! that of the revision being deployed. `hookDetails` then has `containerOverrides`, as RunTask takes them.

use std::ops::RangeInclusive;
use std::time::Duration;

use berth_proto::ecs::v1 as pb;
use prost_types::value::Kind;
use prost_types::{Struct, Value};

use crate::error::ApiError;
use crate::limits::HOOKS;
use crate::service::rollout::Stage;
use crate::service::settings::{Hook, HookAction, HookTarget};
use crate::state::State;
use crate::validate::name::{self, member, members};
use crate::validate::unsupported;
use crate::wire::Wire;

/// The task definition of the revision that is deployed.
const TARGET: &str = "task-definition:target";

/// Source: ECS API, `timeoutInMinutes`.
const TIMEOUT_MINUTES: RangeInclusive<i32> = 1..=20_160;
const DEFAULT_TIMEOUT_MINUTES: i32 = 1_440;

/// The hooks of a deployment configuration.
pub(super) fn parse(given: &[pb::DeploymentLifecycleHook], view: &State) -> Result<Vec<Hook>, ApiError> {
    if given.len() > HOOKS {
        return Err(ApiError::invalid(format!("lifecycleHooks cannot have more than {HOOKS} elements.")));
    }
    given.iter().map(|hook| one(hook, view)).collect()
}

fn one(hook: &pb::DeploymentLifecycleHook, view: &State) -> Result<Hook, ApiError> {
    let kind =
        member::<pb::DeploymentLifecycleHookTargetType>("lifecycleHooks.targetType", hook.target_type)?;
    let is_pause = kind == Some(pb::DeploymentLifecycleHookTargetType::Pause);
    let stages = stages(hook, is_pause)?;
    let (timeout, on_timeout) = timeout(hook.timeout_configuration.as_ref())?;
    let target_arn = hook.hook_target_arn().to_owned();
    let target = match (is_pause, target_arn.as_str()) {
        (true, "") => HookTarget::Pause,
        (true, _) => {
            return Err(ApiError::invalid("A lifecycle hook of the type PAUSE has no hookTargetArn."));
        }
        (false, "") => return Err(ApiError::invalid("hookTargetArn of a lifecycle hook can not be blank.")),
        (false, text) if text.starts_with("arn:") && text.contains(":lambda:") => {
            return Err(unsupported("A Lambda function as a lifecycle hook"));
        }
        (false, text) if text.starts_with("http://") || text.starts_with("https://") => {
            HookTarget::Webhook(text.to_owned())
        }
        (false, text) => task(text, hook.hook_details.as_ref(), view)?,
    };
    let details = hook.hook_details.clone().map(Wire::new);
    Ok(Hook { target_arn, target, stages, timeout, on_timeout, details })
}

fn stages(hook: &pb::DeploymentLifecycleHook, is_pause: bool) -> Result<Vec<Stage>, ApiError> {
    use pb::DeploymentLifecycleHookStage as Name;
    let names = members::<Name>("lifecycleHooks.lifecycleStages", &hook.lifecycle_stages)?;
    if names.is_empty() {
        return Err(ApiError::invalid("lifecycleStages of a lifecycle hook cannot be empty."));
    }
    if is_pause
        && names.iter().any(|name| matches!(name, Name::TestTrafficShift | Name::ProductionTrafficShift))
    {
        return Err(ApiError::invalid(
            "A lifecycle hook of the type PAUSE cannot be at TEST_TRAFFIC_SHIFT or PRODUCTION_TRAFFIC_SHIFT.",
        ));
    }
    let stage = |name: &Name| match name {
        Name::PreScaleUp => Ok(Stage::PreScaleUp),
        Name::PostScaleUp => Ok(Stage::PostScaleUp),
        Name::Unspecified
        | Name::ReconcileService
        | Name::TestTrafficShift
        | Name::PostTestTrafficShift
        | Name::PreProductionTrafficShift
        | Name::ProductionTrafficShift
        | Name::PostProductionTrafficShift => {
            Err(unsupported("A lifecycle hook at another stage than PRE_SCALE_UP and POST_SCALE_UP"))
        }
    };
    names.iter().map(stage).collect()
}

fn timeout(
    given: Option<&pb::DeploymentLifecycleHookTimeoutConfiguration>,
) -> Result<(Duration, HookAction), ApiError> {
    let minutes = given.and_then(|given| given.timeout_in_minutes).unwrap_or(DEFAULT_TIMEOUT_MINUTES);
    if !TIMEOUT_MINUTES.contains(&minutes) {
        let (low, high) = (TIMEOUT_MINUTES.start(), TIMEOUT_MINUTES.end());
        return Err(ApiError::invalid(format!("timeoutInMinutes must be between {low} and {high}.")));
    }
    let action = given.and_then(|given| given.action);
    let action = member::<pb::DeploymentLifecycleHookAction>("timeoutConfiguration.action", action)?;
    let seconds = u64::try_from(minutes).unwrap_or(0) * 60;
    Ok((Duration::from_secs(seconds), parse_action(action)))
}

/// What is to happen; back, when nothing is said.
fn parse_action(action: Option<pb::DeploymentLifecycleHookAction>) -> HookAction {
    match action {
        Some(pb::DeploymentLifecycleHookAction::Continue) => HookAction::Continue,
        Some(
            pb::DeploymentLifecycleHookAction::Rollback | pb::DeploymentLifecycleHookAction::Unspecified,
        )
        | None => HookAction::RollBack,
    }
}

fn task(reference: &str, details: Option<&Value>, view: &State) -> Result<HookTarget, ApiError> {
    let definition = match reference {
        TARGET => None,
        reference => Some(name::usable_task_definition(Some(reference), view)?.key.clone()),
    };
    let overrides = overrides(details)?;
    Ok(HookTarget::Task { definition, overrides: overrides.map(Wire::new) })
}

/// The overrides that `hookDetails` describes. What a hook's task needs stays what its definition says.
fn overrides(details: Option<&Value>) -> Result<Option<pb::TaskOverride>, ApiError> {
    let malformed = |what: &str| ApiError::invalid(format!("hookDetails of a lifecycle hook: {what}."));
    let Some(details) = details else { return Ok(None) };
    let Some(Kind::StructValue(details)) = &details.kind else {
        return Err(malformed("an object is expected"));
    };
    if let Some(unknown) = details.fields.keys().find(|name| *name != "containerOverrides") {
        return Err(malformed(&format!("containerOverrides is all there can be, not {unknown}")));
    }
    let list =
        details.fields.get("containerOverrides").map(items).transpose().map_err(|what| malformed(&what))?;
    let one = |value: &Value| -> Result<pb::ContainerOverride, String> {
        let object = object(value)?;
        let environment = object.fields.get("environment").map(items).transpose()?.unwrap_or_default();
        let command = object.fields.get("command").map(items).transpose()?.unwrap_or_default();
        Ok(pb::ContainerOverride {
            name: Some(text(object.fields.get("name").ok_or("a container override needs a name")?)?),
            command: command.iter().map(text).collect::<Result<_, _>>()?,
            environment: environment.iter().map(pair).collect::<Result<_, _>>()?,
            ..pb::ContainerOverride::default()
        })
    };
    let containers: Result<Vec<_>, String> = list.unwrap_or_default().iter().map(one).collect();
    let container_overrides = containers.map_err(|what| malformed(&what))?;
    Ok(Some(pb::TaskOverride { container_overrides, ..pb::TaskOverride::default() }))
}

fn pair(value: &Value) -> Result<pb::KeyValuePair, String> {
    let object = object(value)?;
    let part = |name: &str| object.fields.get(name).map(text).transpose();
    Ok(pb::KeyValuePair { name: part("name")?, value: part("value")? })
}

fn object(value: &Value) -> Result<&Struct, String> {
    match &value.kind {
        Some(Kind::StructValue(object)) => Ok(object),
        _ => Err("an object is expected".to_owned()),
    }
}

fn items(value: &Value) -> Result<Vec<Value>, String> {
    match &value.kind {
        Some(Kind::ListValue(list)) => Ok(list.values.clone()),
        _ => Err("a list is expected".to_owned()),
    }
}

fn text(value: &Value) -> Result<String, String> {
    match &value.kind {
        Some(Kind::StringValue(text)) => Ok(text.clone()),
        _ => Err("a text is expected".to_owned()),
    }
}
