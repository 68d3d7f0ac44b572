//! RunTask and StartTask.

use berth_proto::ecs::v1 as pb;

use super::template::{Call, Template};
use super::{queue, token};
use crate::command::{Command, StartTasks};
use crate::container_instance::InstanceStatus;
use crate::error::ApiError;
use crate::id::{ClusterName, TaskId};
use crate::limits::TASKS_PER_RUN;
use crate::placement::{Decision, How, PlacementRules};
use crate::plan::gpu;
use crate::plan::placement::{Counted, Failure, Placer, Request};
use crate::resource::Requirements;
use crate::state::State;
use crate::task::Task;
use crate::validate::launch::Launch;
use crate::validate::service::launch_type_and_strategy;
use crate::validate::{Admission, capacity_provider, check_names, name, placement, unsupported};

/// Source: ECS API, `RunTask.startedBy` and `StartTask.startedBy`.
const RUN_STARTED_BY_LENGTH: usize = 128;
const START_STARTED_BY_LENGTH: usize = 36;

/// What RunTask and StartTask come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The cluster of the tasks.
    pub cluster: ClusterName,
    /// What to propose; nothing when no task could be placed, or when all of them are there already.
    pub command: Option<Command>,
    /// The tasks to answer with: those of the command, or those that an earlier call with the same token started. Of
    /// the former, the ones that the command's outcome names as refused are not there: see [`super::refusal`].
    pub tasks: Vec<TaskId>,
    /// Why the others could not be placed.
    pub failures: Vec<pb::Failure>,
}

/// RunTask.
pub fn run(request: &pb::RunTaskRequest, view: &State, admission: &mut Admission) -> Result<Start, ApiError> {
    let cluster = name::active_cluster(request.cluster.as_deref(), view)?;
    capacity_provider::check_default(cluster, request.launch_type)?;
    let cluster = &cluster.name;
    let count = task_count(request)?;
    if !request.capacity_provider_strategy.is_empty() {
        return Err(match request.launch_type {
            Some(_) => launch_type_and_strategy(),
            None => unsupported("A capacityProviderStrategy"),
        });
    }
    let rules = placement::rules(&request.placement_constraints, &request.placement_strategy)?;
    let template = of_run(request).template(cluster, view, &rules, admission)?;
    let token = token::Call::of(request, cluster, view)?;
    if let Some(call) = token {
        let started = call.started(view, cluster)?;
        if !started.is_empty() {
            return Ok(Start {
                cluster: cluster.clone(),
                command: None,
                tasks: started,
                failures: Vec::new(),
            });
        }
    }
    if let Some(queueing) = queue::parse(request.queue.as_ref(), admission.now)? {
        let id = |place| token.map_or_else(|| admission.ids.task(), |call| call.id(place));
        return Ok(queue::start(&template, queueing, (0..count).map(id)));
    }
    if view.instances_in(cluster).all(|instance| instance.status == InstanceStatus::Inactive) {
        return Err(ApiError::invalid("No Container Instances were found in your cluster."));
    }
    let seed = admission.ids.short();
    let placing = request_of(&template, view, &rules, seed);
    let mut placer = Placer::new(&placing);
    let mut start = Placed::default();
    for place in 0..count {
        match placer.decide(&template.needs) {
            Ok((instance, decision)) => {
                let id = token.map_or_else(|| admission.ids.task(), |call| call.id(place));
                start.tasks.push(template.task(id, instance, Some(decision)));
            }
            // The others are of the same kind: they would be refused for the same reasons.
            Err(refusals) => {
                start.failures = refusals.failures();
                break;
            }
        }
    }
    Ok(start.finish(&template, view))
}

