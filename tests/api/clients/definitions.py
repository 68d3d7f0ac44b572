"""Task definitions that real projects deploy to ECS: what registers reads back as the same definition, and registers again."""

import json
import pathlib

import botocore.exceptions

from berth import client

FOLDER = pathlib.Path(__file__).parents[2] / "fixtures/task-definitions"
DESCRIBED = {
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
}



def without_nulls(value):
    """What a tool sends of a file: boto3 takes no nulls."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


ecs = client()
registered, refused = [], {}
for path in sorted(FOLDER.glob("*.json")):
    read = without_nulls(json.loads(path.read_text()))
    given = {name: value for name, value in read.items() if name not in DESCRIBED}
    try:
        first = ecs.register_task_definition(**given)["taskDefinition"]
    except botocore.exceptions.ParamValidationError as error:
        # What boto3 does not even send.
        refused[path.stem] = str(error)
        continue
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] in ("ClientException", "InvalidParameterException"), (path, error)
        refused[path.stem] = str(error)
        continue
    described = ecs.describe_task_definition(taskDefinition=first["taskDefinitionArn"])["taskDefinition"]
    again = {name: value for name, value in described.items() if name not in DESCRIBED}
    second = ecs.register_task_definition(**again)["taskDefinition"]
    for name, value in described.items():
        if name not in DESCRIBED - {"requiresAttributes", "compatibilities"}:
            assert second[name] == value, (path, name, second[name], value)
    registered.append(path.stem)
assert len(registered) + len(refused) == 40, (len(registered), len(refused))
assert len(registered) >= 26, refused
