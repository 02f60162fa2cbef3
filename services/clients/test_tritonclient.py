"""The Open Inference Protocol v2 over REST, with the client of Triton."""

import numpy
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="session")
def client(url):
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        yield client


def infer(client, texts, model="tickets", **options):
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=numpy.object_), binary_data=False)
    metadata = client.get_model_metadata("tickets")
    outputs = [triton.InferRequestedOutput(output["name"], binary_data=False) for output in metadata["outputs"]]
    return client.infer(model, [tensor], outputs=outputs, **options)


def test_server_and_model_are_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tickets")
    assert client.is_model_ready("tickets", "1")
    assert not client.is_model_ready("nobody")


def test_a_model_is_unloaded_and_loaded_again(client):
    client.unload_model("tickets")
    assert not client.is_model_ready("tickets")
    client.load_model("tickets")
    assert client.is_model_ready("tickets")


def test_metadata_names_the_tensors(client):
    assert client.get_server_metadata()["name"]
    metadata = client.get_model_metadata("tickets")
    assert metadata["name"] == "tickets"
    assert "1" in metadata["versions"]
    [tensor] = metadata["inputs"]
    assert tensor["datatype"] == "BYTES"
    assert metadata["outputs"]


def test_infer_answers_every_text_and_echoes_the_id(client, labels):
    texts = ["I want my money back", "wo ist mein Paket", "ログインできません"]
    result = infer(client, texts, request_id="seventeen")
    answer = result.get_response()
    assert answer["id"] == "seventeen"
    assert answer["model_name"] == "tickets"
    found = {output["name"]: output for output in answer["outputs"]}
    strings = [output for output in found.values() if output["datatype"] == "BYTES"]
    assert any(len(o["data"]) == len(texts) and set(o["data"]) <= set(labels) for o in strings)


def test_infer_agrees_with_predict(client, url):
    import requests

    texts = ["I want my money back", "wo ist mein Paket"]
    predictions = requests.post(f"{url}/models/tickets/predict", json={"inputs": texts}, timeout=10).json()["predictions"]
    outputs = infer(client, texts).get_response()["outputs"]
    assert any(output["data"] == [p["label"] for p in predictions] for output in outputs)


def test_binary_tensors_agree_with_json(client):
    texts = ["I want my money back", "wo ist mein Paket", "ログインできません"]
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=numpy.object_))
    outputs = [triton.InferRequestedOutput(name) for name in ("label", "score")]
    binary = client.infer("tickets", [tensor], outputs=outputs)
    plain = infer(client, texts)
    assert [label.decode() for label in binary.as_numpy("label")] == list(plain.as_numpy("label"))
    assert binary.as_numpy("score") == pytest.approx(plain.as_numpy("score"), abs=1e-6)


def test_an_unknown_model_is_an_error_of_the_protocol(client):
    with pytest.raises(InferenceServerException, match="nobody"):
        infer(client, ["a"], model="nobody")


def test_a_wrong_tensor_is_an_error_of_the_protocol(client):
    tensor = triton.InferInput("text", [1], "FP32")
    tensor.set_data_from_numpy(numpy.array([1.0], dtype=numpy.float32), binary_data=False)
    with pytest.raises(InferenceServerException):
        client.infer("tickets", [tensor])
