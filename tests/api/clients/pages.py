"""Pages, tokens, and what a call with the same token does."""

from berth import client, definition, refused

ecs = client()

families = [f"page-{number:02}" for number in range(23)]
for family in families:
    ecs.register_task_definition(**definition(family))
pages = list(ecs.get_paginator("list_task_definition_families").paginate(PaginationConfig={"PageSize": 10}))
assert [len(page["families"]) for page in pages] == [10, 10, 3], pages
assert [family for page in pages for family in page["families"]] == families
arns = ecs.get_paginator("list_task_definitions").paginate(sort="DESC").build_full_result()["taskDefinitionArns"]
assert [arn.rsplit("/")[-1] for arn in arns] == [f"{family}:1" for family in reversed(families)], arns

for number in range(12):
    ecs.create_service(serviceName=f"s-{number:02}", taskDefinition="page-00", desiredCount=0)
first = ecs.list_services()
assert len(first["serviceArns"]) == 10 and first["nextToken"], "ECS's own page"
assert len(ecs.list_services(nextToken=first["nextToken"])["serviceArns"]) == 2
assert len(ecs.list_services(maxResults=100)["serviceArns"]) == 12
refused("InvalidParameterException", ecs.list_services, maxResults=101)
refused("InvalidParameterException", ecs.list_services, nextToken="made up")

# The same call again changes nothing; another with the same token is refused.
run = ecs.run_task(taskDefinition="page-00", count=2, clientToken="once")
again = ecs.run_task(taskDefinition="page-00", count=2, clientToken="once")
assert {task["taskArn"] for task in run["tasks"]} == {task["taskArn"] for task in again["tasks"]}
conflict = refused("ConflictException", ecs.run_task, taskDefinition="page-00", count=3, clientToken="once")
assert set(conflict["resourceIds"]) == {task["taskArn"] for task in run["tasks"]}, conflict
made = ecs.create_service(serviceName="token", taskDefinition="page-00", desiredCount=0, clientToken="t")["service"]
same = ecs.create_service(serviceName="token", taskDefinition="page-00", desiredCount=0, clientToken="t")["service"]
assert made["createdAt"] == same["createdAt"]
refused("InvalidParameterException", ecs.run_task, taskDefinition="page-00", count=11)
refused("InvalidParameterException", ecs.create_service, serviceName="many", taskDefinition="page-00", desiredCount=5001)

# Every list that botocore knows to follow is the same in small pages as in large ones.
for name in (
    "list_account_settings",
    "list_attributes",
    "list_clusters",
    "list_container_instances",
    "list_gateways",
    "list_services",
    "list_task_definition_families",
    "list_task_definitions",
    "list_tasks",
):
    asked = {"list_attributes": {"targetType": "container-instance"}, "list_account_settings": {"effectiveSettings": True}}
    paginator, parameters = ecs.get_paginator(name), asked.get(name, {})
    large = paginator.paginate(**parameters, PaginationConfig={"PageSize": 10}).build_full_result()
    small = paginator.paginate(**parameters, PaginationConfig={"PageSize": 3}).build_full_result()
    assert large == small, (name, large, small)
    (entries,) = large.values()
    assert entries or name == "list_gateways", name
    assert len({str(entry) for entry in entries}) == len(entries), (name, entries)
