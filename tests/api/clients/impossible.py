"""Errors that the API model knows of an operation and that Berth never answers it with, each with the reason."""

# ECS has two words for what is wrong with a request, and Berth uses for each cause the one that ECS is known to use.
ALWAYS_INVALID = "whatever is wrong with such a request is an InvalidParameterException or has an error of its own"

IMPOSSIBLE = [
    (
        "ClientException",
        """
        ContinueServiceDeployment CreateCluster DeleteAccountSetting DeleteAttributes DeleteCapacityProvider DeleteCluster
        DeleteService DeleteTaskSet DeregisterContainerInstance DescribeCapacityProviders DescribeClusters
        DescribeContainerInstances DescribeServiceDeployments DescribeServiceRevisions DescribeServices DescribeTaskSets
        DescribeTasks ExecuteCommand GetTaskProtection ListAccountSettings ListAttributes ListClusters
        ListContainerInstances ListServiceDeployments ListServices ListServicesByNamespace ListTagsForResource
        ListTaskDefinitionFamilies ListTaskDefinitions ListTasks PutAccountSetting PutAccountSettingDefault PutAttributes
        PutClusterCapacityProviders RegisterContainerInstance StopServiceDeployment StopTask SubmitAttachmentStateChanges
        TagResource UntagResource UpdateCapacityProvider UpdateCluster UpdateClusterSettings
        UpdateContainerInstancesState UpdateServicePrimaryTaskSet UpdateTaskProtection UpdateTaskSet
        """,
        ALWAYS_INVALID,
    ),
    (
        "UnsupportedFeatureException",
        """
        ContinueServiceDeployment DeleteCapacityProvider DeleteTaskSet DescribeCapacityProviders
        DescribeServiceDeployments DescribeServiceRevisions DescribeTaskSets GetTaskProtection ListServiceDeployments
        StopServiceDeployment UpdateServicePrimaryTaskSet UpdateTaskProtection UpdateTaskSet
        """,
        "nothing that can be asked of it is missing",
    ),
    (
        "UpdateInProgressException",
        """
        CreateCapacityProvider DeleteCapacityProvider DeleteCluster PutClusterCapacityProviders UpdateClusterSettings
        UpdateContainerAgent
        """,
        "updates are done when they are answered: no cluster and no agent is ever in the middle of one",
    ),
    (
        "ClusterNotFoundException",
        "DescribeServiceDeployments DescribeServiceRevisions",
        "what is named by an ARN and is not there is told in the answer's failures",
    ),
    (
        "ServiceNotFoundException",
        "DescribeServiceDeployments DescribeServiceRevisions",
        "what is named by an ARN and is not there is told in the answer's failures",
    ),
    (
        "ResourceNotFoundException",
        "GetTaskProtection UpdateTaskProtection",
        "tasks that are not there are told in the answer's failures",
    ),
    (
        "NamespaceNotFoundException",
        "CreateCluster CreateService CreateTaskSet StartTask UpdateCluster UpdateService",
        "there is no Service Connect yet: a request that needs a namespace is refused as a whole, as unsupported",
    ),
    (
        "PlatformUnknownException",
        "CreateService CreateTaskSet RunTask UpdateService",
        "platform versions are those of FARGATE, which is refused as unsupported",
    ),
    (
        "PlatformTaskDefinitionIncompatibilityException",
        "CreateService CreateTaskSet RunTask UpdateService",
        "platform versions are those of FARGATE, which is refused as unsupported",
    ),
    (
        "ClusterContainsCapacityProviderException",
        "DeleteCluster",
        "it is about capacity providers of managed instances, which are refused as unsupported",
    ),
    (
        "ResourceInUseException",
        "PutClusterCapacityProviders",
        "no task is started by a capacity provider yet, so none is in use by tasks",
    ),
    (
        "LimitExceededException",
        "RegisterTaskDefinition",
        "its limit is a million revisions of one family, which no controller has memory for",
    ),
    ("LimitExceededException", "DeleteTaskSet UpdateTaskSet", "neither makes more of anything"),
    (
        "TargetNotConnectedException",
        "ExecuteCommand",
        "the agents of these tests stay connected; the tests of the handlers have one that is not",
    ),
    ("BlockedException", "RunTask", "there is no account that AWS could have blocked"),
    (
        "MissingVersionException",
        "UpdateContainerAgent",
        "agents are never updated from here, so nobody has to know which version they have",
    ),
    (
        "ClientException",
        """
        AssociateGatewayWithCluster CreateDaemon CreateExpressGatewayService CreateGateway DeleteDaemon
        DeleteExpressGatewayService DeleteGateway DescribeDaemon DescribeDaemonDeployments DescribeDaemonRevisions
        DescribeExpressGatewayService DescribeGateway DescribeGatewayResources DescribeGatewayRoute
        DisassociateGatewayFromCluster ListDaemonDeployments ListDaemonTaskDefinitions ListDaemons
        ListGatewayClusterAssociations ListGatewayRoutes ListGateways UpdateDaemon UpdateExpressGatewayService
        UpdateGateway
        """,
        ALWAYS_INVALID,
    ),
    (
        "UnsupportedFeatureException",
        """
        AssociateGatewayWithCluster DeleteDaemon DeleteExpressGatewayService DeleteGateway DescribeDaemon
        DescribeDaemonDeployments DescribeDaemonRevisions DescribeExpressGatewayService DescribeGateway
        DescribeGatewayResources DescribeGatewayRoute DisassociateGatewayFromCluster ListDaemonDeployments ListDaemons
        ListGatewayClusterAssociations ListGatewayRoutes ListGateways UpdateDaemon UpdateExpressGatewayService
        UpdateGateway
        """,
        "what it is asked of cannot be made, which is where the word for it is said: there is none to be asked of",
    ),
    (
        "PlatformUnknownException",
        "CreateDaemon CreateExpressGatewayService UpdateDaemon",
        "platform versions are those of FARGATE, which is refused as unsupported",
    ),
    (
        "PlatformTaskDefinitionIncompatibilityException",
        "CreateExpressGatewayService",
        "platform versions are those of FARGATE, which is refused as unsupported",
    ),
    (
        "ClusterNotFoundException",
        """
        DeleteDaemon DeleteExpressGatewayService DescribeDaemon DescribeDaemonDeployments DescribeDaemonRevisions
        DescribeExpressGatewayService ListDaemonDeployments UpdateDaemon UpdateExpressGatewayService
        """,
        "the cluster is that of an ARN whose resource cannot be made, and is not found before its cluster is",
    ),
    ("DaemonNotActiveException", "DeleteDaemon UpdateDaemon", "no daemon can be made, so none is deleted"),
    (
        "ServiceNotActiveException",
        "DeleteExpressGatewayService UpdateExpressGatewayService",
        "no Express service can be made, so none is deleted",
    ),
    (
        "ResourceNotFoundException",
        "DisassociateGatewayFromCluster",
        "it is about an association, and no gateway can be made that could have one",
    ),
    (
        "InvalidParameterException",
        "RegisterDaemonTaskDefinition",
        "what is wrong with a definition is a ClientException, and one with nothing wrong is refused as unsupported",
    ),
    ("LimitExceededException", "RegisterDaemonTaskDefinition", "no daemon task definition can be made"),
]
