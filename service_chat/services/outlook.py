"""Who is in a lane, what each still needs, and so when each has its turn: the lane's view of its own future.

`chat_lane` keeps it up to date and asks it, at the door and for those who wait; the arithmetic is `waiting`'s. Nothing
is predicted until the engine has said how fast it is.
"""

from dataclasses import dataclass

from service_chat.engines.protocol import Completion, Delta, Engine, Prefill, StreamEvent
from service_chat.services.waiting import Experience, Forecast, Speed, Work, forecast
from serving.lane_statistics import LaneStatistics


@dataclass(slots=True, eq=False)
class Place:
    """One chat in the lane, and how far it is."""

    size: int  #: bytes of its messages
    at_most: int  #: tokens of its answer
    tokens: float  #: of its prompt; estimated until it is counted
    to_read: float  #: of them, what no kept prefix spares
    written: int = 0
    begun: bool = False  #: it has a slot


@dataclass(frozen=True, slots=True)
class LaneOutlook:
    """How it stands in a lane, for people. Seconds and tokens per second; None where nothing was measured yet."""

    slots: int
    busy: int
    waiting: int
    capacity: int
    oldest_wait_s: float
    prefill_rate: float | None
    decode_rate: float | None
    #: Of a chat like those before it, if it came now.
    next_one: Forecast | None


class Outlook:
    """Lives on the event loop."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self._engine, self._workers = engine, workers
        self._experience = Experience()
        #: In the order of admission, which is the order in which they get slots.
        self._places: dict[Place, None] = {}

    @property
    def slots(self) -> int:
        """What the engine has may be less than what was asked of it."""
        return min(self._workers, self._engine.load().slots)

    @property
    def idle(self) -> bool:
        return not self._places

    @property
    def size(self) -> int:
        """Chats in the lane, with a slot or without."""
        return len(self._places)

    @property
    def crowded(self) -> bool:
        """Whether there are more chats than slots, so that the last one has to wait."""
        return len(self._places) > self.slots

    @property
    def counts(self) -> tuple[int, int]:
        """How many have a slot, and how many wait for one."""
        busy = sum(place.begun for place in self._places)
        return busy, len(self._places) - busy

    def place(self, size: int, at_most: int) -> Place:
        """For a chat whose messages have `size` bytes; it is not in the lane yet."""
        tokens = self._experience.prompt_tokens(size)
        return Place(size, at_most, tokens, self._experience.to_read(tokens))

    def enter(self, place: Place) -> None:
        self._places[place] = None

    def leave(self, place: Place) -> None:
        self._places.pop(place, None)

    def counted(self, place: Place, tokens: int) -> None:
        """Its prompt has so many tokens, as the engine counts."""
        self._experience.counted(place.size, tokens)
        if not place.begun:
            place.tokens, place.to_read = tokens, self._experience.to_read(tokens)

    def note(self, place: Place, event: StreamEvent) -> None:
        """The engine has done this for it."""
        match event:
            case Prefill(done=done, total=total):
                place.tokens, place.to_read = total, total - done
            case Delta(tokens=tokens):
                place.to_read, place.written = 0, tokens
            case Completion():
                self._experience.counted(place.size, event.prompt_tokens)
                self._experience.read(event.prompt_tokens, event.cached_tokens)
                self._experience.wrote(event.completion_tokens)

    def of_newcomer(self, place: Place) -> Forecast | None:
        """Of a chat that is not in the lane yet, behind all that are; None while rates are unknown."""
        return self._of(self._work(place))

    def of(self, place: Place) -> tuple[int, float | None]:
        """How many wait before it, and the seconds until its turn."""
        waiting = [other for other in self._places if not other.begun]
        position = waiting.index(place) if place in self._places and not place.begun else 0
        futures = self._futures([self._work(other) for other in waiting[: position + 1]])
        return position, futures[position].start_s if futures else None

    def summary(self, lane: LaneStatistics, at_most: int) -> LaneOutlook:
        """`at_most`: tokens of an answer, for as long as no chat has shown how long they are."""
        load = self._engine.load()
        busy, waiting = self.counts
        return LaneOutlook(
            slots=self.slots,
            busy=busy,
            waiting=waiting,
            capacity=lane.capacity,
            oldest_wait_s=lane.oldest_wait_s,
            prefill_rate=load.prefill_rate or None,
            decode_rate=load.decode_rate or None,
            next_one=self._of(self._experience.typical(at_most)),
        )

    def _of(self, newcomer: Work) -> Forecast | None:
        futures = self._futures([*(self._work(place) for place in self._places if not place.begun), newcomer])
        return futures[-1] if futures else None

    def _futures(self, waiting: list[Work]) -> list[Forecast]:
        load = self._engine.load()
        if load.prefill_rate <= 0 or load.decode_rate <= 0:
            return []
        running = [self._work(place) for place in self._places if place.begun]
        return forecast(Speed(load.prefill_rate, load.decode_rate), self.slots, running, waiting)

    def _work(self, place: Place) -> Work:
        return Work(place.to_read, self._experience.to_write(place.at_most, place.written))
