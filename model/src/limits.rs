//! Every bound of the model in one place, with what happens at it.

/// Events kept per service; the oldest goes first. Source: ECS API, `Service.events` "up to 100".
pub const EVENTS_PER_SERVICE: usize = 100;

/// Service deployments that a service remembers; the oldest goes first, and with it the revisions that only it refers to.
pub const SERVICE_DEPLOYMENTS: usize = 100;

/// Task sets of one service; one more is refused. Source: ECS quotas.
pub const TASK_SETS: usize = 100;

/// Hooks of one service; more are refused.
pub const HOOKS: usize = 20;

/// STOPPED tasks that stay describable; beyond it the oldest go before their time.
pub const STOPPED_TASKS: usize = 20_000;

/// Lines that a container which failed wrote last, and bytes of each; what is more is cut.
pub const LAST_LOG_LINES: usize = 10;
/// See [`LAST_LOG_LINES`].
pub const LAST_LOG_LINE_BYTES: usize = 256;

/// Tasks that one service event lists by id; of more it gives the number.
pub const TASKS_PER_EVENT: usize = 20;

/// Entries of the history that `berth events` shows; the oldest goes first.
pub const HISTORY_ENTRIES: usize = 5_000;

/// Tasks that one command starts; a planner splits what is more.
pub const TASKS_PER_COMMAND: usize = 500;

/// Commands of one plan; the planner goes on in its next round.
pub const COMMANDS_PER_PLAN: usize = 200;

/// Tasks on one instance; beyond it the placer takes another.
pub const TASKS_PER_INSTANCE: usize = 1_000;

/// Custom attributes of one instance. Source: ECS quotas.
pub const ATTRIBUTES_PER_INSTANCE: usize = 10;

/// Placement strategies of one service or task; those after them are not asked. Source: ECS API, `placementStrategy`.
pub const STRATEGIES: usize = 5;

/// Kinds of refusals that are kept of tasks that found no place; rarer ones are left out.
pub const REFUSAL_GROUPS: usize = 20;

/// Kinds of filters that a task remembers of its placement; rarer ones are left out.
pub const DECISION_FILTERS: usize = 5;

/// Tasks of one cluster that wait in the queue; a call that would make it longer is refused.
pub const QUEUED_TASKS: usize = 10_000;

/// Tasks of the queue that one plan places; the next goes on.
pub const PLACED_PER_PLAN: usize = 200;

/// Bytes of a registered task definition; a longer one is refused. Source: ECS quotas, "Task definition size".
pub const DEFINITION_BYTES: usize = 65_536;

/// Revisions that one DeleteTaskDefinitions names; a longer list is refused. Source: ECS API.
pub const DEFINITIONS_PER_DELETE: usize = 10;

/// Names that one DescribeClusters, DescribeTasks or DescribeContainerInstances has; a longer list is refused.
/// Source: ECS API.
pub const NAMES_PER_DESCRIBE: usize = 100;

/// Names that one DescribeServices has; a longer list is refused. Source: ECS API.
pub const SERVICES_PER_DESCRIBE: usize = 10;

/// Tasks that one RunTask starts, and instances that one StartTask names; more are refused. Source: ECS API.
pub const TASKS_PER_RUN: usize = 10;

/// Tasks that one UpdateTaskProtection names; a longer list is refused. Source: ECS API.
pub const TASKS_PER_PROTECTION: usize = 10;

/// Capacity providers of the account, and of one cluster; one more is refused. Source: ECS quotas.
pub const CAPACITY_PROVIDERS: usize = 20;

/// Access keys; one more is refused. A deployment has one for each of its people, tools and pipelines.
pub const ACCESS_KEYS: usize = 1_000;

/// Parameters; one more is refused. Source: SSM quotas.
pub const PARAMETERS: usize = 10_000;

/// Values that a parameter remembers; the oldest goes first. Source: SSM quotas.
pub const PARAMETER_VERSIONS: usize = 100;

/// Bytes of the value of a parameter of the standard tier; a longer one is refused. Source: SSM quotas.
pub const STANDARD_PARAMETER_BYTES: usize = 4_096;

/// Bytes of the value of a parameter of the advanced tier; a longer one is refused. Source: SSM quotas.
pub const ADVANCED_PARAMETER_BYTES: usize = 8_192;

/// Secrets; one more is refused. All of them are in every controller's memory.
pub const SECRETS: usize = 10_000;

/// Values that a secret remembers; the oldest without a stage goes first.
pub const SECRET_VERSIONS: usize = 20;

/// Bytes of the value of a secret; a longer one is refused. Source: Secrets Manager quotas.
pub const SECRET_BYTES: usize = 65_536;

/// Security groups of a region; one more is refused. Source: VPC quotas, "VPC security groups per Region".
pub const SECURITY_GROUPS: usize = 2_500;

/// Rules of a security group in either direction; more are refused. Source: VPC quotas.
pub const RULES_PER_GROUP: usize = 60;

/// Instances that one UpdateContainerInstancesState names; a longer list is refused. Source: ECS API.
pub const INSTANCES_PER_UPDATE: usize = 10;

/// Attributes that one PutAttributes or DeleteAttributes names; a longer list is refused. Source: ECS API.
pub const ATTRIBUTES_PER_CALL: usize = 10;

/// Tasks that a service may want; more are refused. Source: ECS quotas, "Tasks per service".
pub const TASKS_PER_SERVICE: u32 = 5_000;

/// Services of one cluster; one more is refused. Source: ECS quotas.
pub const SERVICES_PER_CLUSTER: usize = 5_000;

/// Regions beside the deployment's own that something is in; one more is refused. AWS has fewer than half as many.
pub const REGIONS: usize = 100;

/// Clusters; one more is refused. Source: ECS quotas.
pub const CLUSTERS: usize = 10_000;

/// Characters of the overrides of a task; longer ones are refused. Source: ECS API, `RunTask.overrides`.
pub const OVERRIDE_BYTES: usize = 8_192;

/// Bytes of a line about a task in the history; whoever writes it cuts it.
pub const TASK_NOTE_BYTES: usize = 1_024;
