//! The API: what is served, and the layers before it.
//!
//! ```text
//! request ► edge (id, count) ► load (bound) ► authenticate ► usage (bound a key) ► authorise ► region ► trace ► handler
//!   handler: linearized view ► model::validate ► propose ► view at that revision ► render
//! ```
//!
//! Handlers decide nothing: what a request means is in `model::validate`, what an answer looks like in `render`. They
//! know their caller from the [`auth::Principal`] in the request's extensions and nothing of the transport, so that the
//! AWS JSON endpoint calls the same [`Routes`] in-process.
//!
//! **Architecture invariant:** nothing here knows the reconcilers, the sessions or Raft. What the API needs of them is
//! the traits below.

use std::sync::Arc;

use axum::middleware::{from_fn, from_fn_with_state};
use berth_model::plan::Policy;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::ClusterIdentity;
use berth_process::shutdown::Shutdown;
use berth_proto::DESCRIPTOR_SET;
use berth_proto::admin::v1::admin_server::AdminServer;
use berth_proto::agent::v1::task_endpoints_server::TaskEndpointsServer;
use berth_proto::ecs::v1::account_settings_server::AccountSettingsServer;
use berth_proto::ecs::v1::capacity_providers_server::CapacityProvidersServer;
use berth_proto::ecs::v1::clusters_server::ClustersServer;
use berth_proto::ecs::v1::commands_server::CommandsServer;
use berth_proto::ecs::v1::container_instances_server::ContainerInstancesServer;
use berth_proto::ecs::v1::daemons_server::DaemonsServer;
use berth_proto::ecs::v1::express_gateway_services_server::ExpressGatewayServicesServer;
use berth_proto::ecs::v1::gateways_server::GatewaysServer;
use berth_proto::ecs::v1::service_deployments_server::ServiceDeploymentsServer;
use berth_proto::ecs::v1::services_server::ServicesServer;
use berth_proto::ecs::v1::state_changes_server::StateChangesServer;
use berth_proto::ecs::v1::tags_server::TagsServer;
use berth_proto::ecs::v1::task_definitions_server::TaskDefinitionsServer;
use berth_proto::ecs::v1::task_protections_server::TaskProtectionsServer;
use berth_proto::ecs::v1::task_sets_server::TaskSetsServer;
use berth_proto::ecs::v1::tasks_server::TasksServer;
use berth_proto::logs::v1::logs_server::LogsServer;
use berth_proto::scheduler::v1::scheduler_server::SchedulerServer;
use berth_proto::secretsmanager::v1::secrets_server::SecretsServer;
use berth_proto::ssm::v1::parameters_server::ParametersServer;
use berth_proto::ssm::v1::sessions_server::SessionsServer;
use berth_proto::sts::v1::security_tokens_server::SecurityTokensServer;
use prometheus_client::registry::Registry;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

mod account_setting;
mod admin;
pub mod auth;
mod call;
mod capacity_provider;
mod cluster;
mod container_instance;
mod daemon;
pub mod depends;
pub mod edge;
pub(crate) mod error;
pub(crate) mod execute_command;
mod express_gateway_service;
mod gateway;
mod load;
mod log;
mod metrics;
mod parameter;
mod region;
mod render;
mod scheduler;
mod secret;
mod service;
mod service_deployment;
mod state_change;
mod sts;
mod tag;
mod task;
mod task_definition;
mod task_endpoint;
mod task_protection;
mod task_set;
mod trace;
pub(crate) mod usage;

use auth::{Authenticator, NotASealingKey};
use call::Handlers;
pub use depends::{
    ConduitSource, Consensus, LogArchive, LogSource, Membership, ProposeError, Reconcilers, RemoveError,
    Unavailable, UsageSource,
};
use edge::Edge;
use load::Load;
use metrics::Metrics;
use usage::Usage;

use crate::limits::REQUEST_BYTES;
use crate::region::Regions;

