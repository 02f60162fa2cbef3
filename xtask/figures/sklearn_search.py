"""A grid, evaluated with scikit-learn as an expert writes it.

Usage: sklearn_search.py GRID.json ROWS.json

Every configuration sees every fold; a row names the fold that holds it out, or none when it is always trained on. Features are computed once for each fold and feature setting and shared by the
configurations that use them; two processes work on fold-and-setting pairs, the costliest first; each classifier uses the
solver that is fastest for it here. Prints one JSON object.
"""

import json
import re
import sys
import time
import warnings
from collections import defaultdict

import numpy
import scipy.sparse
import sklearn
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.svm import LinearSVC

JOBS = 2
SEED = 17
# What Loquat takes for a word: letters and digits with the apostrophes among them, or one symbol.
WORD = r"[^\W_](?:[^\W_]|['’])*|[^\w\s]|_"
FEATURES = ("ngrams", "term-frequency", "idf", "min-rows", "case")


def vectorizers(setting):
    """One vectorizer for each kind of n-gram; each is normalised on its own."""
    ngrams, frequency, idf, min_rows, case = setting
    shared = {
        "sublinear_tf": frequency == "sublinear",
        "binary": frequency == "binary",
        "use_idf": idf == "yes",
        "min_df": int(min_rows),
        "lowercase": case == "fold",
        "dtype": numpy.float32,
    }
    for part in ngrams.split("+"):
        if match := re.fullmatch(r"words(\d)", part):
            yield TfidfVectorizer(ngram_range=(1, int(match[1])), token_pattern=WORD, **shared)
        elif match := re.fullmatch(r"characters(\d)-(\d)", part):
            yield TfidfVectorizer(analyzer="char_wb", ngram_range=(int(match[1]), int(match[2])), **shared)
        else:
            raise ValueError(f"n-grams of an unknown kind: {part}")


def classifier(parameters):
    """The counterpart of a configuration's solver."""
    match parameters["solver"]:
        case "svm":
            return LinearSVC(C=parameters["cost"], random_state=SEED)
        case "softmax":
            return LogisticRegression(C=parameters["cost"], solver="lbfgs", max_iter=100)
        case "logistic":
            return OneVsRestClassifier(LogisticRegression(C=parameters["cost"], solver="liblinear"))
        case "complement-bayes":
            return ComplementNB(alpha=parameters["smoothing"])
        case "multinomial-bayes":
            return MultinomialNB(alpha=parameters["smoothing"])
    raise ValueError(f"no counterpart of {parameters['solver']}")


def evaluate(setting, points, texts, labels, train, held_out):
    """Accuracy of each grid point on one fold, with the seconds that features and each fit took."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    start = time.perf_counter()
    fit_on = [texts[row] for row in train]
    score_on = [texts[row] for row in held_out]
    pairs = [(v.fit_transform(fit_on), v.transform(score_on)) for v in vectorizers(setting)]
    known = scipy.sparse.hstack([pair[0] for pair in pairs], format="csr")
    unseen = scipy.sparse.hstack([pair[1] for pair in pairs], format="csr")
    features = time.perf_counter() - start
    scores = {}
    for number, parameters in points:
        start = time.perf_counter()
        model = classifier(parameters).fit(known, labels[train])
        accuracy = float((model.predict(unseen) == labels[held_out]).mean())
        scores[number] = (accuracy, time.perf_counter() - start)
    return features, scores


def main():
    grid_path, rows_path = sys.argv[1:]
    with open(grid_path, encoding="utf-8") as file:
        grid = json.load(file)
    with open(rows_path, encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    texts = [row["text"] for row in rows]
    labels = numpy.array([row["label"] for row in rows])
    folds = numpy.array([-1 if row["fold"] is None else row["fold"] for row in rows])

    start = time.perf_counter()
    settings = defaultdict(list)
    for number, parameters in enumerate(grid):
        settings[tuple(parameters[name] for name in FEATURES)].append((number, parameters))
    split = [(numpy.flatnonzero(folds != fold), numpy.flatnonzero(folds == fold)) for fold in range(folds.max() + 1)]
    work = [(setting, points, *fold) for setting, points in settings.items() for fold in split]
    work.sort(key=lambda task: -len(task[1]) * len(task[0][0]))
    answers = Parallel(n_jobs=JOBS)(
        delayed(evaluate)(setting, points, texts, labels, train, held_out) for setting, points, train, held_out in work
    )
    seconds = time.perf_counter() - start

    scores, spent = defaultdict(list), defaultdict(float)
    for _, found in answers:
        for number, (accuracy, time_spent) in found.items():
            scores[number].append(accuracy)
            spent[number] += time_spent
    print(
        json.dumps(
            {
                "version": sklearn.__version__,
                "seconds": seconds,
                "featureSeconds": sum(features for features, _ in answers),
                "fitSeconds": [spent[number] for number in range(len(grid))],
                "scores": [float(numpy.mean(scores[number])) for number in range(len(grid))],
                "jobs": JOBS,
            }
        )
    )


if __name__ == "__main__":
    main()
