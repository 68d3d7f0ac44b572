"""Two regions of one deployment: the same names in both, and neither sees what is in the other."""

from berth import client, definition, refused

HERE, THERE, NOWHERE = "us-east-1", "eu-west-1", "mars-north-1"
here, there = client(region_name=HERE), client(region_name=THERE)


def arn(region, resource):
    return f"arn:aws:ecs:{region}:000000000000:{resource}"


# A region that is not served.
valid = "Credential should be scoped to a valid region: us-east-1, ap-south-1, eu-west-1."
refused("InvalidSignatureException", client(region_name=NOWHERE).list_clusters, valid)
refused("SignatureDoesNotMatch", client("sts", region_name=NOWHERE).get_caller_identity, valid)

# Clusters. A region begins with none.
assert there.list_clusters()["clusterArns"] == []
refused("ClusterNotFoundException", there.list_services)
made = there.create_cluster(tags=[{"key": "team", "value": "b"}])["cluster"]
assert made["clusterArn"] == arn(THERE, "cluster/default"), made
here.create_cluster(clusterName="shop")
assert here.list_clusters()["clusterArns"] == [arn(HERE, "cluster/default"), arn(HERE, "cluster/shop")]
assert there.list_clusters()["clusterArns"] == [arn(THERE, "cluster/default")]
assert here.describe_clusters(include=["TAGS"])["clusters"][0]["tags"] == []
missing = there.describe_clusters(clusters=["shop"])["failures"]
assert missing == [{"arn": arn(THERE, "cluster/shop"), "reason": "MISSING"}], missing

# Task definitions. Revisions count in each region on their own.
for number in range(1, 4):
    made = here.register_task_definition(**definition("web"))["taskDefinition"]
    assert made["taskDefinitionArn"] == arn(HERE, f"task-definition/web:{number}"), made
made = there.register_task_definition(**definition("web", container={"memory": 128}))["taskDefinition"]
assert made["taskDefinitionArn"] == arn(THERE, "task-definition/web:1"), made
assert len(here.list_task_definitions()["taskDefinitionArns"]) == 3
assert there.list_task_definitions()["taskDefinitionArns"] == [made["taskDefinitionArn"]]
there.deregister_task_definition(taskDefinition="web:1")
assert here.describe_task_definition(taskDefinition="web:1")["taskDefinition"]["status"] == "ACTIVE"
there.register_task_definition(**definition("web", container={"memory": 128}))

# Services.
for ecs in (here, there):
    ecs.create_service(serviceName="web", taskDefinition="web", desiredCount=0, clientToken="same")
there.delete_service(service="web")
assert here.describe_services(services=["web"])["services"][0]["status"] == "ACTIVE"
assert there.list_services()["serviceArns"] == []
assert here.list_services()["serviceArns"] == [arn(HERE, "service/default/web")]

# Capacity providers.
group = {"autoScalingGroupArn": "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:x:autoScalingGroupName/x"}
for ecs in (here, there):
    ecs.create_capacity_provider(name="pool", autoScalingGroupProvider=group)
there.delete_capacity_provider(capacityProvider="pool")
assert here.describe_capacity_providers(capacityProviders=["pool"])["capacityProviders"][0]["status"] == "ACTIVE"

# Account settings.
there.put_account_setting(name="containerInsights", value="enhanced")
assert here.list_account_settings(name="containerInsights")["settings"] == []
assert there.list_account_settings(name="containerInsights")["settings"][0]["value"] == "enhanced"

# Tags.
there.tag_resource(resourceArn=arn(THERE, "cluster/default"), tags=[{"key": "only", "value": "there"}])
assert here.list_tags_for_resource(resourceArn=arn(HERE, "cluster/default"))["tags"] == []

# An ARN of another region names nothing here, although its name does.
wrong = "Invalid Region in ARN"
refused("InvalidParameterException", here.describe_clusters, wrong, clusters=[arn(THERE, "cluster/default")])
refused("InvalidParameterException", there.delete_cluster, wrong, cluster=arn(HERE, "cluster/default"))
refused("InvalidParameterException", here.update_service, wrong, service=arn(THERE, "service/default/web"), desiredCount=1)
refused("InvalidParameterException", there.describe_task_definition, wrong, taskDefinition=arn(HERE, "task-definition/web:1"))
refused("InvalidParameterException", here.list_tags_for_resource, wrong, resourceArn=arn(THERE, "cluster/default"))

# Who calls is the same everywhere.
assert client("sts", region_name=HERE).get_caller_identity()["Arn"] == client("sts", region_name=THERE).get_caller_identity()["Arn"]
