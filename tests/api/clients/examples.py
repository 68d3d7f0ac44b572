"""The examples that AWS publishes: each is run against a fleet that holds what it names, and the reply is held against
the output that AWS shows. It has to have every member that AWS shows, of the same kind, and no member that AWS never
shows. Where it does not, the tables below say why; what they do not say fails, and so does what they say in vain.
"""

import sys

import worlds as w
from berth import check_reply
from published import Aws, deviations, examples, members

PROVIDERS = ("MyCapacityProvider1", "MyCapacityProvider2")
INFRA = "Infra-ECS-Cluster-ECS-project-update-cluster-d6bb6d5b-EC2CapacityProvider-3fIpdkLywwFt"
NOT_PROTECTED = w.protected(False)
TASKS = ("4d590253bb114126b7afa7b58EXAMPLE", "74de0355a10a4f979ac495c14EXAMPLE", "d789e94343414c25b9f6bd59eEXAMPLE")

WORLDS = {
    "capacity-provider-update 1": w.providers(INFRA),
    "create-cluster 1": w.new_cluster("MyCluster"),
    "create-cluster 2": w.new_cluster("MyCluster", w.providers(*PROVIDERS)),
    "create-cluster 3": w.new_cluster("MyCluster"),
    "create-service 1": w.of_cluster("MyCluster", w.definitions("sample-fargate", requiresCompatibilities=["FARGATE"], **w.OWN_NETWORK)),
    "create-service 2": w.of_cluster("MyCluster", w.definitions("sleep360", 2)),
    "create-service 3": w.of_cluster("MyCluster"),
    "create-service 4": w.of_cluster("MyCluster", w.definitions("ecs-demo")),
    "create-service 5": w.of_cluster("mycluster", w.definitions("mytaskdef", **w.OWN_NETWORK)),
    "create-task-set 1": w.of_cluster("MyCluster", w.external),
    "delete-account-setting 1": w.of_principal,
    "delete-attributes 1": w.labelled_instance,
    "delete-capacity-provider 1": w.providers("ExampleCapacityProvider"),
    "delete-capacity-provider 2": w.providers("ExampleCapacityProvider"),
    "delete-task-definitions 1": w.curltest,
    "delete-task-set 1": w.of_cluster("MyCluster", w.task_set),
    "deregister-container-instance 1": w.of_cluster("MyCluster", w.joined),
    "describe-capacity-providers 1": w.providers("MyCapacityProvider"),
    "describe-capacity-providers 2": w.tagged_provider,
    "describe-clusters 2": w.of_cluster("sampleCluster", w.with_providers("sampleCapacityProvider")),
    "describe-container-instances 1": w.instance(w.INSTANCE, update="default"),
    "describe-service-deployments 1": w.deployed,
    "describe-service-revisions 1": w.deployed,
    "describe-services 1": w.service("my-http-service"),
    "describe-task-definition 1": w.hello_world,
    "describe-task-sets 1": w.of_cluster("MyCluster", w.task_set),
    "describe-tasks 1": w.tasks(TASKS[0]),
    "describe-tasks 2": w.tasks(*TASKS[1:]),
    "get-task-protection 1": NOT_PROTECTED,
    "list-account-settings 2": w.of_principal,
    "list-attributes 1": w.labelled_instance,
    "list-container-instances 1": w.of_cluster("MyCluster", w.joined),
    "list-service-deployments 1": w.deployed,
    "list-services 1": w.of_cluster("MyCluster", w.external),
    "list-tags-for-resource 1": w.of_cluster("MyCluster", w.tagged_cluster),
    "list-task-definition-families 1": w.families,
    "list-task-definition-families 2": w.families,
    "list-task-definitions 1": w.families,
    "list-task-definitions 2": w.families,
    "list-tasks 1": w.busy_instance,
    "list-tasks 2": w.busy_instance,
    "put-account-settings 1": w.of_principal,
    "put-attributes 1": w.targeted_instance,
    "put-cluster-capacity-providers 1": w.of_cluster("MyCluster", w.providers(*PROVIDERS)),
    "put-cluster-capacity-providers 3": w.of_cluster("MyCluster", w.with_providers(*PROVIDERS)),
    "run-task 1": w.definitions("sleep360"),
    "run-task 2": w.definitions("mytaskdef", requiresCompatibilities=["FARGATE"], **w.OWN_NETWORK),
    "start-task 1": w.instance("765936fadbdd46b5991a4bd70c2a43d4"),
    "start-task 2": w.instance("765936fadbdd46b5991a4bd70c2a43d4"),
    "stop-task 1": w.tasks("666fdccc2e2d4b6894dd422f4eeee8f8"),
    "update-cluster-settings 1": w.of_cluster("MyCluster"),
    "update-cluster 2": w.of_cluster("ECS-project-update-cluster", w.with_providers(INFRA)),
    "update-service 2": w.of_cluster("MyCluster", w.updated),
    "update-service 4": w.of_cluster("mycluster", w.updated),
    "update-service 5": w.of_cluster("MyCluster", w.updated),
    "update-service-primary-task-set 1": w.of_cluster("MyCluster", w.task_set),
    "update-task-protection 1": w.protected(True),
    "update-task-protection 2": NOT_PROTECTED,
    "update-task-set 1": w.of_cluster("MyCluster", w.task_set),
}


