//! The gRPC API of one controller, signed with the administrator's key.

use std::time::Duration;

use anyhow::{Context as _, Result};
use berth_process::clock::Clock;
use berth_process::identity::AdminIdentity;
use berth_process::net::Connector;
use berth_process::token::Signer;
use berth_proto::admin::v1::admin_client::AdminClient;
use berth_proto::admin::v1::{Controller, ListControllersRequest};
use berth_proto::ecs::v1 as ecs;
use berth_proto::logs::v1::logs_client::LogsClient;
use ecs::clusters_client::ClustersClient;
use ecs::container_instances_client::ContainerInstancesClient;
use ecs::service_deployments_client::ServiceDeploymentsClient;
use ecs::services_client::ServicesClient;
use ecs::task_definitions_client::TaskDefinitionsClient;
use ecs::task_sets_client::TaskSetsClient;
use ecs::tasks_client::TasksClient;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

type Signed = InterceptedService<Channel, Bounded>;

/// Longer than a controller lets any call take: one that takes longer will never be answered.
const CALL_DEADLINE: Duration = Duration::from_secs(60);

/// How many ids the Describe operations take in one call.
const DESCRIBE_MAX: usize = 100;

/// Signs every call and sets its deadline.
#[derive(Clone, Debug)]
pub struct Bounded(Signer);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// Clusters.
    pub clusters: ClustersClient<Signed>,
    /// Task definitions.
    pub task_definitions: TaskDefinitionsClient<Signed>,
    /// Services.
    pub services: ServicesClient<Signed>,
    /// Service deployments and revisions.
    pub service_deployments: ServiceDeploymentsClient<Signed>,
    /// Task sets.
    pub task_sets: TaskSetsClient<Signed>,
    /// Tasks.
    pub tasks: TasksClient<Signed>,
    /// Container instances.
    pub instances: ContainerInstancesClient<Signed>,
    /// Log groups.
    pub logs: LogsClient<Signed>,
    /// What ECS has no word for.
    pub admin: AdminClient<Signed>,
}

// === impl Bounded ===

impl Interceptor for Bounded {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.set_timeout(CALL_DEADLINE);
        self.0.call(request)
    }
}

// === impl Api ===

impl Api {
    /// The API as served at `address` (`host:port`). Connects when first used, and again when the connection breaks.
    #[must_use]
    pub fn at(address: &str, identity: &AdminIdentity) -> Self {
        let channel = Connector::tcp(Some(identity.ca_pem.clone())).channel(address);
        let key = &identity.admin_key;
        let signer = Bounded(Signer::new(&key.access_key_id, &key.secret_access_key, Clock::system()));
        Self {
            clusters: ClustersClient::with_interceptor(channel.clone(), signer.clone()),
            task_definitions: TaskDefinitionsClient::with_interceptor(channel.clone(), signer.clone()),
            services: ServicesClient::with_interceptor(channel.clone(), signer.clone()),
            service_deployments: ServiceDeploymentsClient::with_interceptor(channel.clone(), signer.clone()),
            task_sets: TaskSetsClient::with_interceptor(channel.clone(), signer.clone()),
            tasks: TasksClient::with_interceptor(channel.clone(), signer.clone()),
            instances: ContainerInstancesClient::with_interceptor(channel.clone(), signer.clone()),
            logs: LogsClient::with_interceptor(channel.clone(), signer.clone()),
            admin: AdminClient::with_interceptor(channel, signer),
        }
    }

    /// The members of the controllers' own cluster.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn controllers(&self) -> Result<Vec<Controller>> {
        let reply = self.admin.clone().list_controllers(ListControllersRequest {}).await;
        Ok(reply.context("ListControllers")?.into_inner().controllers)
    }

    /// The cluster `default`.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn cluster(&self) -> Result<ecs::Cluster> {
        let reply = self.clusters.clone().describe_clusters(ecs::DescribeClustersRequest::default()).await;
        reply
            .context("DescribeClusters")?
            .into_inner()
            .clusters
            .pop()
            .context("there is no cluster `default`")
    }

    /// One service.
    ///
    /// # Errors
    /// When the call fails or there is none of this name.
    pub async fn service(&self, name: &str) -> Result<ecs::Service> {
        let request = ecs::DescribeServicesRequest { services: vec![name.to_owned()], ..Default::default() };
        let reply = self.services.clone().describe_services(request).await.context("DescribeServices")?;
        reply.into_inner().services.pop().with_context(|| format!("there is no service {name}"))
    }

    /// All tasks that are meant to run, of one service or (`None`) of the whole cluster.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn tasks(&self, service: Option<&str>) -> Result<Vec<ecs::Task>> {
        let mut arns = Vec::new();
        let mut request =
            ecs::ListTasksRequest { service_name: service.map(str::to_owned), ..Default::default() };
        loop {
            let page =
                self.tasks.clone().list_tasks(request.clone()).await.context("ListTasks")?.into_inner();
            arns.extend(page.task_arns);
            request.next_token = page.next_token.filter(|token| !token.is_empty());
            if request.next_token.is_none() {
                break;
            }
        }
        let mut tasks = Vec::new();
        for arns in arns.chunks(DESCRIBE_MAX) {
            tasks.extend(self.describe_tasks(arns.to_vec()).await?);
        }
        Ok(tasks)
    }

    /// Tasks by id or ARN, whatever became of them.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn describe_tasks(&self, tasks: Vec<String>) -> Result<Vec<ecs::Task>> {
        let request = ecs::DescribeTasksRequest { tasks, ..Default::default() };
        Ok(self.tasks.clone().describe_tasks(request).await.context("DescribeTasks")?.into_inner().tasks)
    }

    /// One task by id or ARN, whatever became of it.
    ///
    /// # Errors
    /// When the call fails or nobody knows it.
    pub async fn task(&self, task: &str) -> Result<ecs::Task> {
        let found = self.describe_tasks(vec![task.to_owned()]).await?;
        found.into_iter().next().with_context(|| format!("there is no task {task}"))
    }

    /// Every container instance of the cluster.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn instances(&self) -> Result<Vec<ecs::ContainerInstance>> {
        let list = ecs::ListContainerInstancesRequest::default();
        let list = self.instances.clone().list_container_instances(list).await;
        let arns = list.context("ListContainerInstances")?.into_inner().container_instance_arns;
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let request =
            ecs::DescribeContainerInstancesRequest { container_instances: arns, ..Default::default() };
        let reply = self.instances.clone().describe_container_instances(request).await;
        Ok(reply.context("DescribeContainerInstances")?.into_inner().container_instances)
    }
}

/// The last part of an ARN.
#[must_use]
pub fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
