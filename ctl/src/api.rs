//! The API as commands want it: every page of a list, any number of things described, ids by their beginning.

use std::collections::BTreeSet;

use berth_proto::ecs::v1::{
    DescribeClustersRequest, DescribeClustersResponse, DescribeContainerInstancesRequest,
    DescribeContainerInstancesResponse, DescribeServicesRequest, DescribeServicesResponse,
    DescribeTasksRequest, DescribeTasksResponse, DesiredStatus, Failure as Missing, ListAttributesRequest,
    ListClustersRequest, ListContainerInstancesRequest, ListServiceDeploymentsRequest, ListServicesRequest,
    ListTaskDefinitionFamiliesRequest, ListTaskDefinitionsRequest, ListTasksRequest,
};

use berth_proto::secretsmanager::v1::ListSecretsRequest;
use berth_proto::ssm::v1::DescribeParametersRequest;

use crate::client::{Client, Operation};
use crate::context::Session;
use crate::failure::Failure;
use crate::names::{is_id_prefix, short, without_kind};

/// The most that the API describes at once: services are large, the rest is not.
const SERVICES_AT_ONCE: usize = 10;
const THINGS_AT_ONCE: usize = 100;

/// A list operation that answers in pages.
pub(crate) trait Paged: Operation {
    /// What the list is of.
    type Entry;
    /// Asks for the page after the one that ended with `token`.
    fn go_on(&mut self, token: String);
    /// The entries of a page, and the token for the next.
    fn entries(page: Self::Response) -> (Vec<Self::Entry>, Option<String>);
}

macro_rules! paged {
    ($($request:ident . $member:ident: $entry:ty;)*) => { $(
        impl Paged for $request {
            type Entry = $entry;
            fn go_on(&mut self, token: String) {
                self.next_token = Some(token);
            }
            fn entries(page: Self::Response) -> (Vec<$entry>, Option<String>) {
                (page.$member, page.next_token)
            }
        }
    )* };
}

paged! {
    ListClustersRequest.cluster_arns: String;
    ListServicesRequest.service_arns: String;
    ListTasksRequest.task_arns: String;
    ListServiceDeploymentsRequest.service_deployments: berth_proto::ecs::v1::ServiceDeploymentBrief;
    ListContainerInstancesRequest.container_instance_arns: String;
    ListTaskDefinitionsRequest.task_definition_arns: String;
    ListTaskDefinitionFamiliesRequest.families: String;
    ListAttributesRequest.attributes: berth_proto::ecs::v1::Attribute;
    DescribeParametersRequest.parameters: berth_proto::ssm::v1::ParameterMetadata;
    ListSecretsRequest.secret_list: berth_proto::secretsmanager::v1::SecretListEntry;
}

/// Every entry of every page.
pub(crate) async fn every<R: Paged>(client: &Client, mut request: R) -> Result<Vec<R::Entry>, Failure> {
    let mut all = Vec::new();
    loop {
        let (entries, next) = R::entries(client.call(request.clone()).await?);
        all.extend(entries);
        match next {
            Some(token) if !token.is_empty() => request.go_on(token),
            _ => return Ok(all),
        }
    }
}

/// Describes any number of services.
pub(crate) async fn services(
    session: &Session,
    names: &[String],
) -> Result<DescribeServicesResponse, Failure> {
    let mut all = DescribeServicesResponse::default();
    for names in names.chunks(SERVICES_AT_ONCE) {
        let request = DescribeServicesRequest {
            cluster: session.cluster(),
            services: names.iter().map(|name| service_name(name)).collect(),
            include: vec![berth_proto::ecs::v1::ServiceField::Tags.into()],
        };
        let page = session.client.call(request).await?;
        all.services.extend(page.services);
        all.failures.extend(page.failures);
    }
    Ok(all)
}

/// Describes any number of tasks.
pub(crate) async fn tasks(session: &Session, ids: &[String]) -> Result<DescribeTasksResponse, Failure> {
    let mut all = DescribeTasksResponse::default();
    for ids in ids.chunks(THINGS_AT_ONCE) {
        let request = DescribeTasksRequest {
            cluster: session.cluster(),
            tasks: ids.to_vec(),
            include: vec![berth_proto::ecs::v1::TaskField::Tags.into()],
        };
        let page = session.client.call(request).await?;
        all.tasks.extend(page.tasks);
        all.failures.extend(page.failures);
    }
    Ok(all)
}

/// Describes any number of container instances.
pub(crate) async fn instances(
    session: &Session,
    ids: &[String],
) -> Result<DescribeContainerInstancesResponse, Failure> {
    let mut all = DescribeContainerInstancesResponse::default();
    for ids in ids.chunks(THINGS_AT_ONCE) {
        let request = DescribeContainerInstancesRequest {
            cluster: session.cluster(),
            container_instances: ids.to_vec(),
            include: vec![berth_proto::ecs::v1::ContainerInstanceField::Tags.into()],
        };
        let page = session.client.call(request).await?;
        all.container_instances.extend(page.container_instances);
        all.failures.extend(page.failures);
    }
    Ok(all)
}

/// Describes any number of clusters.
pub(crate) async fn clusters(client: &Client, names: &[String]) -> Result<DescribeClustersResponse, Failure> {
    use berth_proto::ecs::v1::ClusterField::{Configurations, Settings, Statistics, Tags};
    let mut all = DescribeClustersResponse::default();
    for names in names.chunks(THINGS_AT_ONCE) {
        let include = [Configurations, Settings, Statistics, Tags].map(i32::from).to_vec();
        let page = client.call(DescribeClustersRequest { clusters: names.to_vec(), include }).await?;
        all.clusters.extend(page.clusters);
        all.failures.extend(page.failures);
    }
    Ok(all)
}

