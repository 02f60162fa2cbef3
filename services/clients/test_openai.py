"""OpenAI's client: models, chat completions that answer with a label, errors."""

import openai
import pytest


@pytest.fixture(scope="session")
def client(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


def test_models_are_listed(client):
    assert "tickets" in [model.id for model in client.models.list()]
    assert client.models.retrieve("tickets").object == "model"


def test_a_chat_answers_with_the_label(client, labels):
    answer = client.chat.completions.create(
        model="tickets",
        messages=[
            {"role": "system", "content": "Name the topic."},
            {"role": "user", "content": "I want my money back"},
        ],
        temperature=0,
        max_tokens=8,
    )
    assert answer.choices[0].message.content in labels
    assert answer.usage.total_tokens > 0


def test_a_chat_comes_in_chunks(client, labels):
    chunks = list(
        client.chat.completions.create(
            model="tickets",
            messages=[{"role": "user", "content": "I want my money back"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) in labels
    assert chunks[-1].usage.total_tokens > 0


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="nobody") as error:
        client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "a"}])
    assert error.value.code == "model_not_found"


def test_what_is_wrong_is_named(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="tickets", messages=[{"role": "user", "content": "a"}], n=2)
    assert error.value.param == "n"


def test_embeddings_say_that_no_model_has_the_task(client):
    with pytest.raises(openai.NotFoundError, match="embedding"):
        client.embeddings.create(model="tickets", input="a")
