//! What all tasks of one RunTask or StartTask have in common.

use std::sync::Arc;

use berth_proto::ecs::v1 as pb;

use super::overrides;
use crate::error::ApiError;
use crate::id::{ClusterName, InstanceId, TaskId};
use crate::network::Membership;
use crate::placement::{Decision, PlacementRules};
use crate::resource::Requirements;
use crate::state::State;
use crate::task::{DesiredStatus, Observed, Owner, Scheduling, Task};
use crate::task_definition::{Facts, Tag, TaskDefinition};
use crate::time::Timestamp;
use crate::validate::launch::Launch;
use crate::validate::{Admission, name, tag, unsupported};
use crate::wire::Wire;

const GROUP_LENGTH: usize = 255;
const REFERENCE_LENGTH: usize = 1024;

/// Members that RunTask and StartTask share.
pub(super) struct Call<'a> {
    pub(super) task_definition: Option<&'a str>,
    pub(super) launch: Launch<'a>,
    pub(super) group: Option<&'a str>,
    pub(super) started_by: Option<&'a str>,
    /// Most characters of `started_by`.
    pub(super) started_by_length: usize,
    pub(super) reference_id: Option<&'a str>,
    pub(super) overrides: Option<&'a pb::TaskOverride>,
    pub(super) tags: &'a [pb::Tag],
    pub(super) propagate_tags: Option<i32>,
    pub(super) managed_tags: Option<bool>,
    pub(super) execute_command: Option<bool>,
    pub(super) volumes: &'a [pb::TaskVolumeConfiguration],
}

/// A task but for its id and its instance.
pub(super) struct Template<'a> {
    pub(super) cluster: &'a ClusterName,
    /// Those of the definition with the overrides over them.
    pub(super) facts: Facts,
    pub(super) needs: Requirements,
    pub(super) group: Arc<str>,
    definition: &'a TaskDefinition,
    started_by: Option<Arc<str>>,
    overrides: Option<Wire<pb::TaskOverride>>,
    tags: Vec<Tag>,
    /// Whether commands may be run in it.
    executes: bool,
    traceparent: Option<Arc<str>>,
    /// Constraints and strategies of the call, when it has any.
    rules: Option<Arc<PlacementRules>>,
    network: Option<Arc<Membership>>,
    now: Timestamp,
}

// === impl Call ===

impl Call<'_> {
    pub(super) fn template<'a>(
        &self,
        cluster: &'a ClusterName,
        view: &'a State,
        rules: &PlacementRules,
        admission: &Admission,
    ) -> Result<Template<'a>, ApiError> {
        self.check()?;
        let definition = name::usable_task_definition(self.task_definition, view)?;
        self.launch.check(definition)?;
        let facts = overrides::facts(definition, self.overrides)?;
        let group = match self.group.filter(|group| !group.is_empty()) {
            None => format!("family:{}", definition.key.family),
            Some(group) => group.to_owned(),
        };
        let overridden = self.overrides.filter(|overrides| **overrides != pb::TaskOverride::default());
        Ok(Template {
            cluster,
            needs: facts.requirements(),
            facts,
            group: group.into(),
            definition,
            started_by: self.started_by.filter(|text| !text.is_empty()).map(Arc::from),
            overrides: overridden.map(|overrides| Wire::new(overrides.clone())),
            tags: self.tags(cluster, definition)?,
            executes: self.execute_command == Some(true),
            traceparent: admission.traceparent.as_deref().map(Arc::from),
            rules: (*rules != PlacementRules::default()).then(|| Arc::new(rules.clone())),
            network: Membership::of(self.launch.network).map(Arc::new),
            now: admission.now,
        })
    }

    fn check(&self) -> Result<(), ApiError> {
        if !self.volumes.is_empty() {
            return Err(unsupported("volumeConfigurations"));
        }
        let lengths = [
            ("group", self.group, GROUP_LENGTH),
            ("startedBy", self.started_by, self.started_by_length),
            ("referenceId", self.reference_id, REFERENCE_LENGTH),
        ];
        for (member, text, length) in lengths {
            if text.is_some_and(|text| text.chars().count() > length) {
                return Err(ApiError::invalid(format!("{member} must have at most {length} characters.")));
            }
        }
        if self.group.is_some_and(|group| group.starts_with("service:")) {
            return Err(ApiError::invalid(
                "Invalid group: the prefix service: is reserved for the tasks of services.",
            ));
        }
        Ok(())
    }

    fn tags(&self, cluster: &ClusterName, definition: &TaskDefinition) -> Result<Vec<Tag>, ApiError> {
        let own = tag::parse(self.tags)?;
        let propagated: &[Tag] = match name::member("propagateTags", self.propagate_tags)? {
            Some(pb::PropagateTags::TaskDefinition) => &definition.tags,
            Some(pb::PropagateTags::Service) => {
                let message =
                    "Invalid value for propagateTags: only the tasks of a service can have the tags of one.";
                return Err(ApiError::invalid(message));
            }
            None | Some(pb::PropagateTags::None | pb::PropagateTags::Unspecified) => &[],
        };
        let managed = if self.managed_tags == Some(true) { tag::managed(cluster, None) } else { Vec::new() };
        Ok(tag::of_task(&own, propagated, &managed))
    }
}

// === impl Template ===

impl Template<'_> {
    pub(super) fn task(&self, id: TaskId, instance: InstanceId, decision: Option<Decision>) -> Task {
        let decision = decision.map(Arc::new);
        Task {
            id,
            cluster: self.cluster.clone(),
            instance,
            definition: self.definition.key.clone(),
            owner: Owner::Standalone,
            group: Arc::clone(&self.group),
            started_by: self.started_by.clone(),
            overrides: self.overrides.clone(),
            tags: self.tags.clone(),
            spec: self
                .executes
                .then(|| Wire::new(pb::Task { enable_execute_command: Some(true), ..pb::Task::default() })),
            traceparent: self.traceparent.clone(),
            created_at: self.now,
            needs: self.needs.clone(),
            held: Requirements::default(),
            desired: DesiredStatus::Running,
            stop: None,
            observed: Observed::default(),
            scheduling: Scheduling { rules: self.rules.clone(), decision, ..Scheduling::default() },
            version: 1,
            images: None,
            unhealthy_at: None,
            network: self.network.clone(),
        }
    }
}
