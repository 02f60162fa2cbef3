"""The requests of MLflow's scoring client."""

import pytest
import requests

TEXTS = ["I want my money back", "wo ist mein Paket"]
BODIES = [
    {"dataframe_split": {"columns": ["text"], "data": [[text] for text in TEXTS]}},
    {"dataframe_records": [{"text": text} for text in TEXTS]},
    {"inputs": TEXTS},
    {"instances": TEXTS},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: next(iter(body)))
def test_every_shape_of_inputs_is_scored(url, labels, body):
    answer = requests.post(f"{url}/invocations", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    assert len(predictions) == len(TEXTS)
    assert {prediction["label"] for prediction in predictions} <= set(labels)


def test_csv_is_scored(url):
    csv = 'text\n"money, please"\nparcel\n'
    answer = requests.post(f"{url}/invocations", data=csv, headers={"content-type": "text/csv"}, timeout=10)
    assert len(answer.json()["predictions"]) == 2


def test_ping_and_version_answer(url):
    assert requests.get(f"{url}/ping", timeout=10).status_code == 200
    assert requests.get(f"{url}/version", timeout=10).text
