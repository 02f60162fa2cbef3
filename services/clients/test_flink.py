"""Flink's ML_PREDICT on a session cluster: labels by chat completions, vectors by embeddings, as the server's own route says."""

import json
import pathlib
import shutil
import subprocess

import pytest
import requests

from served import embedding_model, free_port, key, serve

SCRIPTS = pathlib.Path(__file__).parents[1] / "flink"
TEXTS = ["I want my money back", "wo ist mein Paket", "no puedo entrar", "  two\nlines, \"quoted\"  ", "ログインできません"] * 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The port of a running cluster."""
    folder, port = tmp_path_factory.mktemp("flink"), free_port(2)
    started = subprocess.run([SCRIPTS / "start", folder, str(port)], capture_output=True, text=True, timeout=540)
    assert started.returncode == 0, started.stderr
    yield port
    subprocess.run([SCRIPTS / "stop", folder], check=True, timeout=60)


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    """The trained model of the services test and a tiny embedding model, behind keys."""
    own = tmp_path_factory.mktemp("served")
    shutil.copytree(pathlib.Path(folder) / ".loquat", own / ".loquat")
    embedding_model(own, "tiny")
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    secret = key(keys, "flink")
    with serve(own, "--keys", keys) as url:
        yield url, secret


@pytest.fixture(scope="module")
def answers(cluster, server, tmp_path_factory):
    """What Flink wrote, by table and row."""
    folder = tmp_path_factory.mktemp("tables")
    rows = [{"id": number, "txt": text} for number, text in enumerate(TEXTS)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    url, secret = server
    text = (SCRIPTS / "predict.sql").read_text()
    for word, value in [("$FOLDER", str(folder)), ("$URL", url), ("$KEY", secret)]:
        text = text.replace(word, value)
    (folder / "predict.sql").write_text(text)
    done = subprocess.run([SCRIPTS / "sql", str(cluster), folder / "predict.sql"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return {table: read(folder / table) for table in ("labelled", "embedded")}


def read(table):
    lines = [line for part in table.rglob("part-*") for line in part.read_text().splitlines()]
    rows = {row["id"]: row for row in map(json.loads, lines)}
    assert len(rows) == len(lines)
    return rows


def own_route(server, endpoint):
    """What Loquat's own route says of the texts."""
    url, secret = server
    headers = {"authorization": f"Bearer {secret}"}
    answer = requests.post(f"{url}/models/{endpoint}/predict", json={"inputs": TEXTS}, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def test_every_row_gets_the_label_of_the_model(answers, server):
    expected = {number: prediction["label"] for number, prediction in enumerate(own_route(server, "tickets"))}
    assert {number: row["label"] for number, row in answers["labelled"].items()} == expected
    assert len(set(expected.values())) > 1


def test_every_row_gets_the_vector_of_the_model(answers, server):
    expected = {number: prediction["embedding"] for number, prediction in enumerate(own_route(server, "tiny"))}
    assert answers["embedded"].keys() == expected.keys()
    for number, row in answers["embedded"].items():
        length = sum(value * value for value in expected[number]) ** 0.5
        assert row["vector"] == pytest.approx([value / length for value in expected[number]], abs=1e-5)
