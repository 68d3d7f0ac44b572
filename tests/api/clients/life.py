"""A service from its creation to its end, as a deploy tool leads it."""

from berth import client, definition, refused, until

ecs = client()
FAST = {"Delay": 1, "MaxAttempts": 60}

assert client("sts").get_caller_identity()["Account"] == "000000000000"
cluster = ecs.create_cluster(clusterName="life", tags=[{"key": "team", "value": "a"}])["cluster"]
assert ecs.create_cluster(clusterName="life")["cluster"]["clusterArn"] == cluster["clusterArn"]
assert cluster["clusterArn"] in ecs.list_clusters()["clusterArns"]

first = ecs.register_task_definition(**definition("web"))["taskDefinition"]
service = ecs.create_service(
    serviceName="web", taskDefinition="web", desiredCount=2, clientToken="once", enableECSManagedTags=True
)["service"]
assert service["taskDefinition"] == first["taskDefinitionArn"]
assert service["deployments"][0]["status"] == "PRIMARY"
refused(
    "InvalidParameterException",
    ecs.create_service,
    "Creation of service was not idempotent.",
    serviceName="web",
    taskDefinition="web",
    desiredCount=3,
)
ecs.get_waiter("services_stable").wait(services=["web"], WaiterConfig=FAST)

# A deploy tool reads the definition back, changes it, and registers it again.
described = ecs.describe_task_definition(taskDefinition="web", include=["TAGS"])["taskDefinition"]
for member in (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
):
    del described[member]
again = ecs.register_task_definition(**described)["taskDefinition"]
for member in described:
    assert again[member] == described[member], member
updated = ecs.update_service(service="web", taskDefinition="web:2")["service"]
assert updated["taskDefinition"].endswith("web:2")
ecs.get_waiter("services_stable").wait(services=["web"], WaiterConfig=FAST)
arns = ecs.list_tasks(serviceName="web")["taskArns"]
tasks = ecs.describe_tasks(tasks=arns, include=["TAGS"])["tasks"]
assert len(tasks) == 2 and {task["taskDefinitionArn"] for task in tasks} == {again["taskDefinitionArn"]}, tasks
assert all(task["group"] == "service:web" for task in tasks)
assert {"key": "aws:ecs:serviceName", "value": "web"} in tasks[0]["tags"], tasks[0]["tags"]
ecs.get_waiter("tasks_running").wait(tasks=arns, WaiterConfig=FAST)

refused(
    "InvalidParameterException",
    ecs.delete_service,
    "The service cannot be stopped while it is scaled above 0.",
    service="web",
)
ecs.update_service(service="web", desiredCount=0)
until("no task is left", lambda: not ecs.list_tasks(serviceName="web")["taskArns"])
assert ecs.delete_service(service="web")["service"]["status"] == "DRAINING"
ecs.get_waiter("services_inactive").wait(services=["web"], WaiterConfig=FAST)
assert ecs.list_services()["serviceArns"] == []

# A task by itself, and its end.
run = ecs.run_task(taskDefinition="web:1", count=2, startedBy="me")
assert run["failures"] == [] and len(run["tasks"]) == 2
arns = [task["taskArn"] for task in run["tasks"]]
ecs.get_waiter("tasks_running").wait(tasks=arns, WaiterConfig=FAST)
for arn in arns:
    assert ecs.stop_task(task=arn, reason="enough")["task"]["desiredStatus"] == "STOPPED"
ecs.get_waiter("tasks_stopped").wait(tasks=arns, WaiterConfig=FAST)
stopped = ecs.describe_tasks(tasks=arns)["tasks"][0]
assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough"), stopped

assert ecs.deregister_task_definition(taskDefinition="web:1")["taskDefinition"]["status"] == "INACTIVE"
assert ecs.describe_task_definition(taskDefinition="web:1")["taskDefinition"]["status"] == "INACTIVE"
refused("ClientException", ecs.run_task, "TaskDefinition is inactive", taskDefinition="web:1")
deleted = ecs.delete_task_definitions(taskDefinitions=["web:1"])
assert deleted["taskDefinitions"][0]["status"] == "DELETE_IN_PROGRESS", deleted
assert ecs.delete_cluster(cluster="life")["cluster"]["status"] == "INACTIVE"
