"""A conditional random field on Universal NER, with the features of its tutorial: the F1 of entities in each language.

usage: uner.py FOLDER

One model is trained on the training parts of all languages and the development part of English, which has no other; the
other development parts choose its regularisation. Prints JSON: the version and the F1 by language on the test parts.
"""

import glob
import json
import os
import sys
from collections import defaultdict
from multiprocessing import Pool

import sklearn_crfsuite
from seqeval.metrics import f1_score

REGULARISATIONS = [(0.1, 0.01), (0.1, 0.1), (0.5, 0.05)]


def sentences(pattern):
    tokens, tags = [], []
    for path in sorted(glob.glob(pattern)):
        with open(path, encoding="utf-8") as file:
            for line in [*file, "\n"]:
                if line.strip():
                    cells = line.rstrip("\n").split("\t")
                    tokens.append(cells[0])
                    tags.append(cells[-1])
                elif tokens:
                    yield tokens, tags
                    tokens, tags = [], []


def of_word(word):
    return {
        "lower": word.lower(),
        "suffix3": word[-3:],
        "suffix2": word[-2:],
        "prefix3": word[:3],
        "upper": word.isupper(),
        "title": word.istitle(),
        "digit": word.isdigit(),
    }


def features(tokens):
    words = [of_word(word) for word in tokens]
    found = []
    for place, word in enumerate(words):
        own = {"bias": 1.0, **word}
        if place > 0:
            own.update({f"-1:{name}": words[place - 1][name] for name in ("lower", "title", "upper")})
        else:
            own["first"] = True
        if place + 1 < len(words):
            own.update({f"+1:{name}": words[place + 1][name] for name in ("lower", "title", "upper")})
        else:
            own["last"] = True
        found.append(own)
    return found


def table(pairs):
    pairs = list(pairs)
    return [features(tokens) for tokens, _ in pairs], [tags for _, tags in pairs]


def fitted(texts, tags, c1, c2):
    model = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=c1, c2=c2, max_iterations=100, all_possible_transitions=True)
    return model.fit(texts, tags)


def main():
    folder = sys.argv[1]
    english = os.path.join(folder, "dev.en_*.conll")
    texts, tags = table([*sentences(os.path.join(folder, "train.*.conll")), *sentences(english)])
    others = sorted(set(glob.glob(os.path.join(folder, "dev.*.conll"))) - set(glob.glob(english)))
    held_texts, held_tags = table(pair for path in others for pair in sentences(path))
    # The library fits on one thread.
    with Pool(os.cpu_count()) as pool:
        models = pool.starmap(fitted, [(texts, tags, *weights) for weights in REGULARISATIONS], chunksize=1)
    scores = [f1_score(held_tags, model.predict(held_texts)) for model in models]
    best = max(scores)
    model = models[scores.index(best)]
    parts = defaultdict(list)
    for path in sorted(glob.glob(os.path.join(folder, "test.*.conll"))):
        parts[os.path.basename(path).split(".")[1].split("_")[0]].append(path)
    found = {}
    for language, paths in parts.items():
        texts, tags = table(pair for path in paths for pair in sentences(path))
        found[language] = f1_score(tags, model.predict(texts))
    version = f"sklearn-crfsuite {sklearn_crfsuite.__version__}" if hasattr(sklearn_crfsuite, "__version__") else "sklearn-crfsuite"
    print(json.dumps({"version": version, "development": best, "languages": found}))


main()