/// The ARNs of the cluster's tasks; `stopped` adds those that are kept for a while.
pub(crate) async fn task_arns(
    session: &Session,
    filter: ListTasksRequest,
    stopped: bool,
) -> Result<Vec<String>, Failure> {
    let filter = ListTasksRequest { cluster: session.cluster(), max_results: Some(100), ..filter };
    let mut arns = every(&session.client, filter.clone()).await?;
    if stopped {
        let desired_status = Some(DesiredStatus::Stopped.into());
        arns.extend(every(&session.client, ListTasksRequest { desired_status, ..filter }).await?);
    }
    Ok(arns)
}

/// The ARNs of the cluster's services.
pub(crate) async fn service_arns(session: &Session) -> Result<Vec<String>, Failure> {
    let request = ListServicesRequest {
        cluster: session.cluster(),
        max_results: Some(100),
        ..ListServicesRequest::default()
    };
    every(&session.client, request).await
}

/// The ARNs of the cluster's container instances, of any status.
pub(crate) async fn instance_arns(session: &Session, filter: Option<String>) -> Result<Vec<String>, Failure> {
    let request = ListContainerInstancesRequest {
        cluster: session.cluster(),
        filter,
        max_results: Some(100),
        ..ListContainerInstancesRequest::default()
    };
    every(&session.client, request).await
}

/// A service's name as the API wants it: `service/web` is what other tools print.
pub(crate) fn service_name(name: &str) -> String {
    without_kind(name, &["service", "svc"]).to_owned()
}

/// Whole ids for those of which only the beginning was given.
pub(crate) async fn whole_task_ids(session: &Session, ids: &[String]) -> Result<Vec<String>, Failure> {
    let ids: Vec<String> = ids.iter().map(|id| without_kind(id, &["task"]).to_owned()).collect();
    if !ids.iter().any(|id| is_id_prefix(id)) {
        return Ok(ids);
    }
    let known = task_arns(session, ListTasksRequest::default(), true).await?;
    whole_ids(&ids, &known, "task", "`berth ps --all` shows the tasks of the cluster")
}

/// The same for container instances.
pub(crate) async fn whole_instance_ids(session: &Session, ids: &[String]) -> Result<Vec<String>, Failure> {
    let ids: Vec<String> =
        ids.iter().map(|id| without_kind(id, &["instance", "container-instance"]).to_owned()).collect();
    if !ids.iter().any(|id| is_id_prefix(id)) {
        return Ok(ids);
    }
    let known = instance_arns(session, None).await?;
    whole_ids(&ids, &known, "container instance", "`berth instance list` shows those of the cluster")
}

fn whole_ids(ids: &[String], known: &[String], what: &str, remedy: &str) -> Result<Vec<String>, Failure> {
    let whole = |id: &String| {
        if !is_id_prefix(id) {
            return Ok(id.clone());
        }
        // A task that stops between two lists is in both.
        let fits: BTreeSet<&str> =
            known.iter().map(|arn| short(arn)).filter(|known| known.starts_with(id.as_str())).collect();
        let mut fits = fits.into_iter();
        match (fits.next(), fits.next()) {
            (Some(one), None) => Ok(one.to_owned()),
            (Some(_), Some(_)) => Err(Failure::refused(format!("more than one {what} begins with `{id}`"))
                .hint("give more of its digits")),
            (None, _) => Err(Failure::refused(format!("no {what} begins with `{id}`")).hint(remedy)),
        }
    };
    ids.iter().map(whole).collect()
}

/// The failure for things that a describe call did not find.
pub(crate) fn all_found(missing: &[Missing], what: &str, remedy: &str) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let one = |missing: &Missing| match missing.reason() {
        "MISSING" => format!("there is no {what} `{}`", short(missing.arn())),
        reason => format!("{what} `{}`: {reason}", short(missing.arn())),
    };
    let all: Vec<String> = missing.iter().map(one).collect();
    Err(Failure::refused(all.join("; ")).hint(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_stands_for_it_while_it_is_unique() {
        let known = [
            "arn:aws:ecs:r:0:task/default/aaaa1111aaaa1111aaaa1111aaaa1111".to_owned(),
            "arn:aws:ecs:r:0:task/default/aaaa2222aaaa2222aaaa2222aaaa2222".to_owned(),
        ];
        let resolve = |id: &str| whole_ids(&[id.to_owned()], &known, "task", "look");
        assert_eq!(resolve("aaaa1").expect("unique"), ["aaaa1111aaaa1111aaaa1111aaaa1111"]);
        assert_eq!(resolve("aaaa").expect_err("two").message, "more than one task begins with `aaaa`");
        assert_eq!(resolve("bbbb").expect_err("none").message, "no task begins with `bbbb`");
        assert_eq!(
            resolve("arn:aws:ecs:r:0:task/default/x").expect("whole"),
            ["arn:aws:ecs:r:0:task/default/x"]
        );
    }

    #[test]
    fn what_was_not_found_is_named() {
        let missing = Missing {
            arn: Some("arn:aws:ecs:r:0:service/default/web".to_owned()),
            reason: Some("MISSING".to_owned()),
            detail: None,
        };
        let failure = all_found(&[missing], "service", "look").expect_err("missing");
        assert_eq!(failure.message, "there is no service `web`");
        assert!(all_found(&[], "service", "look").is_ok());
    }
}
