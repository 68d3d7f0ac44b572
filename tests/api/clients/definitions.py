"""Task definitions that real projects deploy to ECS. They are sent as the SDK for JavaScript sends them, which checks
nothing itself: each registers, reads back as what was given, and registers again as the same definition, or is refused
for the reason that AWS has.
"""

import json
import pathlib

import botocore.session

from berth import client
from wire import request, send, sign

FOLDER = pathlib.Path(__file__).parents[2] / "fixtures/task-definitions"
DESCRIBED = {
    "taskDefinitionArn",
    "revision",
    "status",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
}
COMPUTED = {"requiresAttributes", "compatibilities"}

# Placeholders that a pipeline fills in before it registers.
PLACEHOLDER = ("ClientException", "Container.image contains invalid characters.")
NO_ROLE = (
    "ClientException",
    "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
)
REFUSED = {
    "006": (
        "SerializationException",
        "STRING_VALUE cannot be converted to Integer at "
        "'containerDefinitions.1.member.portMappings.1.member.containerPort'",
    ),
    "013": PLACEHOLDER,
    "019": (
        "ClientException",
        "Invalid setting for container 'mongodb'. At least one of 'memory' or 'memoryReservation' must be specified.",
    ),
    "039": PLACEHOLDER,
    "062": ("ClientException", "Container.image should not be null or empty."),
    "112": (
        "InvalidParameterException",
        "1 validation error detected: Value 'default' at 'networkMode' failed to satisfy constraint: "
        "Member must satisfy enum value set: [bridge, host, awsvpc, none]",
    ),
    "113": PLACEHOLDER,
    "139": NO_ROLE,
    "140": NO_ROLE,
    "141": NO_ROLE,
    "142": NO_ROLE,
    "144": PLACEHOLDER,
    "145": PLACEHOLDER,
}
# What ECS writes in its own way.
REWRITTEN = {"cpu", "memory", "hostPort"}

INPUT = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape


def changed(shape, given, kept, path=""):
    """What was given and is not kept. A null, an empty text and an empty list say nothing."""
    if given in (None, "", [], {}):
        return
    if shape.type_name == "structure":
        for name, value in given.items():
            # AWS reads over members that it does not know, and keeps tags beside the definition.
            if name in shape.members and name != "tags" and name not in REWRITTEN:
                yield from changed(shape.members[name], value, kept.get(name), f"{path}.{name}")
    elif shape.type_name == "list" and len(given) == len(kept or []):
        for one, other in zip(given, kept, strict=True):
            yield from changed(shape.member, one, other, path + "[]")
    elif given != kept:
        yield f"{path} was {given!r} and is {kept!r}"


def registerable(described):
    """What a deploy tool sends of what it read."""
    return {name: value for name, value in described.items() if name not in DESCRIBED | COMPUTED}


def register(document):
    status, _, body = send(sign(request("RegisterTaskDefinition", json.dumps(document).encode())))
    return status, json.loads(body)


ecs = client()
registered, wrong = 0, []
for path in sorted(FOLDER.glob("*.json")):
    given = json.loads(path.read_text())
    status, reply = register(given)
    if status != 200:
        told = (reply["__type"], reply["message"])
        if told != REFUSED.get(path.stem):
            wrong.append(f"{path.stem}: refused with {told}")
        continue
    if path.stem in REFUSED:
        wrong.append(f"{path.stem}: registered")
    registered += 1
    first = reply["taskDefinition"]
    described = ecs.describe_task_definition(taskDefinition=first["taskDefinitionArn"])["taskDefinition"]
    wrong.extend(f"{path.stem}: {one}" for one in changed(INPUT, given, described))
    # boto3 checks what it sends: an unknown member here is one that AWS does not have.
    second = ecs.register_task_definition(**registerable(described))["taskDefinition"]
    for one in described.keys() | second.keys():
        if one not in DESCRIBED and second.get(one) != described.get(one):
            wrong.append(f"{path.stem}: {one} is {second.get(one)} the second time, and was {described.get(one)}")
assert not wrong, "\n".join(wrong)
assert registered + len(REFUSED) == 40, registered
