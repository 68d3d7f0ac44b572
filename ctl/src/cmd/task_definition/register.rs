//! `berth task-definition register`: a revision from a file, as AWS and its tools write them.

use berth_proto::ecs::v1::{RegisterTaskDefinitionRequest, Tag};
use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::failure::Failure;
use crate::input;
use crate::syntax;

/// Register a revision from a file
#[derive(Debug, Args)]
#[command(after_help = "\
The file is JSON as AWS writes it, or the same as YAML. What `describe -o json` prints is taken as \
well. A member that the API does not know is an error.

Examples:
  berth task-definition register -f web.json
  berth td register -f web.yaml --image app=registry.example/web:v42 -o name
  berth td describe web -o json | jq '.taskDefinition.cpu = \"512\"' | berth td register -f -")]
pub(crate) struct Register {
    /// The file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: String,
    /// Register it under this family instead
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// The image of one container instead of the file's
    #[arg(long = "image", value_parser = syntax::key_value, value_name = "CONTAINER=IMAGE")]
    images: Vec<(String, String)>,
    /// A tag, added to the file's
    #[arg(long = "tag", value_parser = syntax::tag, value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
}

/// What the API adds to a registered task definition, and does not take back.
const MADE_BY_THE_API: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

// === impl Register ===

impl Register {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (document, dropped) = registrable(input::read_document(&self.file)?);
        if !dropped.is_empty() {
            context.output.note(&format!("Left out what the API makes itself: {}.", dropped.join(", ")));
        }
        let mut request: RegisterTaskDefinitionRequest = input::message_of(&document, &self.file)?;
        self.change(&mut request)?;
        let response = context.connect()?.client.call(request).await?;
        super::show(context, &response, response.task_definition.as_slice())
    }

    /// Applies the flags to what the file says.
    fn change(self, request: &mut RegisterTaskDefinitionRequest) -> Result<(), Failure> {
        for (name, image) in self.images {
            let container =
                request.container_definitions.iter_mut().find(|container| container.name() == name);
            match container {
                Some(container) => container.image = Some(image),
                None => {
                    let known: Vec<&str> =
                        request.container_definitions.iter().map(|one| one.name()).collect();
                    return Err(Failure::usage(format!("the file has no container `{name}`"))
                        .hint(format!("it has {}", known.join(", "))));
                }
            }
        }
        request.family = self.family.or_else(|| request.family.take());
        request.tags.extend(self.tags);
        if request.family().is_empty() {
            return Err(Failure::usage(format!("{} names no family", self.file))
                .hint("add the member `family`, or `--family NAME`"));
        }
        Ok(())
    }
}

/// The document without what only a registered task definition has, and the members that were left out.
pub(crate) fn registrable(document: Value) -> (Value, Vec<&'static str>) {
    let mut members = match document {
        Value::Object(members) => members,
        other => return (other, Vec::new()),
    };
    if members.get("taskDefinition").is_some_and(Value::is_object)
        && let Some(Value::Object(inner)) = members.remove("taskDefinition")
    {
        let tags = members.remove("tags");
        members = inner;
        if let Some(tags) = tags {
            members.entry("tags").or_insert(tags);
        }
    }
    let made = |name: &&&str| members.contains_key(**name);
    let dropped: Vec<&'static str> = MADE_BY_THE_API.iter().filter(made).copied().collect();
    for name in &dropped {
        members.remove(*name);
    }
    (Value::Object(members), dropped)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_describe_prints_can_be_registered() {
        let described = json!({
            "taskDefinition": {
                "taskDefinitionArn": "arn:aws:ecs:r:0:task-definition/web:3",
                "family": "web",
                "revision": 3,
                "status": "ACTIVE",
                "containerDefinitions": [{"name": "app", "image": "nginx"}],
            },
            "tags": [{"key": "team", "value": "x"}],
        });
        let (document, dropped) = registrable(described);
        assert_eq!(dropped, ["taskDefinitionArn", "revision", "status"]);
        assert_eq!(
            document,
            json!({
                "family": "web",
                "containerDefinitions": [{"name": "app", "image": "nginx"}],
                "tags": [{"key": "team", "value": "x"}],
            })
        );
    }

    #[test]
    fn flags_change_what_the_file_says() {
        let document = json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "nginx"}]});
        let mut request: RegisterTaskDefinitionRequest =
            input::message_of(&document, "web.json").expect("a task definition");
        let register = |images: Vec<(String, String)>| Register {
            file: "web.json".to_owned(),
            family: Some("api".to_owned()),
            images,
            tags: Vec::new(),
        };
        register(vec![("app".to_owned(), "web:2".to_owned())]).change(&mut request).expect("known");
        assert_eq!((request.family(), request.container_definitions[0].image()), ("api", "web:2"));
        let failure =
            register(vec![("sidecar".to_owned(), "x".to_owned())]).change(&mut request).expect_err("unknown");
        assert_eq!(failure.hint.as_deref(), Some("it has app"));
    }
}
