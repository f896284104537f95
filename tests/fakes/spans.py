"""Who listens to spans within a test, and keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager

from typing_extensions import override

from serving.spans import Listener, Span, listening
from serving.tracing import Sampler, as_the_caller_says


class Listened(Listener):
    def __init__(self) -> None:
        self.spans: list[Span] = []

    @override
    def take(self, span: Span) -> None:
        self.spans.append(span)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Span:
        (found,) = self.named(name)
        return found


@contextmanager
def listened_to(sampler: Sampler = as_the_caller_says) -> Iterator[Listened]:
    found = Listened()
    with listening(found, sampler):
        yield found
