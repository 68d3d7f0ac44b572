//! What the scheduler can say and do beyond the ECS API: the handlers.

use berth_model::id::{ClusterName, Ids, InstanceId, ServiceKey};
use berth_model::plan::rebalance::{Proposal, Scope, commands, propose};
use berth_model::state::State;
use berth_model::time::Timestamp;
use berth_model::validate::scheduler as validate;
use berth_proto::scheduler::v1 as pb;
use berth_proto::scheduler::v1::scheduler_server::Scheduler;
use tonic::{Request, Response, async_trait};

use super::call::{Answer, Handlers};
use super::error::Error;
use super::render::scheduler as render;
use crate::region::Chosen;

#[async_trait]
impl Scheduler for Handlers {
    async fn explain(&self, request: Request<pb::ExplainRequest>) -> Answer<pb::ExplainResponse> {
        self.decide(
            request,
            |request, view, admission| Ok((validate::explain(request, view, admission)?, None)),
            |done| Ok(render::explanation(&done.subject, &done.view)),
        )
        .await
    }

    async fn drain_instances(
        &self,
        request: Request<pb::DrainInstancesRequest>,
    ) -> Answer<pb::DrainInstancesResponse> {
        let now = self.shared().now();
        self.decide(
            request,
            |request, view, admission| {
                let drained = validate::drain(request, view, admission)?;
                Ok(((drained.ids, drained.failures), drained.command))
            },
            |done| {
                let (ids, failures) = done.subject;
                Ok(pb::DrainInstancesResponse { drains: drains(&ids, &done.view, now), failures })
            },
        )
        .await
    }

    async fn describe_drains(
        &self,
        request: Request<pb::DescribeDrainsRequest>,
    ) -> Answer<pb::DescribeDrainsResponse> {
        let now = self.shared().now();
        self.read(request, |request, view| {
            let found = validate::describe_drains(request, view)?;
            Ok(pb::DescribeDrainsResponse { drains: drains(&found.ids, view, now), failures: found.failures })
        })
        .await
    }

    async fn rebalance(&self, request: Request<pb::RebalanceRequest>) -> Answer<pb::RebalanceResponse> {
        let region = Chosen::of(request.extensions()).cloned();
        let request = request.into_inner();
        super::call::note_cluster(&request);
        let view = self.shared().linearized_view(region.as_ref()).await?;
        let (cluster, service) = validate::rebalance(&request, &view).map_err(Error::from)?;
        let proposal = self.proposal(&view, &cluster, service.as_ref());
        if !request.dry_run {
            let mut ids = Ids::from_seed(self.shared().parts.entropy.u128());
            for command in commands(&view, &proposal.moves, self.shared().now(), &mut ids) {
                let command = view.addressed(command);
                self.shared().parts.consensus.propose(command).await.map_err(Error::from)?;
            }
        }
        Ok(Response::new(render::proposal(&proposal, &cluster, &view)))
    }
}

// === impl Handlers ===

impl Handlers {
    fn proposal(&self, view: &State, cluster: &ClusterName, service: Option<&ServiceKey>) -> Proposal {
        let policy = &self.shared().parts.policy;
        propose(view, cluster, Scope::Asked(service), self.shared().now(), policy)
    }
}

fn drains(ids: &[InstanceId], view: &State, now: Timestamp) -> Vec<pb::Drain> {
    let found = ids.iter().filter_map(|id| view.instance(*id));
    found.map(|instance| render::drain(instance, view, now)).collect()
}
