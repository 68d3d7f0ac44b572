//! Which cluster a request is about, as the request says it. Only for traces: what it means is for validation to say.

use berth_proto::{
    admin::v1 as admin, ecs::v1 as pb, logs::v1 as logs, scheduler::v1 as scheduler,
    secretsmanager::v1 as secretsmanager, ssm::v1 as ssm,
};

/// A request that may name a cluster.
pub(crate) trait InCluster: Send + Sync {
    /// The name or ARN in it.
    fn cluster(&self) -> Option<&str> {
        None
    }
}

macro_rules! named_by {
    ($member:ident: $($request:ident),+ $(,)?) => {
        $(impl InCluster for pb::$request {
            fn cluster(&self) -> Option<&str> {
                self.$member.as_deref()
            }
        })+
    };
}

macro_rules! unnamed {
    ($($request:ident),+ $(,)?) => {
        $(impl InCluster for pb::$request {})+
    };
}

named_by!(cluster_name: CreateClusterRequest);
named_by!(
    cluster: UpdateClusterRequest,
    DeleteClusterRequest,
    RunTaskRequest,
    StartTaskRequest,
    StopTaskRequest,
    DescribeTasksRequest,
    ListTasksRequest,
    CreateServiceRequest,
    DescribeServicesRequest,
    ListServicesRequest,
    UpdateServiceRequest,
    DeleteServiceRequest,
    RegisterContainerInstanceRequest,
    DescribeContainerInstancesRequest,
    ListContainerInstancesRequest,
    UpdateContainerInstancesStateRequest,
    DeregisterContainerInstanceRequest,
    PutAttributesRequest,
    ListAttributesRequest,
    DeleteAttributesRequest,
    ListServiceDeploymentsRequest,
    CreateTaskSetRequest,
    DescribeTaskSetsRequest,
    UpdateTaskSetRequest,
    UpdateServicePrimaryTaskSetRequest,
    DeleteTaskSetRequest,
    UpdateClusterSettingsRequest,
    PutClusterCapacityProvidersRequest,
    CreateCapacityProviderRequest,
    DescribeCapacityProvidersRequest,
    UpdateCapacityProviderRequest,
    DeleteCapacityProviderRequest,
    GetTaskProtectionRequest,
    UpdateTaskProtectionRequest,
    ExecuteCommandRequest,
    DiscoverPollEndpointRequest,
    SubmitTaskStateChangeRequest,
    SubmitContainerStateChangeRequest,
    SubmitAttachmentStateChangesRequest,
    UpdateContainerAgentRequest,
    CreateExpressGatewayServiceRequest,
    AssociateGatewayWithClusterRequest,
    DisassociateGatewayFromClusterRequest,
    ListGatewayClusterAssociationsRequest,
    ListGatewayRoutesRequest,
);
named_by!(cluster_arn: CreateDaemonRequest, ListDaemonsRequest);
unnamed!(
    DescribeClustersRequest,
    ListClustersRequest,
    RegisterTaskDefinitionRequest,
    DescribeTaskDefinitionRequest,
    ListTaskDefinitionFamiliesRequest,
    ListTaskDefinitionsRequest,
    DeregisterTaskDefinitionRequest,
    DeleteTaskDefinitionsRequest,
    DescribeServiceDeploymentsRequest,
    DescribeServiceRevisionsRequest,
    StopServiceDeploymentRequest,
    ContinueServiceDeploymentRequest,
    TagResourceRequest,
    UntagResourceRequest,
    ListTagsForResourceRequest,
    PutAccountSettingRequest,
    PutAccountSettingDefaultRequest,
    ListAccountSettingsRequest,
    DeleteAccountSettingRequest,
    ListServicesByNamespaceRequest,
    DescribeExpressGatewayServiceRequest,
    UpdateExpressGatewayServiceRequest,
    DeleteExpressGatewayServiceRequest,
    CreateGatewayRequest,
    DescribeGatewayRequest,
    DescribeGatewayResourcesRequest,
    UpdateGatewayRequest,
    DeleteGatewayRequest,
    ListGatewaysRequest,
    DescribeGatewayRouteRequest,
    RegisterDaemonTaskDefinitionRequest,
    DescribeDaemonTaskDefinitionRequest,
    DeleteDaemonTaskDefinitionRequest,
    ListDaemonTaskDefinitionsRequest,
    DescribeDaemonRequest,
    UpdateDaemonRequest,
    DeleteDaemonRequest,
    DescribeDaemonDeploymentsRequest,
    ListDaemonDeploymentsRequest,
    DescribeDaemonRevisionsRequest,
);

macro_rules! of_no_cluster {
    ($package:ident: $($request:ident),+ $(,)?) => {
        $(impl InCluster for $package::$request {})+
    };
}

of_no_cluster!(
    ssm: PutParameterRequest,
    GetParameterRequest,
    GetParametersRequest,
    GetParametersByPathRequest,
    GetParameterHistoryRequest,
    DescribeParametersRequest,
    DeleteParameterRequest,
    DeleteParametersRequest,
    StartSessionRequest,
);
of_no_cluster!(
    secretsmanager: CreateSecretRequest,
    GetSecretValueRequest,
    PutSecretValueRequest,
    UpdateSecretRequest,
    DescribeSecretRequest,
    ListSecretsRequest,
    ListSecretVersionIdsRequest,
    DeleteSecretRequest,
    RestoreSecretRequest,
);

of_no_cluster!(
    logs: CreateLogGroupRequest,
    DeleteLogGroupRequest,
    DescribeLogGroupsRequest,
    PutRetentionPolicyRequest,
    DeleteRetentionPolicyRequest,
    TagResourceRequest,
    UntagResourceRequest,
    ListTagsForResourceRequest,
);

impl InCluster for admin::CreateAccessKeyRequest {}
impl InCluster for admin::UpdateAccessKeyRequest {}
impl InCluster for admin::DeleteAccessKeyRequest {}
impl InCluster for admin::CreateSecurityGroupRequest {}
impl InCluster for admin::ChangeSecurityGroupRequest {}
impl InCluster for admin::DescribeSecurityGroupsRequest {}
impl InCluster for admin::DeleteSecurityGroupRequest {}

impl InCluster for admin::ReadLogsRequest {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }
}

impl InCluster for admin::ReadUsageRequest {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }
}

impl InCluster for admin::RollBackServiceRequest {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }
}

impl InCluster for admin::WatchEventsRequest {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }
}

macro_rules! of_scheduler {
    ($($request:ident),+ $(,)?) => {
        $(impl InCluster for scheduler::$request {
            fn cluster(&self) -> Option<&str> {
                Some(&self.cluster)
            }
        })+
    };
}

of_scheduler!(ExplainRequest, DrainInstancesRequest, DescribeDrainsRequest, RebalanceRequest);
