"""What the examples of AWS name: each function makes it in the fleet, and returns what to call it in the command."""

import functools

import botocore.exceptions

from berth import client, definition, until

ecs = client()
GROUP = "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:x:autoScalingGroupName/"
EXTERNAL = {"deploymentController": {"type": "EXTERNAL"}}
OWN_NETWORK = {"networkMode": "awsvpc", "cpu": "256", "memory": "512"}
FAST = {"Delay": 1, "MaxAttempts": 60}
INSTANCE = "a1b2c3d4-5678-90ab-cdef-11111EXAMPLE"


def once(code, call, **parameters):
    """Makes something that another example may have left there."""
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error


def nothing():
    return {}


def of_cluster(name, world=None):
    """A world within a cluster that no other example uses."""

    def make():
        of_cluster.made += 1
        ours = f"{name}-{of_cluster.made}"
        ecs.create_cluster(clusterName=ours)
        return {name: ours, **(world(ours) if world else {})}

    return make


of_cluster.made = 0


def new_cluster(name, world=None):
    """The name of a cluster that the example makes itself."""

    def make():
        of_cluster.made += 1
        return {name: f"{name}-{of_cluster.made}", **(world() if world else {})}

    return make


def providers(*names, tags=()):
    def make(_cluster=None):
        for name in names:
            group = {
                "autoScalingGroupArn": GROUP + name,
                "managedScaling": {"status": "ENABLED"},
                "managedTerminationProtection": "ENABLED",
            }
            once("ClientException", ecs.create_capacity_provider, name=name, autoScalingGroupProvider=group, tags=list(tags))
        return {}

    return make


def tagged_provider():
    providers("MyCapacityProvider")()
    arn = ecs.describe_capacity_providers(capacityProviders=["MyCapacityProvider"])["capacityProviders"][0]
    tags = [{"key": "environment", "value": "production"}]
    ecs.tag_resource(resourceArn=arn["capacityProviderArn"], tags=tags)
    return {}


def with_providers(*names):
    """A cluster that has capacity providers already."""

    def make(cluster):
        providers(*names)()
        strategy = [{"capacityProvider": name, "weight": 1} for name in names]
        ecs.put_cluster_capacity_providers(
            cluster=cluster, capacityProviders=list(names), defaultCapacityProviderStrategy=strategy
        )
        return {}

    return make


def definitions(family, revision=1, **more):
    """A family with so many revisions."""

    def make(_cluster=None):
        known = ecs.list_task_definitions(familyPrefix=family)["taskDefinitionArns"]
        for _ in range(len(known), revision):
            ecs.register_task_definition(**definition(family, container={"name": "sleep", "cpu": 10}, **more))
        return {}

    return make


def external(cluster):
    """A service without a task set."""
    ecs.create_service(cluster=cluster, serviceName="MyService", desiredCount=1, **EXTERNAL)
    definitions("MyTaskDefinition", 2, **OWN_NETWORK)()
    return {}


def task_set(cluster):
    external(cluster)
    network = {"awsvpcConfiguration": {"subnets": ["subnet-12344321"], "securityGroups": ["sg-12344321"]}}
    made = ecs.create_task_set(
        cluster=cluster, service="MyService", taskDefinition="MyTaskDefinition", networkConfiguration=network,
        scale={"value": 0, "unit": "PERCENT"},
    )["taskSet"]
    steady = {"cluster": cluster, "service": "MyService", "taskSets": [made["id"]]}
    until("it is steady", lambda: ecs.describe_task_sets(**steady)["taskSets"][0]["stabilityStatus"] == "STEADY_STATE")
    return {"ecs-svc/1234567890123456789": made["id"]}


