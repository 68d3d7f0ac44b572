//! The scripted server: each test says what it answers.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use berth_process::clock::Clock;
use berth_process::identity::ClusterIdentity;
use berth_process::token;
use berth_proto::admin::v1::admin_server::{Admin, AdminServer};
use berth_proto::admin::v1::{
    ChangeSecurityGroupRequest, ChangeSecurityGroupResponse, ConduitRequest, CreateAccessKeyRequest,
    CreateAccessKeyResponse, CreateSecurityGroupRequest, CreateSecurityGroupResponse, DeleteAccessKeyRequest,
    DeleteAccessKeyResponse, DeleteSecurityGroupRequest, DeleteSecurityGroupResponse,
    DescribeSecurityGroupsRequest, DescribeSecurityGroupsResponse, Event, ListAccessKeysRequest,
    ListAccessKeysResponse, ListControllersRequest, ListControllersResponse, ListReconcilersRequest,
    ListReconcilersResponse, ReadLogsRequest, ReadUsageRequest, ReadUsageResponse, RemoveControllerRequest,
    RemoveControllerResponse, RollBackServiceRequest, RollBackServiceResponse, UpdateAccessKeyRequest,
    UpdateAccessKeyResponse, WatchEventsRequest, conduit_request,
};
use berth_proto::agent::v1::{ConduitOutput, LogChunk};
use berth_proto::ecs::v1::clusters_server::{Clusters, ClustersServer};
use berth_proto::ecs::v1::service_deployments_server::ServiceDeploymentsServer;
use berth_proto::ecs::v1::services_server::{Services, ServicesServer};
use berth_proto::ecs::v1::task_definitions_server::{TaskDefinitions, TaskDefinitionsServer};
use berth_proto::ecs::v1::tasks_server::{Tasks, TasksServer};
use berth_proto::ecs::v1::*;
use berth_proto::scheduler::v1::scheduler_server::SchedulerServer;
use tokio::sync::Mutex;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What the server answers. Each list is used up from the front; its last entry is given again and again.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) services: VecDeque<Vec<Service>>,
    pub(crate) tasks: VecDeque<Vec<Task>>,
    pub(crate) task_definition: Option<TaskDefinition>,
    pub(crate) log: Vec<LogChunk>,
    pub(crate) conduit: Vec<ConduitOutput>,
    pub(crate) events: Vec<Event>,
    /// Refused with this before anything else happens: code, exception, message.
    pub(crate) refusal: Option<(Code, &'static str, &'static str)>,
    pub(crate) scheduling: scheduler::Answers,
    /// The calls that came, with what they asked for, for the test to look at.
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
    /// So many calls are answered with "unavailable" first.
    pub(crate) unavailable: AtomicUsize,
}

#[derive(Clone)]
struct Server(Arc<Mutex<Script>>);

type Stream<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

/// An error as controllers send it.
pub(crate) fn refused(code: Code, exception: &str, message: &str) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(exception, "berth.ecs", []))
}

/// The routes of the server, behind the check of the administrator's signature.
pub(crate) fn routes(script: Script, identity: ClusterIdentity) -> Routes {
    let key = identity.admin_key;
    let check = move |request: Request<()>| -> Result<Request<()>, Status> {
        let unknown = |_| {
            refused(Code::Unauthenticated, "UnrecognizedClientException", "The security token is invalid.")
        };
        let token = token::bearer(request.metadata()).map_err(unknown)?;
        token::verify(token, &key.secret_access_key, Clock::system().unix_ms()).map_err(unknown)?;
        Ok(request)
    };
    let server = Server(Arc::new(Mutex::new(script)));
    Routes::new(ClustersServer::with_interceptor(server.clone(), check.clone()))
        .add_service(ServicesServer::with_interceptor(server.clone(), check.clone()))
        .add_service(TasksServer::with_interceptor(server.clone(), check.clone()))
        .add_service(TaskDefinitionsServer::with_interceptor(server.clone(), check.clone()))
        .add_service(SchedulerServer::with_interceptor(server.clone(), check.clone()))
        .add_service(ServiceDeploymentsServer::with_interceptor(server.clone(), check.clone()))
        .add_service(AdminServer::with_interceptor(server, check))
}

