"""The trials of a Loquat report, evaluated with scikit-learn as an expert writes it.

Usage: sklearn_search.py REPORT.json ROWS.jsonl FOLDS

Each trial sees as many folds as it saw in Loquat, where halving ends weak trials early. Features are computed once for
each fold and feature setting and shared by the trials that use them; two processes work on fold-and-setting pairs, the
costliest first; each classifier uses the solver that is fastest for it here. Trials without a counterpart in
scikit-learn (naive-Bayes-weighted features, averaged embeddings, pairs of words with a gap) are left out, which favours
the peer. The best is
taken among the trials that saw all folds. Prints one JSON object.
"""

import json
import re
import sys
import time
import warnings
from collections import Counter, defaultdict

import numpy
import scipy.sparse
import sklearn
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.svm import LinearSVC

JOBS = 2
SEED = 17
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
            yield TfidfVectorizer(ngram_range=(1, int(match[1])), token_pattern=r"(?u)\b\w+\b", **shared)
        elif match := re.fullmatch(r"characters(\d)-(\d)", part):
            yield TfidfVectorizer(analyzer="char_wb", ngram_range=(int(match[1]), int(match[2])), **shared)
        else:
            raise ValueError(f"n-grams of an unknown kind: {part}")


def class_weight(name, labels):
    if name == "balanced":
        return "balanced"
    if name == "root":
        counts = Counter(labels)
        return {label: (len(labels) / (len(counts) * count)) ** 0.5 for label, count in counts.items()}
    return None


def classifier(parameters, labels):
    """The counterpart of a trial's solver; None when there is none."""
    weight = class_weight(parameters.get("class-weight"), labels)
    match parameters["solver"]:
        case "svm":
            return LinearSVC(C=parameters["cost"], class_weight=weight, random_state=SEED)
        case "softmax":
            return LogisticRegression(C=parameters["cost"], class_weight=weight, solver="lbfgs", max_iter=100)
        case "logistic":
            if isinstance(weight, dict):
                # Each of the binary problems sees the labels 0 and 1 only.
                weight = None
            binary = LogisticRegression(C=parameters["cost"], class_weight=weight, solver="liblinear")
            return OneVsRestClassifier(binary)
        case "complement-bayes":
            return ComplementNB(alpha=parameters["smoothing"])
        case "multinomial-bayes":
            return MultinomialNB(alpha=parameters["smoothing"])
    return None


def evaluate(setting, trials, texts, labels, train, held_out):
    """Accuracy of each trial on one fold, with the seconds that features and each fit took."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    start = time.perf_counter()
    fit_on = [texts[row] for row in train]
    score_on = [texts[row] for row in held_out]
    pairs = [(v.fit_transform(fit_on), v.transform(score_on)) for v in vectorizers(setting)]
    known = scipy.sparse.hstack([pair[0] for pair in pairs], format="csr")
    unseen = scipy.sparse.hstack([pair[1] for pair in pairs], format="csr")
    features = time.perf_counter() - start
    scores = {}
    for number, parameters in trials:
        start = time.perf_counter()
        model = classifier(parameters, labels[train]).fit(known, labels[train])
        accuracy = float((model.predict(unseen) == labels[held_out]).mean())
        scores[number] = (accuracy, time.perf_counter() - start)
    return features, scores


def main():
    report_path, rows_path, folds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(report_path, encoding="utf-8") as file:
        report = json.load(file)
    with open(rows_path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    texts = [row["text"] for row in rows]
    labels = numpy.array([row["label"] for row in rows])

    settings, left_out = defaultdict(list), []
    for trial in report["trials"]:
        parameters = trial["parameters"]
        known = trial.get("family") == "linear" and trial.get("score") is not None
        if not known or "skips" in parameters["ngrams"] or classifier(parameters, labels) is None:
            left_out.append(trial["number"])
        else:
            setting = tuple(parameters[name] for name in FEATURES)
            settings[setting].append((trial["number"], parameters, trial["folds"]))

    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        split = list(StratifiedKFold(folds, shuffle=True, random_state=SEED).split(texts, labels))
    work = []
    for setting, trials in settings.items():
        for fold, (train, held_out) in enumerate(split):
            seen = [(number, parameters) for number, parameters, most in trials if most > fold]
            if seen:
                work.append((setting, seen, train, held_out))
    work.sort(key=lambda task: -len(task[1]))
    answers = Parallel(n_jobs=JOBS)(
        delayed(evaluate)(setting, trials, texts, labels, train, held_out) for setting, trials, train, held_out in work
    )
    seconds = time.perf_counter() - start

    scores, spent = defaultdict(list), defaultdict(float)
    for _, found in answers:
        for number, (accuracy, time_spent) in found.items():
            scores[number].append(accuracy)
            spent[number] += time_spent
    means = {number: float(numpy.mean(values)) for number, values in scores.items()}
    print(
        json.dumps(
            {
                "version": sklearn.__version__,
                "seconds": seconds,
                "best": max(mean for number, mean in means.items() if len(scores[number]) == folds),
                "featureSeconds": sum(features for features, _ in answers),
                "trials": {
                    str(number): {"score": means[number], "folds": len(scores[number]), "fitSeconds": spent[number]}
                    for number in sorted(means)
                },
                "leftOut": left_out,
                "folds": folds,
                "jobs": JOBS,
            }
        )
    )


if __name__ == "__main__":
    main()
