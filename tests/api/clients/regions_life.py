"""Tasks in two regions, each on an instance of its own."""

from berth import client, definition, until

HERE, THERE = "us-east-1", "eu-west-1"
here, there = client(region_name=HERE), client(region_name=THERE)
FAST = {"Delay": 1, "MaxAttempts": 60}

until("the agent is in its region", lambda: there.list_container_instances(status="ACTIVE")["containerInstanceArns"])
instances = [ecs.list_container_instances()["containerInstanceArns"] for ecs in (here, there)]
assert [len(arns) for arns in instances] == [1, 1] and instances[0] != instances[1], instances
assert f":{THERE}:" in instances[1][0]

started = []
for ecs, region, count in ((here, HERE, 2), (there, THERE, 3)):
    tasks = ecs.run_task(taskDefinition="web", count=count, clientToken="same")["tasks"]
    assert len(tasks) == count and all(f":{region}:" in task["taskArn"] for task in tasks), tasks
    ecs.get_waiter("tasks_running").wait(tasks=[task["taskArn"] for task in tasks], WaiterConfig=FAST)
    started.append({task["taskArn"] for task in tasks})
assert [set(ecs.list_tasks()["taskArns"]) for ecs in (here, there)] == started
assert not {arn.rpartition("/")[2] for arn in started[0]} & {arn.rpartition("/")[2] for arn in started[1]}
where = [{task["containerInstanceArn"] for task in ecs.describe_tasks(tasks=sorted(arns))["tasks"]} for ecs, arns in zip((here, there), started)]
assert where == [set(instances[0]), set(instances[1])], where

# The service planner of the other region starts, replaces and stops there.
there.create_service(serviceName="api", taskDefinition="web", desiredCount=2)
there.get_waiter("services_stable").wait(services=["api"], WaiterConfig=FAST)
victim = there.list_tasks(serviceName="api")["taskArns"][0]
there.stop_task(task=victim)
until(
    "what was stopped is replaced",
    lambda: len(there.list_tasks(serviceName="api")["taskArns"]) == 2
    and victim not in there.list_tasks(serviceName="api")["taskArns"],
)
assert set(here.list_tasks()["taskArns"]) == started[0]
there.delete_service(service="api", force=True)


def counts():
    cluster = there.describe_clusters()["clusters"][0]
    return cluster["registeredContainerInstancesCount"], cluster["runningTasksCount"]


until("its tasks stop", lambda: set(there.list_tasks()["taskArns"]) == started[1] and counts() == (1, 3))
