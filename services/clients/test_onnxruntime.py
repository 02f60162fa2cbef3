"""The same ONNX file by the engine of the binary and by the ONNX Runtime that pip installs: the same numbers."""

import glob
import json
import os
import pathlib
import shutil
import socket
import string
import subprocess
import time

import onnxruntime
import pytest
import requests

MODELS = pathlib.Path(__file__).parents[2] / "crates/models/tests/reference/onnx"
TEXTS = ["a cat", "what a long way to go, said the fox!", "", "no.", "otto lives in a house by the sea " * 3]
TOLERANCE = 1e-4
SOON = 60


@pytest.fixture(scope="session")
def library():
    folder = os.path.join(os.path.dirname(onnxruntime.__file__), "capi")
    (path,) = glob.glob(os.path.join(folder, "libonnxruntime.so.*"))
    return path


def run(folder, *arguments, stdin=None):
    command = [os.environ["LOQUAT_TEST_BINARY"], "--dir", folder, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def vocabulary():
    """As many tokens as the tiny models know."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = list(string.ascii_lowercase)
    return "".join(token + "\n" for token in special + letters + ["##" + x for x in letters] + [".", ",", "!", "?"])


def write(folder, graph, task):
    shutil.copytree(MODELS / graph, folder / "tiny")
    (folder / "tiny/vocab.txt").write_text(vocabulary(), encoding="utf-8")
    (folder / "tiny.yaml").write_text(
        "apiVersion: loquat.dev/v1alpha1\nkind: Model\nmetadata: { name: tiny }\n"
        f"spec: {{ task: {task}, source: {{ path: tiny/model.onnx }} }}\n",
        encoding="utf-8",
    )


def numbers(prediction):
    if "embedding" in prediction:
        return prediction["embedding"]
    return [label["score"] for label in sorted(prediction["scores"], key=lambda label: label["label"])]


@pytest.mark.parametrize(
    ("graph", "task", "flags"),
    [("sequence", "text-classification", ["--top-k", "9"]), ("embedding", "embedding", [])],
)
def test_both_engines_give_the_same_numbers(tmp_path, library, graph, task, flags):
    write(tmp_path, graph, task)
    run(tmp_path, "train")
    named = ["--onnxruntime", library]

    def answers(*names):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
        found = run(tmp_path, *names, "predict", "tiny", *flags, stdin=lines).stdout.splitlines()
        return [numbers(json.loads(line)) for line in found]

    own, theirs = answers(), answers(*named)
    assert len(own) == len(theirs) == len(TEXTS)
    for left, right in zip(own, theirs):
        assert right == pytest.approx(left, abs=TOLERANCE, rel=0)
    # Two programs that compute alike to the last bit would be one: the library was not asked.
    assert own != theirs


def test_a_gpu_that_the_library_lacks_is_refused(tmp_path, library):
    write(tmp_path, "sequence", "text-classification")
    (tmp_path / "fast.yaml").write_text(
        "apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata: { name: fast }\n"
        "spec: { model: tiny@champion, resources: { gpu: 1 } }\n",
        encoding="utf-8",
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % listener.getsockname()[1]
    binary = os.environ["LOQUAT_TEST_BINARY"]
    server = subprocess.Popen([binary, "--onnxruntime", library, "serve", tmp_path, "--listen", address])
    try:
        message, end = "", time.monotonic() + SOON
        while "CUDA" not in message and time.monotonic() < end:
            time.sleep(0.2)
            try:
                found = requests.get(f"http://{address}/apis/loquat.dev/v1alpha1/endpoints/fast", timeout=20).json()
            except requests.ConnectionError:
                continue
            message = json.dumps(found.get("status"))
        assert "without CUDA" in message and "gpu: 0" in message
        assert requests.post(f"http://{address}/models/fast/predict", json={"inputs": "a cat"}, timeout=20).status_code == 503
    finally:
        server.terminate()
        assert server.wait(30) == 0
