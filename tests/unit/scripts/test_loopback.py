import time
import urllib.request

import pytest

from scripts import loopback
from scripts.loopback import ServiceFailed, running


def test_a_service_that_ends_at_once_is_reported_with_its_own_words() -> None:
    begun = time.monotonic()
    with pytest.raises(ServiceFailed, match=r"ended\n(?s:.)*LOG_LEVEL"), running("inference", {"LOG_LEVEL": "LOUD"}):
        pass
    assert time.monotonic() - begun < loopback.READY_WITHIN_S / 2


def test_a_service_is_ready_while_in_use_and_gone_afterwards() -> None:
    with running("chat", {"LLM_MODE": "mock"}) as service, urllib.request.urlopen(f"{service.url}/ready") as answer:
        assert answer.status == 200
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{service.url}/ready", timeout=1)
