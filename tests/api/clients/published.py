"""The examples that AWS publishes with its CLI: commands, and what they print. They are read from the installed package.

A command is run by the CLI itself, in this process, and its reply is kept as it came over the wire.
"""

import contextlib
import io
import json
import pathlib
import re
import shlex
import textwrap

import awscli
from awscli.clidriver import create_clidriver

FOLDER = pathlib.Path(awscli.__file__).parent / "examples/ecs"
OUTPUT = re.compile(r"^Output\s*(?:\d+)?\s*::\s*\n\n?((?:[ \t]+.*\n|\n)+)", re.M | re.I)
COMMAND = re.compile(r"^    aws (ecs (?:.|\n)*?)\n\s*\n", re.M)
CONTENTS = re.compile(r"^Contents of ``(.*?)``\s*::\s*\n\n?((?:[ \t]+.*\n|\n)+)", re.M)
OURS = "arn:aws:ecs:us-east-1:000000000000:"
THEIRS = re.compile(r"arn:aws:ecs:[a-z0-9-]+:\d{12}:")
PRINCIPAL = re.compile(r"arn:aws:iam::\d{12}:user/")


def rename(text, replacements):
    """Other ids in a command. A name is renamed where it stands by itself, and not within another."""
    text = PRINCIPAL.sub("arn:aws:iam::000000000000:user/", THEIRS.sub(OURS, text))
    for theirs, ours in replacements.items():
        text = re.sub(rf"(?<![\w-]){re.escape(theirs)}(?![\w-])", ours, text)
    return text


class Example:
    """A command and what AWS shows as its output."""

    def __init__(self, name, command, contents, output):
        self.name, self.command, self.contents, self.output = name, command, contents, output

    def run(self, aws, replacements):
        """Runs the command with other ids in it."""
        words = shlex.split(rename(self.command, replacements).replace("\\\n", " "))
        # The file that the command names is shown beside it.
        if self.contents:
            words[words.index("--cli-input-json") + 1] = rename(self.contents, replacements)
        return aws.run(words)


class Aws:
    """The AWS CLI, and what it was answered last."""

    def __init__(self, check_reply):
        self.driver = create_clidriver()
        self.driver.session.register("before-parse.ecs.*", check_reply)
        self.driver.session.register("before-parse.ecs.*", self.keep)
        self.operation = self.shape = self.reply = None

    def keep(self, operation_model, response_dict, **_):
        self.operation = operation_model.name
        self.shape = operation_model.output_shape
        page = json.loads(response_dict["body"])
        # The CLI follows pages to the end.
        for name, value in (self.reply or {}).items():
            if isinstance(value, list):
                page[name] = value + page.get(name, [])
        self.reply = page

    def run(self, words):
        self.shape = self.reply = None
        said, wrong = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
            status = self.driver.main(words)
        assert self.reply is not None, (words, status, wrong.getvalue())
        return self.reply


def examples():
    """Every example whose output is shown as JSON, in the order of the manual; and the names of those that are broken."""
    found, broken = [], []
    for path in sorted(FOLDER.glob("*.rst")):
        text = path.read_text()
        start = 0
        for number, match in enumerate(OUTPUT.finditer(text), 1):
            name = f"{path.stem} {number}"
            section, start = text[start : match.start()], match.end()
            command = COMMAND.findall(section)
            contents = CONTENTS.findall(section)
            try:
                output = json.loads(textwrap.dedent(match[1]))
            except ValueError:
                broken.append(name)
                continue
            assert command, f"{name} has no command: {section}"
            found.append(Example(name, command[-1], contents[-1][1] if contents else None, output))
    return found, broken


def deviations(shape, theirs, ours, path=""):
    """Where a reply is not as AWS shows it: members that are missing, and values of another kind."""
    kind = shape.type_name
    if kind == "structure":
        for name, value in theirs.items():
            where = f"{path}.{name}" if path else name
            if name not in shape.members:
                yield where, "is not in the model"
            elif name not in ours:
                yield where, "is missing"
            else:
                yield from deviations(shape.members[name], value, ours[name], where)
    elif kind == "list":
        if theirs and not ours:
            yield f"{path}[]", "is empty"
        for value in theirs:
            # Whatever the order, one of ours has to have the members of each of theirs.
            tried = [list(deviations(shape.member, value, item, f"{path}[]")) for item in ours]
            yield from min(tried, key=len, default=())
    elif kind == "string":
        told = shape.enum or path.endswith(("tatus", "launchType"))
        if told and theirs != ours:
            yield path, f"is {ours}, not {theirs}"
    elif kind == "boolean" and theirs != ours:
        yield path, f"is {ours}, not {theirs}"


def members(shape, value):
    """Every member of every structure of a reply: `Service.status`."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in value.items():
            if name in shape.members:
                yield f"{shape.name}.{name}"
                yield from members(shape.members[name], member)
    elif shape.type_name == "list":
        for item in value:
            yield from members(shape.member, item)
