"""The manual for AWS clients: what it tells people to type is typed, in its order."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

MANUAL = pathlib.Path(__file__).parents[3] / "docs/aws.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
PROGRAMS = os.path.dirname(sys.executable)


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)


typed = 0
with tempfile.TemporaryDirectory() as folder:
    for language, text in BLOCK.findall(MANUAL.read_text()):
        if language == "json":
            pathlib.Path(folder, "web.json").write_text(text)
        elif language == "python":
            run([sys.executable, "-c", text], folder)
            typed += 1
        elif not language:
            for line in text.splitlines():
                program, *words = line.split()
                if program in ("aws", "ecs"):
                    run([sys.executable, os.path.join(PROGRAMS, program), *words], folder)
                    typed += 1
assert typed == 10, typed
