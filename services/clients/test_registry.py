"""The registry, from the command line and with the safetensors library."""

import glob
import json
import os
import pickle
import time

import requests
from safetensors import safe_open


def test_the_weights_open_in_safetensors(loquat, tmp_path):
    exported = tmp_path / "exported"
    done = loquat("models", "export", "tickets:1", str(exported))
    assert done.returncode == 0, done.stderr
    [weights] = glob.glob(str(exported / "**" / "model.safetensors"), recursive=True)
    with safe_open(weights, framework="numpy") as file:
        names = list(file.keys())
        assert names
        assert all(file.get_tensor(name).size > 0 for name in names)
    with open(os.path.join(os.path.dirname(weights), "loquat.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    assert manifest["task"] == "text-classification"
    assert manifest["labels"]
    assert manifest["golden"]


def test_pickle_files_are_never_imported(loquat, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": [1.0]}))
    (foreign / "config.json").write_text("{}")
    done = loquat("models", "import", "foreign", str(foreign))
    assert done.returncode in (1, 2), done.stderr
    assert "safetensors" in done.stderr


def test_a_running_server_follows_the_alias(loquat, url, tmp_path):
    def version():
        answer = requests.post(f"{url}/models/tickets/predict", json={"inputs": "a"}, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["version"]

    def wait_for(wanted):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if version() == wanted:
                return True
            time.sleep(0.05)
        return False

    assert version() == 1
    exported = tmp_path / "exported"
    assert loquat("models", "export", "tickets:1", str(exported)).returncode == 0
    imported = loquat("models", "import", "tickets", str(exported))
    assert imported.returncode == 0, imported.stderr
    promoted = loquat("models", "promote", "tickets:2", "champion")
    assert promoted.returncode == 0, promoted.stderr
    assert wait_for(2)
    assert loquat("models", "rollback", "tickets", "champion").returncode == 0
    assert wait_for(1)


def test_predict_on_the_command_line_agrees_with_the_server(loquat, url):
    texts = ["I want my money back", "wo ist mein Paket", "no puedo entrar"]
    done = loquat("predict", "tickets", stdin="\n".join(texts) + "\n")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    served = requests.post(f"{url}/models/tickets/predict", json={"inputs": texts}, timeout=10).json()["predictions"]
    assert [line["label"] for line in lines] == [p["label"] for p in served]


def test_an_unknown_model_ends_with_status_three(loquat):
    done = loquat("predict", "nobody", stdin="a\n")
    assert done.returncode == 3
    assert "nobody" in done.stderr
