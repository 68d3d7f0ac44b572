//! One controller that serves on the loopback, and clients of it.

use std::sync::Arc;
use std::time::Duration;

use berth_model::arn::Scope;
use berth_model::command::{Bootstrap, Command};
use berth_model::key::{AccessKey, KeyStatus, Role};
use berth_model::state::View;
use berth_model::time::Timestamp;
use berth_process::clock::{Clock, ManualClock};
use berth_process::entropy::Entropy;
use berth_process::identity::ClusterIdentity;
use berth_process::net::{self, Connector, Listen};
use berth_process::shutdown::{OnError, Shutdown};
use berth_process::telemetry::test::{Captured, capture};
use berth_process::token::Signer;
use berth_proto::admin::v1::admin_client::AdminClient;
use berth_proto::ecs::v1::clusters_client::ClustersClient;
use berth_proto::ecs::v1::container_instances_client::ContainerInstancesClient;
use berth_proto::ecs::v1::service_deployments_client::ServiceDeploymentsClient;
use berth_proto::ecs::v1::services_client::ServicesClient;
use berth_proto::ecs::v1::task_definitions_client::TaskDefinitionsClient;
use berth_proto::ecs::v1::task_sets_client::TaskSetsClient;
use berth_proto::ecs::v1::tasks_client::TasksClient;
use berth_proto::scheduler::v1::scheduler_client::SchedulerClient;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use super::admin::{Controllers, Loops, Output};
use super::consensus::Single;
use super::coverage::Kind;
use crate::api::auth::SealingKey;
use crate::api::{Api, Consensus, Parts};
use crate::region::Regions;

/// When tests begin.
pub(super) const NOW_MS: i64 = 1_700_000_000_000;

/// A channel that signs.
pub(super) type Signed = InterceptedService<Channel, Signer>;

/// One controller.
pub(super) struct Controller {
    pub(super) consensus: Arc<Single>,
    pub(super) identity: ClusterIdentity,
    pub(super) clock: Clock,
    pub(super) hand: ManualClock,
    pub(super) api: Api,
    /// What the test's thread logs. Every test captures: a span that is first met on a thread that does not would be
    /// off for all.
    pub(super) logged: Captured,
    registry: Registry,
    channel: Channel,
    shutdown: Shutdown,
}

// === impl Controller ===

impl Controller {
    /// A controller after its bootstrap, with a cluster `default`.
    pub(super) async fn start() -> Self {
        let controller = Self::unborn().await;
        controller.bootstrap();
        let client = &mut controller.clusters();
        client.create_cluster(berth_proto::ecs::v1::CreateClusterRequest::default()).await.expect("made");
        controller
    }

    /// A controller that has no state yet.
    pub(super) async fn unborn() -> Self {
        let logged = capture();
        let (clock, hand) = Clock::manual(NOW_MS);
        let entropy = Entropy::seeded(1);
        let identity =
            ClusterIdentity::generate(&entropy, "us-east-1", "000000000000", "aws").expect("an identity");
        let consensus = Single::new(clock.clone());
        let shutdown = Shutdown::new();
        let parts = Parts {
            consensus: consensus.clone(),
            membership: Arc::new(Controllers),
            reconcilers: Arc::new(Loops),
            logs: Arc::new(Output),
            conduits: Arc::new(Output),
            usage: Arc::new(Output),
            archive: Arc::new(Output),
            clock: clock.clone(),
            entropy,
            policy: berth_model::plan::Policy::default(),
            calls_per_key: 1_000,
            regions: Regions::new("us-east-1", &["eu-west-1".to_owned()]),
            shutdown: shutdown.clone(),
        };
        let mut registry = Registry::default();
        let api = Api::new(parts, &identity, &mut registry).expect("an API");
        let channel = serve(api.routes(Routes::default()).expect("routes"), &shutdown);
        Self { consensus, identity, clock, hand, api, logged, registry, channel, shutdown }
    }

