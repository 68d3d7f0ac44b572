"""Every operation, once answered and once refused, against golden files.

What differs between two runs (ids, times, keys) is replaced by its kind. BERTH_UPDATE_GOLDEN=1 writes the files anew;
a change of them is for a person to read.
"""

import json
import os
import pathlib
import sys

import boto3
import botocore.config

from berth import check_reply, definition, plain_text, until

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
UPDATE = os.environ.get("BERTH_UPDATE_GOLDEN") == "1"
RAW = {}
DONE = set()
WRONG = []

# Facts of this machine and of this build.
FACTS = {"availabilityZone", "dockerVersion", "agentVersion", "agentHash", "ec2InstanceId", "runtimeId", "imageDigest", "nextToken", "sessionId", "streamUrl", "tokenValue"}


def keep(operation_model, response_dict, **_):
    RAW[operation_model.name] = json.loads(response_dict["body"])


def plain(value, name=""):
    if isinstance(value, dict) and value.get("name") == "ecs.cpu-architecture":
        return {"name": value["name"], "value": "<architecture>"}
    if isinstance(value, dict):
        return {key: plain(member, key) for key, member in sorted(value.items())}
    if isinstance(value, list):
        if name == "events":
            # Several come at the same moment.
            return sorted({plain(event["message"]) for event in value})
        listed = [plain(item) for item in value]
        # Attributes of an instance are those of its machine.
        if any(isinstance(item, dict) and item.get("name", "").startswith("ecs.os") for item in listed):
            return ["<attributes>"]
        return listed
    if isinstance(value, (int, float)) and not isinstance(value, bool) and (
        name.endswith("At") or name in ("expirationDate", "lastStatusChange", "lastUpdated")
    ):
        return "<time>"
    if name in FACTS:
        return f"<{name}>"
    if name == "version":
        return "<version>"
    if isinstance(value, str):
        return plain_text(value)
    return value


# What an agent may have reported by the time of the answer, or not.
OF_TASKS = {"lastStatus", "startedAt", "pullStartedAt", "pullStoppedAt", "executionStoppedAt", "stoppedAt", "exitCode"}
COUNTS = {"pendingCount", "runningCount", "pendingTaskCount", "runningTaskCount"}
RACING = {
    "RunTask": OF_TASKS,
    "StartTask": OF_TASKS,
    "StopTask": OF_TASKS,
    "DeleteService": COUNTS,
    "UpdateTaskSet": COUNTS,
    "UpdateServicePrimaryTaskSet": COUNTS,
    "DeleteTaskSet": COUNTS,
}


def without(value, names):
    if isinstance(value, dict):
        return {name: without(member, names) for name, member in value.items() if name not in names}
    if isinstance(value, list):
        return [without(item, names) for item in value]
    return value


def compare(file, reply):
    reply = without(reply, RACING.get(file.removesuffix(".json"), set()))
    told = json.dumps(plain(reply), indent=1, ensure_ascii=False) + "\n"
    path = GOLDEN / file
    if UPDATE:
        path.write_text(told)
    elif not path.exists():
        WRONG.append(f"{file} is missing")
    elif path.read_text() != told:
        WRONG.append(f"{file} says\n{path.read_text()}\nand the reply is\n{told}")


session = boto3.session.Session()
session.events.register("before-parse.*.*", check_reply)
session.events.register("before-parse.*.*", keep)
ecs = session.client("ecs", config=botocore.config.Config(retries={"total_max_attempts": 1}))


def name_of(operation):
    return "".join(part.capitalize() for part in operation.split("_"))


def answered(operation, **parameters):
    reply = getattr(ecs, operation)(**parameters)
    compare(f"{name_of(operation)}.json", RAW[name_of(operation)])
    DONE.add(name_of(operation))
    return reply


def refused(operation, code, **parameters):
    try:
        reply = getattr(ecs, operation)(**parameters)
    except ecs.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, (operation, error.response["Error"])
        compare(f"{name_of(operation)}.refused.json", RAW[name_of(operation)])
        return
    raise AssertionError(f"{operation} was not refused: {reply}")


def is_quiet(count, name="web"):
    """Whether a service has so many tasks, and has said that nothing is left to do."""
    service = ecs.describe_services(services=[name])["services"][0]
    newest = service["events"][0]["message"] if service["events"] else ""
    return service["runningCount"] == count and newest.endswith("steady state.")


NOWHERE = {"cluster": "nowhere"}
DEFAULT = "arn:aws:ecs:us-east-1:000000000000:cluster/default"
NOBODY = "0" * 32

