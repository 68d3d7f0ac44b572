//! What the scripted server says of placement, drains, moves and deployments.

use std::pin::Pin;

use berth_proto::ecs::v1::service_deployments_server::ServiceDeployments;
use berth_proto::ecs::v1::*;
use berth_proto::scheduler::v1::scheduler_server::Scheduler;
use berth_proto::scheduler::v1::{
    DescribeDrainsRequest, DescribeDrainsResponse, Drain, DrainInstancesRequest, DrainInstancesResponse,
    ExplainRequest, ExplainResponse, RebalanceRequest, RebalanceResponse,
};
use tonic::{Request, Response, Status};

use super::Server;

/// The answers, each given whenever it is asked for.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    pub(crate) explained: ExplainResponse,
    pub(crate) drains: Vec<Drain>,
    pub(crate) rebalance: RebalanceResponse,
    /// The deployments of the only service, newest first.
    pub(crate) deployments: Vec<ServiceDeployment>,
}

#[tonic::async_trait]
impl Scheduler for Server {
    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let script = self.called(format!("Explain {:?}", request.into_inner().subject)).await?;
        Ok(Response::new(script.scheduling.explained.clone()))
    }

    async fn drain_instances(
        &self,
        request: Request<DrainInstancesRequest>,
    ) -> Result<Response<DrainInstancesResponse>, Status> {
        let request = request.into_inner();
        let (deadline, standalone) = (request.deadline_seconds, request.stop_standalone);
        let script = self.called(format!("DrainInstances {deadline:?} {standalone}")).await?;
        let drains = script.scheduling.drains.clone();
        Ok(Response::new(DrainInstancesResponse { drains, failures: Vec::new() }))
    }

    async fn describe_drains(
        &self,
        _request: Request<DescribeDrainsRequest>,
    ) -> Result<Response<DescribeDrainsResponse>, Status> {
        let script = self.called("DescribeDrains".to_owned()).await?;
        let drains = script.scheduling.drains.clone();
        Ok(Response::new(DescribeDrainsResponse { drains, failures: Vec::new() }))
    }

    async fn rebalance(
        &self,
        request: Request<RebalanceRequest>,
    ) -> Result<Response<RebalanceResponse>, Status> {
        let script = self.called(format!("Rebalance dry run {}", request.into_inner().dry_run)).await?;
        Ok(Response::new(script.scheduling.rebalance.clone()))
    }
}

#[tonic::async_trait]
impl ServiceDeployments for Server {
    async fn list_service_deployments(
        &self,
        _request: Request<ListServiceDeploymentsRequest>,
    ) -> Result<Response<ListServiceDeploymentsResponse>, Status> {
        let script = self.called("ListServiceDeployments".to_owned()).await?;
        let brief = |one: &ServiceDeployment| ServiceDeploymentBrief {
            service_deployment_arn: one.service_deployment_arn.clone(),
            ..ServiceDeploymentBrief::default()
        };
        let service_deployments = script.scheduling.deployments.iter().map(brief).collect();
        Ok(Response::new(ListServiceDeploymentsResponse { service_deployments, next_token: None }))
    }

    async fn describe_service_deployments(
        &self,
        _request: Request<DescribeServiceDeploymentsRequest>,
    ) -> Result<Response<DescribeServiceDeploymentsResponse>, Status> {
        let script = self.called("DescribeServiceDeployments".to_owned()).await?;
        let service_deployments = script.scheduling.deployments.clone();
        Ok(Response::new(DescribeServiceDeploymentsResponse { service_deployments, failures: Vec::new() }))
    }

    async fn continue_service_deployment(
        &self,
        request: Request<ContinueServiceDeploymentRequest>,
    ) -> Result<Response<ContinueServiceDeploymentResponse>, Status> {
        let request = request.into_inner();
        let call = format!("ContinueServiceDeployment {} {:?}", request.hook_id(), request.action());
        drop(self.called(call).await?);
        Ok(Response::new(ContinueServiceDeploymentResponse::default()))
    }

    async fn stop_service_deployment(
        &self,
        request: Request<StopServiceDeploymentRequest>,
    ) -> Result<Response<StopServiceDeploymentResponse>, Status> {
        let request = request.into_inner();
        drop(self.called(format!("StopServiceDeployment {:?}", request.stop_type())).await?);
        let service_deployment_arn = request.service_deployment_arn;
        Ok(Response::new(StopServiceDeploymentResponse { service_deployment_arn }))
    }

    unused! {
        describe_service_revisions(DescribeServiceRevisionsRequest) -> DescribeServiceRevisionsResponse;
    }
}
