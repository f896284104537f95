import pickle

import pytest

import inference_container.errors
import service_chat.errors  # noqa: F401 - imported so that its classes stand in the tree
from serving.errors import NotReady, SluiceError, every_error
from serving.http.problems import status_of

EVERY = every_error()


@pytest.mark.parametrize("cls", EVERY)
def test_every_error_survives_a_pipe_whole(cls: type[SluiceError]) -> None:
    sent = cls("a sentence", retry_after_s=3, columns=["a", "b"])
    got = pickle.loads(pickle.dumps(sent))
    assert got == sent
    assert type(got) is cls
    assert (got.code, got.message, got.details) == (cls.code, "a sentence", {"retry_after_s": 3, "columns": ["a", "b"]})


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in EVERY]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("cls", EVERY)
def test_every_error_has_a_status_and_a_sentence(cls: type[SluiceError]) -> None:
    assert 400 <= status_of(cls()) < 600
    assert cls().message.endswith((".", "]}."))


def test_errors_differ_by_class_message_and_details() -> None:
    assert NotReady("a") != NotReady("b")
    assert NotReady(x=1) != NotReady(x=2)
    assert NotReady("a") != inference_container.errors.NoData("a")
    assert len({NotReady("a"), NotReady("a")}) == 1
