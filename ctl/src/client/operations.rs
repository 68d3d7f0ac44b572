//! The operations the command line uses: one row each.

use std::pin::Pin;

use berth_proto::admin::v1 as admin;
use berth_proto::admin::v1::admin_client::AdminClient;
use berth_proto::ecs::v1 as ecs;
use berth_proto::ecs::v1::clusters_client::ClustersClient;
use berth_proto::ecs::v1::container_instances_client::ContainerInstancesClient;
use berth_proto::ecs::v1::service_deployments_client::ServiceDeploymentsClient;
use berth_proto::ecs::v1::services_client::ServicesClient;
use berth_proto::ecs::v1::task_definitions_client::TaskDefinitionsClient;
use berth_proto::ecs::v1::tasks_client::TasksClient;
use berth_proto::scheduler::v1 as scheduler;
use berth_proto::scheduler::v1::scheduler_client::SchedulerClient;
use berth_proto::secretsmanager::v1 as secretsmanager;
use berth_proto::secretsmanager::v1::secrets_client::SecretsClient;
use berth_proto::ssm::v1 as ssm;
use berth_proto::ssm::v1::parameters_client::ParametersClient;
use tonic::Status;

use super::{MAX_ANSWER_BYTES, Repeat, Signed};
use crate::json::Described;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

/// A request with one answer.
pub(crate) trait Operation: Described + Clone {
    /// What comes back.
    type Response: Described;
    /// Whether the request may be sent twice.
    fn repeat(&self) -> Repeat;
    /// Sends it.
    fn send(channel: Signed, request: Self) -> Answer<Self::Response>;
}

/// A request with a stream of answers.
pub(crate) trait StreamOperation: Described + Clone {
    /// What comes back, one after another.
    type Item: Described;
    /// Opens the stream.
    fn open(channel: Signed, request: Self) -> Answer<tonic::Streaming<Self::Item>>;
}

macro_rules! described {
    ($package:literal, $module:ident: $($message:ident),* $(,)?) => { $(
        impl Described for $module::$message {
            const NAME: &'static str = concat!($package, ".", stringify!($message));
        }
    )* };
}

macro_rules! operations {
    ($module:ident, $client:ident: $($request:ident => $response:ident by $method:ident, $repeat:expr;)*) => { $(
        impl Operation for $module::$request {
            type Response = $module::$response;
            fn repeat(&self) -> Repeat {
                let repeat: fn(&Self) -> Repeat = $repeat;
                repeat(self)
            }
            fn send(channel: Signed, request: Self) -> Answer<Self::Response> {
                Box::pin(async move {
                    let mut client = $client::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
                    client.$method(request).await.map(tonic::Response::into_inner)
                })
            }
        }
    )* };
}

macro_rules! streams {
    ($client:ident: $($request:ty => $item:ty, by $method:ident;)*) => { $(
        impl StreamOperation for $request {
            type Item = $item;
            fn open(channel: Signed, request: Self) -> Answer<tonic::Streaming<Self::Item>> {
                Box::pin(async move {
                    let mut client = $client::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
                    client.$method(request).await.map(tonic::Response::into_inner)
                })
            }
        }
    )* };
}

fn safe<R>(_: &R) -> Repeat {
    Repeat::Safe
}

fn never<R>(_: &R) -> Repeat {
    Repeat::Unsafe
}

/// A forced deployment that is asked for twice is done twice.
fn unless_forced(request: &ecs::UpdateServiceRequest) -> Repeat {
    if request.force_new_deployment() { Repeat::Unsafe } else { Repeat::Safe }
}

fn unless_dry(request: &scheduler::RebalanceRequest) -> Repeat {
    if request.dry_run { Repeat::Safe } else { Repeat::Unsafe }
}

operations! { ecs, ClustersClient:
    CreateClusterRequest => CreateClusterResponse by create_cluster, safe;
    DescribeClustersRequest => DescribeClustersResponse by describe_clusters, safe;
    ListClustersRequest => ListClustersResponse by list_clusters, safe;
    UpdateClusterRequest => UpdateClusterResponse by update_cluster, safe;
    DeleteClusterRequest => DeleteClusterResponse by delete_cluster, safe;
}

// Registering twice makes two revisions.
operations! { ecs, TaskDefinitionsClient:
    RegisterTaskDefinitionRequest => RegisterTaskDefinitionResponse by register_task_definition, never;
    DescribeTaskDefinitionRequest => DescribeTaskDefinitionResponse by describe_task_definition, safe;
    ListTaskDefinitionFamiliesRequest => ListTaskDefinitionFamiliesResponse by list_task_definition_families, safe;
    ListTaskDefinitionsRequest => ListTaskDefinitionsResponse by list_task_definitions, safe;
    DeregisterTaskDefinitionRequest => DeregisterTaskDefinitionResponse by deregister_task_definition, safe;
    DeleteTaskDefinitionsRequest => DeleteTaskDefinitionsResponse by delete_task_definitions, safe;
}

