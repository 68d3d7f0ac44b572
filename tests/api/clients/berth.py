"""Clients of the endpoint under test, as anybody makes them: nothing is set but the endpoint and the key, which are in
the environment. Every reply is held against the API model that botocore carries, as it came over the wire: an unknown or
mistyped member fails, which boto3 itself would pass over and the SDKs of stricter languages would not.
"""

import json
import os
import re
import time

import boto3
import botocore.config
import botocore.exceptions

SEEN = set()

# What differs between two runs, and what stands for it in golden files.
KINDS = [
    (r"BK[A-Z0-9]{18,}", "<key>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"ecs-svc/\d+", "ecs-svc/<number>"),
    (r"(:service-deployment/[^/]+/[^/]+)/\w{21}", r"\1/<id>"),
    (r"(service deployment) \w{21}", r"\1 <id>"),
    (r"(:service-revision/[^/]+/[^/]+)/\d+", r"\1/<number>"),
    (r"127\.0\.0\.1:\d+", "<address>"),
]


def session():
    made = boto3.session.Session()
    made.events.register("before-parse.*.*", check_reply)
    return made


def client(name="ecs", **settings):
    # Tests want to see an error when it happens, and not after five tries.
    config = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 1})
    return session().client(name, config=config, **settings)


def check_reply(operation_model, response_dict, **_):
    if operation_model.service_model.service_name != "ecs":
        return
    status, body = response_dict["status_code"], json.loads(response_dict["body"])
    headers = {name.lower(): value for name, value in response_dict["headers"].items()}
    assert headers["content-type"] == "application/x-amz-json-1.1", headers
    assert headers["x-amzn-requestid"], headers
    if status == 200:
        wrong = list(mismatches(operation_model.output_shape, body, ""))
        assert not wrong, f"{operation_model.name}: {wrong}"
        SEEN.add(operation_model.name)
    else:
        assert status in (400, 500), status
        assert body["__type"] == headers["x-amzn-errortype"], (body, headers)
        assert isinstance(body["message"], str), body


def mismatches(shape, value, path):
    """What of a reply is not of its shape."""
    kind = shape.type_name
    if value is None:
        yield f"{path} is null"
    elif kind == "structure":
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        for name, member in value.items():
            if name in shape.members:
                yield from mismatches(shape.members[name], member, f"{path}.{name}")
            else:
                yield f"{path}.{name} is not in the model"
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for item in value:
            yield from mismatches(shape.member, item, f"{path}[]")
    elif kind == "map":
        for item in value.values():
            yield from mismatches(shape.value, item, f"{path}{{}}")
    elif kind == "string":
        if not isinstance(value, str):
            yield f"{path} is {value!r}, not a string"
        elif shape.enum and value not in shape.enum:
            yield f"{path} is {value!r}, not one of {shape.enum}"
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{path} is {value!r}, not a boolean"
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"{path} is {value!r}, not a whole number"
    elif kind in ("double", "float", "timestamp"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{path} is {value!r}, not a number"


def refused(code, call, message=None, **parameters):
    """That a call is refused with this exception, and this text if one is given."""
    try:
        reply = call(**parameters)
    except botocore.exceptions.ClientError as error:
        told = error.response["Error"]
        assert told["Code"] == code, told
        assert message is None or message == told["Message"], told
        return error.response
    raise AssertionError(f"not refused: {reply}")


def until(claim, holds, seconds=60):
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while True:
        held = holds()
        if held:
            return held
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {claim}")
        time.sleep(0.1)


def definition(family, **more):
    """The smallest task definition."""
    container = {"name": "main", "image": os.environ.get("TEST_IMAGE", "berth-app:1"), "memory": 64}
    container.update(more.pop("container", {}))
    return {"family": family, "containerDefinitions": [container], **more}


def plain_text(text):
    """A text with every id in it replaced by its kind."""
    for pattern, kind in KINDS:
        text = re.sub(pattern, kind, text)
    return text


def minimal(shape):
    """Something of every member that a shape requires."""
    kind = shape.type_name
    if kind == "structure":
        return {name: minimal(shape.members[name]) for name in shape.required_members}
    made_up = {"list": [], "map": {}, "boolean": True, "integer": 1, "long": 1}
    return made_up.get(kind, shape.enum[0] if getattr(shape, "enum", None) else "x")