# Clusters.
answered("create_cluster", clusterName="golden", tags=[{"key": "team", "value": "a"}], settings=[{"name": "containerInsights", "value": "enabled"}])
refused("create_cluster", "InvalidParameterException", clusterName="a b")
answered("describe_clusters", clusters=["golden", "nowhere"], include=["TAGS", "SETTINGS", "STATISTICS", "CONFIGURATIONS", "ATTACHMENTS"])
refused("describe_clusters", "InvalidParameterException", clusters=["a"] * 101)
answered("list_clusters", maxResults=1)
refused("list_clusters", "InvalidParameterException", nextToken="nonsense")
answered("update_cluster", cluster="golden", configuration={"executeCommandConfiguration": {"logging": "DEFAULT"}})
refused("update_cluster", "ClusterNotFoundException", **NOWHERE)
answered("update_cluster_settings", cluster="golden", settings=[{"name": "containerInsights", "value": "disabled"}])
refused("update_cluster_settings", "ClusterNotFoundException", **NOWHERE, settings=[{"name": "containerInsights", "value": "disabled"}])

# Capacity providers.
group = {"autoScalingGroupArn": "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:x:autoScalingGroupName/x"}
answered("create_capacity_provider", name="pool", autoScalingGroupProvider=group)
refused("create_capacity_provider", "ClientException", name="pool", autoScalingGroupProvider=group)
answered("put_cluster_capacity_providers", cluster="golden", capacityProviders=["pool"], defaultCapacityProviderStrategy=[{"capacityProvider": "pool", "weight": 1}])
refused("put_cluster_capacity_providers", "InvalidParameterException", cluster="golden", capacityProviders=["none"], defaultCapacityProviderStrategy=[])
answered("describe_capacity_providers", capacityProviders=["pool", "FARGATE", "none"], include=["TAGS"])
refused("describe_capacity_providers", "InvalidParameterException", maxResults=11)
answered("update_capacity_provider", name="pool", autoScalingGroupProvider={"managedScaling": {"status": "ENABLED", "targetCapacity": 90}})
refused("update_capacity_provider", "InvalidParameterException", name="none", autoScalingGroupProvider={})
refused("delete_capacity_provider", "InvalidParameterException", capacityProvider="pool")
ecs.put_cluster_capacity_providers(cluster="golden", capacityProviders=[], defaultCapacityProviderStrategy=[])
answered("delete_capacity_provider", capacityProvider="pool")
answered("delete_cluster", cluster="golden")
refused("delete_cluster", "ClusterNotFoundException", cluster="golden")

# Task definitions.
answered("register_task_definition", **definition("web", tags=[{"key": "team", "value": "a"}]))
refused("register_task_definition", "ClientException", family="web", containerDefinitions=[])
answered("describe_task_definition", taskDefinition="web", include=["TAGS"])
refused("describe_task_definition", "ClientException", taskDefinition="none")
answered("list_task_definition_families")
refused("list_task_definition_families", "InvalidParameterException", maxResults=101)
answered("list_task_definitions", familyPrefix="web")
refused("list_task_definitions", "InvalidParameterException", maxResults=101)
ecs.register_task_definition(**definition("old"))
answered("deregister_task_definition", taskDefinition="old:1")
refused("deregister_task_definition", "ClientException", taskDefinition="old:9")
answered("delete_task_definitions", taskDefinitions=["old:1", "web:1"])
refused("delete_task_definitions", "InvalidParameterException", taskDefinitions=[f"a:{n}" for n in range(1, 12)])

# Container instances and attributes.
instances = answered("list_container_instances", maxResults=1)["containerInstanceArns"]
refused("list_container_instances", "ClusterNotFoundException", **NOWHERE)
instance = instances[0]
answered("describe_container_instances", containerInstances=[instance, NOBODY], include=["TAGS", "CONTAINER_INSTANCE_HEALTH"])
refused("describe_container_instances", "InvalidParameterException", containerInstances=[])
rack = {"name": "rack", "value": "7", "targetId": instance}
answered("put_attributes", attributes=[rack])
refused("put_attributes", "TargetNotFoundException", attributes=[{**rack, "targetId": NOBODY, "targetType": "container-instance"}])
answered("list_attributes", targetType="container-instance", attributeName="rack")
refused("list_attributes", "ClusterNotFoundException", **NOWHERE, targetType="container-instance")
answered("delete_attributes", attributes=[{"name": "rack", "targetId": instance}])
refused("delete_attributes", "TargetNotFoundException", attributes=[{"name": "rack", "targetId": NOBODY, "targetType": "container-instance"}])
answered("update_container_instances_state", containerInstances=[instance], status="DRAINING")
refused("update_container_instances_state", "ClusterNotFoundException", **NOWHERE, containerInstances=[instance], status="DRAINING")
ecs.update_container_instances_state(containerInstances=[instance], status="ACTIVE")
refused("update_container_agent", "NoUpdateAvailableException", containerInstance=instance)
offer = [
    {"name": "CPU", "type": "INTEGER", "integerValue": 1024},
    {"name": "MEMORY", "type": "INTEGER", "integerValue": 1024},
]
joined = answered("register_container_instance", totalResources=offer)["containerInstance"]["containerInstanceArn"]
refused("register_container_instance", "ClusterNotFoundException", **NOWHERE, totalResources=offer)
answered("deregister_container_instance", containerInstance=joined, force=True)
refused("deregister_container_instance", "InvalidParameterException", containerInstance=NOBODY)

