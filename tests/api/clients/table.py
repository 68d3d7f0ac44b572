"""The table of operations in docs/aws.md: every operation of ECS, and what becomes of a call of it.

The schema's operations come in the environment. BERTH_UPDATE_GOLDEN=1 writes the table anew.
"""

import os
import pathlib
import re
import sys

import botocore.session

served = set(os.environ["SERVED"].split(","))
limited = set(os.environ["LIMITED"].split(","))
empty = set(os.environ["EMPTY"].split(","))
model = botocore.session.get_session().get_service_model("ecs")
unknown = served - set(model.operation_names)
assert not unknown, f"ECS does not have {unknown}"


def state(operation):
    if operation in limited:
        return "refused in the words of ECS: what it needs is still to come"
    if operation in empty:
        return "answers that there is none: what it needs is still to come"
    if operation in served:
        return "works"
    return "`UnknownOperationException`"


rows = [f"| {operation} | {state(operation)} |" for operation in sorted(model.operation_names)]
count = len(served - limited - empty)
table = "\n".join([f"{count} of {len(rows)} work.", "", "| Operation | State |", "|---|---|", *rows])
path = pathlib.Path(__file__).parents[3] / "docs/aws.md"
text = path.read_text()
wanted = re.sub(
    r"(<!-- operations -->\n).*(<!-- /operations -->)", lambda found: f"{found[1]}{table}\n{found[2]}", text, flags=re.S
)
if os.environ.get("BERTH_UPDATE_GOLDEN") == "1":
    path.write_text(wanted)
elif text != wanted:
    sys.exit("docs/aws.md is not what this build does: run this test with BERTH_UPDATE_GOLDEN=1")
