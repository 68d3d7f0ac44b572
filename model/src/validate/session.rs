//! StartSession: which container is meant, and what is wanted of it.
//!
//! The documents are those of the Systems Manager that clients know; there are no others.

use std::collections::BTreeMap;

use berth_proto::ssm::v1 as pb;

use super::execute_command::{self, Consent, Place};
use crate::error::{ApiError, Exception};
use crate::id::ClusterName;
use crate::state::State;

/// What a session is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// These words run at a terminal.
    Command(Vec<String>),
    /// Connections.
    Port {
        /// To this host, dialled by the container; to the container itself when empty.
        host: String,
        /// To this port.
        port: u16,
        /// What the client says of its own end.
        local: BTreeMap<String, String>,
        /// There is one connection only.
        is_single: bool,
    },
}

/// What a target that is a container begins with.
const PREFIX: &str = "ecs:";
/// What runs when nothing else is asked for. Source: the Systems Manager's agent.
const SHELL: &str = "sh";
/// Where the Systems Manager's documents for SSH lead when they are not told.
const SSH_PORT: &str = "22";
/// Of the client's own end.
const LOCAL: [&str; 3] = ["localPortNumber", "localUnixSocket", "localConnectionType"];

/// The container that a session is to reach, and what it is for.
pub fn start(
    request: &pb::StartSessionRequest,
    view: &State,
) -> Result<(ClusterName, Place, Wanted), ApiError> {
    let wanted = wanted(request)?;
    let (cluster, place) = place(request.target(), view)?;
    Ok((cluster, place, wanted))
}

/// `ecs:CLUSTER_TASK_RUNTIMEID`. Names of clusters may have underscores, ids have none.
fn place(target: &str, view: &State) -> Result<(ClusterName, Place), ApiError> {
    let missing = || ApiError::new(Exception::TargetNotConnected, format!("{target} is not connected."));
    let mut parts = target.strip_prefix(PREFIX).ok_or_else(missing)?.rsplitn(3, '_');
    let (Some(runtime_id), Some(task), Some(cluster)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(missing());
    };
    let id = task.parse().map_err(|_| missing())?;
    let known = view.task(id).filter(|known| known.cluster.as_str() == cluster).ok_or_else(missing)?;
    let mut seen = known.observed.containers.iter();
    let container = seen.find(|seen| !runtime_id.is_empty() && seen.runtime_id == runtime_id);
    let container = container.ok_or_else(missing)?.name.clone();
    let place = execute_command::place(Some(cluster), task, Some(&container), Consent::Needed, view)?;
    Ok((known.cluster.clone(), place))
}

fn wanted(request: &pb::StartSessionRequest) -> Result<Wanted, ApiError> {
    match request.document_name() {
        "" | "SSM-SessionManagerRunShell" => Ok(Wanted::Command(vec![SHELL.to_owned()])),
        "AWS-StartPortForwardingSession" => port(request, "", None),
        "AWS-StartPortForwardingSessionToRemoteHost" => {
            let host = parameter(request, "host")?.ok_or_else(|| lacks("host"))?;
            port(request, host, None)
        }
        "AWS-StartSSHSession" => match port(request, "", Some(SSH_PORT))? {
            Wanted::Port { host, port, local, .. } => Ok(Wanted::Port { host, port, local, is_single: true }),
            command @ Wanted::Command(_) => Ok(command),
        },
        name => Err(invalid(format!("Document with name {name} does not exist."))),
    }
}

fn port(request: &pb::StartSessionRequest, host: &str, otherwise: Option<&str>) -> Result<Wanted, ApiError> {
    let text = parameter(request, "portNumber")?.or(otherwise).ok_or_else(|| lacks("portNumber"))?;
    let port = text.parse().ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| invalid(format!("portNumber is a number from 1 to 65535, not {text}.")))?;
    let mut local = BTreeMap::new();
    for name in LOCAL {
        if let Some(value) = parameter(request, name)? {
            local.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(Wanted::Port { host: host.to_owned(), port, local, is_single: false })
}

/// The only value of a parameter.
fn parameter<'a>(request: &'a pb::StartSessionRequest, name: &str) -> Result<Option<&'a str>, ApiError> {
    match request.parameters.get(name).map(|values| values.values.as_slice()) {
        None | Some([]) => Ok(None),
        Some([value]) => Ok(Some(value)),
        Some(_) => Err(invalid(format!("{name} has one value."))),
    }
}

fn lacks(name: &str) -> ApiError {
    invalid(format!("The document needs a value for {name}."))
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(Exception::Validation, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, and the values of each.
    type Parameters<'a> = &'a [(&'a str, &'a [&'a str])];

    fn request(document: &str, parameters: Parameters<'_>) -> pb::StartSessionRequest {
        let values = |given: &[&str]| pb::ParameterValues {
            values: given.iter().map(|value| (*value).to_owned()).collect(),
        };
        pb::StartSessionRequest {
            document_name: Some(document.to_owned()),
            parameters: parameters.iter().map(|(name, given)| ((*name).to_owned(), values(given))).collect(),
            ..Default::default()
        }
    }

    fn text(document: &str, parameters: Parameters<'_>) -> String {
        wanted(&request(document, parameters))
            .map_or_else(|error| error.message, |wanted| format!("{wanted:?}"))
    }

    #[test]
    fn documents_say_what_is_wanted() {
        let forward = "AWS-StartPortForwardingSession";
        let remote = "AWS-StartPortForwardingSessionToRemoteHost";
        let port: (&str, &[&str]) = ("portNumber", &["80"]);
        let rows: [(&str, Parameters<'_>, &str); 9] = [
            ("", &[], r#"Command(["sh"])"#),
            (
                forward,
                &[port, ("localPortNumber", &["0"])],
                r#"Port { host: "", port: 80, local: {"localPortNumber": "0"}, is_single: false }"#,
            ),
            (
                remote,
                &[port, ("host", &["db.internal"])],
                r#"Port { host: "db.internal", port: 80, local: {}, is_single: false }"#,
            ),
            ("AWS-StartSSHSession", &[], r#"Port { host: "", port: 22, local: {}, is_single: true }"#),
            (remote, &[port], "The document needs a value for host."),
            (forward, &[], "The document needs a value for portNumber."),
            (forward, &[("portNumber", &["0"])], "portNumber is a number from 1 to 65535, not 0."),
            (forward, &[("portNumber", &["80", "81"])], "portNumber has one value."),
            ("AWS-RunShellScript", &[], "Document with name AWS-RunShellScript does not exist."),
        ];
        for (document, parameters, expected) in rows {
            assert_eq!(text(document, parameters), expected, "{document}");
        }
    }
}