# Services.
answered("create_service", serviceName="web", taskDefinition="web", desiredCount=0, tags=[{"key": "team", "value": "a"}])
refused("create_service", "InvalidParameterException", serviceName="web", taskDefinition="web", desiredCount=5)
ecs.update_service(service="web", desiredCount=1)
FAST = {"Delay": 1, "MaxAttempts": 60}
ecs.get_waiter("services_stable").wait(services=["web"], WaiterConfig=FAST)
until(
    "the deployment is over and the service has its task",
    lambda: is_quiet(1),
)
answered("describe_services", services=["web", "none"], include=["TAGS"])
refused("describe_services", "InvalidParameterException", services=["a"] * 11)
answered("list_services")
refused("list_services", "ClusterNotFoundException", **NOWHERE)
refused("list_services_by_namespace", "NamespaceNotFoundException", namespace="shop")
task = ecs.list_tasks(serviceName="web")["taskArns"][0]
answered("update_task_protection", cluster="default", tasks=[task], protectionEnabled=True)
refused("update_task_protection", "InvalidParameterException", cluster="default", tasks=[task], protectionEnabled=True, expiresInMinutes=3000)
ecs.update_service(service="web", desiredCount=0)
answered("get_task_protection", cluster="default", tasks=[task])
refused("get_task_protection", "ClusterNotFoundException", **NOWHERE)
assert ecs.list_tasks(serviceName="web")["taskArns"] == [task], "a protected task is not scaled in"
ecs.update_task_protection(cluster="default", tasks=[task], protectionEnabled=False)
until("what is protected no longer is scaled in", lambda: not ecs.list_tasks(serviceName="web")["taskArns"])
until("the service is steady without a task", lambda: is_quiet(0))
answered("update_service", service="web", propagateTags="SERVICE")
refused("update_service", "ServiceNotFoundException", service="none", desiredCount=1)
ecs.update_service(service="web", desiredCount=1)
refused("delete_service", "InvalidParameterException", service="web")
until("the service has its task again", lambda: is_quiet(1))
answered("delete_service", service="web", force=True)

# Service deployments, of a service whose deployments wait for somebody to let them go on.
pause = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}
ecs.create_service(
    serviceName="held", taskDefinition="web", desiredCount=1, deploymentConfiguration={"lifecycleHooks": [pause]}
)


def deployment_of(arn):
    return ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]


def waiting():
    """The newest service deployment of the service and the hook that it waits for, once it does."""
    arn = ecs.list_service_deployments(service="held")["serviceDeployments"][0]["serviceDeploymentArn"]
    hooks = deployment_of(arn).get("lifecycleHookDetails", [])
    return next(((arn, hook["hookId"]) for hook in hooks if hook["status"] == "AWAITING_ACTION"), None)


first, hook = until("the first deployment waits", waiting)
refused(
    "continue_service_deployment",
    "InvalidParameterException",
    serviceDeploymentArn=first,
    hookId="01234567-89ab-cdef-0123-456789abcdef",
)
assert not ecs.list_tasks(serviceName="held")["taskArns"], "nothing is started before the hook is passed"
answered("continue_service_deployment", serviceDeploymentArn=first, hookId=hook)
until("the first deployment is done", lambda: deployment_of(first)["status"] == "SUCCESSFUL" and is_quiet(1, "held"))
answered("list_service_deployments", service="held", status=["SUCCESSFUL"])
refused("list_service_deployments", "ClusterNotFoundException", **NOWHERE, service="held")
nothing = f"{first.rpartition('/')[0]}/{'0' * 20}1"
described = answered("describe_service_deployments", serviceDeploymentArns=[first, nothing])
refused("describe_service_deployments", "InvalidParameterException", serviceDeploymentArns=["held"])
revision = described["serviceDeployments"][0]["targetServiceRevision"]["arn"]
gone = f"{revision.rpartition('/')[0]}/1000000000000000001"
answered("describe_service_revisions", serviceRevisionArns=[revision, gone])
refused("describe_service_revisions", "InvalidParameterException", serviceRevisionArns=[first])
ecs.update_service(service="held", forceNewDeployment=True)
second, _ = until("the second deployment waits", waiting)
assert second != first
answered("stop_service_deployment", serviceDeploymentArn=second)
until("the second deployment is rolled back", lambda: deployment_of(second)["status"] == "ROLLBACK_SUCCESSFUL")
assert deployment_of(second)["rollback"]["serviceRevisionArn"] == revision
refused("stop_service_deployment", "ConflictException", serviceDeploymentArn=second)

