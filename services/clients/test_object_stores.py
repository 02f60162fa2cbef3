"""Data and registries in stores that speak the protocols of S3, Azure and Google."""

import concurrent.futures
import json
import os
import pathlib
import re

import pytest

from served import attempt, loquat
from stores import STORES

RESOURCES = """
apiVersion: loquat.dev/v1alpha1
kind: Dataset
metadata: {{ name: tickets }}
spec:
  task: text-classification
  source: {{ path: "{source}" }}
  columns: {{ text: text, label: label, language: lang, group: customer, id: id }}
  split: {{ test: 15% }}
"""


@pytest.fixture(scope="module", params=STORES)
def store(request, tmp_path_factory):
    installed = os.environ["LOQUAT_TEST_OBJECTS"]
    with STORES[request.param](installed, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture(scope="module")
def lines(folder):
    """The lines of the example's data."""
    path = re.search(r'path: "(.*)"', pathlib.Path(folder, "tickets.yaml").read_text()).group(1)
    return pathlib.Path(path).read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module")
def artifact(folder, tmp_path_factory):
    """The trained model of the services test, exported."""
    exported = tmp_path_factory.mktemp("exported") / "tickets"
    loquat("--dir", folder, "models", "export", "tickets:1", exported)
    return exported


def check(folder, source, **variables):
    (folder / "tickets.yaml").write_text(RESOURCES.format(source=source))
    done = attempt("check", folder, "--format", "json", **variables)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    return found["rows"], [(finding["check"], finding.get("rows"), finding["message"]) for finding in found["findings"]]


def test_data_in_a_store_is_the_data_on_disk(store, lines, tmp_path):
    half = len(lines) // 2
    disk = tmp_path / "disk"
    disk.mkdir()
    for name, part in [("a.jsonl", lines[:half]), ("b.jsonl", lines[half:])]:
        store.put(f"data/{name}", b"".join(part))
        (disk / name).write_bytes(b"".join(part))
    # A pattern stops at the end of a folder.
    store.put("data/deeper/c.jsonl", b"{}")
    local = check(disk, f"{disk}/*.jsonl")
    assert local[0] == len(lines)
    assert check(tmp_path, f"{store.url}/data/*.jsonl", **store.variables) == local
    first, _ = check(tmp_path, f"{store.url}/data/a.jsonl", **store.variables)
    assert first == half


def test_a_store_that_is_out_of_reach_leaves_what_came_before(store, lines, tmp_path):
    store.put("kept/rows.jsonl", b"".join(lines))
    before = check(tmp_path, f"{store.url}/kept/rows.jsonl", **store.variables)
    nowhere = {name: re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", value) for name, value in store.variables.items()}
    assert check(tmp_path, f"{store.url}/kept/rows.jsonl", **nowhere) == before


def test_what_is_not_there_is_named(store, tmp_path):
    (tmp_path / "tickets.yaml").write_text(RESOURCES.format(source=f"{store.url}/nothing/rows.jsonl"))
    done = attempt("check", tmp_path, **store.variables)
    assert done.returncode != 0
    assert f"{store.url}/nothing/rows.jsonl" in done.stdout + done.stderr


def test_a_registry_in_a_store_is_one_registry_for_all(store, artifact, tmp_path):
    def registry(machine, *arguments):
        return loquat("--store", f"{store.url}/registry", "--dir", tmp_path / machine, *arguments, **store.variables)

    for machine in ("one", "two"):
        (tmp_path / machine).mkdir()
    registry("one", "models", "import", "tickets", artifact)
    registry("two", "models", "import", "tickets", artifact)
    registry("two", "models", "promote", "tickets:2", "champion")
    (tmp_path / "lines.txt").write_text("I want my money back\nwo ist mein Paket\n")
    answers = [json.loads(line) for line in registry("one", "predict", "tickets", tmp_path / "lines.txt").splitlines()]
    assert len(answers) == 2 and all(answer["label"] for answer in answers)
    shown = registry("two", "models", "show", "tickets")
    assert "2" in shown and "champion" in shown
    registry("one", "models", "rm", "tickets:1")
    assert attempt(
        "--store", f"{store.url}/registry", "--dir", tmp_path / "two", "models", "show", "tickets:1", **store.variables
    ).returncode == 3


def test_two_writers_at_once_lose_nothing(store, artifact, tmp_path):
    each = 4

    def write(machine):
        folder = tmp_path / machine
        folder.mkdir()

        def registry(*arguments):
            return loquat("--store", f"{store.url}/busy", "--dir", folder, *arguments, **store.variables)

        for number in range(each):
            registry("models", "import", "tickets", artifact)
            registry("models", "promote", f"tickets:{number + 1}", f"{machine}-{number}")

    with concurrent.futures.ThreadPoolExecutor() as writers:
        list(writers.map(write, ["one", "two"]))
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    listed = loquat("--store", f"{store.url}/busy", "--dir", fresh, "models", "list", "--format", "json", **store.variables)
    [model] = json.loads(listed)
    versions = [version["version"] for version in model["versions"]]
    assert sorted(versions) == list(range(1, 2 * each + 1))
    assert model["aliases"] == {f"{m}-{n}": n + 1 for m in ("one", "two") for n in range(each)}


def test_wrong_credentials_name_the_variables(store, tmp_path):
    if not store.url.startswith("az://"):
        pytest.skip("only Azurite checks who asks")
    (tmp_path / "tickets.yaml").write_text(RESOURCES.format(source="az://loquat/data/a.jsonl"))
    done = attempt("check", tmp_path, **(store.variables | {"AZURE_STORAGE_ACCOUNT_KEY": "d3Jvbmc="}))
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "AZURE_STORAGE_ACCOUNT_KEY" in text and "d3Jvbmc=" not in text
