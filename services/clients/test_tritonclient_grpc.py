"""The Open Inference Protocol v2 over gRPC, with the client of Triton."""

import numpy
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

TEXTS = ["I want my money back", "wo ist mein Paket", "ログインできません"]


@pytest.fixture(scope="session")
def client(url):
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        yield client


def infer(client, texts, outputs=("label", "score"), **options):
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=numpy.object_))
    requested = [triton.InferRequestedOutput(name) for name in outputs]
    return client.infer("tickets", [tensor], outputs=requested, **options)


def test_server_and_model_are_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tickets")
    assert client.is_model_ready("tickets", "1")
    assert client.get_server_metadata().name == "loquat"


def test_metadata_and_configuration_name_the_tensors(client):
    metadata = client.get_model_metadata("tickets")
    assert [tensor.name for tensor in metadata.outputs] == ["label", "score", "scores"]
    config = client.get_model_config("tickets").config
    assert [tensor.name for tensor in config.output] == ["label", "score", "scores"]
    assert config.input[0].name == "text"


def test_infer_answers_every_text(client, labels):
    result = infer(client, TEXTS, request_id="seventeen", timeout=5_000_000, priority=1, client_timeout=10)
    assert result.get_response().id == "seventeen"
    assert {label.decode() for label in result.as_numpy("label")} <= set(labels)
    assert result.as_numpy("score").shape == (3,)


def test_infer_agrees_with_rest(client, url):
    import requests

    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [3], "data": TEXTS}]}
    outputs = requests.post(f"{url}/v2/models/tickets/infer", json=body, timeout=10).json()["outputs"]
    result = infer(client, TEXTS)
    assert [label.decode() for label in result.as_numpy("label")] == outputs[0]["data"]
    assert result.as_numpy("score") == pytest.approx(outputs[1]["data"], abs=1e-6)


def test_classification_is_asked_for_by_class_count(client, labels):
    tensor = triton.InferInput("text", [1], "BYTES")
    tensor.set_data_from_numpy(numpy.array([b"where is my parcel"], dtype=numpy.object_))
    requested = [triton.InferRequestedOutput("scores", class_count=2)]
    best = client.infer("tickets", [tensor], outputs=requested).as_numpy("scores")
    assert best.shape == (1, 2)
    assert all(entry.decode().split(":")[2] in labels for entry in best[0])


def test_repository_and_statistics_answer(client):
    index = client.get_model_repository_index()
    assert ("tickets", "READY") in [(model.name, model.state) for model in index.models]
    client.load_model("tickets")
    before = client.get_inference_statistics("tickets").model_stats[0].inference_count
    infer(client, TEXTS)
    assert client.get_inference_statistics("tickets").model_stats[0].inference_count >= before + 3


def test_errors_are_statuses_that_name_what_is_wrong(client):
    with pytest.raises(InferenceServerException, match="nobody") as error:
        client.get_model_metadata("nobody")
    assert error.value.status() == "StatusCode.NOT_FOUND"
    tensor = triton.InferInput("text", [1], "FP32")
    tensor.set_data_from_numpy(numpy.array([1.0], dtype=numpy.float32))
    with pytest.raises(InferenceServerException, match="datatype") as error:
        client.infer("tickets", [tensor])
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
