//! What each role may call. Paths are `/package.Service/Method`.

use berth_model::error::{ApiError, Exception};
use berth_model::key::Role;

use super::super::error::{Error, Unauthenticated};
use super::Principal;

/// Asked by load balancers and supervisors, who hold no key.
const HEALTH: &str = "/grpc.health.v1.Health/";
const PEERS: &str = "/berth.peer.v1.Peers/";
const AGENTS: &str = "/berth.agent.v1.Agents/";

/// Everybody may ask who it is.
const CALLER_IDENTITY: &str = "/berth.sts.v1.SecurityTokens/GetCallerIdentity";

/// The operations of the ECS API that agents call.
const OPERATIONS_OF_AGENTS: [&str; 2] = [
    "/berth.ecs.v1.ContainerInstances/RegisterContainerInstance",
    "/berth.ecs.v1.ContainerInstances/DeregisterContainerInstance",
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_action_as_policies_do() {
        let principal = Principal { access_key_id: "BKA1".into(), role: Role::Agent };
        let refusal = check("/berth.ecs.v1.Tasks/RunTask", Some(&principal)).unwrap_err();
        assert_eq!(refusal.to_string(), "User: BKA1 is not authorized to perform: ecs:RunTask");
    }

    #[test]
    fn every_role_has_its_own_calls() {
        // path, admin, agent, peer
        let rows = [
            ("/berth.ecs.v1.Tasks/RunTask", true, false, false),
            ("/berth.ecs.v1.ContainerInstances/RegisterContainerInstance", true, true, false),
            ("/berth.ecs.v1.ContainerInstances/DeregisterContainerInstance", true, true, false),
            ("/berth.ecs.v1.ContainerInstances/ListContainerInstances", true, false, false),
            ("/berth.admin.v1.Admin/ListControllers", true, false, false),
            ("/berth.agent.v1.Agents/Session", false, true, false),
            ("/berth.peer.v1.Peers/Propose", false, false, true),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true, false, false),
            ("/nobody.knows/It", true, false, false),
            ("/grpc.health.v1.Health/Check", true, true, true),
        ];
        for (path, admin, agent, peer) in rows {
            for (role, expected) in [(Role::Admin, admin), (Role::Agent, agent), (Role::Peer, peer)] {
                let principal = Principal { access_key_id: "BK".into(), role };
                assert_eq!(check(path, Some(&principal)).is_ok(), expected, "{role:?} {path}");
            }
            assert_eq!(check(path, None).is_ok(), path.starts_with(HEALTH), "nobody {path}");
        }
    }
}