/// Reads a RunTask without starting anything, and gives `ask` what the placer would be given.
pub(in crate::validate) fn with_placement<T>(
    request: &pb::RunTaskRequest,
    view: &State,
    admission: &mut Admission,
    ask: impl FnOnce(&Request<'_>, &Requirements) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    let rules = placement::rules(&request.placement_constraints, &request.placement_strategy)?;
    let template = of_run(request).template(cluster, view, &rules, admission)?;
    let seed = admission.ids.short();
    ask(&request_of(&template, view, &rules, seed), &template.needs)
}

/// StartTask.
pub fn start(
    request: &pb::StartTaskRequest,
    view: &State,
    admission: &mut Admission,
) -> Result<Start, ApiError> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    check_names("Container instances", &request.container_instances, TASKS_PER_RUN)?;
    let rules = PlacementRules::default();
    let template = of_start(request).template(cluster, view, &rules, admission)?;
    let placing = request_of(&template, view, &rules, 0);
    let mut placer = Placer::new(&placing);
    let mut start = Placed::default();
    for reference in &request.container_instances {
        let instance = name::instance(reference, cluster, view)?;
        match placer.place_on(instance, &template.needs) {
            Ok(()) => {
                let zone = view.instance(instance).map(|instance| instance.zone()).unwrap_or_default();
                let decision = Decision::given(How::Named, zone);
                start.tasks.push(template.task(admission.ids.task(), instance, Some(decision)));
            }
            Err(refusal) => start.failures.push(refusal.failure()),
        }
    }
    Ok(start.finish(&template, view))
}

fn task_count(request: &pb::RunTaskRequest) -> Result<usize, ApiError> {
    let count = request.count.unwrap_or(1);
    usize::try_from(count)
        .ok()
        .filter(|count| (1..=TASKS_PER_RUN).contains(count))
        .ok_or_else(|| ApiError::invalid(format!("count must be between 1 and {TASKS_PER_RUN}, is {count}.")))
}

fn request_of<'a>(
    template: &'a Template<'_>,
    view: &'a State,
    rules: &'a PlacementRules,
    seed: u64,
) -> Request<'a> {
    Request {
        view,
        cluster: template.cluster,
        rules,
        facts: &template.facts,
        counted: Counted::Group(&template.group),
        zone: None,
        seed,
    }
}

fn of_run(request: &pb::RunTaskRequest) -> Call<'_> {
    Call {
        task_definition: request.task_definition.as_deref(),
        launch: Launch {
            launch_type: request.launch_type,
            platform_version: request.platform_version.as_deref(),
            network: request.network_configuration.as_ref(),
        },
        group: request.group.as_deref(),
        started_by: request.started_by.as_deref(),
        started_by_length: RUN_STARTED_BY_LENGTH,
        reference_id: request.reference_id.as_deref(),
        overrides: request.overrides.as_ref(),
        tags: &request.tags,
        propagate_tags: request.propagate_tags,
        managed_tags: request.enable_ecs_managed_tags,
        execute_command: request.enable_execute_command,
        volumes: &request.volume_configurations,
    }
}

fn of_start(request: &pb::StartTaskRequest) -> Call<'_> {
    Call {
        task_definition: request.task_definition.as_deref(),
        launch: Launch {
            launch_type: None,
            platform_version: None,
            network: request.network_configuration.as_ref(),
        },
        group: request.group.as_deref(),
        started_by: request.started_by.as_deref(),
        started_by_length: START_STARTED_BY_LENGTH,
        reference_id: request.reference_id.as_deref(),
        overrides: request.overrides.as_ref(),
        tags: &request.tags,
        propagate_tags: request.propagate_tags,
        managed_tags: request.enable_ecs_managed_tags,
        execute_command: request.enable_execute_command,
        volumes: &request.volume_configurations,
    }
}

/// What the placer answered.
#[derive(Default)]
struct Placed {
    tasks: Vec<Task>,
    failures: Vec<Failure>,
}

// === impl Placed ===

impl Placed {
    fn finish(mut self, template: &Template<'_>, view: &State) -> Start {
        gpu::assign(view, &mut self.tasks);
        let arn = |id| view.scope().container_instance(template.cluster, id);
        let render = |failure: Failure| pb::Failure {
            arn: failure.instance.map(arn),
            reason: Some(failure.reason),
            detail: Some(failure.detail),
        };
        Start {
            cluster: template.cluster.clone(),
            tasks: self.tasks.iter().map(|task| task.id).collect(),
            failures: self.failures.into_iter().map(render).collect(),
            command: (!self.tasks.is_empty())
                .then_some(Command::StartTasks(StartTasks { service: None, tasks: self.tasks })),
        }
    }
}
