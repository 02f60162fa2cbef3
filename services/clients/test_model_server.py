"""A model behind a Python server that Loquat starts, fronts, starts again and ends."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

SERVER = pathlib.Path(__file__).parent.parent / "model_server" / "serve.py"
SOON = 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def post(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def eventually(check):
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        try:
            found = check()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def ports(tmp_path):
    front, behind = free_port(), free_port()
    (tmp_path / "serve.py").write_text(SERVER.read_text(encoding="utf-8"), encoding="utf-8")
    command = json.dumps([sys.executable, "serve.py", str(behind)])
    (tmp_path / "mood.yaml").write_text(
        "apiVersion: loquat.dev/v1alpha1\nkind: Model\nmetadata: { name: mood }\nspec:\n"
        "  task: text-classification\n  labels: [negative, positive]\n"
        f"  server: {{ command: {command}, url: \"http://127.0.0.1:{behind}\", protocol: oip-v2 }}\n",
        encoding="utf-8",
    )
    binary = os.environ["LOQUAT_TEST_BINARY"]
    process = subprocess.Popen([binary, "serve", tmp_path, "--listen", f"127.0.0.1:{front}"])
    yield front, behind
    process.terminate()
    assert process.wait(30) == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", behind), timeout=1)


def test_a_python_server_is_fronted_and_started_again(ports):
    front, _ = ports
    predict = "/models/mood/predict"
    body = {"inputs": ["A great, good day!", "an awful one"]}
    eventually(lambda: post(front, predict, body)[0] == 200)
    _, answer, _ = post(front, predict, body)
    assert [p["label"] for p in answer["predictions"]] == ["positive", "negative"]
    assert answer["predictions"][0]["score"] == pytest.approx(0.9)

    status, refusal, headers = post(front, predict, {"inputs": "please crash"})
    assert status == 503, refusal
    assert int(headers["retry-after"]) >= 1
    eventually(lambda: post(front, predict, body)[0] == 200)
