"""Writes masked.json, and prints the constants of src/distillation.rs: losses and gradients as PyTorch finds them.

Needs torch and transformers; run in this folder: python make_masked.py
"""

import json
from pathlib import Path

import torch
from torch.nn import functional
from transformers import BertModel

FIRST_PIECE = 5
TEXTS = [[2, 17, 4, 42, 40, 8, 3], [2, 9, 30, 3]]
GAPS = [[(2, 23), (4, 5)], [(1, 9)]]


def masked() -> None:
    trunk = BertModel.from_pretrained("../../../models/tests/reference/bert-plain", add_pooling_layer=False).eval()
    hidden = trunk.config.hidden_size
    dense = torch.nn.Linear(hidden, hidden)
    torch.nn.init.eye_(dense.weight)
    torch.nn.init.zeros_(dense.bias)
    norm = torch.nn.LayerNorm(hidden, eps=1e-12)
    words = trunk.embeddings.word_embeddings.weight
    losses = []
    for ids, gaps in zip(TEXTS, GAPS):
        states = trunk(torch.tensor([ids])).last_hidden_state[0]
        for token, truth in gaps:
            vector = norm(functional.gelu(dense(states[token])))
            logits = words[FIRST_PIECE:] @ vector
            losses.append(functional.cross_entropy(logits[None], torch.tensor([truth - FIRST_PIECE])))
    loss = torch.stack(losses).mean()
    loss.backward()
    gradients = {
        "embeddings.word_embeddings.weight": words.grad,
        "embeddings.LayerNorm.weight": trunk.embeddings.LayerNorm.weight.grad,
        "encoder.layer.0.intermediate.dense.weight": trunk.encoder.layer[0].intermediate.dense.weight.grad,
        "encoder.layer.1.output.LayerNorm.bias": trunk.encoder.layer[1].output.LayerNorm.bias.grad,
        "loquat.gaps.weight": dense.weight.grad,
        "loquat.norm.bias": norm.bias.grad,
    }
    flat = {name: [round(value, 7) for value in gradient.flatten().tolist()] for name, gradient in gradients.items()}
    Path("masked.json").write_text(json.dumps({"loss": loss.item(), "gradients": flat}) + "\n")


def distillation() -> None:
    teacher = torch.tensor([1.5, -0.5, 1.0, -2.0])
    hard, temperature = 0.3, 2.0

    def single(logits):
        label = functional.cross_entropy(logits[None], torch.tensor([2]))
        soft = functional.kl_div(
            functional.log_softmax(logits / temperature, 0),
            functional.softmax(teacher / temperature, 0),
            reduction="sum",
        )
        return hard * label + (1 - hard) * temperature**2 * soft

    def multi(logits):
        truth = torch.tensor([1.0, 0.0, 1.0, 0.0])
        label = functional.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
        wanted, found = torch.sigmoid(teacher / temperature), torch.sigmoid(logits / temperature)
        soft = (wanted * (wanted / found).log() + (1 - wanted) * ((1 - wanted) / (1 - found)).log()).sum()
        return hard * label + (1 - hard) * temperature**2 * soft

    for name, function in [("SINGLE", single), ("MULTI", multi)]:
        logits = torch.tensor([0.4, -1.2, 2.0, 0.1], requires_grad=True)
        loss = function(logits)
        loss.backward()
        print(name, round(loss.item(), 7), [round(value, 7) for value in logits.grad.tolist()])


masked()
distillation()
