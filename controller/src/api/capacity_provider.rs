//! Capacity providers: the handlers.

use berth_model::validate::capacity_provider as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::capacity_providers_server::CapacityProviders;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};
use super::error::Error;
use super::render::cluster::{self, Include};
use super::render::{Tags, capacity_provider as render};

const GONE: Error = Error::Vanished("the capacity provider");

#[async_trait]
impl CapacityProviders for Handlers {
    async fn create_capacity_provider(
        &self,
        request: Request<pb::CreateCapacityProviderRequest>,
    ) -> Answer<pb::CreateCapacityProviderResponse> {
        self.change(
            request,
            |request, view, admission| validate::create(request, view, admission),
            |name, view| {
                let provider = render::made(view.capacity_provider(&name).ok_or(GONE)?, view, Tags::Shown);
                Ok(pb::CreateCapacityProviderResponse { capacity_provider: Some(provider) })
            },
        )
        .await
    }

    async fn describe_capacity_providers(
        &self,
        request: Request<pb::DescribeCapacityProvidersRequest>,
    ) -> Answer<pb::DescribeCapacityProvidersResponse> {
        self.read(request, |request, view| {
            let described = validate::describe(request, view)?;
            let tags = Tags::if_included(&request.include, pb::CapacityProviderField::Tags)?;
            let show = |name: &String| match view.capacity_provider(name) {
                Some(provider) => render::made(provider, view, tags),
                None => render::built_in(name, view),
            };
            Ok(pb::DescribeCapacityProvidersResponse {
                capacity_providers: described.page.items.iter().map(show).collect(),
                failures: described.failures,
                next_token: described.page.next_token,
            })
        })
        .await
    }

    async fn update_capacity_provider(
        &self,
        request: Request<pb::UpdateCapacityProviderRequest>,
    ) -> Answer<pb::UpdateCapacityProviderResponse> {
        self.change(
            request,
            |request, view, _| validate::update(request, view),
            |name, view| {
                let provider = render::updated(view.capacity_provider(&name).ok_or(GONE)?, view);
                Ok(pb::UpdateCapacityProviderResponse { capacity_provider: Some(provider) })
            },
        )
        .await
    }

    async fn delete_capacity_provider(
        &self,
        request: Request<pb::DeleteCapacityProviderRequest>,
    ) -> Answer<pb::DeleteCapacityProviderResponse> {
        self.change(
            request,
            |request, view, _| validate::delete(request, view),
            |provider, view| {
                let provider = render::deleted(&provider, view);
                Ok(pb::DeleteCapacityProviderResponse { capacity_provider: Some(provider) })
            },
        )
        .await
    }

    async fn put_cluster_capacity_providers(
        &self,
        request: Request<pb::PutClusterCapacityProvidersRequest>,
    ) -> Answer<pb::PutClusterCapacityProvidersResponse> {
        self.change(
            request,
            |request, view, _| validate::put_of_cluster(request, view),
            |name, view| {
                let found = view.cluster(&name).ok_or(Error::Vanished("the cluster"))?;
                let cluster = Some(cluster::cluster(found, view, Include::ECHO));
                Ok(pb::PutClusterCapacityProvidersResponse { cluster })
            },
        )
        .await
    }
}
