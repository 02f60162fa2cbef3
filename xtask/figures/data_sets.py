"""spaCy's `debug data` on an evaluation set: how long it takes.

usage: data_sets.py COMPONENT SET SCRATCH TRAIN DEV

COMPONENT is textcat, textcat_multilabel or ner; TRAIN and DEV are files of the folder SET, or patterns for them. They are converted to
spaCy's own format in SCRATCH before anything is timed, once. Prints JSON: the version, the seconds of `spacy debug data` as
a process of its own, and how many lines it printed.
"""

import glob
import json
import subprocess
import sys
import time
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin


def rows(folder, pattern):
    for path in sorted(glob.glob(str(folder / pattern))):
        with open(path, encoding="utf-8") as file:
            if path.endswith(".jsonl"):
                for line in file:
                    row = json.loads(line)
                    yield row["text"], row.get("labels") or [row["label"]]
            else:
                tokens, tags = [], []
                for line in [*file, "\n"]:
                    if line.strip():
                        cells = line.rstrip("\n").split("\t")
                        tokens.append(cells[0])
                        tags.append(cells[-1])
                    elif tokens:
                        yield tokens, tags
                        tokens, tags = [], []


def convert(nlp, component, found, target):
    found = list(found)
    labels = sorted({label for _, labels in found for label in labels})
    docs = DocBin(store_user_data=False)
    for text, given in found:
        if component == "ner":
            doc = Doc(nlp.vocab, words=text, ents=given)
        else:
            doc = nlp.make_doc(text)
            doc.cats = {label: float(label in given) for label in labels}
        docs.add(doc)
    docs.to_disk(target)


def main():
    component, folder, scratch = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    train, dev, config = scratch / "train.spacy", scratch / "dev.spacy", scratch / "config.cfg"
    if not config.exists():
        nlp = spacy.blank("xx")
        convert(nlp, component, rows(folder, sys.argv[4]), train)
        convert(nlp, component, rows(folder, sys.argv[5]), dev)
        command = [sys.executable, "-m", "spacy", "init", "config", str(config), "--lang", "xx", "--pipeline", component]
        subprocess.run(command, check=True, capture_output=True)
    command = [sys.executable, "-m", "spacy", "debug", "data", str(config)]
    command += ["--paths.train", str(train), "--paths.dev", str(dev)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    # It ends with 1 where it finds errors, which is an answer too.
    if done.returncode not in (0, 1) or "Data file validation" not in done.stdout:
        sys.exit(done.stderr)
    lines = len(done.stdout.splitlines())
    print(json.dumps({"version": spacy.__version__, "seconds": seconds, "findings": lines, "tail": done.stdout[-600:]}))


main()
