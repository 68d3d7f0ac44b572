"""Parameters and secrets as deploy tools keep them, and as a container of a task finds them in its environment."""

import json
import urllib.request

from berth import client, definition, refused, until

ecs, ssm, sm = client(), client("ssm"), client("secretsmanager")

# Parameters: versions, paths, types.
assert ssm.put_parameter(Name="/prod/db/url", Value="db:1", Type="String")["Version"] == 1
refused("ParameterAlreadyExists", ssm.put_parameter, Name="/prod/db/url", Value="x", Type="String")
again = ssm.put_parameter(Name="/prod/db/url", Value="db:2", Type="String", Overwrite=True, Description="where")
assert again["Version"] == 2, again
ssm.put_parameter(Name="/prod/db/password", Value="s3cret-parameter", Type="SecureString")
ssm.put_parameter(Name="/prod/top", Value="a,b", Type="StringList")
found = ssm.get_parameter(Name="/prod/db/url")["Parameter"]
assert (found["Value"], found["Version"], found["Type"]) == ("db:2", 2, "String"), found
assert found["ARN"] == "arn:aws:ssm:us-east-1:000000000000:parameter/prod/db/url", found
assert ssm.get_parameter(Name=found["ARN"])["Parameter"]["Value"] == "db:2"
assert ssm.get_parameter(Name="/prod/db/url:1")["Parameter"]["Value"] == "db:1"
history = ssm.get_parameter_history(Name="/prod/db/url")["Parameters"]
assert [entry["Value"] for entry in history] == ["db:1", "db:2"], history
sealed = ssm.get_parameter(Name="/prod/db/password")["Parameter"]["Value"]
assert "s3cret" not in sealed, "a SecureString is shown only to those who ask for it"
shown = ssm.get_parameter(Name="/prod/db/password", WithDecryption=True)["Parameter"]["Value"]
assert shown == "s3cret-parameter"
several = ssm.get_parameters(Names=["/prod/db/url", "/nowhere"])
assert several["InvalidParameters"] == ["/nowhere"] and len(several["Parameters"]) == 1, several
below = ssm.get_parameters_by_path(Path="/prod/db", WithDecryption=True)["Parameters"]
assert [entry["Name"] for entry in below] == ["/prod/db/password", "/prod/db/url"], below
everything = ssm.get_paginator("get_parameters_by_path").paginate(
    Path="/", Recursive=True, PaginationConfig={"PageSize": 2}
)
assert len([entry for page in everything for entry in page["Parameters"]]) == 3
described = ssm.describe_parameters(
    ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/prod/db"]}]
)["Parameters"]
assert len(described) == 2 and all("Value" not in entry for entry in described), described
refused("ParameterNotFound", ssm.get_parameter, Name="/nowhere")
refused("ValidationException", ssm.put_parameter, Name="no spaces", Value="x", Type="String")
assert ssm.delete_parameters(Names=["/prod/top", "/nowhere"])["DeletedParameters"] == ["/prod/top"]
refused("ParameterNotFound", ssm.delete_parameter, Name="/prod/top")

# Secrets: versions, stages, deletion and its undoing.
made = sm.create_secret(Name="prod/db", SecretString=json.dumps({"user": "app", "password": "s3cret-one"}))
refused("ResourceExistsException", sm.create_secret, Name="prod/db", SecretString="x")
assert sm.get_secret_value(SecretId="prod/db")["VersionId"] == made["VersionId"]
put = sm.put_secret_value(
    SecretId=made["ARN"], SecretString=json.dumps({"user": "app", "password": "s3cret-two"})
)
stages = sm.describe_secret(SecretId="prod/db")["VersionIdsToStages"]
assert stages == {made["VersionId"]: ["AWSPREVIOUS"], put["VersionId"]: ["AWSCURRENT"]}, stages
before = sm.get_secret_value(SecretId="prod/db", VersionStage="AWSPREVIOUS")
assert json.loads(before["SecretString"])["password"] == "s3cret-one"
# A call that is sent again with its token is told what it was told; another value under that token is refused.
TOKEN = "7f3c1a52-3d0e-4d8b-9f10-000000000001"
once = sm.create_secret(Name="twice", SecretString="first", ClientRequestToken=TOKEN)
again = sm.create_secret(Name="twice", SecretString="first", ClientRequestToken=TOKEN)
assert (again["ARN"], again["VersionId"]) == (once["ARN"], TOKEN), again
refused("ResourceExistsException", sm.create_secret, Name="twice", SecretString="x", ClientRequestToken=TOKEN)
for call in (sm.put_secret_value, sm.update_secret):
    assert call(SecretId="twice", SecretString="first", ClientRequestToken=TOKEN)["VersionId"] == TOKEN
    refused("ResourceExistsException", call, SecretId="twice", SecretString="x", ClientRequestToken=TOKEN)
    refused("ResourceExistsException", call, SecretId="twice", SecretBinary=b"first", ClientRequestToken=TOKEN)