// Running is safe because this client always sends a client token; starting has none.
operations! { ecs, TasksClient:
    RunTaskRequest => RunTaskResponse by run_task, safe;
    StartTaskRequest => StartTaskResponse by start_task, never;
    StopTaskRequest => StopTaskResponse by stop_task, safe;
    DescribeTasksRequest => DescribeTasksResponse by describe_tasks, safe;
    ListTasksRequest => ListTasksResponse by list_tasks, safe;
}

// Creating is safe for the same reason.
operations! { ecs, ServicesClient:
    CreateServiceRequest => CreateServiceResponse by create_service, safe;
    DescribeServicesRequest => DescribeServicesResponse by describe_services, safe;
    ListServicesRequest => ListServicesResponse by list_services, safe;
    UpdateServiceRequest => UpdateServiceResponse by update_service, unless_forced;
    DeleteServiceRequest => DeleteServiceResponse by delete_service, safe;
}

// A continued deployment does not wait any more, a stopped one cannot be stopped again: the second call is refused.
operations! { ecs, ServiceDeploymentsClient:
    ListServiceDeploymentsRequest => ListServiceDeploymentsResponse by list_service_deployments, safe;
    DescribeServiceDeploymentsRequest => DescribeServiceDeploymentsResponse by describe_service_deployments, safe;
    DescribeServiceRevisionsRequest => DescribeServiceRevisionsResponse by describe_service_revisions, safe;
    StopServiceDeploymentRequest => StopServiceDeploymentResponse by stop_service_deployment, never;
    ContinueServiceDeploymentRequest => ContinueServiceDeploymentResponse by continue_service_deployment, never;
}

operations! { ecs, ContainerInstancesClient:
    DescribeContainerInstancesRequest => DescribeContainerInstancesResponse by describe_container_instances, safe;
    ListContainerInstancesRequest => ListContainerInstancesResponse by list_container_instances, safe;
    UpdateContainerInstancesStateRequest => UpdateContainerInstancesStateResponse
        by update_container_instances_state, safe;
    DeregisterContainerInstanceRequest => DeregisterContainerInstanceResponse by deregister_container_instance, safe;
    PutAttributesRequest => PutAttributesResponse by put_attributes, safe;
    ListAttributesRequest => ListAttributesResponse by list_attributes, safe;
    DeleteAttributesRequest => DeleteAttributesResponse by delete_attributes, safe;
}

operations! { admin, AdminClient:
    ListControllersRequest => ListControllersResponse by list_controllers, safe;
    RemoveControllerRequest => RemoveControllerResponse by remove_controller, safe;
    ListReconcilersRequest => ListReconcilersResponse by list_reconcilers, safe;
    RollBackServiceRequest => RollBackServiceResponse by roll_back_service, never;
    ReadUsageRequest => ReadUsageResponse by read_usage, safe;
    CreateAccessKeyRequest => CreateAccessKeyResponse by create_access_key, never;
    ListAccessKeysRequest => ListAccessKeysResponse by list_access_keys, safe;
    UpdateAccessKeyRequest => UpdateAccessKeyResponse by update_access_key, safe;
    DeleteAccessKeyRequest => DeleteAccessKeyResponse by delete_access_key, never;
    CreateSecurityGroupRequest => CreateSecurityGroupResponse by create_security_group, never;
    ChangeSecurityGroupRequest => ChangeSecurityGroupResponse by change_security_group, never;
    DescribeSecurityGroupsRequest => DescribeSecurityGroupsResponse by describe_security_groups, safe;
    DeleteSecurityGroupRequest => DeleteSecurityGroupResponse by delete_security_group, never;
}

operations! { ssm, ParametersClient:
    PutParameterRequest => PutParameterResponse by put_parameter, never;
    GetParameterRequest => GetParameterResponse by get_parameter, safe;
    DescribeParametersRequest => DescribeParametersResponse by describe_parameters, safe;
    DeleteParameterRequest => DeleteParameterResponse by delete_parameter, never;
}

operations! { secretsmanager, SecretsClient:
    CreateSecretRequest => CreateSecretResponse by create_secret, never;
    PutSecretValueRequest => PutSecretValueResponse by put_secret_value, never;
    GetSecretValueRequest => GetSecretValueResponse by get_secret_value, safe;
    ListSecretsRequest => ListSecretsResponse by list_secrets, safe;
    DeleteSecretRequest => DeleteSecretResponse by delete_secret, never;
    RestoreSecretRequest => RestoreSecretResponse by restore_secret, safe;
}

