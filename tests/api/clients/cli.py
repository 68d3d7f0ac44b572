"""The AWS CLI, as people type it."""

import json
import os
import subprocess
import sys
import tempfile

from berth import definition

AWS = os.path.join(os.path.dirname(sys.executable), "aws")


def aws(*words):
    done = subprocess.run([sys.executable, AWS, *words, "--output", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else None


def fails(code, *words):
    done = subprocess.run([sys.executable, AWS, *words], capture_output=True, text=True, check=False)
    # The first CLI ends with 255, the second with 254.
    assert done.returncode in (254, 255) and f"({code})" in done.stderr, (words, done.returncode, done.stderr)


assert aws("sts", "get-caller-identity")["Arn"].startswith("arn:aws:iam::000000000000:user/")
assert aws("ecs", "list-clusters")["clusterArns"] == ["arn:aws:ecs:us-east-1:000000000000:cluster/default"]
with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    json.dump(definition("cli"), file)
    file.flush()
    made = aws("ecs", "register-task-definition", "--cli-input-json", f"file://{file.name}")
assert made["taskDefinition"]["revision"] == 1, made
service = aws("ecs", "create-service", "--service-name", "cli", "--task-definition", "cli", "--desired-count", "1")
assert service["service"]["status"] == "ACTIVE", service
assert aws("ecs", "wait", "services-stable", "--services", "cli") is None
tasks = aws("ecs", "list-tasks", "--service-name", "cli", "--query", "taskArns")
assert len(tasks) == 1, tasks
assert aws("ecs", "describe-tasks", "--tasks", *tasks)["tasks"][0]["lastStatus"] == "RUNNING"
aws("ecs", "update-service", "--service", "cli", "--force-new-deployment")
aws("ecs", "delete-service", "--service", "cli", "--force")
fails("ClusterNotFoundException", "ecs", "list-services", "--cluster", "nowhere")
fails("DaemonNotFoundException", "ecs", "describe-daemon", "--daemon-arn", "arn:aws:ecs:us-east-1:000000000000:daemon/x")
