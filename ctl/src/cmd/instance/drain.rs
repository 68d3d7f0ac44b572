//! `berth instance drain`: services move their tasks away; with `--wait`, until nothing runs there.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_proto::ecs::v1::Failure as Missing;
use berth_proto::scheduler::v1::{
    DescribeDrainsRequest, DescribeDrainsResponse, Drain as Progressing, DrainInstancesRequest, DrainPhase,
};
use clap::Args;
use tokio::time::Instant;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::names::{short, short_id};
use crate::progress::Progress;
use crate::time::parse_duration;
use crate::view;
use crate::wait::POLL;

/// Let services move their tasks away, and place nothing new
#[derive(Debug, Args)]
#[command(after_help = "\
Tasks that belong to no service are left alone unless --stop-standalone says otherwise; `berth instance drains` names
what a drain waits for. An instance whose agent is gone does not keep --wait waiting.

Examples:
  berth instance drain 3f2a91c0b7e4 --wait --timeout 10m
  berth instance drain 3f2a91c0b7e4 --deadline 5m --stop-standalone --wait
  berth instance activate 3f2a91c0b7e4")]
pub(crate) struct Drain {
    /// Ids, their beginnings, or ARNs
    #[arg(required = true)]
    instances: Vec<String>,
    /// When this time is over, stop what is left of services, whatever their deployment configuration says
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    deadline: Option<Duration>,
    /// At the deadline, stop tasks of no service as well
    #[arg(long, requires = "deadline")]
    stop_standalone: bool,
    /// Wait until nothing runs there any more
    #[arg(long)]
    wait: bool,
    /// How long at most; exits with 4 when the time is over
    #[arg(long, value_parser = parse_duration, default_value = "30m", value_name = "TIME")]
    timeout: Duration,
}

/// `berth instance drains`.
pub(super) async fn list(context: &Context, session: &Session) -> Result<(), Failure> {
    let response = drains(session, Vec::new()).await?;
    show(context, &response, &response.drains)
}

// === impl Drain ===

impl Drain {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let ids = api::whole_instance_ids(session, &self.instances).await?;
        let request = DrainInstancesRequest {
            cluster: session.cluster.clone(),
            container_instances: ids.clone(),
            deadline_seconds: self.deadline.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
            stop_standalone: self.stop_standalone,
        };
        let response = session.client.call(request).await?;
        found(&response.failures)?;
        if self.wait {
            return self.until_empty(context, &session.patient(), &ids).await;
        }
        show(context, &response, &response.drains)
    }

    async fn until_empty(&self, context: &Context, session: &Session, ids: &[String]) -> Result<(), Failure> {
        let end = Instant::now() + self.timeout;
        let mut progress = Progress::start(&context.output, "draining");
        loop {
            let response = drains(session, ids.to_vec()).await?;
            found(&response.failures)?;
            let is_open = |drain: &&Progressing| drain.phase() == DrainPhase::Draining;
            if response.drains.iter().any(|drain| drain.phase() == DrainPhase::NotDraining) {
                return Err(Failure::wait_failed("somebody made the instance ACTIVE again"));
            }
            if response.drains.iter().find(is_open).is_none() {
                progress.done(&outcome(&response.drains));
                return Ok(());
            }
            let summary = summary(&response.drains);
            progress.update(&summary);
            if Instant::now() >= end {
                let failure = Failure::timed_out(format!("not drained after {:?}, {summary}", self.timeout));
                return Err(failure.hint("`berth instance drains` tells what each task waits for"));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn drains(session: &Session, instances: Vec<String>) -> Result<DescribeDrainsResponse, Failure> {
    let request = DescribeDrainsRequest { cluster: session.cluster.clone(), container_instances: instances };
    session.client.call(request).await
}

fn found(missing: &[Missing]) -> Result<(), Failure> {
    api::all_found(missing, "container instance", "`berth instance list` shows those of the cluster")
}

fn show(
    context: &Context,
    response: &impl crate::json::Described,
    drains: &[Progressing],
) -> Result<(), Failure> {
    let ids = || drains.iter().map(|drain| short(&drain.container_instance_arn).to_owned()).collect();
    let table = view::scheduler::drains(drains);
    context.output.result(response, ids, || context.output.table(&table, "No instance is DRAINING."))
}

/// How the waiting ended.
fn outcome(drains: &[Progressing]) -> String {
    let lost: Vec<&str> = drains
        .iter()
        .filter(|drain| drain.phase() == DrainPhase::Lost)
        .map(|drain| short_id(&drain.container_instance_arn))
        .collect();
    if lost.is_empty() {
        return "drained: nothing runs there any more".to_owned();
    }
    format!("drained, but the agents of {} are gone: nobody knows what still runs there", lost.join(", "))
}

/// `4 of 9 tasks left: 2 of service web (its successor is not healthy yet), task 3f2a91c0b7e4 (…)`.
fn summary(drains: &[Progressing]) -> String {
    let blockers: Vec<_> = drains.iter().flat_map(|drain| &drain.blockers).collect();
    let began: u32 = drains.iter().map(|drain| drain.tasks_at_start).sum();
    let mut services = BTreeMap::<(&str, &str), usize>::new();
    let mut parts = Vec::new();
    for blocker in &blockers {
        match blocker.service.as_str() {
            "" => parts.push(format!("task {} ({})", short_id(&blocker.task_arn), blocker.reason)),
            service => *services.entry((service, &blocker.reason)).or_default() += 1,
        }
    }
    let services =
        services.iter().map(|((service, reason), count)| format!("{count} of service {service} ({reason})"));
    let parts: Vec<String> = services.chain(parts).collect();
    format!("{} of {began} tasks left: {}", blockers.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use berth_proto::scheduler::v1::Blocker;

    use super::*;

    #[test]
    fn names_what_still_runs_and_what_it_waits_for() {
        let blocker = |service: &str, id: &str, reason: &str| Blocker {
            service: service.to_owned(),
            task_arn: format!("arn:aws:ecs:r:0:task/default/{id}"),
            reason: reason.to_owned(),
            ..Blocker::default()
        };
        let drain = Progressing {
            tasks_at_start: 9,
            blockers: vec![
                blocker("web", "1", "it is stopping"),
                blocker("", "3f2a91c0b7e4aaaa", "no service wants it"),
                blocker("web", "2", "it is stopping"),
            ],
            ..Progressing::default()
        };
        assert_eq!(
            summary(&[drain]),
            "3 of 9 tasks left: 2 of service web (it is stopping), task 3f2a91c0b7e4 (no service wants it)"
        );
    }

    #[test]
    fn says_when_an_agent_is_gone() {
        let drain = |phase: DrainPhase| Progressing { phase: phase.into(), ..Progressing::default() };
        assert_eq!(outcome(&[drain(DrainPhase::Done)]), "drained: nothing runs there any more");
        assert!(outcome(&[drain(DrainPhase::Done), drain(DrainPhase::Lost)]).contains("are gone"));
    }
}