// Moving tasks twice may move more of them.
operations! { scheduler, SchedulerClient:
    ExplainRequest => ExplainResponse by explain, safe;
    DrainInstancesRequest => DrainInstancesResponse by drain_instances, safe;
    DescribeDrainsRequest => DescribeDrainsResponse by describe_drains, safe;
    RebalanceRequest => RebalanceResponse by rebalance, unless_dry;
}

streams! { AdminClient:
    admin::WatchEventsRequest => admin::Event, by watch_events;
    admin::ReadLogsRequest => berth_proto::agent::v1::LogChunk, by read_logs;
}

described! { "berth.ecs.v1", ecs:
    CreateClusterRequest, CreateClusterResponse, DescribeClustersRequest, DescribeClustersResponse,
    ListClustersRequest, ListClustersResponse, UpdateClusterRequest, UpdateClusterResponse, DeleteClusterRequest,
    DeleteClusterResponse, RegisterTaskDefinitionRequest, RegisterTaskDefinitionResponse,
    DescribeTaskDefinitionRequest, DescribeTaskDefinitionResponse, ListTaskDefinitionFamiliesRequest,
    ListTaskDefinitionFamiliesResponse, ListTaskDefinitionsRequest, ListTaskDefinitionsResponse,
    DeregisterTaskDefinitionRequest, DeregisterTaskDefinitionResponse, DeleteTaskDefinitionsRequest,
    DeleteTaskDefinitionsResponse, RunTaskRequest, RunTaskResponse, StartTaskRequest, StartTaskResponse,
    StopTaskRequest, StopTaskResponse, DescribeTasksRequest, DescribeTasksResponse, ListTasksRequest,
    ListTasksResponse, CreateServiceRequest, CreateServiceResponse, DescribeServicesRequest,
    DescribeServicesResponse, ListServicesRequest, ListServicesResponse, UpdateServiceRequest, UpdateServiceResponse,
    DeleteServiceRequest, DeleteServiceResponse, DescribeContainerInstancesRequest,
    DescribeContainerInstancesResponse, ListContainerInstancesRequest, ListContainerInstancesResponse,
    UpdateContainerInstancesStateRequest, UpdateContainerInstancesStateResponse, DeregisterContainerInstanceRequest,
    DeregisterContainerInstanceResponse, PutAttributesRequest, PutAttributesResponse, ListAttributesRequest,
    ListAttributesResponse, DeleteAttributesRequest, DeleteAttributesResponse, ContainerDefinition, TaskOverride,
    ServiceEvent, ListServiceDeploymentsRequest, ListServiceDeploymentsResponse,
    DescribeServiceDeploymentsRequest, DescribeServiceDeploymentsResponse, DescribeServiceRevisionsRequest,
    DescribeServiceRevisionsResponse, StopServiceDeploymentRequest, StopServiceDeploymentResponse,
    ContinueServiceDeploymentRequest, ContinueServiceDeploymentResponse, ServiceRevision,
}

described! { "berth.scheduler.v1", scheduler:
    ExplainRequest, ExplainResponse, DrainInstancesRequest, DrainInstancesResponse, DescribeDrainsRequest,
    DescribeDrainsResponse, RebalanceRequest, RebalanceResponse,
}

described! { "berth.ssm.v1", ssm:
    PutParameterRequest, PutParameterResponse, GetParameterRequest, GetParameterResponse, DescribeParametersRequest,
    DescribeParametersResponse, DeleteParameterRequest, DeleteParameterResponse,
}

described! { "berth.secretsmanager.v1", secretsmanager:
    CreateSecretRequest, CreateSecretResponse, PutSecretValueRequest, PutSecretValueResponse, GetSecretValueRequest,
    GetSecretValueResponse, ListSecretsRequest, ListSecretsResponse, DeleteSecretRequest, DeleteSecretResponse,
    RestoreSecretRequest, RestoreSecretResponse,
}

described! { "berth.admin.v1", admin:
    ListControllersRequest, ListControllersResponse, RemoveControllerRequest, RemoveControllerResponse,
    ListReconcilersRequest, ListReconcilersResponse, RollBackServiceRequest, RollBackServiceResponse,
    WatchEventsRequest, Event, ReadLogsRequest, ReadUsageRequest, ReadUsageResponse,
    CreateAccessKeyRequest, CreateAccessKeyResponse, ListAccessKeysRequest, ListAccessKeysResponse,
    UpdateAccessKeyRequest, UpdateAccessKeyResponse, DeleteAccessKeyRequest, DeleteAccessKeyResponse,
    CreateSecurityGroupRequest, CreateSecurityGroupResponse, ChangeSecurityGroupRequest, ChangeSecurityGroupResponse,
    DescribeSecurityGroupsRequest, DescribeSecurityGroupsResponse, DeleteSecurityGroupRequest,
    DeleteSecurityGroupResponse, SecurityGroup,
}

impl Described for berth_proto::agent::v1::LogChunk {
    const NAME: &'static str = "berth.agent.v1.LogChunk";
}
