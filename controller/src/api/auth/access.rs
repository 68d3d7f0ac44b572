//! What each role may call. Paths are `/package.Service/Method`.

use berth_model::arn;
use berth_model::error::{ApiError, Exception};
use berth_model::id::Region;
use berth_model::key::Role;

use super::super::error::{Error, Unauthenticated};
use super::Principal;

/// Asked by load balancers and supervisors, who hold no key.
const HEALTH: &str = "/grpc.health.v1.Health/";
const PEERS: &str = "/berth.peer.v1.Peers/";
const AGENTS: &str = "/berth.agent.v1.";

/// Everybody may ask who it is.
const CALLER_IDENTITY: &str = "/berth.sts.v1.SecurityTokens/GetCallerIdentity";

/// The cluster of a request that names none.
const DEFAULT_CLUSTER: &str = "default";

/// The operations of the ECS API that agents call.
const OPERATIONS_OF_AGENTS: [&str; 2] = [
    "/berth.ecs.v1.ContainerInstances/RegisterContainerInstance",
    "/berth.ecs.v1.ContainerInstances/DeregisterContainerInstance",
];

/// What tasks may call with the credentials of their role. Each names a cluster, which has to be their own: the handlers
/// see to that.
const OPERATIONS_OF_TASKS: [&str; 13] = [
    "/berth.ecs.v1.Tasks/RunTask",
    "/berth.ecs.v1.Tasks/StopTask",
    "/berth.ecs.v1.Tasks/DescribeTasks",
    "/berth.ecs.v1.Tasks/ListTasks",
    "/berth.ecs.v1.Services/DescribeServices",
    "/berth.ecs.v1.Services/ListServices",
    "/berth.ecs.v1.Services/UpdateService",
    "/berth.ecs.v1.ContainerInstances/DescribeContainerInstances",
    "/berth.ecs.v1.ContainerInstances/ListContainerInstances",
    "/berth.ecs.v1.ContainerInstances/ListAttributes",
    "/berth.ecs.v1.TaskProtections/GetTaskProtection",
    "/berth.ecs.v1.TaskProtections/UpdateTaskProtection",
    "/berth.ecs.v1.ServiceDeployments/ListServiceDeployments",
];

/// Whether a call needs no principal.
pub(super) fn is_open_to_all(path: &str) -> bool {
    path.starts_with(HEALTH)
}

/// Refuses a call that its caller's role has no business with.
pub(super) fn check(path: &str, principal: Option<&Principal>) -> Result<(), Error> {
    if is_open_to_all(path) {
        return Ok(());
    }
    let principal = principal.ok_or(Unauthenticated::NoPrincipal)?;
    if path == CALLER_IDENTITY || may_call(principal.role, path) {
        return Ok(());
    }
    let message = format!("User: {} is not authorized to perform: {}", principal.access_key_id, action(path));
    Err(ApiError::new(Exception::AccessDenied, message).into())
}

/// Refuses a task what is not of its own cluster.
pub(in crate::api) fn confine(
    principal: &Principal,
    region: Option<&Region>,
    cluster: Option<&str>,
) -> Result<(), Error> {
    let Some(role) = &principal.task else { return Ok(()) };
    let named = cluster.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_CLUSTER);
    let name = arn::short_name("cluster", named).unwrap_or(named);
    let is_home = region.map(ToString::to_string) == role.region;
    if is_home && name == role.cluster {
        return Ok(());
    }
    let caller = &principal.access_key_id;
    let message = format!(
        "User: {caller} is not authorized to perform this operation on cluster {name}: the role of a task acts in the \
         task's own cluster, {}.",
        role.cluster
    );
    Err(ApiError::new(Exception::AccessDenied, message).into())
}

/// As policies name it: `ecs:RunTask` of `/berth.ecs.v1.Tasks/RunTask`.
fn action(path: &str) -> String {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let product = service.split('.').nth(1).unwrap_or(service);
    format!("{product}:{method}")
}

fn may_call(role: Role, path: &str) -> bool {
    match role {
        Role::Peer => path.starts_with(PEERS),
        Role::Agent => path.starts_with(AGENTS) || OPERATIONS_OF_AGENTS.contains(&path),
        Role::Admin => !path.starts_with(PEERS) && !path.starts_with(AGENTS),
        Role::Task => OPERATIONS_OF_TASKS.contains(&path),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TaskRole;
    use super::*;

    #[test]
    fn a_refusal_names_the_action_as_policies_do() {
        let principal = Principal::of_key("BKA1", Role::Agent);
        let refusal = check("/berth.ecs.v1.Tasks/RunTask", Some(&principal)).unwrap_err();
        assert_eq!(refusal.to_string(), "User: BKA1 is not authorized to perform: ecs:RunTask");
    }

    #[test]
    fn every_role_has_its_own_calls() {
        // path, admin, agent, peer, task
        let rows = [
            ("/berth.ecs.v1.Tasks/RunTask", true, false, false, true),
            ("/berth.ecs.v1.ContainerInstances/RegisterContainerInstance", true, true, false, false),
            ("/berth.ecs.v1.ContainerInstances/DeregisterContainerInstance", true, true, false, false),
            ("/berth.ecs.v1.ContainerInstances/ListContainerInstances", true, false, false, true),
            ("/berth.admin.v1.Admin/ListControllers", true, false, false, false),
            ("/berth.agent.v1.Agents/Session", false, true, false, false),
            ("/berth.agent.v1.TaskEndpoints/GetTaskCredentials", false, true, false, false),
            ("/berth.ecs.v1.TaskDefinitions/RegisterTaskDefinition", true, false, false, false),
            ("/berth.peer.v1.Peers/Propose", false, false, true, false),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true, false, false, false),
            ("/nobody.knows/It", true, false, false, false),
            ("/grpc.health.v1.Health/Check", true, true, true, true),
        ];
        for (path, admin, agent, peer, task) in rows {
            let expectations =
                [(Role::Admin, admin), (Role::Agent, agent), (Role::Peer, peer), (Role::Task, task)];
            for (role, expected) in expectations {
                let principal = Principal::of_key("BK", role);
                assert_eq!(check(path, Some(&principal)).is_ok(), expected, "{role:?} {path}");
            }
            assert_eq!(check(path, None).is_ok(), path.starts_with(HEALTH), "nobody {path}");
        }
    }
    #[test]
    fn a_task_is_confined_to_its_cluster() {
        let role = TaskRole {
            role_arn: "arn:aws:iam::000000000000:role/web".to_owned(),
            task_id: "1".to_owned(),
            region: None,
            cluster: "prod".to_owned(),
        };
        let task = Principal::of_task(role);
        let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/prod";
        assert!(confine(&task, None, Some("prod")).is_ok() && confine(&task, None, Some(arn)).is_ok());
        for other in
            [None, Some(""), Some("default"), Some("arn:aws:ecs:us-east-1:000000000000:cluster/other")]
        {
            assert!(confine(&task, None, other).is_err(), "{other:?}");
        }
        let elsewhere = Region::new("eu-west-1");
        assert!(
            confine(&task, Some(&elsewhere), Some("prod")).is_err(),
            "a cluster of that name in another region"
        );
        assert!(confine(&Principal::of_key("BK", Role::Admin), None, Some("other")).is_ok());
    }
}
