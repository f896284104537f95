"""Many chats through one model: the step loop. Runs in the engine's process, and in a test's as it is.

A step is one decode: a row for every answer that is being written, then some tokens of the prompts that are still being
read (Orca's iteration-level scheduling, Sarathi's chunked prefill). Nobody's answer stands still longer than one chunk,
and a request that is cancelled is gone at the next step. What was read once is kept: the system part for everybody, a
patient's record for the same patient's next question. Call everything from one thread, but `give_up`.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from service_chat.engines.gguf.asked import Asked
from service_chat.engines.gguf.batch import Batch, Rows
from service_chat.engines.gguf.cells import Kept
from service_chat.engines.gguf.context import Aborted, LlamaContext
from service_chat.engines.gguf.drafting import DraftGovernor
from service_chat.engines.gguf.drawing import Drawing
from service_chat.engines.gguf.messages import Counted, Outcome
from service_chat.engines.gguf.model import LlamaModel
from service_chat.engines.gguf.prefixes import Prefixes
from service_chat.engines.gguf.rates import Rates
from service_chat.engines.gguf.sampling import Grammars, Sampler
from service_chat.engines.gguf.shape import Shape
from service_chat.engines.gguf.slot import Slot
from service_chat.engines.protocol import ChatMessage, Completion, EngineLoad, FinishReason, SamplingParams, Timings
from serving.errors import SluiceError, WorkFailed

Outcomes = list[tuple[int, Outcome]]


class Engine:
    def __init__(
        self,
        model: LlamaModel,
        context: LlamaContext,
        shape: Shape,
        governor: DraftGovernor | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`governor` decides how much is guessed; None: nothing is."""
        self._model, self._context, self.shape, self._now = model, context, shape, monotonic
        self._grammars = Grammars(model)
        self._free = list(range(shape.slots - 1, -1, -1))
        self._slots: dict[int, Slot] = {}
        self._asked: deque[Asked] = deque()
        self._prefixes = Prefixes(context, shape)
        self._cells = self._prefixes.cells
        self._rates = Rates()
        self._batch = Batch(context, shape, self._prefixes, self._rates, governor, monotonic)
        self._draw = Drawing(model, context, governor).draw
        #: When the last step ended, unless nothing was left to do: what passes between two steps is paid for as well.
        self._busy_since: float | None = None
        self._governor = governor
        self._told: Outcomes = []
        self._left: set[int] = set()
        #: Both are read by `give_up`, from another thread.
        self._given_up: set[int] = set()
        self._in_batch: frozenset[int] = frozenset()

    def close(self) -> None:
        for slot in self._slots.values():
            slot.sampler.close()
        self._grammars.close()

    # --- requests -------------------------------------------------------------------------------------------------

    def pin(self, messages: Sequence[ChatMessage]) -> int:
        """Reads the system part of `messages` and keeps it for good; its tokens. Before the first request.

        Raises:
            WorkFailed: llama.cpp could not do it.
        """
        prompt = self._model.prompt(messages)
        tokens = prompt.tokens[: prompt.shared]
        sequence = self._prefixes.pin(tokens)
        if sequence is None:
            return 0
        for start in range(0, len(tokens), self._context.rows):
            begun, piece = self._now(), tokens[start : start + self._context.rows]
            self._context.add(sequence, piece, start)
            self._context.decode()
            self._rates.note(len(piece), 0, self._now() - begun)
        return len(tokens)

    def submit(
        self, request_id: int, messages: Sequence[ChatMessage], params: SamplingParams, scope: str | None = None
    ) -> None:
        """Takes a request. What becomes of it, a refusal included, is told by `step`."""
        try:
            self._asked.append(
                Asked.of(request_id, messages, params, scope, self._model, self.shape.n_ctx, self._now())
            )
        except Exception as error:  # a defect in one request is no reason to end the others
            self._told.append((request_id, _known(error)))

    def count(self, request_id: int, messages: Sequence[ChatMessage]) -> None:
        """Tells the length of a prompt, or why there is none."""
        try:
            self._told.append((request_id, Counted(len(self._model.prompt(messages).tokens))))
        except Exception as error:  # as in `submit`
            self._told.append((request_id, _known(error)))

    def cancel(self, request_id: int) -> None:
        """Nobody waits for it any more: it ends with the next step. Unknown and finished ones are ignored."""
        self._left.add(request_id)

    def give_up(self, request_id: int) -> None:
        """Says from another thread that `cancel` is to come: a step in which nobody else has a row is broken off."""
        self._given_up.add(request_id)
        if self._in_batch and self._in_batch <= self._given_up:
            self._context.abort()

    @property
    def idle(self) -> bool:
        return not (self._slots or self._asked or self._told)

    def load(self) -> EngineLoad:
        slots = self._slots.values()
        return EngineLoad(
            slots=self.shape.slots,
            busy=len(self._slots),
            prompt_tokens_left=sum(slot.left for slot in slots) + sum(len(a.prompt.tokens) for a in self._asked),
            answer_tokens_left=sum(slot.limit - slot.written for slot in slots),
            prefill_rate=self._rates.prefill,
            decode_rate=self._rates.decode,
            kv_tokens=self._cells.used,
            kv_capacity=self._cells.capacity,
        )

    def forget_kept(self) -> None:
        """Everything that is kept for later goes, but for what is pinned."""
        self._prefixes.forget_unpinned()

    def use_threads(self, count: int) -> None:
        self._context.use_threads(count)

    # --- a step ---------------------------------------------------------------------------------------------------

    def step(self) -> Outcomes:
        """One decode, and what came of it for whom. Does nothing, and tells nothing, when there is nothing to do."""
        self._drop_cancelled()
        self._start_waiting()
        if self._slots:
            self._decode()
        told, self._told = self._told, []
        return told

    def _drop_cancelled(self) -> None:
        for request_id in self._left:
            self._given_up.discard(request_id)
            slot = self._slots.get(request_id)
            if slot is not None:
                slot.finish = FinishReason.CANCELLED
                self._end(slot)
        for asked in [asked for asked in self._asked if asked.request_id in self._left]:
            self._asked.remove(asked)
            nothing = Completion("", FinishReason.CANCELLED, len(asked.prompt.tokens), 0, Timings(0.0, 0.0, 0.0))
            self._told.append((asked.request_id, nothing))
        self._left.clear()

    def _start_waiting(self) -> None:
        """In the order they came: one that needs many cells is not overtaken for ever."""
        while self._asked and self._free:
            asked = self._asked[0]
            found = self._prefixes.reserve(asked, alone=not self._slots)
            if found is None:
                return
            self._asked.popleft()
            self._start(asked, *found)

    def _start(self, asked: Asked, kept: Kept | None, length: int) -> None:
        sampler = None
        try:
            sampler = Sampler(
                self._context, replace(asked.params, max_tokens=asked.limit), self._grammars, asked.grammar
            )
            slot = Slot(
                *(asked.request_id, self._free[-1], asked.prompt, asked.params, asked.scope, asked.limit, asked.worst),
                *(sampler, self._governor is not None, asked.came_at),
            )
        except Exception as error:  # as in `submit`; what it was given goes back
            if sampler is not None:
                sampler.close()
            self._cells.release(asked.request_id)
            self._told.append((asked.request_id, _known(error)))
            return
        self._free.pop()
        self._slots[asked.request_id] = slot
        if kept is not None:
            self._prefixes.take_over(slot, kept, length)
        self._told.append((asked.request_id, slot.progress()))

    def _decode(self) -> None:
        begun = self._now()
        writers, readers = self._batch.fill(self._slots)
        self._in_batch = frozenset(rows.slot.request_id for rows in (*writers, *readers))
        self._context.resume()
        try:
            if not self._in_batch or self._in_batch <= self._given_up:
                return  # nothing to do, or nobody to do it for: the next step sees to these
            self._context.decode()
        except Aborted:
            return
        except WorkFailed as error:
            for rows in (*writers, *readers):
                self._told.append((rows.slot.request_id, error))
                self._end(rows.slot, keep=False)
            return
        finally:
            self._in_batch = frozenset()
        computed = self._now()
        for rows in writers:
            rows.slot.fed += rows.fed
        for rows in readers:
            self._note_read(rows, begun, computed)
        before = sum(rows.slot.written for rows in writers)
        for rows in (*writers, *(rows for rows in readers if rows.slot.decoding)):
            try:
                self._draw(rows)
            except SluiceError as error:
                self._told.append((rows.slot.request_id, error))
                self._end(rows.slot, keep=False)
        written = sum(rows.slot.written for rows in writers) - before
        for rows in (*writers, *readers):
            self._tell(rows.slot)
        ended = self._now()
        self._rates.note(sum(rows.fed for rows in readers), written, ended - (self._busy_since or begun))
        self._busy_since = ended if self._slots or self._asked else None

    def _note_read(self, rows: Rows, begun: float, computed: float) -> None:
        slot = rows.slot
        if slot.begun_at is None:
            slot.begun_at = begun
        before, slot.fed = slot.fed, slot.fed + rows.fed
        if before < len(slot.shared) <= slot.fed:
            self._prefixes.keep(slot, slot.shared, None)
        if slot.decoding:
            slot.read_at = computed
        self._told.append((slot.request_id, slot.progress()))

    def _tell(self, slot: Slot) -> None:
        if slot.request_id not in self._slots:
            return  # it failed in this step
        if delta := slot.delta():
            self._told.append((slot.request_id, delta))
        if slot.finish is not None:
            self._end(slot)

    def _end(self, slot: Slot, keep: bool = True) -> None:
        """Its last words, and its place to the next."""
        if slot.finish is not None:
            if delta := slot.rest():
                self._told.append((slot.request_id, delta))
            self._told.append((slot.request_id, slot.completion(self._now())))
        if keep and slot.scope is not None and slot.decoding:
            self._prefixes.keep(slot, slot.prompt.tokens, slot.scope)
        slot.sampler.close()
        del self._slots[slot.request_id]
        self._cells.release(slot.request_id)
        self._context.forget(slot.sequence)
        self._free.append(slot.sequence)


def _known(error: Exception) -> SluiceError:
    """For one that is not ours only its kind: its words may quote the prompt."""
    return error if isinstance(error, SluiceError) else WorkFailed(reason=type(error).__name__)
