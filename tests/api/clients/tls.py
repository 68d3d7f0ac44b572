"""An endpoint with TLS: a client that was given the deployment's CA talks to it, one that was not refuses to."""

import os
import subprocess
import sys

import botocore.exceptions

from berth import client

assert os.environ["AWS_ENDPOINT_URL"].startswith("https://")
arn = "arn:aws:ecs:us-east-1:000000000000:cluster/default"
assert client().list_clusters()["clusterArns"] == [arn]
assert client("sts").get_caller_identity()["Account"] == "000000000000"

AWS = [sys.executable, os.path.join(os.path.dirname(sys.executable), "aws")]
done = subprocess.run([*AWS, "ecs", "list-clusters", "--output", "text"], capture_output=True, text=True, check=False)
assert done.returncode == 0 and arn in done.stdout, done

bundle = os.environ.pop("AWS_CA_BUNDLE")
try:
    client().list_clusters()
    raise AssertionError("a certificate of nobody's was taken")
except botocore.exceptions.SSLError:
    pass
done = subprocess.run([*AWS, "ecs", "list-clusters", "--ca-bundle", bundle], capture_output=True, text=True, check=False)
assert done.returncode == 0, done
plain = os.environ["AWS_ENDPOINT_URL"].replace("https://", "http://")
try:
    client(endpoint_url=plain).list_clusters()
    raise AssertionError("it answered without TLS")
except (botocore.exceptions.ConnectionClosedError, botocore.exceptions.EndpointConnectionError):
    pass
