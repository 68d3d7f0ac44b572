//! Account settings: what they are called, what they may be, and what they are when nobody said.
//!
//! Source: ECS API, `SettingName`, and the developer guide, "Account settings".

use berth_proto::ecs::v1 as pb;

/// What is to be known of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What it may be.
    pub allowed: &'static [&'static str],
    /// What it is when nobody said.
    pub default: &'static str,
    /// Whether AWS alone may change it.
    pub is_managed: bool,
}

const SWITCH: [&str; 2] = ["enabled", "disabled"];

/// The rules of a setting; none for the unspecified value.
pub const fn rules(setting: pb::SettingName) -> Option<Rules> {
    let (allowed, default): (&'static [&'static str], _) = match setting {
        pb::SettingName::Unspecified => return None,
        // Long ARNs are the only ones that there are.
        pb::SettingName::ServiceLongArnFormat
        | pb::SettingName::TaskLongArnFormat
        | pb::SettingName::ContainerInstanceLongArnFormat => (&["enabled"], "enabled"),
        pb::SettingName::AwsvpcTrunking
        | pb::SettingName::FargateFipsMode
        | pb::SettingName::GuardDutyActivate
        | pb::SettingName::FargateEventWindows => (&SWITCH, "disabled"),
        pb::SettingName::ContainerInsights => (&["enhanced", "enabled", "disabled"], "disabled"),
        pb::SettingName::TagResourceAuthorization => (&["on", "off"], "off"),
        pb::SettingName::FargateTaskRetirementWaitPeriod => (&["0", "7", "14"], "7"),
        pb::SettingName::DefaultLogDriverMode => (&["blocking", "non-blocking"], "non-blocking"),
    };
    Some(Rules { allowed, default, is_managed: matches!(setting, pb::SettingName::GuardDutyActivate) })
}