fn next<T: Clone + Default>(answers: &mut VecDeque<T>) -> T {
    if answers.len() > 1 {
        answers.pop_front().unwrap_or_default()
    } else {
        answers.front().cloned().unwrap_or_default()
    }
}

// === impl Server ===

impl Server {
    /// Notes the call, and refuses it when the script says so.
    async fn called(&self, call: String) -> Result<tokio::sync::MutexGuard<'_, Script>, Status> {
        let script = self.0.lock().await;
        script.calls.lock().await.push(call);
        let left = script.unavailable.load(Ordering::Relaxed);
        if left > 0 {
            script.unavailable.store(left - 1, Ordering::Relaxed);
            return Err(Status::unavailable("no leader is known"));
        }
        match script.refusal {
            Some((code, exception, message)) => Err(refused(code, exception, message)),
            None => Ok(script),
        }
    }
}

/// Operations that no test needs.
macro_rules! unused {
    ($($method:ident($request:ty) -> $response:ty;)*) => { $(
        fn $method<'life0, 'async_trait>(
            &'life0 self,
            _request: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented("not in the script")) })
        }
    )* };
}

// Uses the macro above.
pub(crate) mod scheduler;

#[tonic::async_trait]
impl Clusters for Server {
    async fn create_cluster(
        &self,
        request: Request<CreateClusterRequest>,
    ) -> Result<Response<CreateClusterResponse>, Status> {
        drop(self.called("CreateCluster".to_owned()).await?);
        let cluster_name = request.into_inner().cluster_name;
        let cluster = Cluster { cluster_name, status: Some("ACTIVE".to_owned()), ..Cluster::default() };
        Ok(Response::new(CreateClusterResponse { cluster: Some(cluster) }))
    }

    async fn describe_clusters(
        &self,
        request: Request<DescribeClustersRequest>,
    ) -> Result<Response<DescribeClustersResponse>, Status> {
        let script = self.called("DescribeClusters".to_owned()).await?;
        let mut response = DescribeClustersResponse::default();
        for name in request.into_inner().clusters {
            match script.clusters.iter().find(|one| one.cluster_name() == name || one.cluster_arn() == name) {
                Some(cluster) => response.clusters.push(cluster.clone()),
                None => response.failures.push(Failure {
                    arn: Some(name),
                    reason: Some("MISSING".to_owned()),
                    detail: None,
                }),
            }
        }
        Ok(Response::new(response))
    }

    async fn list_clusters(
        &self,
        request: Request<ListClustersRequest>,
    ) -> Result<Response<ListClustersResponse>, Status> {
        // One a page, so that every list is a test of paging.
        let script = self.called("ListClusters".to_owned()).await?;
        let page: usize = request.into_inner().next_token().parse().unwrap_or_default();
        let cluster_arns =
            script.clusters.get(page).map(|one| one.cluster_arn().to_owned()).into_iter().collect();
        let next_token = (page + 1 < script.clusters.len()).then(|| (page + 1).to_string());
        Ok(Response::new(ListClustersResponse { cluster_arns, next_token }))
    }

    unused! {
        update_cluster(UpdateClusterRequest) -> UpdateClusterResponse;
        update_cluster_settings(UpdateClusterSettingsRequest) -> UpdateClusterSettingsResponse;
        delete_cluster(DeleteClusterRequest) -> DeleteClusterResponse;
    }
}

