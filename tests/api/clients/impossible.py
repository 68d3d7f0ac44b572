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
        "a task is never run with enableExecuteCommand yet, which is looked at first",
    ),
    ("BlockedException", "RunTask", "there is no account that AWS could have blocked"),
    (
        "MissingVersionException",
        "UpdateContainerAgent",
        "agents are never updated from here, so nobody has to know which version they have",
    ),
]