# What AWS shows and we do not, or otherwise, by example and place; and why.
NO_SCALING = "a capacity provider scales nothing, so that it has neither plans nor hooks to show"
NO_FARGATE = "there is no Fargate capacity, and a strategy with it is refused"
NO_ROLES = "there are no service-linked roles"
NO_NAMESPACES = "there are no namespaces"
NO_NETWORK = "a simulated task has no network interface"
NOT_AT_EC2 = "a host is no instance of EC2"
AT_ONCE = "it is done by the time of the answer"
CONTRADICTION = "the output is not of this command, or not of this API"
STATE = "another state of the same thing"

OF_FARGATE = ("capacityProviderStrategy", "platformVersion", "platformFamily")


def of_service(*more):
    found = {"service.roleArn": NO_ROLES}
    for place in ("service", "service.deployments[]"):
        found[f"{place}.networkConfiguration.awsvpcConfiguration.assignPublicIp"] = NO_FARGATE
    for member in more:
        found[f"service.{member}"] = found[f"service.deployments[].{member}"] = NO_FARGATE
    return found


DEVIATIONS = {
    "capacity-provider-update 1": {
        "capacityProvider.autoScalingGroupProvider.managedScaling.status": CONTRADICTION,
        "capacityProvider.autoScalingGroupProvider.managedDraining": CONTRADICTION,
        "capacityProvider.updateStatus": AT_ONCE,
    },
    "create-cluster 2": {
        "cluster.status": AT_ONCE,
        "cluster.attachments": NO_SCALING,
        "cluster.attachmentsStatus": NO_SCALING,
    },
    "create-service 3": {"service.taskSets": "a service without task sets has no list of them", "service.roleArn": NO_ROLES},
    "delete-capacity-provider 1": {"capacityProvider.autoScalingGroupProvider.managedTerminationProtection": STATE},
    "delete-capacity-provider 2": {"capacityProvider.autoScalingGroupProvider.managedTerminationProtection": STATE},
    "deregister-container-instance 1": {
        "containerInstance.agentConnected": "no agent of Berth was ever connected to this instance",
        "containerInstance.ec2InstanceId": NOT_AT_EC2,
    },
    "describe-clusters 2": {"clusters[].attachments": NO_SCALING, "clusters[].attachmentsStatus": NO_SCALING},
    "describe-container-instances 1": {"containerInstances[].versionInfo.agentHash": "an agent has a version, and no hash"},
    "describe-service-deployments 1": {
        "serviceDeployments[].deploymentConfiguration.alarms": "of alarms only what was given is shown",
    },
    "describe-service-revisions 1": {
        **{f"serviceRevisions[].{member}": NO_FARGATE for member in OF_FARGATE},
        "serviceRevisions[].networkConfiguration": NO_NETWORK,
        "serviceRevisions[].containerImages[].imageDigest": "a simulated task has no image",
        "serviceRevisions[].serviceConnectConfiguration": NO_NAMESPACES,
    },
    "describe-tasks 2": {
        "tasks[].attachments[]": NO_NETWORK,
        "tasks[].containers[].networkInterfaces[]": NO_NETWORK,
        "tasks[].launchType": NO_FARGATE,
        "tasks[].platformVersion": NO_FARGATE,
        "tasks[].platformFamily": NO_FARGATE,
        "tasks[].ephemeralStorage": NO_FARGATE,
    },
    "put-cluster-capacity-providers 1": {"cluster.attachments": NO_SCALING, "cluster.attachmentsStatus": NO_SCALING},
    "put-cluster-capacity-providers 3": {"cluster.attachments": NO_SCALING, "cluster.attachmentsStatus": NO_SCALING},
    "run-task 1": {"tasks[].capacityProviderName": "no capacity provider has instances"},
    "stop-task 1": {member: STATE for member in ("task.lastStatus", "task.stopCode", "task.executionStoppedAt", "task.stoppedAt")},
    "update-service 2": {**of_service(*OF_FARGATE), "service.deployments[].taskkDefinition": CONTRADICTION},
    "update-service 4": {
        **of_service("launchType", "platformVersion", "platformFamily"),
        "service.deployments[].volumeConfigurations": "a list that clears what was not there is not shown",
    },
    "update-service 5": {**of_service(*OF_FARGATE), "service.deployments[].taskkDefinition": CONTRADICTION},
    "update-service-primary-task-set 1": {"taskSet.stabilityStatus": STATE},
}

