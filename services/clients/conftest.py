"""What every client test needs: the server's address, the binary and the folder that it serves."""

import json
import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def url():
    return os.environ["LOQUAT_TEST_URL"]


@pytest.fixture(scope="session")
def folder():
    return os.environ["LOQUAT_TEST_FOLDER"]


@pytest.fixture(scope="session")
def loquat(folder):
    """Runs `loquat --dir FOLDER ...` and returns the finished process."""

    def run(*arguments, stdin=None):
        command = [os.environ["LOQUAT_TEST_BINARY"], "--dir", folder, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture(scope="session")
def labels():
    """The labels of the example's data, read from the data itself."""
    resource = os.path.join(os.environ["LOQUAT_TEST_FOLDER"], "tickets.yaml")
    with open(resource, encoding="utf-8") as file:
        line = next(line for line in file if "source:" in line)
    path = line.split('"')[1]
    with open(path, encoding="utf-8") as file:
        return sorted({json.loads(line)["label"] for line in file if line.strip()})
