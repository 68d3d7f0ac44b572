"""Requests as they go over the wire, for what no client would send."""

import os
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
TARGET = "AmazonEC2ContainerServiceV20141113."


def request(operation="ListClusters", body=b"{}", headers=None):
    named = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET + operation}
    return botocore.awsrequest.AWSRequest("POST", ENDPOINT + "/", headers={**named, **(headers or {})}, data=body)


def sign(made, key=KEY, secret=SECRET, token=None, service="ecs", region="us-east-1"):
    credentials = botocore.credentials.Credentials(key, secret, token)
    botocore.auth.SigV4Auth(credentials, service, region).add_auth(made)
    return made


def send(made):
    """The status, the headers and the document of the reply."""
    sent = urllib.request.Request(ENDPOINT + "/", made.data, dict(made.headers.items()), method="POST")
    try:
        with urllib.request.urlopen(sent) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
