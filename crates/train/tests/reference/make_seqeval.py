"""Writes seqeval.json: scores of spans by seqeval 1.2.2 in its default mode.

    pip install seqeval==1.2.2 && python make_seqeval.py

Tags are drawn at random, with inside tags that continue nothing in some of the cases; `proper` says that there are none.
"""

import json
import pathlib
import random

from seqeval.metrics import accuracy_score, classification_report, f1_score, precision_score, recall_score

KINDS = ["group", "person", "work-of-art"]


def drawn(generator, length, proper, share):
    tags = []
    for _ in range(length):
        before = tags[-1] if tags else "O"
        if generator.random() > share:
            tags.append("O")
        elif proper and before == "O":
            tags.append("B-" + generator.choice(KINDS))
        elif proper and generator.random() < 0.5:
            tags.append("I-" + before[2:])
        else:
            tags.append(generator.choice("B" if proper else "BI") + "-" + generator.choice(KINDS))
    return tags


def changed(generator, tags, proper):
    """The truth with some mistakes."""
    other = drawn(generator, len(tags), proper, 0.4)
    cut = generator.randrange(len(tags) + 1)
    mixed = tags[:cut] + other[cut:]
    if proper and cut < len(tags) and mixed[cut].startswith("I-"):
        mixed[cut] = "B-" + mixed[cut][2:]
        # What follows may belong to another kind now.
        for place in range(cut + 1, len(tags)):
            if mixed[place].startswith("I-") and mixed[place - 1][2:] != mixed[place][2:]:
                mixed[place] = "B-" + mixed[place][2:]
    return mixed


def case(seed):
    generator = random.Random(seed)
    proper = seed % 2 == 0
    truth = [drawn(generator, generator.randrange(1, 12), proper, 0.5) for _ in range(generator.randrange(1, 8))]
    predicted = [changed(generator, tags, proper) for tags in truth]
    if seed == 2:
        predicted = [["O"] * len(tags) for tags in truth]
    report = classification_report(truth, predicted, output_dict=True, zero_division=0)
    return {
        "proper": proper,
        "truth": truth,
        "predicted": predicted,
        "f1": float(f1_score(truth, predicted, zero_division=0)),
        "precision": float(precision_score(truth, predicted, zero_division=0)),
        "recall": float(recall_score(truth, predicted, zero_division=0)),
        "accuracy": float(accuracy_score(truth, predicted)),
        "kinds": {kind: float(report[kind]["f1-score"]) for kind in KINDS if kind in report},
    }


path = pathlib.Path(__file__).with_name("seqeval.json")
path.write_text(json.dumps([case(seed) for seed in range(24)]) + "\n")