    /// What the first controller proposes first.
    pub(super) fn bootstrap(&self) {
        let identity = &self.identity;
        let sealing_key = SealingKey::from_hex(&identity.sealing_key_hex).expect("a key");
        let key = |key: &berth_process::identity::AccessKey, role| AccessKey {
            id: key.access_key_id.clone(),
            sealed_secret: sealing_key.seal(&key.access_key_id, &key.secret_access_key, &Entropy::seeded(2)),
            role,
            created_at: Timestamp::from_unix_ms(NOW_MS),
            status: KeyStatus::Active,
            last_used_at: None,
            description: String::new(),
        };
        let bootstrap = Bootstrap {
            cluster_id: identity.cluster_id.clone(),
            scope: Scope::default(),
            keys: vec![key(&identity.admin_key, Role::Admin), key(&identity.agent_key, Role::Agent)],
        };
        self.consensus.apply(Command::Bootstrap(bootstrap)).expect("bootstrapped");
    }

    pub(super) fn view(&self) -> View {
        self.consensus.view()
    }

    /// An unsigned channel.
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A channel that signs with this key.
    pub(super) fn signed_by(&self, key: &berth_process::identity::AccessKey) -> Signed {
        let signer = Signer::new(&key.access_key_id, &key.secret_access_key, self.clock.clone());
        InterceptedService::new(self.channel(), signer)
    }

    /// A channel that signs with the administrator's key.
    pub(super) fn signed(&self) -> Signed {
        self.signed_by(&self.identity.admin_key)
    }

    pub(super) fn clusters(&self) -> ClustersClient<Signed> {
        ClustersClient::new(self.signed())
    }

    pub(super) fn task_definitions(&self) -> TaskDefinitionsClient<Signed> {
        TaskDefinitionsClient::new(self.signed())
    }

    pub(super) fn tasks(&self) -> TasksClient<Signed> {
        TasksClient::new(self.signed())
    }

    pub(super) fn services(&self) -> ServicesClient<Signed> {
        ServicesClient::new(self.signed())
    }

    pub(super) fn service_deployments(&self) -> ServiceDeploymentsClient<Signed> {
        ServiceDeploymentsClient::new(self.signed())
    }

    pub(super) fn task_sets(&self) -> TaskSetsClient<Signed> {
        TaskSetsClient::new(self.signed())
    }

    pub(super) fn instances(&self) -> ContainerInstancesClient<Signed> {
        ContainerInstancesClient::new(self.signed())
    }

    pub(super) fn scheduler(&self) -> SchedulerClient<Signed> {
        SchedulerClient::new(self.signed())
    }

    pub(super) fn admin(&self) -> AdminClient<Signed> {
        AdminClient::new(self.signed())
    }

    /// Moves the clock.
    pub(super) fn pass(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }

    /// The metrics as a scrape sees them.
    pub(super) fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("written into memory");
        text
    }

    /// That an operation was called and answered or refused.
    pub(super) fn check_called(&self, operation: &str, kind: Kind) {
        let metrics = self.metrics();
        let of_operation = metrics
            .lines()
            .filter(|line| line.starts_with("api_calls_total") && line.contains(&format!("/{operation}\"")));
        let kinds: Vec<Kind> = of_operation
            .map(|line| if line.contains("code=\"Ok\"") { Kind::Answered } else { Kind::Refused })
            .collect();
        assert!(kinds.contains(&kind), "{operation} was not {kind:?}:\n{metrics}");
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

fn serve(routes: Routes, shutdown: &Shutdown) -> Channel {
    let listen = net::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = listen.local_addr().expect("bound").to_string();
    let scope = shutdown.clone();
    shutdown.spawn(
        "server",
        OnError::Shutdown,
        async move { net::serve(routes, listen, None, &scope).await },
    );
    Connector::tcp(None).channel(&address)
}

/// The AWS name of the exception and the text of a refusal.
pub(super) fn refusal<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> (String, String) {
    let status = answer.expect_err("refused");
    let reason = status.get_details_error_info().expect("every error has a reason");
    assert_eq!(reason.domain, "berth.ecs");
    (reason.reason, status.message().to_owned())
}

/// The AWS name of the exception of a refusal.
pub(super) fn exception<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> String {
    refusal(answer).0
}

/// The code of a refusal, and whether the caller is asked to try again.
pub(super) fn code_and_retry<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> (Code, bool) {
    let status = answer.expect_err("refused");
    (status.code(), status.get_details_retry_info().is_some())
}
