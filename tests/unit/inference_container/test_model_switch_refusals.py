import logging
from pathlib import Path

import pytest

from inference_container.errors import BundleRefused
from serving.events import FIELDS
from serving.lifecycle import State
from tests.unit.inference_container.switch_house import House, house

pytestmark = pytest.mark.anyio


def _corrupt(h: House, name: str) -> Path:
    folder = h.bundle(name)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def _rejected(caplog: pytest.LogCaptureFixture) -> list[tuple[object, object]]:
    told = [getattr(each, FIELDS) for each in caplog.records if each.message == "model_rejected"]
    return [(fields["bundle"], fields["code"]) for fields in told]


async def test_a_first_bundle_that_is_damaged_fails_the_service_without_a_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path, serving=None) as h:
        with caplog.at_level(logging.INFO):
            await h.switch.serve(_corrupt(h, "a"))
        assert (h.life.state, h.pools) == (State.FAILED, [])
        assert h.life.reason is not None
        assert h.life.reason.startswith("bundle_refused: The sha256")
        assert _rejected(caplog) == [("a", "bundle_refused")]


async def test_a_damaged_candidate_is_told_of_once_and_costs_no_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path) as h:
        with caplog.at_level(logging.INFO), pytest.raises(BundleRefused, match="sha256"):
            await h.switch.activate(_corrupt(h, "b"))
        assert (h.life.state, len(h.pools), h.copies) == (State.READY, 1, ["a"])
        assert _rejected(caplog) == [("b", "bundle_refused")]
        assert await h.activate("c")


async def test_a_damaged_shadow_is_told_of_and_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with house(tmp_path) as h:
        with caplog.at_level(logging.INFO):
            await h.switch.shadow(_corrupt(h, "s"))
        assert (h.life.state, len(h.pools)) == (State.READY, 1)
        assert _rejected(caplog) == [("s", "bundle_refused")]
