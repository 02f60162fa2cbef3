"""cleanlab on the probabilities that `out-of-fold.jsonl` holds: which labels it doubts.

usage: label_noise.py OUT_OF_FOLD FLIPPED

FLIPPED holds a JSON list of the rows whose label was flipped. Prints JSON: the version, and for each of cleanlab's
ways to choose the recall and precision in percent, the number of rows named.
"""

import json
import sys

import cleanlab
import numpy as np
from cleanlab.filter import find_label_issues

WAYS = ["prune_by_noise_rate", "both", "confident_learning", "low_self_confidence"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    with open(sys.argv[2], encoding="utf-8") as file:
        flipped = set(json.load(file))
    names = sorted({name for row in rows for name in [*row["probabilities"], *row["labels"]]})
    place = {name: index for index, name in enumerate(names)}
    # What is too small to be written is shared out as next to nothing.
    probabilities = np.full((len(rows), len(names)), 1e-5)
    given = np.zeros(len(rows), dtype=int)
    for index, row in enumerate(rows):
        given[index] = place[row["labels"][0]]
        for name, probability in row["probabilities"].items():
            probabilities[index, place[name]] = max(probability, 1e-5)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    wrong = np.array([row["row"] in flipped for row in rows])
    ways = {}
    for way in WAYS:
        named = find_label_issues(given, probabilities, filter_by=way)
        found = int((named & wrong).sum())
        ways[way] = {
            "named": int(named.sum()),
            "recall": 100.0 * found / max(1, int(wrong.sum())),
            "precision": 100.0 * found / max(1, int(named.sum())),
        }
    print(json.dumps({"version": cleanlab.__version__, "ways": ways}))


main()
