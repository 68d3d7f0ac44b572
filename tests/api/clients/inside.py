"""What a container can do with the credentials of its task's role: boto3 finds them as it does in ECS, and the endpoint
takes them for the task's own cluster."""

import json
import os
import urllib.request

import boto3
from berth import client, definition, refused, until
from botocore.config import Config

ecs = client()
port = {"containerPort": 8080, "hostPort": 0}
ecs.create_cluster(clusterName="other")
ecs.register_task_definition(**definition("web", taskRoleArn="web", container={"portMappings": [port]}))
ecs.create_service(serviceName="web", taskDefinition="web", desiredCount=1)


def running():
    arns = ecs.list_tasks(serviceName="web")["taskArns"]
    tasks = ecs.describe_tasks(tasks=arns)["tasks"] if arns else []
    return tasks and tasks[0]["lastStatus"] == "RUNNING" and tasks[0]


task = until("the task runs", running)
address = f"http://127.0.0.1:{task['containers'][0]['networkBindings'][0]['hostPort']}"


def read(path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(address + path, timeout=10).read().decode()


told = dict(line.split("=", 1) for line in until("it answers", lambda: read("/")).splitlines())
assert told["AWS_EXECUTION_ENV"] == "AWS_ECS_EC2" and told["AWS_REGION"] == "us-east-1", told
uri = next(name for name in told if name.startswith("AWS_CONTAINER_CREDENTIALS_"))
credentials = json.loads(read(f"/ask?at={uri}&path=").split("\r\n\r\n", 1)[1])

session = boto3.session.Session(
    credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["Token"], "us-east-1"
)
once = Config(retries={"mode": "standard", "total_max_attempts": 1})
inside = session.client("ecs", config=once)
who = session.client("sts", config=once).get_caller_identity()
assert who["Arn"] == f"arn:aws:sts::000000000000:assumed-role/web/{task['taskArn'].rsplit('/', 1)[1]}", who
assert inside.list_tasks(cluster="default")["taskArns"] == [task["taskArn"]]
protected = inside.update_task_protection(cluster="default", tasks=[task["taskArn"]], protectionEnabled=True)
assert protected["protectedTasks"][0]["protectionEnabled"], protected
refused("AccessDeniedException", inside.list_tasks, cluster="other")
refused("AccessDeniedException", inside.list_clusters)
refused("AccessDeniedException", inside.register_task_definition, **definition("mine"))
ecs.update_task_protection(cluster="default", tasks=[task["taskArn"]], protectionEnabled=False)

# What a task held opens nothing once it has ended.
ecs.update_service(service="web", desiredCount=0)
until("the task has ended", lambda: ecs.describe_tasks(tasks=[task["taskArn"]])["tasks"][0]["lastStatus"] == "STOPPED")
refused("ExpiredTokenException", inside.list_tasks, cluster="default")
