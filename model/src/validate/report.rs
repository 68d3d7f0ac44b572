//! What agents report, parsed: unknown words are errors, never panics.

use core::net::Ipv4Addr;
use std::sync::Arc;

use berth_proto::agent::v1 as agent;
use berth_proto::ecs::v1 as pb;

use crate::command::TaskReport;
use crate::limits::{LAST_LOG_LINE_BYTES, LAST_LOG_LINES};
use crate::port_range::PortRange;
use crate::task::{
    ContainerObservation, ContainerStatus, Health, Observed, PortBinding, Stop, StopCode, TaskStatus,
};
use crate::time::Timestamp;

/// A report that makes no sense; the session drops it and says so in its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("report of task {task:?}: {problem}")]
pub struct Malformed {
    /// The task, as the report names it.
    pub task: String,
    /// What is wrong.
    pub problem: String,
}

/// The report of one task.
pub fn observed(report: &agent::TaskReport) -> Result<TaskReport, Malformed> {
    let malformed = |problem: String| Malformed { task: report.task_id.clone(), problem };
    let task = report.task_id.parse().map_err(|_| malformed("its id is not one".into()))?;
    if report.version == 0 {
        return Err(malformed("its version is 0, and versions count from 1".into()));
    }
    let last_status = TaskStatus::parse(&report.last_status)
        .ok_or_else(|| malformed(format!("unknown status {:?}", report.last_status)))?;
    let containers = report.containers.iter().map(container).collect::<Result<_, _>>().map_err(malformed)?;
    let time = |message: Option<&prost_types::Timestamp>| message.map(Timestamp::from_message);
    let observed = Observed {
        report_version: report.version,
        last_status,
        containers,
        health: health(report.health_status).map_err(malformed)?,
        pull_started_at: time(report.pull_started_at.as_ref()),
        pull_stopped_at: time(report.pull_stopped_at.as_ref()),
        started_at: time(report.started_at.as_ref()),
        stopping_at: time(report.stopping_at.as_ref()),
        execution_stopped_at: time(report.execution_stopped_at.as_ref()),
        stopped_at: time(report.stopped_at.as_ref()),
        stop: stop(report).map_err(malformed)?,
        address: address(report).map_err(malformed)?,
    };
    Ok(TaskReport { task, observed })
}

fn address(report: &agent::TaskReport) -> Result<Option<Ipv4Addr>, String> {
    let text = Some(&report.address).filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|_| format!("{text:?} is no address"))).transpose()
}

/// Why it stopped. It was seen when the task began to stop or, failing that, when it was over.
fn stop(report: &agent::TaskReport) -> Result<Option<Stop>, String> {
    let Some(number) = report.stop_code else { return Ok(None) };
    let code = pb::TaskStopCode::try_from(number).map_err(|_| format!("unknown stop code {number}"))?;
    let code = match code {
        pb::TaskStopCode::Unspecified => return Ok(None),
        pb::TaskStopCode::TaskFailedToStart => StopCode::TaskFailedToStart,
        pb::TaskStopCode::EssentialContainerExited => StopCode::EssentialContainerExited,
        pb::TaskStopCode::UserInitiated => StopCode::UserInitiated,
        pb::TaskStopCode::ServiceSchedulerInitiated => StopCode::ServiceSchedulerInitiated,
        pb::TaskStopCode::SpotInterruption => StopCode::SpotInterruption,
        pb::TaskStopCode::TerminationNotice => StopCode::TerminationNotice,
        pb::TaskStopCode::InfrastructureHealth => StopCode::InfrastructureHealth,
    };
    let seen =
        report.stopping_at.as_ref().or(report.execution_stopped_at.as_ref()).or(report.stopped_at.as_ref());
    let at = seen.map(Timestamp::from_message).unwrap_or_default();
    Ok(Some(Stop { code, reason: Arc::from(report.stopped_reason.as_str()), at }))
}

fn container(report: &agent::ContainerReport) -> Result<ContainerObservation, String> {
    let name = &report.name;
    let last_status = ContainerStatus::parse(&report.last_status)
        .ok_or_else(|| format!("unknown status {:?} of container {name:?}", report.last_status))?;
    Ok(ContainerObservation {
        name: name.clone(),
        runtime_id: report.runtime_id.clone(),
        image_digest: report.image_digest.clone(),
        last_status,
        exit_code: report.exit_code,
        reason: report.reason.clone(),
        bindings: report
            .network_bindings
            .iter()
            .map(|binding| self::binding(name, binding))
            .collect::<Result<_, _>>()?,
        health: health(report.health_status)?,
        last_log_lines: last_log_lines(report),
    })
}

/// What is more than the bounds allow is cut, the oldest lines first.
fn last_log_lines(report: &agent::ContainerReport) -> Vec<String> {
    let cut = |line: &String| {
        let mut line = line.clone();
        let fits = |at: &usize| line.is_char_boundary(*at);
        let end = (0..=line.len().min(LAST_LOG_LINE_BYTES)).rev().find(fits).unwrap_or(0);
        line.truncate(end);
        line
    };
    let skipped = report.last_log_lines.len().saturating_sub(LAST_LOG_LINES);
    report.last_log_lines.iter().skip(skipped).map(cut).collect()
}

fn binding(container: &str, binding: &pb::NetworkBinding) -> Result<PortBinding, String> {
    let (container_port, host_port, further) = ports(container, binding)?;
    Ok(PortBinding {
        bind_ip: binding.bind_ip().to_owned(),
        container_port,
        host_port,
        further,
        udp: match pb::TransportProtocol::try_from(binding.protocol.unwrap_or_default()) {
            Ok(pb::TransportProtocol::Udp) => true,
            Ok(pb::TransportProtocol::Tcp | pb::TransportProtocol::Unspecified) => false,
            Err(_) => return Err(format!("unknown protocol of a port of container {container:?}")),
        },
    })
}

/// The first port in the container, the first on the host, and how many follow.
fn ports(container: &str, binding: &pb::NetworkBinding) -> Result<(u16, u16, u16), String> {
    let port = |port: i32| {
        u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| format!("port {port} of container {container:?}"))
    };
    let range = |text: &str| {
        text.parse::<PortRange>().map_err(|_| format!("port range {text:?} of container {container:?}"))
    };
    let (Some(inside), Some(outside)) = (&binding.container_port_range, &binding.host_port_range) else {
        return Ok((port(binding.container_port())?, port(binding.host_port())?, 0));
    };
    let (inside, outside) = (range(inside)?, range(outside)?);
    if inside.further() != outside.further() {
        return Err(format!(
            "port ranges {inside} and {outside} of container {container:?} are not equally long"
        ));
    }
    Ok((inside.first(), outside.first(), inside.further()))
}

fn health(number: Option<i32>) -> Result<Health, String> {
    let number = number.unwrap_or_default();
    match pb::HealthStatus::try_from(number) {
        Ok(pb::HealthStatus::Unspecified | pb::HealthStatus::Unknown) => Ok(Health::Unknown),
        Ok(pb::HealthStatus::Healthy) => Ok(Health::Healthy),
        Ok(pb::HealthStatus::Unhealthy) => Ok(Health::Unhealthy),
        Err(_) => Err(format!("unknown health status {number}")),
    }
}
