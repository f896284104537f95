"""Who the service is to its store: by keys or by the platform's word, never by neither or both."""

import logging

import pytest

from inference_container.outside import store_place
from inference_container.settings import InferenceSettings
from inference_container.stores.address import S3Address
from serving.events import FIELDS
from serving.settings import SettingsError


def place(monkeypatch: pytest.MonkeyPatch, **variables: str) -> object:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return store_place(InferenceSettings.from_environment())


def test_keys_are_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    found = place(monkeypatch, S3_ENDPOINT="store:7070", S3_ACCESS_KEY="somebody", S3_SECRET_KEY="secret")
    assert isinstance(found, S3Address)
    assert (found.access_key, found.identity) == ("somebody", False)


def test_an_identity_needs_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    found = place(monkeypatch, S3_ENDPOINT="s3.us-east-2.amazonaws.com", S3_CREDENTIALS="identity")
    assert isinstance(found, S3Address)
    assert (found.access_key, found.identity) == ("", True)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "set S3_ACCESS_KEY and S3_SECRET_KEY too, or S3_CREDENTIALS=identity"),
        ({"S3_ACCESS_KEY": "somebody"}, "set S3_ACCESS_KEY and S3_SECRET_KEY too"),
        ({"S3_CREDENTIALS": "identity", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"}, "say two things; keep one"),
    ],
)
def test_neither_and_both_are_refused(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        place(monkeypatch, S3_ENDPOINT="store:7070", **variables)


def test_what_a_platform_sets_by_itself_is_no_wish_that_is_ignored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "x")
    with caplog.at_level(logging.WARNING):
        InferenceSettings.from_environment().warn_of_announced()
    warned = {getattr(record, FIELDS)["name"] for record in caplog.records}
    assert "AWS_ENDPOINT_URL" in warned
    assert not warned & {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_REGION"}
