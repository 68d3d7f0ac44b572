//! The containers of a dev cluster, removed through the container engine's own command line: nobody else's are touched.

use std::process::{Command, Output};

use crate::failure::Failure;
use crate::names::short;

/// The label by which an agent knows its own containers.
const LABEL: &str = "berth.container-instance";

/// Removes every container of these instances, and returns how many there were.
pub(super) fn remove(instance_ids: &[String], docker_host: Option<&str>) -> Result<usize, Failure> {
    let mut all = Vec::new();
    for id in instance_ids {
        let listed = docker(
            docker_host,
            &["ps", "-aq", "--no-trunc", "--filter", &format!("label={LABEL}={}", short(id))],
        )?;
        all.extend(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned));
    }
    // One command line takes only so much.
    for some in all.chunks(100) {
        let mut arguments = vec!["rm", "--force", "--volumes"];
        arguments.extend(some.iter().map(String::as_str));
        docker(docker_host, &arguments)?;
    }
    Ok(all.len())
}

fn docker(host: Option<&str>, arguments: &[&str]) -> Result<Output, Failure> {
    let mut command = Command::new("docker");
    if let Some(host) = host {
        command.args(["--host", host]);
    }
    let failed = |why: String| {
        Failure::refused(format!("`docker {}` failed: {why}", arguments.first().copied().unwrap_or_default()))
            .hint(format!(
                "remove what is left yourself: `docker rm -f $(docker ps -aq --filter label={LABEL})`"
            ))
    };
    let output = command.args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(output)
}