# Task sets, which somebody else deploys.
ecs.create_service(serviceName="sets", desiredCount=2, deploymentController={"type": "EXTERNAL"})
SETS = {"cluster": "default", "service": "sets"}
NO_SET = "ecs-svc/1000000000000000001"
blue = answered(
    "create_task_set",
    **SETS,
    taskDefinition="web",
    externalId="blue",
    scale={"value": 0, "unit": "PERCENT"},
    tags=[{"key": "team", "value": "a"}],
)["taskSet"]["id"]
refused("create_task_set", "ServiceNotFoundException", cluster="default", service="none", taskDefinition="web")
answered("update_task_set", **SETS, taskSet=blue, scale={"value": 50, "unit": "PERCENT"})
refused("update_task_set", "InvalidParameterException", **SETS, taskSet=blue, scale={"value": 101, "unit": "PERCENT"})


def is_steady():
    described = ecs.describe_task_sets(**SETS, taskSets=[blue])["taskSets"][0]
    return described["runningCount"] == 1 and described["stabilityStatus"] == "STEADY_STATE"


until("half of the tasks are the task set's", is_steady)
answered("describe_task_sets", **SETS, taskSets=[blue, NO_SET], include=["TAGS"])
refused("describe_task_sets", "InvalidParameterException", cluster="default", service="held")
answered("update_service_primary_task_set", **SETS, primaryTaskSet=blue)
refused("update_service_primary_task_set", "TaskSetNotFoundException", **SETS, primaryTaskSet=NO_SET)
refused("delete_task_set", "InvalidParameterException", **SETS, taskSet=blue)
answered("delete_task_set", **SETS, taskSet=blue, force=True)

# Tasks.
task = answered("run_task", taskDefinition="web", startedBy="me", tags=[{"key": "team", "value": "a"}])["tasks"][0]["taskArn"]
refused("run_task", "ClientException", taskDefinition="none")
ecs.get_waiter("tasks_running").wait(tasks=[task], WaiterConfig=FAST)
answered("describe_tasks", tasks=[task, NOBODY], include=["TAGS"])
refused("describe_tasks", "InvalidParameterException", tasks=["short"])
answered("list_tasks", startedBy="me")
refused("list_tasks", "ServiceNotFoundException", serviceName="none")
answered("start_task", taskDefinition="web", containerInstances=[instance])
refused("start_task", "InvalidParameterException", taskDefinition="web", containerInstances=[instance] * 11)
refused("execute_command", "InvalidParameterException", task=task, command="sh", interactive=True)
inside = ecs.run_task(taskDefinition="web", enableExecuteCommand=True)["tasks"][0]["taskArn"]
ecs.get_waiter("tasks_running").wait(tasks=[inside], WaiterConfig=FAST)
answered("execute_command", task=inside, command="sh -c 'echo hi'", interactive=True)
ecs.stop_task(task=inside)
answered("discover_poll_endpoint")
refused("discover_poll_endpoint", "ClusterNotFoundException", **NOWHERE)
answered("submit_task_state_change", task=task, status="RUNNING")
refused("submit_task_state_change", "UnsupportedFeatureException", task=task, status="STOPPED")
answered("submit_container_state_change", task=task, containerName="main", status="RUNNING")
refused("submit_container_state_change", "ClientException", task=NOBODY, containerName="main", status="RUNNING")
refused("submit_attachment_state_changes", "UnsupportedFeatureException", attachments=[{"attachmentArn": "a", "status": "ATTACHED"}])
answered("stop_task", task=task, reason="enough")
refused("stop_task", "InvalidParameterException", task=NOBODY)

