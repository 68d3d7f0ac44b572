"""What is not signed as it should be is refused as AWS refuses it, and never reaches a handler."""

import datetime
import gzip
import json

import boto3
import botocore.auth
import botocore.credentials

from berth import client, refused
from wire import KEY, SECRET, TARGET, request, send, sign


def exception(made):
    status, _, body = send(made)
    assert status == 400, (status, body)
    return json.loads(body)["__type"]


assert send(sign(request()))[0] == 200
assert exception(request()) == "MissingAuthenticationTokenException"
assert exception(sign(request(), secret="wrong")) == "InvalidSignatureException"
assert exception(sign(request(), key="BKNOBODY")) == "UnrecognizedClientException"
assert exception(sign(request(), token="nonsense")) == "UnrecognizedClientException"
assert exception(sign(request(), service="s3")) == "InvalidSignatureException"
assert exception(sign(request(), region="eu-central-9")) == "InvalidSignatureException"
assert exception(sign(request("ListPlanets"))) == "UnknownOperationException"
assert exception(sign(request(headers={"X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData"}))) == "UnknownOperationException"
assert exception(sign(request(body=b"{"))) == "SerializationException"
assert exception(sign(request("RunTask", b'{"taskDefinition": 1}'))) == "SerializationException"

altered = sign(request())
altered.headers.replace_header("X-Amz-Target", TARGET + "DeleteCluster")
assert exception(altered) == "InvalidSignatureException"
altered = sign(request())
altered.data = b'{"maxResults": 1}'
assert exception(altered) == "InvalidSignatureException"

# A copy is as good as the original for as long as its date is, and no longer.
copied = sign(request())
assert [send(copied)[0] for _ in range(3)] == [200, 200, 200]
past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=6)
late = request()
late.context["timestamp"] = past.strftime("%Y%m%dT%H%M%SZ")
late.headers["X-Amz-Date"] = late.context["timestamp"]
signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), "ecs", "us-east-1")
to_sign = signer.string_to_sign(late, signer.canonical_request(late))
signer._inject_signature_to_request(late, signer.signature(to_sign, late))
status, _, body = send(late)
assert (status, json.loads(body)["__type"]) == (400, "InvalidSignatureException"), body
assert json.loads(body)["message"].startswith("Signature expired: "), body

packed = request(body=gzip.compress(b'{"maxResults": 1}'), headers={"Content-Encoding": "gzip"})
assert send(sign(packed))[0] == 200
bomb = request(body=gzip.compress(b" " * (8 << 20)), headers={"Content-Encoding": "gzip"})
assert send(sign(bomb))[0] == 413
assert exception(sign(request(body=b"no gzip", headers={"Content-Encoding": "gzip"}))) == "SerializationException"

status, headers, body = send(sign(request("DescribeServices", b'{"cluster": "nowhere", "services": ["a"]}')))
assert (status, json.loads(body)) == (400, {"__type": "ClusterNotFoundException", "message": "Cluster not found."})
assert headers["x-amzn-errortype"] == "ClusterNotFoundException" and len(headers["x-amzn-requestid"]) == 36

# Credentials that end, made by STS.
temporary = client("sts").get_session_token(DurationSeconds=900)["Credentials"]
held = boto3.session.Session(
    temporary["AccessKeyId"], temporary["SecretAccessKey"], temporary["SessionToken"], "us-east-1"
)
assert held.client("ecs").list_clusters()["clusterArns"]
assert held.client("sts").get_caller_identity()["UserId"] == KEY
without = boto3.session.Session(temporary["AccessKeyId"], temporary["SecretAccessKey"], None, "us-east-1")
refused("UnrecognizedClientException", without.client("ecs").list_clusters)
refused("InvalidClientTokenId", without.client("sts").get_caller_identity)
