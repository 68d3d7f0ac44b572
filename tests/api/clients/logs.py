"""The archive of logs as people and tools use it: groups, streams and events of their own, and what a container wrote, live and
afterwards, with boto3 and the AWS CLI."""

import json
import os
import subprocess
import sys
import time

import boto3
import botocore.config

from berth import client, definition, refused, until

ecs, logs = client(), client("logs")
now = int(time.time() * 1000)

# Groups.
logs.create_log_group(logGroupName="/app/web", tags={"team": "shop"})
refused(
    "ResourceAlreadyExistsException",
    logs.create_log_group,
    "The specified log group already exists",
    logGroupName="/app/web",
)
refused("InvalidParameterException", logs.create_log_group, logGroupName="no spaces")
logs.create_log_group(logGroupName="/app/api")
logs.create_log_group(logGroupName="other")
pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/app", PaginationConfig={"PageSize": 1})
groups = [group for page in pages for group in page["logGroups"]]
assert [group["logGroupName"] for group in groups] == ["/app/api", "/app/web"], groups
arn = groups[1]["logGroupArn"]
assert arn == "arn:aws:logs:us-east-1:000000000000:log-group:/app/web", groups
assert groups[1]["arn"] == arn + ":*" and abs(groups[1]["creationTime"] - now) < 60_000, groups
assert logs.describe_log_groups(logGroupNamePattern="THE")["logGroups"][0]["logGroupName"] == "other"
logs.put_retention_policy(logGroupName="/app/web", retentionInDays=7)
assert logs.describe_log_groups(logGroupNamePrefix="/app/web")["logGroups"][0]["retentionInDays"] == 7
refused("InvalidParameterException", logs.put_retention_policy, logGroupName="/app/web", retentionInDays=8)
logs.delete_retention_policy(logGroupName="/app/web")
logs.tag_resource(resourceArn=arn, tags={"stage": "prod"})
logs.untag_resource(resourceArn=arn, tagKeys=["team"])
assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"stage": "prod"}
refused(
    "ResourceNotFoundException",
    logs.describe_log_streams,
    "The specified log group does not exist.",
    logGroupName="nowhere",
)

# Streams.
web = {"logGroupName": "/app/web"}
for name in ("a", "b", "c"):
    logs.create_log_stream(**web, logStreamName=name)
refused(
    "ResourceAlreadyExistsException",
    logs.create_log_stream,
    "The specified log stream already exists",
    **web,
    logStreamName="a",
)
refused("InvalidParameterException", logs.create_log_stream, **web, logStreamName="a:b")


def put(stream, *events, group="/app/web"):
    events = [{"timestamp": at, "message": message} for at, message in events]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


try:
    put("nowhere", (now, "x"))
    raise AssertionError("taken by a stream that is not there")
except logs.exceptions.ResourceNotFoundException as error:
    assert "The specified log stream does not exist." in str(error), error