assert len(sm.list_secret_version_ids(SecretId="twice", IncludeDeprecated=True)["Versions"]) == 1
sm.delete_secret(SecretId="twice", ForceDeleteWithoutRecovery=True)
binary = sm.create_secret(Name="bytes", SecretBinary=b"\x00\x01")
assert sm.get_secret_value(SecretId=binary["ARN"])["SecretBinary"] == b"\x00\x01"
sm.update_secret(SecretId="bytes", Description="two of them")
assert sm.describe_secret(SecretId="bytes")["Description"] == "two of them"
sm.delete_secret(SecretId="bytes", RecoveryWindowInDays=7)
refused("InvalidRequestException", sm.get_secret_value, SecretId="bytes")
assert [entry["Name"] for entry in sm.list_secrets()["SecretList"]] == ["prod/db"]
sm.restore_secret(SecretId="bytes")
assert len(sm.list_secrets()["SecretList"]) == 2
sm.delete_secret(SecretId="bytes", ForceDeleteWithoutRecovery=True)
refused(
    "ResourceNotFoundException",
    sm.get_secret_value,
    "Secrets Manager can't find the specified secret.",
    SecretId="bytes",
)

# A task finds them in its environment.
ssm.put_parameter(Name="/s3/config/app.env", Value="# for tests\nTASK_FILE=from a file\nTASK_OWN=file\n", Type="String")
container = {
    "portMappings": [{"containerPort": 8080, "hostPort": 0}],
    "environment": [{"name": "TASK_OWN", "value": "own"}],
    "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::config/app.env"}],
    "secrets": [
        {"name": "TASK_URL", "valueFrom": "/prod/db/url"},
        {"name": "TASK_PARAMETER", "valueFrom": "arn:aws:ssm:us-east-1:000000000000:parameter/prod/db/password"},
        {"name": "TASK_PASSWORD", "valueFrom": made["ARN"] + ":password::"},
        {"name": "TASK_BEFORE", "valueFrom": made["ARN"] + ":password:AWSPREVIOUS:"},
        {"name": "TASK_WHOLE", "valueFrom": made["ARN"]},
    ],
}
registered = definition("web", executionRoleArn="execution", container=container)
ecs.register_task_definition(**registered)
arn = ecs.run_task(taskDefinition="web")["tasks"][0]["taskArn"]


def task(arn, status):
    task = ecs.describe_tasks(tasks=[arn])["tasks"][0]
    return task["lastStatus"] in (status, "STOPPED") and task


def read(port):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(f"http://127.0.0.1:{port}/", timeout=10).read().decode()


running = until("the task runs", lambda: task(arn, "RUNNING"))
assert running["lastStatus"] == "RUNNING", running
port = running["containers"][0]["networkBindings"][0]["hostPort"]
told = dict(line.split("=", 1) for line in until("it answers", lambda: read(port)).splitlines())
expected = {
    "TASK_URL": "db:2",
    "TASK_PARAMETER": "s3cret-parameter",
    "TASK_PASSWORD": "s3cret-two",
    "TASK_BEFORE": "s3cret-one",
    "TASK_FILE": "from a file",
    "TASK_OWN": "own",
}
assert {name: told.get(name) for name in expected} == expected, told
assert json.loads(told["TASK_WHOLE"]) == {"user": "app", "password": "s3cret-two"}, told
whole = json.dumps([running, ecs.describe_task_definition(taskDefinition="web")], default=str)
assert "s3cret" not in whole, "what is described never shows a value"

# And says what is missing in ECS's words.
container["secrets"] = [{"name": "TASK_URL", "valueFrom": made["ARN"] + ":nobody::"}]
ecs.register_task_definition(**definition("lost", executionRoleArn="execution", container=container))
arn = ecs.run_task(taskDefinition="lost")["tasks"][0]["taskArn"]
stopped = until("the task ends", lambda: task(arn, "STOPPED"))
assert stopped["stopCode"] == "TaskFailedToStart", stopped
reason = stopped["stoppedReason"]
assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth"), reason
assert "did not contain json key nobody" in reason, reason
