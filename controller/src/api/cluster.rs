//! Clusters: the handlers.

use berth_model::validate::{cluster as validate, name};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::clusters_server::Clusters;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};
use super::error::Error;
use super::render::cluster::{self as render, Include};

#[async_trait]
impl Clusters for Handlers {
    async fn create_cluster(
        &self,
        request: Request<pb::CreateClusterRequest>,
    ) -> Answer<pb::CreateClusterResponse> {
        self.change(
            request,
            |request, view, admission| validate::create(request, view, admission),
            |name, view| {
                let cluster = view.cluster(&name).ok_or(Error::Vanished("the cluster"))?;
                Ok(pb::CreateClusterResponse { cluster: Some(render::cluster(cluster, view, Include::ECHO)) })
            },
        )
        .await
    }

    async fn describe_clusters(
        &self,
        request: Request<pb::DescribeClustersRequest>,
    ) -> Answer<pb::DescribeClustersResponse> {
        self.read(request, |request, view| {
            let (found, failures) = validate::describe(request, view)?;
            let include = Include::new(&name::members("include", &request.include)?);
            let clusters = found.into_iter().map(|cluster| render::cluster(cluster, view, include)).collect();
            Ok(pb::DescribeClustersResponse { clusters, failures })
        })
        .await
    }

    async fn list_clusters(
        &self,
        request: Request<pb::ListClustersRequest>,
    ) -> Answer<pb::ListClustersResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            let cluster_arns = page.items.iter().map(|name| view.scope().cluster(name)).collect();
            Ok(pb::ListClustersResponse { cluster_arns, next_token: page.next_token })
        })
        .await
    }

    async fn update_cluster(
        &self,
        request: Request<pb::UpdateClusterRequest>,
    ) -> Answer<pb::UpdateClusterResponse> {
        self.change(
            request,
            |request, view, _| validate::update(request, view),
            |name, view| {
                let cluster = view.cluster(&name).ok_or(Error::Vanished("the cluster"))?;
                Ok(pb::UpdateClusterResponse { cluster: Some(render::cluster(cluster, view, Include::ECHO)) })
            },
        )
        .await
    }

    async fn update_cluster_settings(
        &self,
        request: Request<pb::UpdateClusterSettingsRequest>,
    ) -> Answer<pb::UpdateClusterSettingsResponse> {
        self.change(
            request,
            |request, view, _| validate::update_settings(request, view),
            |name, view| {
                let cluster = view.cluster(&name).ok_or(Error::Vanished("the cluster"))?;
                let cluster = Some(render::cluster(cluster, view, Include::ECHO));
                Ok(pb::UpdateClusterSettingsResponse { cluster })
            },
        )
        .await
    }

    async fn delete_cluster(
        &self,
        request: Request<pb::DeleteClusterRequest>,
    ) -> Answer<pb::DeleteClusterResponse> {
        self.change(
            request,
            |request, view, _| validate::delete(request, view),
            |name, view| {
                let cluster = view.cluster(&name).ok_or(Error::Vanished("the cluster"))?;
                Ok(pb::DeleteClusterResponse { cluster: Some(render::cluster(cluster, view, Include::ECHO)) })
            },
        )
        .await
    }
}
