"""LibreTranslate's client: detection, languages, and a translation that no model gives."""

import urllib.error

import pytest
from libretranslatepy import LibreTranslateAPI


@pytest.fixture(scope="session")
def client(url):
    return LibreTranslateAPI(url)


def test_languages_are_detected(client):
    for text, language in [
        ("Where is the parcel that I ordered last week?", "en"),
        ("Wo ist das Paket, das ich letzte Woche bestellt habe?", "de"),
    ]:
        [found] = client.detect(text)
        assert found["language"] == language
        assert 0 <= found["confidence"] <= 100


def test_no_pair_is_listed(client):
    assert client.languages() == []


def test_a_translation_is_refused(client):
    with pytest.raises(urllib.error.HTTPError) as error:
        client.translate("parcel", "en", "de")
    assert error.value.code == 400
    assert "no loaded model has the task translation" in error.value.read().decode()