# Events.
put("a", (now - 3000, "one ERROR"), (now - 2000, "two"), (now - 1000, '{"level": "error", "code": 503}'))
put("b", (now - 2500, "between ERROR"), (now - 500, "last"))
told = put("c", (now - 20 * 86_400_000, "too old"))
assert told["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] == 1, told
told = put("c", (now, "in time"), (now + 3 * 3_600_000, "too new"))
assert told["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"] == 1, told
try:
    put("c", (now, "late"), (now - 1, "early"))
    raise AssertionError("taken out of order")
except logs.exceptions.InvalidParameterException as error:
    assert "chronological order" in str(error), error

head = logs.get_log_events(**web, logStreamName="a", startFromHead=True, limit=2)
assert [event["message"] for event in head["events"]] == ["one ERROR", "two"], head
rest = logs.get_log_events(**web, logStreamName="a", startFromHead=True, nextToken=head["nextForwardToken"])
assert [event["timestamp"] for event in rest["events"]] == [now - 1000], rest
end = logs.get_log_events(**web, logStreamName="a", startFromHead=True, nextToken=rest["nextForwardToken"])
assert end["events"] == [] and end["nextForwardToken"] == rest["nextForwardToken"], end
back = logs.get_log_events(**web, logStreamName="a", nextToken=rest["nextBackwardToken"])
assert [event["message"] for event in back["events"]] == ["one ERROR", "two"], back
tail = logs.get_log_events(**web, logStreamName="a", limit=1)
assert tail["events"][0]["message"].startswith("{"), tail
put("a", (now, "four"))
later = logs.get_log_events(**web, logStreamName="a", nextToken=end["nextForwardToken"])
assert [event["message"] for event in later["events"]] == ["four"], later
within = logs.get_log_events(**web, logStreamName="a", startTime=now - 2000, endTime=now - 1000, startFromHead=True)
assert [event["message"] for event in within["events"]] == ["two"], within


def found(**wanted):
    pages = logs.get_paginator("filter_log_events").paginate(**web, **wanted, PaginationConfig={"PageSize": 2})
    return [event["message"] for page in pages for event in page["events"]]


everything = ["one ERROR", "between ERROR", "two", '{"level": "error", "code": 503}', "last", "in time", "four"]
assert sorted(found()) == sorted(everything) and found()[:5] == everything[:5], found()
assert found(filterPattern="ERROR") == ["one ERROR", "between ERROR"], found(filterPattern="ERROR")
assert found(filterPattern="ERROR -one") == ["between ERROR"]
assert found(filterPattern='{ $.level = "error" && $.code >= 500 }') == everything[3:4]
assert found(logStreamNames=["b"]) == ["between ERROR", "last"]
assert found(logStreamNamePrefix="b", filterPattern='"between"') == ["between ERROR"]
assert found(startTime=now - 2500, endTime=now - 2000) == ["between ERROR", "two"]
refused("InvalidParameterException", logs.filter_log_events, **web, filterPattern="{ $.a = ")
ids = [event["eventId"] for event in logs.filter_log_events(**web)["events"]]
assert len(set(ids)) == len(ids) == 7, ids

streams = logs.describe_log_streams(**web)["logStreams"]
assert [stream["logStreamName"] for stream in streams] == ["a", "b", "c"], streams
assert (streams[0]["firstEventTimestamp"], streams[0]["lastEventTimestamp"]) == (now - 3000, now), streams
assert streams[0]["arn"] == arn + ":log-stream:a", streams
newest = logs.describe_log_streams(**web, orderBy="LastEventTime", descending=True, limit=1)
assert newest["logStreams"][0]["logStreamName"] in ("a", "c") and newest["nextToken"], newest
logs.delete_log_stream(**web, logStreamName="a")
assert [stream["logStreamName"] for stream in logs.describe_log_streams(**web)["logStreams"]] == ["b", "c"]
assert "two" not in found()
logs.create_log_stream(**web, logStreamName="a")
assert logs.get_log_events(**web, logStreamName="a")["events"] == [], "a stream that is made again is empty"
logs.delete_log_group(logGroupName="/app/web")
logs.create_log_group(logGroupName="/app/web")
assert logs.describe_log_streams(**web)["logStreams"] == [], "a group that is made again is empty"


# What a container writes.
AWS = os.path.join(os.path.dirname(sys.executable), "aws")


def cli(*arguments):
    ran = subprocess.run([sys.executable, AWS, *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran
    return ran.stdout


def run(family, lines, options, environment=()):
    container = {
        "environment": [{"name": "LOG_LINES", "value": str(lines)}, *environment],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "/ecs/" + family, "awslogs-region": "us-east-1", **options},
        },
    }
    ecs.register_task_definition(**definition(family, container=container))
    return ecs.run_task(taskDefinition=family)["tasks"][0]["taskArn"]


def ended(arn):
    task = ecs.describe_tasks(tasks=[arn])["tasks"][0]
    return task["lastStatus"] == "STOPPED" and task


once = [{"name": "EXIT_CODE", "value": "0"}]
create = {"awslogs-create-group": "true", "awslogs-stream-prefix": "s"}
arn = run("batch", 300, create, once)
stopped = until("the task ends", lambda: ended(arn))
assert stopped["stopCode"] == "EssentialContainerExited", stopped
stream = "s/main/" + arn.rsplit("/", 1)[1]


def lines_of(group, stream):
    try:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


expected = [f"line {number}" for number in range(1, 301)]
until("all its lines are there", lambda: lines_of("/ecs/batch", stream) == expected)
said = cli("logs", "filter-log-events", "--log-group-name", "/ecs/batch", "--query", "events[].message")
assert json.loads(said) == expected, said[-200:]
said = cli("logs", "get-log-events", "--log-group-name", "/ecs/batch", "--log-stream-name", stream, "--limit", "1")
assert json.loads(said)["events"][0]["message"] == "line 300", said


# Followed while it runs, as `aws logs tail --follow` of the second CLI does it; without a prefix the stream has the
# container's own id.
class Tail:
    def __init__(self, group):
        self.wanted = {"logGroupName": group, "interleaved": True, "startTime": now - 3_600_000}
        self.seen, self.messages = set(), []

    def has(self, *messages):
        for page in logs.get_paginator("filter_log_events").paginate(**self.wanted):
            for event in page["events"]:
                if event["eventId"] not in self.seen:
                    self.seen.add(event["eventId"])
                    self.messages.append(event["message"])
                    self.wanted["startTime"] = event["timestamp"]
        return self.messages == list(messages)


arn = run("live", 2, {"awslogs-create-group": "true"})
until("there is a group", lambda: logs.describe_log_groups(logGroupNamePrefix="/ecs/live")["logGroups"])
tail = Tail("/ecs/live")
first = ["line 1", "line 2", 'serving revision "1" on port 8080']
until("its lines are there", lambda: tail.has(*first))
ecs.stop_task(task=arn)
until("its last words are there", lambda: tail.has(*first, "SIGTERM: draining", "drained"))
task = until("the task ends", lambda: ended(arn))
streams = logs.describe_log_streams(logGroupName="/ecs/live")["logStreams"]
assert [stream["logStreamName"] for stream in streams] == [task["containers"][0]["runtimeId"]], (streams, task)

# A group that is not there and that nobody asked for.
arn = run("lost", 1, {"awslogs-stream-prefix": "s"})
task = until("the task ends", lambda: ended(arn))
assert task["stopCode"] == "TaskFailedToStart", task
reason = task["stoppedReason"]
assert reason.startswith("ResourceInitializationError: failed to validate logger args"), reason
assert "ResourceNotFoundException: The specified log group does not exist." in reason, reason

# Live.
logs.create_log_group(logGroupName="/app/live")
arn = "arn:aws:logs:us-east-1:000000000000:log-group:/app/live"


def tail(**asked):
    config = botocore.config.Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
    return boto3.session.Session().client("logs", config=config).start_live_tail(**asked)["responseStream"]


def live(text, at):
    logs.put_log_events(logGroupName="/app/live", logStreamName="live", logEvents=[{"timestamp": at, "message": text}])


refused("InvalidParameterException", lambda: tail(logGroupIdentifiers=[arn, arn], logStreamNames=["live"]))
refused("ResourceNotFoundException", lambda: tail(logGroupIdentifiers=[arn + "/no"]))
logs.create_log_stream(logGroupName="/app/live", logStreamName="live")
now = int(time.time() * 1000)
live("ERROR before", now)
stream = tail(logGroupIdentifiers=[arn], logStreamNamePrefixes=["li"], logEventFilterPattern="ERROR")
seen, updates = [], 0
for event in stream:
    if "sessionStart" in event:
        assert event["sessionStart"]["logGroupIdentifiers"] == [arn], event
        # Two of one moment, one that is not asked for, and one whose time is a while ago.
        now = int(time.time() * 1000)
        for text, at in (("ERROR one", now), ("ERROR two", now), ("fine", now), ("ERROR late", now - 3_000)):
            live(text, at)
        continue
    updates += 1
    update = event["sessionUpdate"]
    assert update["sessionMetadata"] == {"sampled": False}, update
    seen += update["sessionResults"]
    assert updates < 60, seen
    if len(seen) >= 3 and not update["sessionResults"]:
        break
stream.close()
assert sorted(event["message"] for event in seen) == ["ERROR late", "ERROR one", "ERROR two"], seen
assert {(event["logStreamName"], event["logGroupIdentifier"]) for event in seen} == {("live", arn)}, seen
assert all(abs(event["ingestionTime"] - now) < 60_000 for event in seen), seen