#[tonic::async_trait]
impl Services for Server {
    async fn describe_services(
        &self,
        _request: Request<DescribeServicesRequest>,
    ) -> Result<Response<DescribeServicesResponse>, Status> {
        let mut script = self.called("DescribeServices".to_owned()).await?;
        Ok(Response::new(DescribeServicesResponse {
            services: next(&mut script.services),
            failures: Vec::new(),
        }))
    }

    async fn update_service(
        &self,
        request: Request<UpdateServiceRequest>,
    ) -> Result<Response<UpdateServiceResponse>, Status> {
        let mut script =
            self.called(format!("UpdateService {:?}", request.into_inner().desired_count)).await?;
        Ok(Response::new(UpdateServiceResponse { service: next(&mut script.services).into_iter().next() }))
    }

    async fn delete_service(
        &self,
        _request: Request<DeleteServiceRequest>,
    ) -> Result<Response<DeleteServiceResponse>, Status> {
        drop(self.called("DeleteService".to_owned()).await?);
        Ok(Response::new(DeleteServiceResponse::default()))
    }

    unused! {
        create_service(CreateServiceRequest) -> CreateServiceResponse;
        list_services(ListServicesRequest) -> ListServicesResponse;
        list_services_by_namespace(ListServicesByNamespaceRequest) -> ListServicesByNamespaceResponse;
    }
}

#[tonic::async_trait]
impl Tasks for Server {
    async fn run_task(&self, request: Request<RunTaskRequest>) -> Result<Response<RunTaskResponse>, Status> {
        let request = request.into_inner();
        let command: Vec<String> = request
            .overrides
            .iter()
            .flat_map(|all| &all.container_overrides)
            .flat_map(|one| one.command.clone())
            .collect();
        let queue = request
            .queue
            .as_ref()
            .map(|queue| format!(" queued at {} for {} s", queue.priority(), queue.timeout_seconds()));
        let (definition, command) = (request.task_definition(), command.join(" "));
        let call = format!("RunTask {definition} {command}{}", queue.unwrap_or_default());
        let mut script = self.called(call).await?;
        assert!(!request.client_token().is_empty(), "a run can be repeated");
        Ok(Response::new(RunTaskResponse { tasks: next(&mut script.tasks), failures: Vec::new() }))
    }

    async fn describe_tasks(
        &self,
        _request: Request<DescribeTasksRequest>,
    ) -> Result<Response<DescribeTasksResponse>, Status> {
        let mut script = self.called("DescribeTasks".to_owned()).await?;
        Ok(Response::new(DescribeTasksResponse { tasks: next(&mut script.tasks), failures: Vec::new() }))
    }

    async fn list_tasks(
        &self,
        _request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        let script = self.called("ListTasks".to_owned()).await?;
        let tasks = script.tasks.front().cloned().unwrap_or_default();
        let task_arns = tasks.iter().map(|task| task.task_arn().to_owned()).collect();
        Ok(Response::new(ListTasksResponse { task_arns, next_token: None }))
    }

    unused! {
        start_task(StartTaskRequest) -> StartTaskResponse;
        stop_task(StopTaskRequest) -> StopTaskResponse;
    }
}

#[tonic::async_trait]
impl TaskDefinitions for Server {
    async fn register_task_definition(
        &self,
        request: Request<RegisterTaskDefinitionRequest>,
    ) -> Result<Response<RegisterTaskDefinitionResponse>, Status> {
        let request = request.into_inner();
        let mut script = self.called(format!("RegisterTaskDefinition {}", request.family())).await?;
        let definition = TaskDefinition {
            task_definition_arn: Some(format!(
                "arn:aws:ecs:us-east-1:000000000000:task-definition/{}:1",
                request.family()
            )),
            family: request.family,
            revision: Some(1),
            status: Some(TaskDefinitionStatus::Active.into()),
            container_definitions: request.container_definitions,
            ..TaskDefinition::default()
        };
        script.task_definition = Some(definition.clone());
        Ok(Response::new(RegisterTaskDefinitionResponse {
            task_definition: Some(definition),
            tags: request.tags,
        }))
    }