def joined(cluster):
    """An instance of nobody's."""
    offer = [
        {"name": "CPU", "type": "INTEGER", "integerValue": 1024},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": 985},
        {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22", "2376"]},
        {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
    ]
    about = {"agentVersion": "1.30.0", "agentHash": "02ff320c", "dockerVersion": "DockerVersion: 18.06.1-ce"}
    made = ecs.register_container_instance(
        cluster=cluster,
        totalResources=offer,
        versionInfo=about,
        attributes=[{"name": "ecs.ami-id", "value": "ami-01a82c3fce2c3ba58"}, {"name": "ecs.capability.task-eni"}],
        instanceIdentityDocument='{"instanceId": "i-12345678901234678"}',
    )
    return {INSTANCE: id_of(made["containerInstance"]["containerInstanceArn"])}


def id_of(arn):
    return arn.rpartition("/")[2]


def instance(theirs, **names):
    """An instance with an agent."""

    def make():
        return {theirs: id_of(ecs.list_container_instances()["containerInstanceArns"][0]), **names}

    return make


def labelled_instance():
    ours = ecs.list_container_instances()["containerInstanceArns"][0]
    ecs.put_attributes(attributes=[{"name": "stack", "value": "production", "targetId": ours}])
    return targeted_instance()


def targeted_instance():
    """Attributes are put on an instance by its ARN."""
    ours = ecs.list_container_instances()["containerInstanceArns"][0]
    return {"arn:aws:ecs:us-east-1:000000000000:container-instance/1c3be8ed-df30-47b4-8f1e-6e68ebd01f34": ours}


def service(name, count=1, family="sleep360", **more):
    """A service whose deployment is over."""

    def make(cluster="default"):
        definitions(family)()
        ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=family, desiredCount=count, **more)
        steady = {"cluster": cluster, "services": [name]}
        ecs.get_waiter("services_stable").wait(**steady, WaiterConfig=FAST)
        until(
            "the deployment is over",
            lambda: ecs.describe_services(**steady)["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED",
        )
        return {}

    return make


def updated(cluster):
    """A service with an update before it, and a definition that it does not have yet."""
    definitions("own-network", **OWN_NETWORK)()
    configuration = {
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "alarms": {"alarmNames": [], "enable": False, "rollback": False},
    }
    service(
        "my-http-service",
        0,
        "own-network",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-12344321"], "securityGroups": ["sg-12344321"]}},
        deploymentConfiguration=configuration,
        enableECSManagedTags=True,
    )(cluster)
    definitions("another", **OWN_NETWORK)()
    return {"mytaskdef": "another"}


@functools.cache
def deployed():
    """A service deployment and a revision, of a service in the cluster that has instances."""
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    service("example-service", deploymentConfiguration=breaker)()
    made = ecs.list_service_deployments(service="example-service")["serviceDeployments"][0]
    return {
        "example-cluster": "default",
        "ejGvqq2ilnbKT9qj0vLJe": id_of(made["serviceDeploymentArn"]),
        "1485800978477494678": id_of(made["targetServiceRevisionArn"]),
    }


def protected(is_protected):
    """A task of a service."""

    @functools.cache
    def make():
        name = f"guarded-{is_protected}".lower()
        service(name)()
        task = ecs.list_tasks(serviceName=name)["taskArns"][0]
        ecs.update_task_protection(cluster="default", tasks=[task], protectionEnabled=is_protected)
        return {"ECS-project-update-cluster": "default", "c43ed3b1331041f289316f958adb6a24": id_of(task)}

    return make


def tasks(*theirs, **more):
    """Standalone tasks that run."""

    def make():
        ecs.register_task_definition(**definition("served", container={"portMappings": [{"containerPort": 80}]}))
        made = ecs.run_task(taskDefinition="served", count=len(theirs), startedBy="ecs-svc/1234567890123456789", **more)
        ours = [task["taskArn"] for task in made["tasks"]]
        ecs.get_waiter("tasks_running").wait(tasks=ours, WaiterConfig=FAST)
        return {"MyCluster": "default", **dict(zip(theirs, map(id_of, ours), strict=True))}

    return make


def busy_instance():
    """An instance that has a task."""
    definitions("sleep360")()
    task = ecs.run_task(taskDefinition="sleep360")["tasks"][0]
    return {"a1b2c3d4-5678-90ab-cdef-33333EXAMPLE": id_of(task["containerInstanceArn"])}


def tagged_cluster(cluster):
    arn = ecs.describe_clusters(clusters=[cluster])["clusters"][0]["clusterArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": f"key{n}", "value": f"value{n}"} for n in range(1, 4)])
    return {}


def hello_world():
    """The definition that the manual describes, as often as its revision says."""
    containers = [
        {
            "name": "wordpress", "image": "wordpress", "cpu": 10, "memory": 500, "essential": True, "links": ["mysql"],
            "portMappings": [{"containerPort": 80, "hostPort": 80}],
        },
        {
            "name": "mysql", "image": "mysql", "cpu": 10, "memory": 500, "essential": True,
            "environment": [{"name": "MYSQL_ROOT_PASSWORD", "value": "password"}],
        },
    ]
    for _ in range(8):
        ecs.register_task_definition(family="hello_world", containerDefinitions=containers)
    return {}


def curltest():
    """A definition that nobody uses any more."""
    role = "arn:aws:iam::000000000000:role/ecsTaskExecutionRole"
    options = {
        "awslogs-create-group": "true", "awslogs-group": "/ecs/curltest", "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ecs",
    }
    container = {
        "name": "ctest", "image": "mreferre/eksutils", "entryPoint": ["sh", "-c"],
        "command": ["curl ${ECS_CONTAINER_METADATA_URI_V4}/task"],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    ecs.register_task_definition(
        family="curltest", containerDefinitions=[container], networkMode="awsvpc", cpu="256", memory="512",
        taskRoleArn=role, executionRoleArn=role, requiresCompatibilities=["FARGATE"],
    )
    ecs.deregister_task_definition(taskDefinition="curltest:1")
    return {}


def families():
    for family in ("hpcc", "hpcc-c4-8xlarge", "wordpress", "web-timer"):
        definitions(family, 2)()
    return {}


def of_principal():
    """A setting of a user, whose key is the one that tests use: it is known to be there."""
    user = client("sts").get_caller_identity()["Arn"]
    ecs.put_account_setting(name="serviceLongArnFormat", value="enabled", principalArn=user)
    return {"arn:aws:iam::000000000000:user/MyUser": user}
