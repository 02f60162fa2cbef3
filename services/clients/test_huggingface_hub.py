"""The hub's InferenceClient on the routes of text-embeddings-inference."""

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError


@pytest.fixture(scope="session")
def client(url):
    return InferenceClient(model=url, timeout=10)


def test_a_text_is_classified(client, labels):
    best = client.text_classification("I want my money back")
    best = best[0] if isinstance(best, list) else best
    assert best.label in labels
    assert 0 <= best.score <= 1


def test_embeddings_say_that_no_model_has_the_task(url):
    with pytest.raises(HfHubHTTPError) as error:
        InferenceClient(model=f"{url}/embed", timeout=10).feature_extraction("a text")
    assert error.value.response.status_code == 424
