"""Task definitions as people write them, run: those of `fixtures/task-definitions` with their placeholders filled in, and
those of `fixtures/corpus`. Each registers, runs until all of its containers do, or end well, and stops.

Images are replaced by one of this machine that has a shell and a web server; nothing else of a definition changes but
what nobody but its author could fill in.
"""

import concurrent.futures
import json
import pathlib
import re
import resource
import sys
import time

from berth import client, until

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
IMAGE = "berth-shell:1"
# A machine that is itself a container may not let others have more.
MOST_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
# How many tasks run at a time.
AT_ONCE = 6

PLACEHOLDERS = [
    (r"\{\{must_env `AWS_ACCOUNT_ID`\}\}|\bACCOUNT_ID\b", "000000000000"),
    (r"\{\{region\}\}|\bREGION\b", "us-east-1"),
    (r"\{\{command\}\}", "/berth-app"),
]

# What AWS itself refuses in these, and what their authors would write instead.
REPAIRS = {
    "006": lambda given: given["containerDefinitions"][0]["portMappings"][0].update(containerPort=3000),
    "019": lambda given: [container.update(memory=32) for container in given["containerDefinitions"]],
    "112": lambda given: given.update(networkMode="bridge"),
}

# They do their work and end.
ENDING = {"batch-job", "batch-with-scratch"}

INPUT_MEMBERS = None


def placed(text):
    for pattern, value in PLACEHOLDERS:
        text = re.sub(pattern, value, text)
    return text


def local(path):
    """The definition as it registers here."""
    given = json.loads(placed(path.read_text()))
    repair = REPAIRS.get(path.stem)
    if repair:
        repair(given)
    given = {name: value for name, value in without_nothing(given).items() if name in INPUT_MEMBERS}
    given["family"] = f"corpus-{path.stem}"
    if "FARGATE" in given.get("requiresCompatibilities", []):
        given.setdefault("executionRoleArn", "arn:aws:iam::000000000000:role/execution")
    for at, container in enumerate(given["containerDefinitions"]):
        container["image"] = IMAGE
        serve_where_it_is_looked_for(container, at)
        for limit in container.get("ulimits", []):
            limit["hardLimit"] = min(limit["hardLimit"], MOST_FILES)
            limit["softLimit"] = min(limit["softLimit"], MOST_FILES)
        credentials = container.get("repositoryCredentials")
        if credentials is not None and not credentials.get("credentialsParameter"):
            del container["repositoryCredentials"]
        container.pop("links", None) if path.stem in ("013",) else None
    return given


def serve_where_it_is_looked_for(container, at):
    """The image's server listens on the port that the container of the author would."""
    variables = container.setdefault("environment", [])
    if any(pair["name"] == "PORT" for pair in variables):
        return
    checked = re.search(r"http://[^/:]+(?::(\d+))?/", " ".join((container.get("healthCheck") or {}).get("command", [])))
    mapped = [mapping["containerPort"] for mapping in container.get("portMappings", [])]
    port = (checked.group(1) or "80") if checked else next(iter(mapped), 9000 + at)
    variables.append({"name": "PORT", "value": str(port)})


def without_nothing(value):
    """Nulls and empty objects are how templates say nothing."""
    if isinstance(value, dict):
        kept = {name: without_nothing(member) for name, member in value.items()}
        return {name: member for name, member in kept.items() if member not in (None, {})}
    if isinstance(value, list):
        return [without_nothing(member) for member in value]
    return value


def provide(given):
    """Values and log groups that the definition refers to."""
    for container in given["containerDefinitions"]:
        for secret in container.get("secrets", []):
            provide_value(secret["valueFrom"])
        log = container.get("logConfiguration") or {}
        if log.get("logDriver") == "awslogs":
            quietly(logs.create_log_group, logGroupName=log["options"]["awslogs-group"])


def provide_value(reference):
    found = re.match(r"arn:aws:secretsmanager:[^:]*:[^:]*:secret:([^:]+)", reference)
    if found:
        name = re.sub(r"-[A-Za-z0-9]{6}$", "", found.group(1))
        quietly(secrets.create_secret, Name=name, SecretString="{}")
    else:
        name = reference.split(":parameter")[-1]
        name = name if name.count("/") > 1 else name.lstrip("/")
        quietly(parameters.put_parameter, Name=name, Value="value", Type="SecureString")


def quietly(call, **what):
    try:
        call(**what)
    except Exception as error:  # noqa: BLE001
        if "Exist" not in str(error):
            raise


def settled(task, stem):
    if task["lastStatus"] == "STOPPED":
        codes = [container.get("exitCode") for container in task["containers"]]
        if stem in ENDING and codes == [0] * len(codes):
            return True
        reasons = [container.get("reason") for container in task["containers"]]
        raise AssertionError(f"stopped: {task.get('stoppedReason')}, exit codes {codes}, {reasons}")
    return stem not in ENDING and task["lastStatus"] == "RUNNING"


def start(arn, given):
    """RunTask, once others have left the ports and the memory that it asks for."""
    what = {"taskDefinition": arn}
    if given.get("networkMode") == "awsvpc":
        what["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    deadline = time.monotonic() + 120
    while True:
        reply = ecs.run_task(**what)
        if reply["tasks"]:
            return reply["tasks"][0]["taskArn"]
        reasons = {failure["reason"] for failure in reply["failures"]}
        if not all(reason.startswith("RESOURCE") for reason in reasons) or time.monotonic() > deadline:
            raise AssertionError(f"no place: {reply['failures']}")
        time.sleep(0.2)


def live(path):
    """One definition from its registration to the end of its task; what went wrong."""
    stage = "register"
    try:
        given = local(path)
        provide(given)
        arn = ecs.register_task_definition(**given)["taskDefinition"]["taskDefinitionArn"]
        stage = "run"
        task = start(arn, given)

        def described():
            return ecs.describe_tasks(tasks=[task])["tasks"][0]

        until("it runs", lambda: settled(described(), path.stem), 120)
        if path.stem not in ENDING:
            stage = "stop"
            ecs.stop_task(task=task)
            ended = until("it stops", lambda: (now := described())["lastStatus"] == "STOPPED" and now, 120)
            assert ended["stopCode"] == "UserInitiated", ended
    except Exception as error:  # noqa: BLE001
        return f"{path.stem}: {stage}: {error}"
    return None


ecs, parameters, secrets, logs = client(), client("ssm"), client("secretsmanager"), client("logs")
INPUT_MEMBERS = set(ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members)
paths = sorted(FIXTURES.glob("task-definitions/*.json")) + sorted(FIXTURES.glob("corpus/*.json"))
wanted = sys.argv[1:]
paths = [path for path in paths if not wanted or path.stem in wanted]
assert wanted or len(paths) == 40 + 12, len(paths)
with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
    wrong = [one for one in pool.map(live, paths) if one]
assert not wrong, "\n".join(wrong)
