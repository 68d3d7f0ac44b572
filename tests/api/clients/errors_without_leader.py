"""Every operation, asked of a controller that is without a majority: nothing is known to be true, so nothing is answered."""

import concurrent.futures
import os
import re

import botocore.config
import botocore.exceptions

from berth import minimal, session

SETTINGS = botocore.config.Config(
    retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=120, max_pool_connections=100
)
ecs = session().client("ecs", config=SETTINGS)
MODEL = ecs.meta.service_model
METHODS = {operation: method for method, operation in ecs.meta.method_to_api_mapping.items()}
TEXT = re.compile(r"The request cannot be carried out right now: .*\. Try again\.")


def told(operation):
    try:
        reply = getattr(ecs, METHODS[operation])(**minimal(MODEL.operation_model(operation).input_shape))
    except botocore.exceptions.ClientError as refusal:
        error = refusal.response["Error"]
        status = refusal.response["ResponseMetadata"]["HTTPStatusCode"]
        right = error["Code"] == "ServerException" and status == 500 and TEXT.fullmatch(error["Message"])
        return None if right else f"{operation}: {status} {error}"
    return f"{operation} is answered: {reply}"


served = os.environ["SERVED"].split(",")
with concurrent.futures.ThreadPoolExecutor(max_workers=len(served)) as pool:
    wrong = [answer for answer in pool.map(told, served) if answer]
assert not wrong, "\n".join(wrong)
