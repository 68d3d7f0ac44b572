"""What tools rely on without saying so: how waiters end, what stays describable, what is told of each item, whose tags
tasks have, and which exception a limit is.
"""

import botocore.exceptions

from berth import client, definition, refused, until

ecs = client()
SOON = {"Delay": 1, "MaxAttempts": 60}
NOBODY = "0" * 32


def waits(name, **parameters):
    ecs.get_waiter(name).wait(WaiterConfig=SOON, **parameters)


def gives_up(name, **parameters):
    """That a waiter ends at once instead of asking until its last attempt."""
    try:
        waits(name, **parameters)
    except botocore.exceptions.WaiterError as error:
        assert "terminal failure state" in str(error), error
        return
    raise AssertionError(f"{name} was satisfied")


def service(name):
    return ecs.describe_services(services=[name], include=["TAGS"])["services"][0]


def tags(task):
    described = ecs.describe_tasks(tasks=[task], include=["TAGS"])["tasks"][0]
    return {tag["key"]: tag["value"] for tag in described["tags"]}


ecs.register_task_definition(**definition("web", tags=[{"key": "of", "value": "definition"}]))

# Waiters.
task = ecs.run_task(taskDefinition="web")["tasks"][0]
assert task["overrides"]["containerOverrides"] == [{"name": "main"}], task["overrides"]
waits("tasks_running", tasks=[task["taskArn"]])
ecs.stop_task(task=task["taskArn"])
waits("tasks_stopped", tasks=[task["taskArn"]])
gives_up("tasks_running", tasks=[task["taskArn"]])
gives_up("tasks_running", tasks=[NOBODY])
gives_up("services_stable", services=["none"])
gives_up("services_inactive", services=["none"])
stopped = ecs.describe_tasks(tasks=[task["taskArn"]])["tasks"][0]
assert stopped["containers"][0]["lastStatus"] == "STOPPED" and "exitCode" in stopped["containers"][0], stopped

# A service: one deployment when it is done, and its own or its definition's tags on its tasks.
ecs.create_service(
    serviceName="web",
    taskDefinition="web",
    desiredCount=1,
    propagateTags="SERVICE",
    tags=[{"key": "of", "value": "service"}],
    enableECSManagedTags=True,
)
waits("services_stable", services=["web"])
first = ecs.list_tasks(serviceName="web")["taskArns"][0]
assert tags(first) == {"of": "service", "aws:ecs:clusterName": "default", "aws:ecs:serviceName": "web"}, tags(first)
ecs.update_service(service="web", propagateTags="TASK_DEFINITION", forceNewDeployment=True)
assert {one["status"] for one in service("web")["deployments"]} == {"PRIMARY", "ACTIVE"}
waits("services_stable", services=["web"])
assert [one["status"] for one in service("web")["deployments"]] == ["PRIMARY"]
until("the deployment is over", lambda: service("web")["deployments"][0]["rolloutState"] == "COMPLETED")
second = ecs.list_tasks(serviceName="web")["taskArns"][0]
assert tags(second)["of"] == "definition", tags(second)
ran = ecs.run_task(taskDefinition="web", propagateTags="TASK_DEFINITION", tags=[{"key": "own", "value": "1"}])
assert tags(ran["tasks"][0]["taskArn"]) == {"of": "definition", "own": "1"}
ecs.stop_task(task=ran["tasks"][0]["taskArn"])

# What is over is there to be described, and no longer listed.
ecs.delete_service(service="web", force=True)
assert ecs.list_services()["serviceArns"] == []
waits("services_inactive", services=["web"])
gives_up("services_stable", services=["web"])
assert service("web")["status"] == "INACTIVE" and service("web")["runningCount"] == 0
ecs.deregister_task_definition(taskDefinition="web:1")
old = ecs.describe_task_definition(taskDefinition="web:1", include=["TAGS"])
assert (old["taskDefinition"]["status"], old["tags"]) == ("INACTIVE", [{"key": "of", "value": "definition"}]), old
refused("ClientException", ecs.describe_task_definition, "Unable to describe task definition.", taskDefinition="web")
ecs.create_cluster(clusterName="gone")
ecs.delete_cluster(cluster="gone")
assert ecs.describe_clusters(clusters=["gone"])["clusters"][0]["status"] == "INACTIVE"
ecs.register_task_definition(**definition("web"))

