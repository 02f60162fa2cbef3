"""One hub, two clients: what `huggingface_hub` fetches and what Loquat fetches is the same."""

import filecmp
import os
import pathlib
import subprocess
import sys

import huggingface_hub
import pytest

from served import RESOURCE, tiny_model

SERVER = pathlib.Path(__file__).parents[1] / "hub" / "server.py"
MODEL = "tiny/bert-embedding"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    tiny_model(root / MODEL)
    process = subprocess.Popen([sys.executable, SERVER, root], stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def fetched(hub, tmp_path_factory):
    """What the hub's own client makes of the server."""
    cache = tmp_path_factory.mktemp("their-cache")
    kinds = ["*.json", "*.txt", "*.safetensors"]
    path = huggingface_hub.snapshot_download(MODEL, endpoint=hub, cache_dir=cache, allow_patterns=kinds)
    return cache, pathlib.Path(path)


def train(folder, source, **variables):
    (folder / "model.yaml").write_text(RESOURCE.format(name="tiny", source=source))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LOQUAT_"))}
    environment |= {name: str(value) for name, value in variables.items()}
    command = [os.environ["LOQUAT_TEST_BINARY"], "--dir", folder, "train"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def test_both_clients_fetch_the_same_into_the_same_places(hub, fetched, tmp_path):
    theirs, snapshot = fetched
    ours = tmp_path / "our-cache"
    done = train(tmp_path, f"hf://{MODEL}", HF_ENDPOINT=hub, HF_HUB_CACHE=ours)
    assert done.returncode == 0, done.stderr
    own = ours / snapshot.relative_to(theirs)
    names = sorted(str(path.relative_to(own)) for path in own.rglob("*") if path.is_file())
    assert "model.safetensors" in names and "1_Pooling/config.json" in names
    _, different, missing = filecmp.cmpfiles(own, snapshot, names, shallow=False)
    assert (different, missing) == ([], [])
    blobs = [path for path in (ours / "models--tiny--bert-embedding/blobs").iterdir() if path.is_file()]
    assert blobs
    for blob in blobs:
        assert blob.read_bytes() == (theirs / blob.relative_to(ours)).read_bytes()
    again = train(tmp_path, f"hf://{MODEL}", HF_ENDPOINT=hub, HF_HUB_CACHE=ours)
    assert "not imported again" in again.stderr


def test_what_the_other_client_fetched_serves_offline(fetched, tmp_path):
    theirs, _ = fetched
    done = train(tmp_path, f"hf://{MODEL}", HF_HUB_CACHE=theirs, HF_HUB_OFFLINE=1)
    assert done.returncode == 0, done.stderr
    empty = tmp_path / "empty"
    done = train(tmp_path, f"hf://{MODEL}@other", HF_HUB_CACHE=empty, HF_HUB_OFFLINE=1)
    assert done.returncode == 3 and "HF_HUB_OFFLINE" in done.stderr
