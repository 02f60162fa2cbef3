"""Every curl line of docs/protocols.md, run by curl itself."""

import pathlib
import subprocess

import pytest

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "protocols.md"
LINES = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("curl ")]


@pytest.mark.parametrize("line", LINES)
def test_the_line_is_answered_as_it_says(url, line):
    command, _, status = line.partition(" # ")
    command = command.replace("http://127.0.0.1:8080", url)
    command += " --silent --output /dev/null --write-out '%{http_code}'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
    assert done.stdout == (status or "200"), done.stderr
