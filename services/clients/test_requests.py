"""Plain HTTP on Loquat's own routes: good answers, and a 4xx that names the field for every bad input."""

import pytest
import requests

TEXTS = ["I want my money back", "mein Paket ist nicht angekommen", "退款", "x"]


@pytest.fixture(scope="session")
def predict(url):
    session = requests.Session()

    def send(body=None, **options):
        options.setdefault("timeout", 10)
        return session.post(f"{url}/models/tickets/predict", json=body, **options)

    return send


def test_one_text_gives_one_prediction(predict, labels):
    answer = predict({"inputs": TEXTS[0]})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["model"] == "tickets" and body["version"] == 1 and body["request_id"]
    [prediction] = body["predictions"]
    assert prediction["label"] in labels
    assert 0 <= prediction["score"] <= 1


def test_a_list_is_answered_in_order_as_one_by_one(predict):
    together = predict({"inputs": TEXTS}).json()["predictions"]
    alone = [predict({"inputs": text}).json()["predictions"][0] for text in TEXTS]
    assert [p["label"] for p in together] == [p["label"] for p in alone]
    for one, other in zip(together, alone):
        assert one["score"] == pytest.approx(other["score"], abs=1e-6)


def test_objects_with_the_text_column_are_accepted(predict):
    texts = predict({"inputs": TEXTS}).json()["predictions"]
    objects = predict({"inputs": [{"text": text} for text in TEXTS]}).json()["predictions"]
    assert texts == objects


def test_top_k_is_sorted_and_all_scores_sum_to_one(predict, labels):
    [prediction] = predict({"inputs": TEXTS[0], "parameters": {"top_k": len(labels)}}).json()["predictions"]
    scores = [entry["score"] for entry in prediction["scores"]]
    assert sorted(scores, reverse=True) == scores
    assert sorted(entry["label"] for entry in prediction["scores"]) == labels
    assert sum(scores) == pytest.approx(1, abs=1e-3)


def test_explanations_slice_back_to_the_text(predict):
    text = "Héllo 👋, je veux un remboursement s’il vous plaît"
    [prediction] = predict({"inputs": text, "parameters": {"explain": True}}).json()["predictions"]
    assert prediction["explanation"]
    for part in prediction["explanation"]:
        assert text[part["start"] : part["end"]] == part["text"]


BAD = {
    "no inputs": {},
    "null": {"inputs": None},
    "number": {"inputs": 3},
    "empty list": {"inputs": []},
    "number in a list": {"inputs": ["fine", 3]},
    "list in a list": {"inputs": [["a", "b"]]},
    "object without text": {"inputs": [{"txt": "a"}]},
    "text of a wrong type": {"inputs": [{"text": 1}]},
    "top_k of zero": {"inputs": "a", "parameters": {"top_k": 0}},
    "top_k of a wrong type": {"inputs": "a", "parameters": {"top_k": "three"}},
    "unknown parameter": {"inputs": "a", "parameters": {"topk": 3}},
    "unknown field": {"inputs": "a", "options": {}},
    "template for a task that has none": {"inputs": "a", "parameters": {"template": "{label}"}},
    "labels for a task that has none": {"inputs": "a", "parameters": {"labels": ["a"]}},
    "threshold for a single label": {"inputs": "a", "parameters": {"threshold": 0.5}},
    "list": ["a"],
    "string": "a",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies_are_refused_with_a_problem(predict, name):
    answer = predict(BAD[name])
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"] and problem["detail"]


def test_the_wrong_element_is_named(predict):
    problem = predict({"inputs": [{"text": "fine"}, {"text": 7}]}).json()
    assert "inputs[1]" in problem["field"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"inputs": "\xff"}', b'{"inputs": "a"', b"inputs=a", b"[" * 20000])
def test_bodies_that_are_no_json_are_refused(predict, body):
    answer = predict(data=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text


def test_a_huge_body_is_refused(predict):
    answer = predict({"inputs": "a" * 40_000_000}, timeout=60)
    assert answer.status_code == 413


def test_unknown_models_are_not_found(url):
    answer = requests.post(f"{url}/models/nobody/predict", json={"inputs": "a"}, timeout=10)
    assert answer.status_code == 404
    assert "nobody" in answer.json()["detail"]


def test_a_wrong_method_is_refused(url):
    assert requests.get(f"{url}/models/tickets/predict", timeout=10).status_code == 405


def test_health_and_metrics_answer(url):
    assert requests.get(f"{url}/health/live", timeout=10).status_code == 200
    assert requests.get(f"{url}/health/ready", timeout=10).status_code == 200
    metrics = requests.get(f"{url}/metrics", timeout=10)
    assert metrics.status_code == 200
    assert "# TYPE loquat_" in metrics.text
    assert "_bucket{" in metrics.text
