//! `berth service revisions` and `berth service diff`: what a service was to run, and what changed in between.

use std::collections::{BTreeMap, BTreeSet};

use berth_proto::ecs::v1::{
    DescribeServiceRevisionsRequest, DescribeServiceRevisionsResponse, DescribeTaskDefinitionRequest,
    ListServiceDeploymentsRequest, ServiceRevision,
};
use clap::Args;
use serde_json::Value;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::json::{Described, to_value};
use crate::names::short;
use crate::output::Ink;
use crate::view::service_deployment as view;

/// The most that the API describes at once.
const AT_ONCE: usize = 20;

/// Members that differ between any two revisions and say nothing.
const NOISE: [&str; 5] = ["serviceRevisionArn", "createdAt", "taskDefinitionArn", "registeredAt", "revision"];

/// Show the revisions of a service, newest first
#[derive(Debug, Args)]
pub(crate) struct Revisions {
    /// The service
    name: String,
}

/// Show what differs between two revisions of a service
#[derive(Debug, Args)]
#[command(after_help = "\
Without revisions: what the newest one changed. A revision is an ARN or a number, as `berth service revisions` shows it.

Example:
  berth service diff web")]
pub(crate) struct Diff {
    /// The service
    name: String,
    /// The earlier revision
    #[arg(requires = "to")]
    from: Option<String>,
    /// The later revision
    to: Option<String>,
}

/// The revisions that the service deployments of a service refer to, newest first.
async fn all(session: &Session, name: &str) -> Result<Vec<ServiceRevision>, Failure> {
    let request = ListServiceDeploymentsRequest {
        cluster: session.cluster(),
        service: Some(api::service_name(name)),
        max_results: Some(100),
        ..ListServiceDeploymentsRequest::default()
    };
    let mut arns: Vec<String> = Vec::new();
    for brief in api::every(&session.client, request).await? {
        let arn = brief.target_service_revision_arn.unwrap_or_default();
        if !arns.contains(&arn) {
            arns.push(arn);
        }
    }
    let mut revisions = Vec::new();
    for arns in arns.chunks(AT_ONCE) {
        let request = DescribeServiceRevisionsRequest { service_revision_arns: arns.to_vec() };
        revisions.extend(session.client.call(request).await?.service_revisions);
    }
    Ok(revisions)
}

fn number(revision: &ServiceRevision) -> &str {
    short(revision.service_revision_arn())
}

// === impl Revisions ===

impl Revisions {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let service_revisions = all(session, &self.name).await?;
        let response = DescribeServiceRevisionsResponse { service_revisions, failures: Vec::new() };
        let revisions = &response.service_revisions;
        context.output.result(
            &response,
            || revisions.iter().map(|revision| number(revision).to_owned()).collect(),
            || {
                context
                    .output
                    .table(&view::revisions(revisions, context.now_unix_ms()), "It has no revision.")
            },
        )
    }
}

// === impl Diff ===

impl Diff {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let revisions = all(session, &self.name).await?;
        let find = |text: &str| {
            let found = revisions.iter().find(|revision| number(revision) == short(text));
            found.ok_or_else(|| {
                Failure::refused(format!("service {} has no revision {text}", self.name))
                    .hint(format!("`berth service revisions {}` shows them", self.name))
            })
        };
        let (from, to) = match (&self.from, &self.to, revisions.as_slice()) {
            (Some(from), Some(to), _) => (find(from)?, find(to)?),
            (_, _, [to, from, ..]) => (from, to),
            (_, _, _) => {
                return Err(Failure::refused(format!(
                    "service {} has no two revisions to compare",
                    self.name
                )));
            }
        };
        let (before, after) = (whole(session, from).await?, whole(session, to).await?);
        let changes = changes(&before, &after);
        let names = || changes.iter().map(|change| change.path.clone()).collect();
        context.output.document(&documents(&changes), names, || {
            let mut text = format!("--- {} {}\n", number(from), short(from.task_definition()));
            text.push_str(&format!("+++ {} {}\n", number(to), short(to.task_definition())));
            for Change { path, before, after } in &changes {
                let line = |sign: &str, ink: Ink, value: &Option<Value>| match value {
                    Some(value) => context.output.ink(ink, &format!("{sign} {path}: {value}")) + "\n",
                    None => String::new(),
                };
                text.push_str(&line("-", Ink::Red, before));
                text.push_str(&line("+", Ink::Green, after));
            }
            text
        })
    }
}

/// One member that differs.
#[derive(Debug, PartialEq)]
struct Change {
    path: String,
    before: Option<Value>,
    after: Option<Value>,
}

fn documents(changes: &[Change]) -> Vec<Value> {
    let document = |change: &Change| serde_json::json!({"path": change.path, "before": change.before, "after": change.after});
    changes.iter().map(document).collect()
}

/// A revision with the task definition that it runs, member by member.
async fn whole(session: &Session, revision: &ServiceRevision) -> Result<BTreeMap<String, Value>, Failure> {
    let mut members = BTreeMap::new();
    flatten("", &json(revision), &mut members);
    let request = DescribeTaskDefinitionRequest {
        task_definition: revision.task_definition.clone(),
        ..DescribeTaskDefinitionRequest::default()
    };
    let definition = session.client.call(request).await?;
    let definition = json(&definition);
    flatten("taskDefinition", &definition["taskDefinition"], &mut members);
    Ok(members)
}

fn json<M: Described>(message: &M) -> Value {
    to_value(message)
}

/// Every member by its path, such as `containerDefinitions[web].image`.
fn flatten(path: &str, value: &Value, members: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter().filter(|(name, _)| !NOISE.contains(&name.as_str())) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, members);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                let name = ["name", "containerName"].iter().find_map(|key| value.get(key)?.as_str());
                let at = name.map_or_else(|| at.to_string(), str::to_owned);
                flatten(&format!("{path}[{at}]"), value, members);
            }
        }
        value => {
            members.insert(path.to_owned(), value.clone());
        }
    }
}

fn changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<Change> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |path: &String| Change {
        path: path.clone(),
        before: before.get(path).cloned(),
        after: after.get(path).cloned(),
    };
    paths.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown_by_the_names_of_containers() {
        let members = |image: &str, more: Value| {
            let mut members = BTreeMap::new();
            let one = json!({
                "serviceRevisionArn": image,
                "containers": [{"name": "web", "image": image, "cpu": 1}],
                "more": more,
            });
            flatten("", &one, &mut members);
            members
        };
        let changes = changes(&members("web:1", json!(null)), &members("web:2", json!({"a": true})));
        let text: Vec<String> = changes
            .iter()
            .map(|change| format!("{} {:?} {:?}", change.path, change.before, change.after))
            .collect();
        assert_eq!(
            text,
            [
                r#"containers[web].image Some(String("web:1")) Some(String("web:2"))"#,
                r#"more Some(Null) None"#,
                r#"more.a None Some(Bool(true))"#,
            ]
        );
    }
}
