"""The endpoint over TLS: whoever trusts the cluster's authority is served, whoever does not is not."""

import os
import subprocess
import sys

import botocore.exceptions

from berth import client

assert os.environ["AWS_ENDPOINT_URL"].startswith("https://")
assert client().list_clusters()["clusterArns"] == ["arn:aws:ecs:us-east-1:000000000000:cluster/default"]
assert client("sts").get_caller_identity()["Account"] == "000000000000"

cli = [sys.executable, "-m", "awscli", "ecs", "list-clusters", "--output", "text"]
told = subprocess.run(cli, capture_output=True, text=True)
assert told.returncode == 0 and "cluster/default" in told.stdout, told

bundle = os.environ.pop("AWS_CA_BUNDLE")
try:
    reply = client().list_clusters()
except botocore.exceptions.SSLError:
    pass
else:
    raise AssertionError(f"a stranger's certificate was believed: {reply}")
told = subprocess.run(cli, capture_output=True, text=True)
assert told.returncode != 0 and "SSL" in told.stderr, told
told = subprocess.run([*cli, "--ca-bundle", bundle], capture_output=True, text=True)
assert told.returncode == 0 and "cluster/default" in told.stdout, told
