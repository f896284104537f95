"""Every state of the page as axe sees it, in light and dark, at 200 % and 400 %, and with nothing that moves."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.integration.service_chat.page_talk import (
    ACCEPTED,
    ACUITY,
    CALL,
    NOTHING,
    RESULT,
    Talk,
    flag,
    overflows,
    problem,
)

QUESTION = "Is it bad?"


def broken(talk: Talk) -> None:
    talk.holds("**/events")
    waits = ("status", {"state": "queued", "position": 2, "eta_s": 14.0, "tokens": 0, "elapsed_ms": 1.0})
    talk.tells(ACCEPTED, ACUITY, waits)
    talk.ask(QUESTION)
    expect(talk.part("progress")).to_contain_text("The connection is lost.")


def written(talk: Talk) -> None:
    talk.answers(red_flags=[flag("cardiac", "emergency_now")], acuity="emergency_now", degraded=["deadline"], **CALL)
    talk.asked(QUESTION)
    for summary in talk.page.locator("summary").all():
        summary.click()
    talk.page.get_by_label("Agree").check()


def refused(talk: Talk) -> None:
    talk.refuses(problem(401, "unauthorized", "Who asks?"))
    talk.asked(QUESTION)
    expect(talk.page.locator("#key")).to_be_visible()


def unpatient(talk: Talk) -> None:
    talk.asked(QUESTION, mrn="")


def levels(talk: Talk) -> None:
    for acuity in ("informational", "self_care", "urgent", "emergency"):
        more = {} if acuity in ("informational", "self_care") else CALL
        talk.tells(
            ACCEPTED, ("acuity", {**NOTHING, "language": "en"}), ("result", {**RESULT, "acuity": acuity, **more})
        )
        talk.asked(QUESTION)


@pytest.mark.parametrize("state", [lambda _: None, broken, written, refused, unpatient, levels])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_and_nothing_sticks_out(talk: Talk, scheme: Any, state: Callable[[Talk], None]) -> None:
    talk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    state(talk)
    assert talk.watched.barriers() == []
    # 640 CSS pixels are a window of 1280 at 200 %; 320 at 400 %.
    for width in (640, 320) if scheme == "light" else ():
        talk.page.set_viewport_size({"width": width, "height": 450})
        assert overflows(talk.page) == []
    talk.page.set_viewport_size({"width": 1280, "height": 900})
    assert talk.page.evaluate("document.getAnimations().length") == 0
