"""Encoders that Loquat saved, opened with transformers."""

import json
import os
import pathlib
import subprocess

import pytest
import torch
import transformers

REFERENCE = pathlib.Path(__file__).parents[2] / "crates" / "models" / "tests" / "reference"
CLASSES = {
    "ForSequenceClassification": transformers.AutoModelForSequenceClassification,
    "ForTokenClassification": transformers.AutoModelForTokenClassification,
    "Model": transformers.AutoModel,
}


def models():
    return sorted(path.parent.name for path in REFERENCE.glob("*/reference.json"))


def save(source, target, *options):
    program = pathlib.Path(os.environ["LOQUAT_TEST_BINARY"]).parent / "examples" / "save_encoder"
    subprocess.run([program, source, target, *options], check=True, timeout=60)


def opened(folder):
    config = json.loads((folder / "config.json").read_text())
    kind = next(kind for name, kind in CLASSES.items() if config["architectures"][0].endswith(name))
    return kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def answer(model, case):
    arguments = {"input_ids": torch.tensor([case["ids"]])}
    if (getattr(model.config, "type_vocab_size", 0) or 0) > 1:
        arguments["token_type_ids"] = torch.tensor([case["typeIds"]])
    with torch.no_grad():
        result = model(**arguments)
    return result["logits"] if "logits" in result else result["last_hidden_state"]


@pytest.mark.parametrize("name", models())
def test_a_saved_encoder_gives_the_same_output(name, tmp_path):
    save(REFERENCE / name, tmp_path / "saved")
    original, saved = opened(REFERENCE / name), opened(tmp_path / "saved")
    for case in json.loads((REFERENCE / name / "reference.json").read_text())["cases"]:
        assert torch.allclose(answer(original, case), answer(saved, case), atol=1e-6)


def test_eight_bit_weights_are_never_misread(tmp_path):
    save(REFERENCE / "bert-sequence", tmp_path / "saved", "int8")
    with pytest.raises((OSError, ValueError)):
        opened(tmp_path / "saved")