/// What the API is made of.
pub struct Parts {
    /// Where state is read and commands go.
    pub consensus: Arc<dyn Consensus>,
    /// Who the controllers are.
    pub membership: Arc<dyn Membership>,
    /// What the reconcilers do.
    pub reconcilers: Arc<dyn Reconcilers>,
    /// Where containers' output comes from.
    pub logs: Arc<dyn LogSource>,
    /// The way into containers.
    pub conduits: Arc<dyn ConduitSource>,
    /// What containers use.
    pub usage: Arc<dyn UsageSource>,
    /// Where logs are kept.
    pub archive: Arc<dyn LogArchive>,
    /// The wall clock.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
    /// What operators set about planning, for those who ask what would be planned.
    pub policy: Policy,
    /// Calls a second that each access key may make.
    pub calls_per_key: u32,
    /// Regions that calls may be in.
    pub regions: Regions,
    /// Ends what goes on after a call.
    pub shutdown: Shutdown,
}

/// The API, ready to be served.
pub struct Api {
    handlers: Handlers,
    authenticator: Arc<Authenticator>,
    edge: Edge,
    load: Load,
    usage: Usage,
    regions: Regions,
    health: HealthReporter,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The identity file holds no usable sealing key.
    #[error("cannot use the sealing key of the identity file")]
    SealingKey(#[from] NotASealingKey),
    /// The schema cannot be described to clients that ask for it.
    #[error("cannot serve the schema")]
    Reflection(#[from] tonic_reflection::server::Error),
}

// === impl Api ===

impl Api {
    /// Puts the API together. Callers are known by the keys in the state, whose secrets the identity unseals.
    pub fn new(parts: Parts, identity: &ClusterIdentity, registry: &mut Registry) -> Result<Self, Error> {
        let authenticator = Authenticator::new(Arc::clone(&parts.consensus), identity, parts.clock.clone())?;
        let authenticator = Arc::new(authenticator);
        let edge = Edge { entropy: parts.entropy.clone(), metrics: Metrics::register(registry) };
        let load = Load::new();
        let usage = Usage::new(parts.calls_per_key, parts.clock.clone());
        let regions = parts.regions.clone();
        let handlers = Handlers::new(parts, load.clone(), Arc::clone(&authenticator));
        Ok(Self { handlers, authenticator, edge, load, usage, regions, health: HealthReporter::new() })
    }

    /// Says of the standard health service whether this controller should be asked. It is serving until told otherwise.
    pub fn health(&self) -> &HealthReporter {
        &self.health
    }

    /// How much each key is used.
    pub(crate) fn usage(&self) -> Usage {
        self.usage.clone()
    }

    /// Which regions calls may be in.
    pub(crate) fn regions(&self) -> Regions {
        self.regions.clone()
    }

    /// Who knows callers by their keys.
    pub(crate) fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.authenticator)
    }

    /// The sessions whose data channel is here.
    pub(crate) fn sessions(&self) -> auth::grant::Sessions {
        self.handlers.shared().sessions.clone()
    }

    /// Everything that is served on one port: the API, health, reflection, and `others` (agents' sessions, peers),
    /// behind the same layers. The layer added last runs first.
    pub fn routes(&self, others: Routes) -> Result<Routes, Error> {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
            .build_v1()?;
        let health = HealthServer::new(HealthService::from_health_reporter(self.health.clone()));
        let routes = self.add_handlers(others).add_service(health).add_service(reflection);
        let router = routes
            .into_axum_router()
            .layer(from_fn(trace::trace))
            .layer(from_fn_with_state(self.regions.clone(), region::choose))
            .layer(from_fn(auth::authorise))
            .layer(from_fn_with_state(self.usage.clone(), usage::limit))
            .layer(from_fn_with_state(Arc::clone(&self.authenticator), auth::authenticate))
            .layer(from_fn_with_state(self.load.clone(), load::bound))
            .layer(from_fn_with_state(self.edge.clone(), edge::edge));
        Ok(Routes::from(router).prepare())
    }

    fn add_handlers(&self, routes: Routes) -> Routes {
        let handlers = || self.handlers.clone();
        routes
            .add_service(ClustersServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(TaskDefinitionsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(TasksServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(ServicesServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(ServiceDeploymentsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(TaskSetsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(ContainerInstancesServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(SchedulerServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(CapacityProvidersServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(TaskProtectionsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(TagsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(AccountSettingsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(CommandsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(DaemonsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(
                ExpressGatewayServicesServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES),
            )
            .add_service(GatewaysServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(StateChangesServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(SecurityTokensServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(ParametersServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(SessionsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(SecretsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(LogsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(TaskEndpointsServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
            .add_service(AdminServer::new(handlers()).max_decoding_message_size(REQUEST_BYTES))
    }
}

#[cfg(test)]
mod tests;
