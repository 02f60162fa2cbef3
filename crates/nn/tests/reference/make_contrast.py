"""Writes contrast.json: losses of pairs and their gradients by sentence-transformers on PyTorch.

    pip install sentence-transformers==6.2.0 && python make_contrast.py

Vectors are drawn at random. Every text stands in one pair alone, which is what those losses expect.
"""

import json
import pathlib

import torch
from sentence_transformers import losses

SCALE = 20.0
torch.manual_seed(7)
torch.set_default_dtype(torch.float64)


def rounded(tensor):
    return [round(value, 7) for value in tensor.flatten().tolist()]


def case(name, kind, count, width, negatives=0, scores=None):
    vectors = (torch.randn(2 * count + negatives, width) * 1.5).round(decimals=3).requires_grad_()
    firsts, seconds, others = vectors[:count], vectors[count : 2 * count], vectors[2 * count :]
    if kind == "ordered":
        labels = torch.tensor(scores)
        loss = losses.CoSENTLoss(None, scale=SCALE).compute_loss_from_embeddings([firsts, seconds], labels)
    elif kind == "both-ways":
        ranking = losses.MultipleNegativesSymmetricRankingLoss(None, scale=SCALE)
        loss = ranking.compute_loss_from_embeddings([firsts, seconds], None)
    else:
        ranking = losses.MultipleNegativesRankingLoss(None, scale=SCALE)
        columns = [firsts, seconds] + ([others] if negatives else [])
        loss = ranking.compute_loss_from_embeddings(columns, None)
    loss.backward()
    pairs = [
        [place, count + place, 2 * count + place if negatives else None, scores[place] if scores else 1.0]
        for place in range(count)
    ]
    return {
        "name": name,
        "kind": kind,
        "width": width,
        "vectors": rounded(vectors.detach()),
        "pairs": pairs,
        "loss": loss.item(),
        "gradients": rounded(vectors.grad),
    }


CASES = [
    case("two pairs", "one-way", 2, 4),
    case("six pairs", "one-way", 6, 8),
    case("with negatives", "one-way", 5, 8, negatives=5),
    case("both ways", "both-ways", 6, 8),
    case("scores", "ordered", 7, 8, scores=[5.0, 1.0, 3.5, 2.0, 4.0, 1.0, 3.5]),
    case("two scores", "ordered", 4, 8, scores=[1.0, 0.0, 1.0, 0.0]),
]
pathlib.Path(__file__).with_name("contrast.json").write_text(json.dumps(CASES) + "\n")
