"""Every error that the API model knows of an operation: provoked, and held to its golden text; or known not to happen,
with the reason. A pair of an operation and an error that is neither fails.

BERTH_UPDATE_GOLDEN=1 writes golden/errors.json anew; a change of it is for a person to read.
"""

import json
import os
import pathlib
import sys

import botocore.config
import botocore.exceptions

from berth import definition, minimal, plain_text, session, until
from impossible import IMPOSSIBLE

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "errors.json"
SETTINGS = botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False)
ecs = session().client("ecs", config=SETTINGS)
# A key of controllers, which may do nothing of what clients do.
stranger = session().client(
    "ecs",
    config=SETTINGS,
    aws_access_key_id=os.environ["STRANGER_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["STRANGER_SECRET_ACCESS_KEY"],
)
MODEL = ecs.meta.service_model
METHODS = {operation: method for method, operation in ecs.meta.method_to_api_mapping.items()}
SERVED = os.environ["SERVED"].split(",")
SEEN = {}
WRONG = []


def provoke(error, operation, client=ecs, **parameters):
    """A call that is refused with this error. What the operation requires and is not given is made up, and what
    it does not take is left out: several operations are asked the same."""
    shape = MODEL.operation_model(operation).input_shape
    taken = {name: value for name, value in parameters.items() if name in shape.members}
    try:
        reply = getattr(client, METHODS[operation])(**{**minimal(shape), **taken})
    except botocore.exceptions.ClientError as refusal:
        told = refusal.response["Error"]
        if told["Code"] == error:
            SEEN.setdefault(operation, {}).setdefault(error, plain_text(told["Message"]))
        else:
            WRONG.append(f"{operation} is refused with {told}, not with {error}")
    else:
        WRONG.append(f"{operation} is not refused with {error}: {reply}")


def takes(operation, member):
    return member in MODEL.operation_model(operation).input_shape.members


def models(operation, error):
    return any(shape.name == error for shape in MODEL.operation_model(operation).error_shapes)


NOBODY = "0" * 32
HERE = "arn:aws:ecs:us-east-1:000000000000"
THERE = "arn:aws:ecs:eu-west-1:000000000000"
CLUSTER = {"cluster": "default"}

# What every operation can be refused with. Of some a cluster is only a filter, or is looked at after the rest.
LATE = {"CreateCapacityProvider", "UpdateCapacityProvider", "DeleteCapacityProvider"}
FILTERED = {"ListGatewayClusterAssociations", "ListGatewayRoutes"}
# What is named is looked at before the page.
NAMED = {"ListServicesByNamespace", "ListDaemonDeployments", "DescribeGatewayResources"}
for operation in SERVED:
    provoke("AccessDeniedException", operation, client=stranger)
    if takes(operation, "cluster") and operation not in LATE | FILTERED:
        provoke("InvalidParameterException", operation, cluster="a b")
        if models(operation, "ClusterNotFoundException"):
            provoke("ClusterNotFoundException", operation, cluster="nowhere")
    elif takes(operation, "maxResults") and operation not in NAMED:
        provoke("InvalidParameterException", operation, maxResults=0)

provoke("InvalidParameterException", "CreateCluster", clusterName="a b")
provoke("InvalidParameterException", "DescribeClusters", clusters=["a b"])
provoke("InvalidParameterException", "ContinueServiceDeployment", serviceDeploymentArn="x")
provoke("InvalidParameterException", "StopServiceDeployment", serviceDeploymentArn="x")
provoke("InvalidParameterException", "DescribeServiceDeployments", serviceDeploymentArns=[])
provoke("InvalidParameterException", "DescribeServiceRevisions", serviceRevisionArns=[])
provoke("InvalidParameterException", "ListServicesByNamespace", namespace="")
provoke("InvalidParameterException", "DeleteTaskDefinitions", taskDefinitions=[])
provoke("InvalidParameterException", "DeregisterTaskDefinition", taskDefinition=f"{THERE}:task-definition/web:1")
provoke("InvalidParameterException", "DescribeTaskDefinition", taskDefinition=f"{THERE}:task-definition/web")
provoke("InvalidParameterException", "RegisterTaskDefinition", **definition("web", tags=[{"key": "", "value": "a"}]))
for operation in ("TagResource", "UntagResource", "ListTagsForResource"):
    provoke("InvalidParameterException", operation, resourceArn="x")
    provoke("ClusterNotFoundException", operation, resourceArn=f"{HERE}:cluster/nowhere", tags=[], tagKeys=["a"])
for operation in ("TagResource", "UntagResource"):
    provoke("ResourceNotFoundException", operation, resourceArn=f"{HERE}:service/default/none", tags=[], tagKeys=["a"])
for operation in ("PutAccountSetting", "PutAccountSettingDefault"):
    provoke("InvalidParameterException", operation, name="containerInsights", value="maybe")
provoke("InvalidParameterException", "DeleteAccountSetting", name="containerInsights", principalArn="x")
for operation in ("UpdateCapacityProvider", "DeleteCapacityProvider"):
    provoke("InvalidParameterException", operation, name="none", capacityProvider="none")
for operation in ("CreateCapacityProvider", "UpdateCapacityProvider", "DeleteCapacityProvider"):
    provoke("ClusterNotFoundException", operation, name="none", capacityProvider="none", cluster="nowhere")
provoke("InvalidParameterException", "CreateCapacityProvider", name="pool")
provoke("InvalidParameterException", "DescribeCapacityProviders", maxResults=11)

# Task definitions.
provoke("ClientException", "RegisterTaskDefinition", family="web", containerDefinitions=[])
provoke("ClientException", "DescribeTaskDefinition", taskDefinition="none")
provoke("ClientException", "DeregisterTaskDefinition", taskDefinition="none:9")
provoke("ClientException", "DeleteTaskDefinitions", taskDefinitions=["none:x"])
ecs.register_task_definition(**definition("web"))
for operation in ("RunTask", "StartTask", "CreateService"):
    provoke("ClientException", operation, taskDefinition="none", containerInstances=[NOBODY], serviceName="web", desiredCount=1)

# Capacity providers.
group = {"autoScalingGroupArn": "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:x:autoScalingGroupName/x"}
ecs.create_capacity_provider(name="pool", autoScalingGroupProvider=group)
provoke("ClientException", "CreateCapacityProvider", name="pool", autoScalingGroupProvider=group)
managed = {"infrastructureRoleArn": "arn:aws:iam::000000000000:role/x", "instanceLaunchTemplate": {"ec2InstanceProfileArn": "x", "networkConfiguration": {"subnets": ["a"]}}}
provoke("UnsupportedFeatureException", "CreateCapacityProvider", name="other", cluster="default", managedInstancesProvider=managed)
provoke("UnsupportedFeatureException", "UpdateCapacityProvider", name="pool", managedInstancesProvider=managed)
for number in range(19):
    ecs.create_capacity_provider(name=f"pool-{number}", autoScalingGroupProvider=group)
provoke("LimitExceededException", "CreateCapacityProvider", name="one-more", autoScalingGroupProvider=group)

# Clusters, with something in them.
instance = ecs.list_container_instances()["containerInstanceArns"][0]
provoke("ClusterContainsContainerInstancesException", "DeleteCluster", cluster="default")
ecs.create_service(serviceName="web", taskDefinition="web", desiredCount=1)
provoke("ClusterContainsServicesException", "DeleteCluster", cluster="default")
ecs.delete_service(service="web", force=True)
ecs.run_task(taskDefinition="web")
until("the service is gone", lambda: ecs.describe_services(services=["web"])["services"][0]["status"] == "INACTIVE")
provoke("ClusterContainsTasksException", "DeleteCluster", cluster="default")
provoke("ServiceNotActiveException", "UpdateService", service="web", desiredCount=1)

# Tasks.
provoke("UnsupportedFeatureException", "RunTask", taskDefinition="web", volumeConfigurations=[{"name": "x"}])
provoke("UnsupportedFeatureException", "StartTask", taskDefinition="web", containerInstances=[instance], volumeConfigurations=[{"name": "x"}])
ecs.run_task(taskDefinition="web", clientToken="once")
provoke("ConflictException", "RunTask", taskDefinition="web", clientToken="once", count=2)
provoke("ClientException", "DiscoverPollEndpoint", containerInstance=NOBODY)
provoke("ClientException", "SubmitTaskStateChange", task=NOBODY)
provoke("ClientException", "SubmitContainerStateChange", task=NOBODY)

# Container instances.
attribute = {"name": "rack", "value": "1", "targetType": "container-instance"}
for operation in ("PutAttributes", "DeleteAttributes"):
    provoke("TargetNotFoundException", operation, attributes=[{**attribute, "targetId": NOBODY}])
many = [{**attribute, "name": f"rack-{number}", "targetId": instance} for number in range(10)]
ecs.put_attributes(attributes=many)
provoke("AttributeLimitExceededException", "PutAttributes", attributes=[{**attribute, "targetId": instance}])
provoke("NoUpdateAvailableException", "UpdateContainerAgent", containerInstance=instance)
provoke("ClientException", "UpdateContainerAgent", containerInstance=NOBODY)

# Services.
for operation in ("UpdateService", "DeleteService", "ListServiceDeployments", "ListTasks"):
    provoke("ServiceNotFoundException", operation, service="none", serviceName="none")
registry = [{"registryArn": "arn:aws:servicediscovery:us-east-1:000000000000:service/x"}]
found = {"serviceName": "found", "taskDefinition": "web", "desiredCount": 1, "serviceRegistries": registry}
provoke("UnsupportedFeatureException", "CreateService", **found)
ecs.create_service(serviceName="api", taskDefinition="web", desiredCount=0)
provoke("ClientException", "UpdateService", service="api", taskDefinition="none")
provoke("UnsupportedFeatureException", "UpdateService", service="api", serviceRegistries=registry)
provoke("NamespaceNotFoundException", "ListServicesByNamespace", namespace="shop")

# Service deployments.
nothing = f"{HERE}:service-deployment/default/api/{'0' * 21}"
provoke("ServiceDeploymentNotFoundException", "StopServiceDeployment", serviceDeploymentArn=nothing)
provoke("ServiceDeploymentNotFoundException", "ContinueServiceDeployment", serviceDeploymentArn=nothing, hookId="01234567-89ab-cdef-0123-456789abcdef")
done = until(
    "the service is deployed",
    lambda: ecs.list_service_deployments(service="api", status=["SUCCESSFUL"])["serviceDeployments"],
)[0]["serviceDeploymentArn"]
provoke("ConflictException", "StopServiceDeployment", serviceDeploymentArn=done)

# Task sets.
SETS = {"cluster": "default", "service": "sets"}
for operation in ("CreateTaskSet", "DescribeTaskSets", "UpdateTaskSet", "UpdateServicePrimaryTaskSet", "DeleteTaskSet"):
    provoke("ServiceNotFoundException", operation, cluster="default", service="none", taskDefinition="web")
    provoke("ServiceNotActiveException", operation, cluster="default", service="web", taskDefinition="web")
ecs.create_service(serviceName="sets", desiredCount=0, deploymentController={"type": "EXTERNAL"})
for operation in ("UpdateTaskSet", "UpdateServicePrimaryTaskSet", "DeleteTaskSet"):
    unknown = "ecs-svc/1000000000000000001"
    scale = {"value": 50, "unit": "PERCENT"}
    provoke("TaskSetNotFoundException", operation, **SETS, taskSet=unknown, primaryTaskSet=unknown, scale=scale)
balancer = [{"targetGroupArn": "x", "containerName": "main", "containerPort": 80}]
provoke("UnsupportedFeatureException", "CreateTaskSet", **SETS, taskDefinition="web", loadBalancers=balancer)
provoke("ClientException", "CreateTaskSet", **SETS, taskDefinition="none")
for _ in range(100):
    ecs.create_task_set(**SETS, taskDefinition="web", scale={"value": 0, "unit": "PERCENT"})
provoke("LimitExceededException", "CreateTaskSet", **SETS, taskDefinition="web")

# Tags.
for base in range(0, 50, 10):
    tags = [{"key": f"key-{number}", "value": ""} for number in range(base, base + 10)]
    ecs.tag_resource(resourceArn=f"{HERE}:cluster/default", tags=tags)
provoke("LimitExceededException", "TagResource", resourceArn=f"{HERE}:cluster/default", tags=[{"key": "one-more", "value": ""}])

# What cannot be made yet: daemons, gateways and Express services.
BLANK = {
    "daemonArn": "",
    "daemonTaskDefinition": "",
    "daemonDeploymentArns": [],
    "daemonRevisionArns": [],
    "daemonName": "",
    "gateway": "",
    "gatewayRouteArn": "",
    "serviceArn": "",
    "name": "",
}
for operation in SERVED:
    if "Daemon" in operation or "Gateway" in operation:
        if "InvalidParameterException" not in SEEN[operation] and operation != "RegisterDaemonTaskDefinition":
            provoke("InvalidParameterException", operation, **BLANK)
for operation in ("CreateDaemon", "ListDaemons"):
    provoke("ClusterNotFoundException", operation, clusterArn=f"{HERE}:cluster/nowhere")
for operation in ("DeleteDaemon", "DescribeDaemon", "UpdateDaemon"):
    provoke("DaemonNotFoundException", operation, daemonArn="x")
for operation in SERVED:
    if models(operation, "GatewayNotFoundException"):
        provoke("GatewayNotFoundException", operation, cluster="default", gateway="x")
for operation in ("DeleteExpressGatewayService", "UpdateExpressGatewayService"):
    provoke("ServiceNotFoundException", operation, serviceArn="x")
provoke("ResourceNotFoundException", "DescribeExpressGatewayService", serviceArn="x")
provoke("ResourceNotFoundException", "DescribeGatewayRoute", gatewayRouteArn="x")
provoke("UnsupportedFeatureException", "CreateDaemon")
provoke("UnsupportedFeatureException", "CreateExpressGatewayService")
provoke("UnsupportedFeatureException", "CreateGateway", configuration={"hostSharedAlb": {}})
provoke("ClientException", "RegisterDaemonTaskDefinition", family="x", containerDefinitions=[])
for operation in ("DescribeDaemonTaskDefinition", "DeleteDaemonTaskDefinition"):
    provoke("ClientException", operation, daemonTaskDefinition="x")

# Every pair is in one of the two, and none in both.
impossible = {(operation, error) for error, operations, _ in IMPOSSIBLE for operation in operations.split()}
modelled = {
    (operation, shape.name) for operation in SERVED for shape in MODEL.operation_model(operation).error_shapes
}
# What no request is to blame for is provoked by errors_without_leader.py, of every operation.
provoked = {(operation, error) for operation, errors in SEEN.items() for error in errors}
provoked |= {(operation, "ServerException") for operation in SERVED}
for operation, error in sorted(modelled - provoked - impossible):
    WRONG.append(f"{operation}: {error} is neither provoked nor known not to happen")
for operation, error in sorted(impossible & provoked):
    WRONG.append(f"{operation}: {error} happens, and the table says that it cannot")
for operation, error in sorted(impossible - modelled):
    WRONG.append(f"{operation}: the table has {error}, which the model does not")
told = json.dumps(SEEN, indent=1, sort_keys=True) + "\n"
if os.environ.get("BERTH_UPDATE_GOLDEN") == "1":
    GOLDEN.write_text(told)
elif GOLDEN.read_text() != told:
    golden = json.loads(GOLDEN.read_text())
    for operation in sorted(SEEN.keys() | golden.keys()):
        if SEEN.get(operation) != golden.get(operation):
            WRONG.append(f"{operation}: {golden.get(operation)} is golden, told was {SEEN.get(operation)}")
if WRONG:
    sys.exit("\n".join(WRONG))