# Tags and settings.
answered("tag_resource", resourceArn=DEFAULT, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": ""}])
refused("tag_resource", "ClusterNotFoundException", resourceArn=DEFAULT + "x", tags=[{"key": "a", "value": "1"}])
answered("untag_resource", resourceArn=DEFAULT, tagKeys=["a"])
refused("untag_resource", "InvalidParameterException", resourceArn="arn:aws:s3:::bucket", tagKeys=["a"])
answered("list_tags_for_resource", resourceArn=DEFAULT)
refused("list_tags_for_resource", "ResourceNotFoundException", resourceArn="arn:aws:ecs:us-east-1:000000000000:service/default/none")
answered("put_account_setting", name="containerInsights", value="enhanced")
refused("put_account_setting", "InvalidParameterException", name="containerInsights", value="maybe")
answered("put_account_setting_default", name="defaultLogDriverMode", value="blocking")
refused("put_account_setting_default", "InvalidParameterException", name="guardDutyActivate", value="on")
answered("list_account_settings", effectiveSettings=True)
refused("list_account_settings", "InvalidParameterException", maxResults=11)
answered("delete_account_setting", name="containerInsights")
refused("delete_account_setting", "InvalidParameterException", name="containerInsights", principalArn="arn:aws:iam::999999999999:user/x")

# What cannot be made yet: it is refused, and those there are are none.
DAEMON = "arn:aws:ecs:us-east-1:000000000000:daemon/default/logs"
ROLE = "arn:aws:iam::000000000000:role/infrastructure"
CONTAINER = [{"name": "main", "image": "berth-app:1"}]
refused("register_daemon_task_definition", "UnsupportedFeatureException", family="logs", containerDefinitions=CONTAINER)
refused("describe_daemon_task_definition", "ClientException", daemonTaskDefinition="logs")
refused("delete_daemon_task_definition", "ClientException", daemonTaskDefinition="logs")
answered("list_daemon_task_definitions")
refused("list_daemon_task_definitions", "InvalidParameterException", nextToken="nonsense")
refused("create_daemon", "UnsupportedFeatureException", daemonName="logs", daemonTaskDefinitionArn="logs:1", capacityProviderArns=["pool"])
refused("describe_daemon", "DaemonNotFoundException", daemonArn=DAEMON)
refused("update_daemon", "DaemonNotFoundException", daemonArn=DAEMON, daemonTaskDefinitionArn="logs:1", capacityProviderArns=["pool"])
refused("delete_daemon", "DaemonNotFoundException", daemonArn=DAEMON)
answered("list_daemons")
refused("list_daemons", "ClusterNotFoundException", clusterArn="nowhere")
answered("describe_daemon_deployments", daemonDeploymentArns=[DAEMON])
refused("describe_daemon_deployments", "InvalidParameterException", daemonDeploymentArns=[])
refused("list_daemon_deployments", "InvalidParameterException", daemonArn=DAEMON)
answered("describe_daemon_revisions", daemonRevisionArns=[DAEMON])
refused("describe_daemon_revisions", "InvalidParameterException", daemonRevisionArns=["a"] * 21)
shared = {"hostSharedAlb": {"networkConfiguration": {"inboundSecurityGroup": "web", "subnets": ["a"]}}}
refused("create_gateway", "UnsupportedFeatureException", name="edge", infrastructureRoleArn=ROLE, configuration=shared)
refused("describe_gateway", "GatewayNotFoundException", gateway="edge")
refused("describe_gateway_resources", "GatewayNotFoundException", gateway="edge")
refused("describe_gateway_route", "ResourceNotFoundException", gatewayRouteArn="edge")
refused("update_gateway", "GatewayNotFoundException", gateway="edge")
refused("delete_gateway", "GatewayNotFoundException", gateway="edge")
answered("list_gateways")
refused("list_gateways", "InvalidParameterException", nextToken="nonsense")
answered("list_gateway_routes")
refused("list_gateway_routes", "GatewayNotFoundException", gateway="edge")
answered("list_gateway_cluster_associations")
refused("list_gateway_cluster_associations", "InvalidParameterException", nextToken="nonsense")
refused("associate_gateway_with_cluster", "GatewayNotFoundException", gateway="edge", cluster="default")
refused("disassociate_gateway_from_cluster", "ClusterNotFoundException", gateway="edge", **NOWHERE)
refused("create_express_gateway_service", "UnsupportedFeatureException", infrastructureRoleArn=ROLE)
refused("describe_express_gateway_service", "ResourceNotFoundException", serviceArn="shop")
refused("update_express_gateway_service", "ServiceNotFoundException", serviceArn="shop")
refused("delete_express_gateway_service", "ServiceNotFoundException", serviceArn="shop")

if WRONG:
    sys.exit("\n".join(WRONG))