# What is not answered, and how it is refused.
UNSUPPORTED = "UnsupportedFeatureException"
REFUSED = {
    "create-service 1": (UNSUPPORTED, NO_FARGATE),
    "create-service 4": (UNSUPPORTED, "there are no load balancers"),
    "create-service 5": (UNSUPPORTED, "there are no volumes of EBS"),
    "list-services-by-namespace 1": ("NamespaceNotFoundException", NO_NAMESPACES),
    "run-task 2": (UNSUPPORTED, "there are no volumes of EBS"),
    "start-task 2": (UNSUPPORTED, "there are no volumes of EBS"),
    "update-cluster 2": (UNSUPPORTED, NO_NAMESPACES),
}

# Members that AWS shows in none of the examples, and why they are shown.
NEWER = "the API has it, and the examples are older"
MORE = {
    "CapacityProvider.type": NEWER,
    "DeploymentConfiguration.strategy": NEWER,
    "DeploymentConfiguration.bakeTimeInMinutes": NEWER,
    "Service.currentServiceDeployment": NEWER,
    "Service.currentServiceRevisions": NEWER,
    "ServiceCurrentRevisionSummary.arn": NEWER,
    "ServiceCurrentRevisionSummary.requestedTaskCount": NEWER,
    "ServiceCurrentRevisionSummary.runningTaskCount": NEWER,
    "ServiceCurrentRevisionSummary.pendingTaskCount": NEWER,
    "ContainerDefinition.systemControls": NEWER,
    "TaskDefinition.deleteRequestedAt": NEWER,
    "ServiceDeployment.lifecycleStage": "the stage that a service deployment has come to; rolling ones have hooks here as well",
    "ServiceRevision.launchType": "instances are EC2's, and the example is of a capacity provider strategy",
    "TaskSet.serviceArn": "the API has it; the examples are cut",
    "TaskSet.clusterArn": "the API has it; the examples are cut",
    "TaskDefinition.requiresAttributes": "the API has it; the examples are cut",
    "PortMapping.protocol": "ECS fills it in; the example is cut",
    "Task.inferenceAccelerators": "ECS sends the empty list",
    "DescribeCapacityProvidersResponse.failures": "every Describe operation has the list",
    "RegisterTaskDefinitionResponse.tags": "every list of an answer is there",
}

# Examples whose output is no JSON: cut short or mistyped.
BROKEN = {
    "create-capacity-provider 1",
    "delete-cluster 1",
    "put-cluster-capacity-providers 2",
    "update-cluster 1",
    "update-container-agent 1",
    "update-container-instances-state 1",
    "update-service 1",
    "update-service 3",
}


def compare(name, shape, theirs, ours):
    """What is wrong with a reply, in words."""
    known = DEVIATIONS.get(name, {})
    seen = dict(deviations(shape, theirs, ours))
    for path, what in seen.items():
        if path not in known:
            yield f"{name}: {path} {what}"
    for path in known.keys() - seen.keys():
        yield f"{name}: {path} deviates no longer"


found, broken = examples()
assert set(broken) == BROKEN, sorted(set(broken) ^ BROKEN)
assert len(found) == 66, len(found)
aws, wrong, shown, more = Aws(check_reply), [], set(), {}
for example in found:
    reply = example.run(aws, WORLDS.get(example.name, w.nothing)())
    expected = REFUSED.get(example.name, (None,))[0]
    if reply.get("__type") != expected:
        wrong.append(f"{example.name}: {reply}, and not {expected}")
    shown.update(members(aws.shape, example.output))
    if "__type" not in reply:
        wrong.extend(compare(example.name, aws.shape, example.output, reply))
        more.update((member, example.name) for member in members(aws.shape, reply))
for member, example in sorted(more.items()):
    if member not in shown and member not in MORE:
        wrong.append(f"{example}: AWS never shows {member}")
for member in sorted(MORE):
    if member in shown or member not in more:
        wrong.append(f"{member} is no addition")
if wrong:
    sys.exit("\n".join(wrong))
