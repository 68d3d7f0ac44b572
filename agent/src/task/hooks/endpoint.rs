//! What a container is told of the endpoint that it may ask, and of where it runs.

use super::{Context, Surroundings, pair};
use crate::runtime::Launch;

pub(super) fn add(context: &Context<'_>, surroundings: &Surroundings<'_>, at: usize, launch: &mut Launch) {
    let desired = context.task.desired();
    let environment = &mut launch.definition.environment;
    if let Some(endpoint) = surroundings.endpoint {
        for (name, value) in endpoint.environment(desired, at) {
            environment.retain(|pair| pair.name() != name);
            environment.push(pair(name, value));
        }
    }
    let mut unless_said = vec![("AWS_EXECUTION_ENV", "AWS_ECS_EC2".to_owned())];
    if let Some(region) = desired.arn.split(':').nth(3).filter(|region| !region.is_empty()) {
        unless_said.extend(["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name, region.to_owned())));
    }
    for (name, value) in unless_said {
        if !environment.iter().any(|pair| pair.name() == name) {
            environment.push(pair(name, value));
        }
    }
}
