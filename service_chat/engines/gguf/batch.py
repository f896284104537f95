"""What goes into the next step: a row for every answer that is being written, then some tokens of prompts.

Filled by the engine before each decode. Whose prompt is read first is `schedule`'s, how much is guessed the governor's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service_chat.engines.gguf.context import LlamaContext
from service_chat.engines.gguf.drafting import DraftGovernor
from service_chat.engines.gguf.prefixes import Prefixes
from service_chat.engines.gguf.rates import Rates
from service_chat.engines.gguf.schedule import Reading, plan_step
from service_chat.engines.gguf.shape import Shape
from service_chat.engines.gguf.slot import Slot

#: A prompt of a hundred tokens more is overtaken for this many seconds at most.
_AGEING_PER_S = 100.0
#: How long an answer that is being written may stand still for others' prompts, and what is read of them all the same.
_LONGEST_STEP_S = 1.0
_LEAST_CHUNK = 16


@dataclass(slots=True)
class Rows:
    """What a slot has in the present batch."""

    slot: Slot
    fed: int  #: tokens of its own
    draws_at: int | None  #: the row after which its next token is drawn; None when that is not yet
    draft: list[int]


class Batch:
    def __init__(
        self,
        context: LlamaContext,
        shape: Shape,
        prefixes: Prefixes,
        rates: Rates,
        governor: DraftGovernor | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._context, self._shape, self._prefixes, self._rates = context, shape, prefixes, rates
        self._governor, self._now = governor, monotonic

    def fill(self, slots: Mapping[int, Slot]) -> tuple[list[Rows], list[Rows]]:
        """Adds the rows of the next step: of those who write, and of those who read."""
        self._context.clear_rows()
        writers = self._add_writers(slots)
        return writers, self._add_readers(slots, len(writers))

    def _add_writers(self, slots: Mapping[int, Slot]) -> list[Rows]:
        """One row for each answer, in ascending order of sequences, and some more for guesses."""
        writing = sorted((slot for slot in slots.values() if slot.decoding), key=lambda slot: slot.sequence)
        guesses = self._governor.rows(len(writing)) if self._governor is not None and writing else 0
        added = []
        for behind, slot in enumerate(writing, start=1 - len(writing)):
            tokens = slot.next_tokens()[: self._context.room + behind]  # forced text may be long; the others need a row
            whole = slot.fed + len(tokens) == len(slot.tokens)
            draft = slot.draft(min(guesses, self._context.room + behind - len(tokens))) if whole else []
            wanted = 1 + len(draft) if whole else 0
            first = self._context.add(slot.sequence, [*tokens, *draft], slot.fed, wanted)
            added.append(Rows(slot, len(tokens), first + len(tokens) - 1 if whole else None, draft))
        return added

    def _add_readers(self, slots: Mapping[int, Slot], writers: int) -> list[Rows]:
        reading, leaders = [], dict[tuple[int, ...], int]()
        for slot in slots.values():
            if slot.decoding:
                continue
            if slot.begun_at is None:
                self._prefixes.look_again(slot)
            waits = slot.begun_at is None and slot.fed < len(slot.shared)
            leader = leaders.get(slot.shared) if waits else None
            if slot.fed < len(slot.shared):
                leaders.setdefault(slot.shared, slot.request_id)
            reading.append(Reading(slot.request_id, slot.left, slot.came_at, leader))
        chunk, added = self._chunk(writers), []
        plan = plan_step(
            *(reading, writers, chunk, self._shape.chunk_quiet, self._now(), _AGEING_PER_S),
            self._context.room + writers,
        )
        for request_id, count in plan:
            slot = slots[request_id]
            last = count == slot.left
            tokens = slot.tokens[slot.fed : slot.fed + count]
            first = self._context.add(slot.sequence, tokens, slot.fed, wanted=int(last))
            added.append(Rows(slot, count, first + count - 1 if last else None, []))
        return added

    def _chunk(self, writers: int) -> int:
        """Prompt tokens for a step in which `writers` answers go on: as many as the machine reads in the time that
        their readers may be kept waiting, but enough that a long prompt ends."""
        if not (self._rates.prefill and self._rates.decode):
            return self._shape.chunk
        left_s = _LONGEST_STEP_S - writers / self._rates.decode
        return max(min(_LEAST_CHUNK, self._shape.chunk), min(self._shape.chunk, int(left_s * self._rates.prefill)))