    async fn describe_task_definition(
        &self,
        _request: Request<DescribeTaskDefinitionRequest>,
    ) -> Result<Response<DescribeTaskDefinitionResponse>, Status> {
        let script = self.called("DescribeTaskDefinition".to_owned()).await?;
        match &script.task_definition {
            Some(definition) => Ok(Response::new(DescribeTaskDefinitionResponse {
                task_definition: Some(definition.clone()),
                tags: Vec::new(),
            })),
            None => {
                Err(refused(Code::InvalidArgument, "ClientException", "Unable to describe task definition."))
            }
        }
    }

    unused! {
        list_task_definition_families(ListTaskDefinitionFamiliesRequest) -> ListTaskDefinitionFamiliesResponse;
        list_task_definitions(ListTaskDefinitionsRequest) -> ListTaskDefinitionsResponse;
        deregister_task_definition(DeregisterTaskDefinitionRequest) -> DeregisterTaskDefinitionResponse;
        delete_task_definitions(DeleteTaskDefinitionsRequest) -> DeleteTaskDefinitionsResponse;
    }
}

#[tonic::async_trait]
impl Admin for Server {
    type WatchEventsStream = Stream<Event>;
    type ReadLogsStream = Stream<LogChunk>;
    type OpenConduitStream = Stream<ConduitOutput>;

    async fn open_conduit(
        &self,
        request: Request<tonic::Streaming<ConduitRequest>>,
    ) -> Result<Response<Self::OpenConduitStream>, Status> {
        let first = request.into_inner().message().await?.and_then(|first| first.message);
        let Some(conduit_request::Message::Start(start)) = first else {
            return Err(Status::invalid_argument("the first message says what is wanted"));
        };
        let script = self.called(format!("OpenConduit {} force={}", start.task, start.force)).await?;
        let outputs: Vec<Result<ConduitOutput, Status>> = script.conduit.iter().cloned().map(Ok).collect();
        Ok(Response::new(Box::pin(futures::stream::iter(outputs))))
    }

    async fn watch_events(
        &self,
        _request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let script = self.called("WatchEvents".to_owned()).await?;
        let events: Vec<Result<Event, Status>> = script.events.iter().cloned().map(Ok).collect();
        Ok(Response::new(Box::pin(futures::stream::iter(events))))
    }

    async fn read_logs(
        &self,
        _request: Request<ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        let script = self.called("ReadLogs".to_owned()).await?;
        let chunks: Vec<Result<LogChunk, Status>> = script.log.iter().cloned().map(Ok).collect();
        Ok(Response::new(Box::pin(futures::stream::iter(chunks))))
    }

    unused! {
        list_controllers(ListControllersRequest) -> ListControllersResponse;
        remove_controller(RemoveControllerRequest) -> RemoveControllerResponse;
        list_reconcilers(ListReconcilersRequest) -> ListReconcilersResponse;
        roll_back_service(RollBackServiceRequest) -> RollBackServiceResponse;
        read_usage(ReadUsageRequest) -> ReadUsageResponse;
        create_access_key(CreateAccessKeyRequest) -> CreateAccessKeyResponse;
        list_access_keys(ListAccessKeysRequest) -> ListAccessKeysResponse;
        update_access_key(UpdateAccessKeyRequest) -> UpdateAccessKeyResponse;
        delete_access_key(DeleteAccessKeyRequest) -> DeleteAccessKeyResponse;
        create_security_group(CreateSecurityGroupRequest) -> CreateSecurityGroupResponse;
        change_security_group(ChangeSecurityGroupRequest) -> ChangeSecurityGroupResponse;
        describe_security_groups(DescribeSecurityGroupsRequest) -> DescribeSecurityGroupsResponse;
        delete_security_group(DeleteSecurityGroupRequest) -> DeleteSecurityGroupResponse;
    }
}