# What is wrong with one of several things is told of that one.
for call, of, parameters in (
    (ecs.describe_clusters, "cluster/none", {"clusters": ["none", "default"]}),
    (ecs.describe_services, "service/default/none", {"services": ["none", "web"]}),
    (ecs.describe_tasks, f"task/default/{NOBODY}", {"tasks": [NOBODY, second]}),
    (ecs.describe_container_instances, f"container-instance/default/{NOBODY}", {"containerInstances": [NOBODY]}),
    (ecs.update_container_instances_state, f"container-instance/default/{NOBODY}", {"containerInstances": [NOBODY], "status": "DRAINING"}),
    (ecs.describe_capacity_providers, "capacity-provider/none", {"capacityProviders": ["none", "FARGATE"]}),
    (ecs.delete_task_definitions, "task-definition/none:1", {"taskDefinitions": ["none:1"]}),
):
    failures = call(**parameters)["failures"]
    arn = f"arn:aws:ecs:us-east-1:000000000000:{of}"
    assert [(one["arn"], one["reason"]) for one in failures] == [(arn, "MISSING")], (call, failures)
# A task that fits nowhere is no error: the reason stands with each instance.
big = ecs.register_task_definition(**definition("big", container={"memory": 10_000_000}))["taskDefinition"]
ran = ecs.run_task(taskDefinition=big["taskDefinitionArn"])
assert ran["tasks"] == [] and {one["reason"] for one in ran["failures"]} == {"RESOURCE:MEMORY"}, ran
assert {one["arn"] for one in ran["failures"]} == set(ecs.list_container_instances()["containerInstanceArns"])

# Limits, each with its exception.
INVALID = "InvalidParameterException"
many = [{"name": f"c{number}", "image": "a", "memory": 8} for number in range(11)]
for code, call, parameters in (
    ("ClientException", ecs.register_task_definition, {"family": "many", "containerDefinitions": many}),
    ("ClientException", ecs.register_task_definition, definition("long", container={"command": ["x" * 70_000]})),
    (INVALID, ecs.describe_clusters, {"clusters": ["a"] * 101}),
    (INVALID, ecs.describe_tasks, {"tasks": [NOBODY] * 101}),
    (INVALID, ecs.describe_services, {"services": ["a"] * 11}),
    (INVALID, ecs.describe_container_instances, {"containerInstances": [NOBODY] * 101}),
    (INVALID, ecs.describe_service_deployments, {"serviceDeploymentArns": ["a"] * 21}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "count": 11}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "startedBy": "x" * 129}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "clientToken": "x" * 65}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "tags": [{"key": str(n), "value": ""} for n in range(51)]}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "placementStrategy": [{"type": "random"}] * 6}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "placementConstraints": [{"type": "distinctInstance"}] * 11}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "overrides": {"containerOverrides": [{"name": "main", "command": ["x" * 9000]}]}}),
    (INVALID, ecs.run_task, {"taskDefinition": "web", "propagateTags": "SERVICE"}),
    (INVALID, ecs.start_task, {"taskDefinition": "web", "containerInstances": [NOBODY] * 11}),
    (INVALID, ecs.create_service, {"serviceName": "x" * 256, "taskDefinition": "web", "desiredCount": 0}),
    (INVALID, ecs.create_service, {"serviceName": "x", "taskDefinition": "web", "desiredCount": 0, "clientToken": "x" * 37}),
    (INVALID, ecs.update_task_protection, {"cluster": "default", "tasks": [NOBODY] * 11, "protectionEnabled": True}),
):
    refused(code, call, **parameters)


def pool(number):
    group = f"arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:x:autoScalingGroupName/{number}"
    return {"name": f"pool-{number}", "autoScalingGroupProvider": {"autoScalingGroupArn": group}}


for number in range(20):
    ecs.create_capacity_provider(**pool(number))
refused("LimitExceededException", ecs.create_capacity_provider, **pool(20))
