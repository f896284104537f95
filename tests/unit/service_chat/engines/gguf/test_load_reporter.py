"""Load progress as the parent hears it: a few messages a second, with percent and the time that is left."""

from typing_extensions import override

from service_chat.engines.gguf.messages import Loading
from service_chat.engines.gguf.worker import LoadReporter
from serving.child import Channel


class Recorder(Channel):
    def __init__(self) -> None:
        self.sent: list[Loading] = []
        self.beats = 0

    @override
    def send(self, message: object) -> None:
        assert isinstance(message, Loading)
        self.sent.append(message)

    @override
    def beat(self) -> None:
        self.beats += 1


class Now:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_what_is_left_is_told_from_what_this_run_has_moved() -> None:
    channel, now = Recorder(), Now()
    report = LoadReporter(channel, now)
    report("downloading", 500, 1000)  # resumed: half of it was there
    now.at += 10
    report("downloading", 600, 1000)
    assert channel.sent == [Loading("downloading", 50.0, None), Loading("downloading", 60.0, 40.0)]


def test_a_thousand_calls_are_a_few_messages_but_as_many_signs_of_life() -> None:
    channel, now = Recorder(), Now()
    report = LoadReporter(channel, now)
    for done in range(1000):
        now.at += 0.001
        report("downloading", done, 1000)
    assert channel.beats == 1000
    assert len(channel.sent) <= 6


def test_the_end_of_a_phase_and_a_new_phase_are_always_told() -> None:
    channel, now = Recorder(), Now()
    report = LoadReporter(channel, now)
    for phase in ("downloading", "verifying"):
        report(phase, 0, 10)
        report(phase, 10, 10)
    assert [(m.phase, m.percent) for m in channel.sent] == [
        ("downloading", 0.0),
        ("downloading", 100.0),
        ("verifying", 0.0),
        ("verifying", 100.0),
    ]


def test_a_phase_of_unknown_length_has_no_percent() -> None:
    channel, now = Recorder(), Now()
    LoadReporter(channel, now)("waiting", 0, None)
    assert channel.sent == [Loading("waiting", None, None)]
