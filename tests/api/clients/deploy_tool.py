"""ecs-deploy, a deploy tool that many pipelines have, as they call it. It reads a definition back, changes it, registers
it again, and follows the deployment by the service's deployments, events and tasks.
"""

import os
import subprocess
import sys

from berth import client, definition, until

TOOL = os.path.join(os.path.dirname(sys.executable), "ecs")
ecs = client()


def tool(*words):
    done = subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def fails(*words):
    done = subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0, (words, done.stdout)
    return done.stdout + done.stderr


def service():
    return ecs.describe_services(services=["web"])["services"][0]


def container():
    return ecs.describe_task_definition(taskDefinition=service()["taskDefinition"])["taskDefinition"]["containerDefinitions"][0]


ecs.register_task_definition(**definition("web", tags=[{"key": "team", "value": "a"}]))
ecs.create_service(serviceName="web", taskDefinition="web", desiredCount=1)
until("the service is there", lambda: service()["runningCount"] == 1 and len(service()["deployments"]) == 1)

said = tool("deploy", "default", "web", "--image", "main", "berth-app:2", "--env", "main", "COLOUR", "blue", "--timeout", "60")
assert "Deployment successful" in said, said
assert service()["taskDefinition"].endswith("web:2"), service()
assert container()["image"] == "berth-app:2" and container()["environment"] == [{"name": "COLOUR", "value": "blue"}]
# The revision before is taken out of use, and the tags have come along.
assert ecs.describe_task_definition(taskDefinition="web:1")["taskDefinition"]["status"] == "INACTIVE"
assert ecs.describe_task_definition(taskDefinition="web:2", include=["TAGS"])["tags"] == [{"key": "team", "value": "a"}]

said = tool("deploy", "default", "web", "--tag", "1", "--no-deregister", "--timeout", "60")
assert "Deployment successful" in said, said
assert container()["image"] == "berth-app:1"

said = tool("scale", "default", "web", "3", "--timeout", "60")
assert "Scaling successful" in said, said
assert (service()["desiredCount"], service()["runningCount"]) == (3, 3)

said = tool("run", "default", "web:3", "2", "--command", "main", "echo hello", "--env", "main", "ONCE", "1")
assert said.count("arn:aws:ecs:us-east-1:000000000000:task/default/") == 2, said
arns = ecs.list_tasks(family="web")["taskArns"]
ran = [task for task in ecs.describe_tasks(tasks=arns)["tasks"] if task["group"] == "family:web"]
assert len(ran) == 2, ran
override = ran[0]["overrides"]["containerOverrides"][0]
assert override["command"] == ["echo", "hello"], override
assert {"name": "ONCE", "value": "1"} in override["environment"], override

assert "COLOUR" in tool("diff", "web", "1", "2")
assert "Service not found" in fails("scale", "default", "none", "1")
assert "Cluster not found" in fails("run", "nowhere", "web", "1")
