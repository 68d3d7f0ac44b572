//! Until services are stable: one deployment, and as many tasks running as desired. A failed deployment ends the wait
//! at once, whether or not it is rolled back.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_proto::ecs::v1::{Deployment, DeploymentRolloutState, Service, ServiceEvent};
use tokio::time::Instant;

use super::POLL;
use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::names::short;
use crate::output::Ink;
use crate::progress::Progress;
use crate::time::unix_ms;
use crate::view::service::{primary, timed_event_line};

/// What the request just before the wait did is shown as well, even when the clocks of two hosts differ a little.
const CLOCKS_DIFFER_MS: i64 = 1_000;

/// How a service stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Stable,
    Waiting,
    Failed(String),
}

/// Which events a wait shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Story {
    /// Those of the deployment that is under way, from its beginning: for a wait by itself.
    #[default]
    Deployment,
    /// Those since the wait began: for a wait that follows a change.
    SinceNow,
}

/// One service over the time of a wait.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    story: Story,
    /// When the wait began.
    began_unix_ms: i64,
    /// Deployment and task definition that the wait is for: those found first.
    wanted: Option<(String, String)>,
    seen: BTreeSet<String>,
}

/// Waits until all of them are stable.
pub(crate) async fn until_stable(
    context: &Context,
    session: &Session,
    names: &[String],
    timeout: Duration,
    story: Story,
) -> Result<Vec<Service>, Failure> {
    let session = session.patient();
    let deadline = Instant::now() + timeout;
    let mut watches: Vec<Watch> = names.iter().map(|_| Watch::new(context.now_unix_ms(), story)).collect();
    let mut progress = Progress::start(&context.output, &format!("waiting for {}", names.join(", ")));
    let mut last_event = None;
    loop {
        let response = api::services(&session, names).await?;
        api::all_found(
            &response.failures,
            "service",
            "`berth service list` shows the services of the cluster",
        )?;
        let verdicts: Vec<Verdict> = response
            .services
            .iter()
            .zip(&mut watches)
            .map(|(service, watch)| {
                let verdict = watch.judge(service);
                for event in watch.news(service) {
                    progress
                        .say(&context.output.error_ink(Ink::Dim, &format!("  {}", timed_event_line(&event))));
                    last_event = Some(event);
                }
                verdict
            })
            .collect();
        if let Some(failure) = verdicts.iter().zip(&response.services).find_map(failed) {
            return Err(failure);
        }
        if !verdicts.is_empty() && verdicts.iter().all(|verdict| *verdict == Verdict::Stable) {
            progress.done(&stable(&response.services));
            return Ok(response.services);
        }
        let lines: Vec<String> = response.services.iter().map(line).collect();
        progress.update_all(&lines);
        if Instant::now() >= deadline {
            let failure = Failure::timed_out(format!("not stable after {timeout:?}: {}", lines.join("; ")));
            return Err(match last_event {
                Some(event) => failure.hint(format!("its last event: {}", event.message())),
                None => {
                    failure.hint(format!("`berth service events {}` tells what holds it up", names.join(" ")))
                }
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn failed((verdict, service): (&Verdict, &Service)) -> Option<Failure> {
    let Verdict::Failed(reason) = verdict else {
        return None;
    };
    let name = service.service_name();
    Some(Failure::wait_failed(format!("service {name}: {reason}")).hint(format!(
        "`berth service events {name}` tells what happened, `berth ps --all --service {name}` how its tasks ended"
    )))
}

fn stable(services: &[Service]) -> String {
    let one = |service: &Service| {
        let count = service.running_count();
        let task_definition = short(service.task_definition());
        format!(
            "{} is stable: {count}/{} running {task_definition}",
            service.service_name(),
            service.desired_count()
        )
    };
    services.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `web: 2/3 running, 1 pending, deploying web:4`.
fn line(service: &Service) -> String {
    let mut line = format!(
        "{}: {}/{} running",
        service.service_name(),
        service.running_count(),
        service.desired_count()
    );
    if service.pending_count() > 0 {
        line.push_str(&format!(", {} pending", service.pending_count()));
    }
    if let [newest, _, ..] = service.deployments.as_slice() {
        let newest = primary(service).unwrap_or(newest);
        line.push_str(&format!(
            ", deploying {} ({}/{})",
            short(newest.task_definition()),
            newest.running_count(),
            newest.desired_count()
        ));
    }
    line
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(began_unix_ms: i64, story: Story) -> Self {
        Self { story, began_unix_ms, ..Self::default() }
    }

    /// Looks at the service once more.
    pub(crate) fn judge(&mut self, service: &Service) -> Verdict {
        if matches!(service.status(), "DRAINING" | "INACTIVE") {
            return Verdict::Failed(format!("it is being deleted ({})", service.status()));
        }
        if let Some(deployment) = service.deployments.iter().find(|deployment| has_failed(deployment)) {
            let reason = match deployment.rollout_state_reason() {
                "" => "its deployment failed",
                reason => reason,
            };
            return Verdict::Failed(format!(
                "deployment of {}: {reason}",
                short(deployment.task_definition())
            ));
        }
        let Some(primary) = primary(service) else {
            return Verdict::Waiting;
        };
        if primary.rollout_state_reason().contains("rolling back") {
            return Verdict::Failed(primary.rollout_state_reason().to_owned());
        }
        let found = (primary.id().to_owned(), primary.task_definition().to_owned());
        let wanted = self.wanted.get_or_insert_with(|| found.clone());
        let is_stable = service.deployments.len() == 1 && service.running_count() == service.desired_count();
        if is_stable && wanted.0 != found.0 && wanted.1 != found.1 {
            return Verdict::Failed(format!(
                "it went to {} instead of {}: rolled back, or changed by somebody else",
                short(&found.1),
                short(&wanted.1)
            ));
        }
        if is_stable { Verdict::Stable } else { Verdict::Waiting }
    }

    /// The events that were not shown yet, oldest first: those of a deployment that is under way from its beginning,
    /// otherwise those since the wait began.
    pub(crate) fn news(&mut self, service: &Service) -> Vec<ServiceEvent> {
        let since_unix_ms = match primary(service) {
            Some(deployment)
                if self.story == Story::Deployment
                    && deployment.rollout_state() != DeploymentRolloutState::Completed =>
            {
                deployment.created_at.as_ref().map(unix_ms).unwrap_or_default()
            }
            _ => self.began_unix_ms - CLOCKS_DIFFER_MS,
        };
        let is_first_look = self.seen.is_empty();
        let is_settled = service.deployments.len() == 1 && service.running_count() == service.desired_count();
        let mut news = Vec::new();
        for event in service.events.iter().rev() {
            let is_new = self.seen.insert(event.id().to_owned());
            let is_current = event.created_at.as_ref().is_some_and(|at| unix_ms(at) >= since_unix_ms);
            if is_new && is_current && !(is_first_look && is_settled) {
                news.push(event.clone());
            }
        }
        news
    }
}

fn has_failed(deployment: &Deployment) -> bool {
    deployment.rollout_state() == DeploymentRolloutState::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(id: &str, status: &str, task_definition: &str) -> Deployment {
        Deployment {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            task_definition: Some(format!("arn:aws:ecs:r:0:task-definition/{task_definition}")),
            desired_count: Some(3),
            running_count: Some(1),
            created_at: Some(prost_types::Timestamp { seconds: 100, nanos: 0 }),
            ..Deployment::default()
        }
    }

    fn service(running: i32, deployments: Vec<Deployment>) -> Service {
        Service {
            service_name: Some("web".to_owned()),
            status: Some("ACTIVE".to_owned()),
            desired_count: Some(3),
            running_count: Some(running),
            pending_count: Some(3 - running),
            deployments,
            ..Service::default()
        }
    }

    #[test]
    fn stable_is_one_deployment_with_all_its_tasks() {
        let new = deployment("ecs-svc/2", "PRIMARY", "web:2");
        let old = deployment("ecs-svc/1", "ACTIVE", "web:1");
        let mut watch = Watch::default();
        assert_eq!(watch.judge(&service(3, vec![new.clone(), old])), Verdict::Waiting);
        assert_eq!(watch.judge(&service(2, vec![new.clone()])), Verdict::Waiting);
        assert_eq!(watch.judge(&service(3, vec![new])), Verdict::Stable);
    }

    #[test]
    fn a_failed_deployment_ends_the_wait() {
        let mut failed = deployment("ecs-svc/2", "PRIMARY", "web:2");
        failed.rollout_state = Some(DeploymentRolloutState::Failed.into());
        failed.rollout_state_reason =
            Some("ECS deployment circuit breaker: tasks failed to start.".to_owned());
        let expected = "deployment of web:2: ECS deployment circuit breaker: tasks failed to start.";
        let verdict = Watch::default().judge(&service(0, vec![failed]));
        assert_eq!(verdict, Verdict::Failed(expected.to_owned()));
    }

    #[test]
    fn stable_on_the_old_revision_is_a_failure_of_the_new_one() {
        let mut watch = Watch::default();
        let new = deployment("ecs-svc/2", "PRIMARY", "web:2");
        assert_eq!(watch.judge(&service(1, vec![new])), Verdict::Waiting);
        let back = deployment("ecs-svc/3", "PRIMARY", "web:1");
        assert!(
            matches!(watch.judge(&service(3, vec![back])), Verdict::Failed(reason) if reason.contains("web:1 instead of web:2"))
        );
    }

    #[test]
    fn a_service_that_is_deleted_meanwhile_fails() {
        let mut gone = service(3, vec![deployment("ecs-svc/1", "PRIMARY", "web:1")]);
        gone.status = Some("DRAINING".to_owned());
        assert!(matches!(Watch::default().judge(&gone), Verdict::Failed(_)));
    }

    #[test]
    fn events_are_shown_once_and_only_those_of_this_deployment() {
        let event = |id: &str, seconds| ServiceEvent {
            id: Some(id.to_owned()),
            created_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            message: Some(id.to_owned()),
        };
        let mut watch = Watch::default();
        let mut service = service(1, vec![deployment("ecs-svc/1", "PRIMARY", "web:1")]);
        service.events = vec![event("b", 101), event("a", 100), event("before", 99)];
        let ids =
            |events: Vec<ServiceEvent>| events.iter().map(|event| event.id().to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(watch.news(&service)), ["a", "b"]);
        service.events.insert(0, event("c", 102));
        assert_eq!(ids(watch.news(&service)), ["c"]);
        assert!(watch.news(&service).is_empty());
        let mut watch = Watch::new(103_500, Story::SinceNow);
        service.events.insert(0, event("d", 103));
        assert_eq!(ids(watch.news(&service)), ["d"]);
    }

    #[test]
    fn says_how_far_it_is() {
        let new = deployment("ecs-svc/2", "PRIMARY", "web:2");
        let old = deployment("ecs-svc/1", "ACTIVE", "web:1");
        assert_eq!(
            line(&service(2, vec![new.clone(), old])),
            "web: 2/3 running, 1 pending, deploying web:2 (1/3)"
        );
        assert_eq!(line(&service(3, vec![new])), "web: 3/3 running");
    }
}
