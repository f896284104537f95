"""Many chats through one model: the step loop. Runs in the engine's process, and in a test's as it is.

A step is one decode: a row for every answer that is being written, then some tokens of the prompts that are still being
read (Orca's iteration-level scheduling, Sarathi's chunked prefill). Nobody's answer stands still longer than one chunk,
and a request that is cancelled is gone at the next step. What was read once is kept: the system part for everybody, a
patient's record for the same patient's next question. Call everything from one thread, but `give_up`.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from service_chat.engines.gguf.cells import Cells, Kept, PrefixShelf
from service_chat.engines.gguf.context import Aborted, LlamaContext
from service_chat.engines.gguf.drafting import DraftGovernor
from service_chat.engines.gguf.messages import Counted, Outcome
from service_chat.engines.gguf.model import LlamaModel, Prompt
from service_chat.engines.gguf.rates import Rates
from service_chat.engines.gguf.sampling import Grammars, Sampler
from service_chat.engines.gguf.schedule import Reading, plan_step
from service_chat.engines.gguf.schema import grammar_of
from service_chat.engines.gguf.slot import Slot
from service_chat.engines.protocol import ChatMessage, Completion, EngineLoad, FinishReason, SamplingParams, Timings
from service_chat.engines.room import check_room
from serving.errors import SluiceError, WorkFailed

#: A kept beginning shorter than this is not worth a sequence.
_LEAST_SHARED = 16
#: A prompt of a hundred tokens more is overtaken for this many seconds at most.
_AGEING_PER_S = 100.0
_LONGEST_DRAFT = 6
#: How long an answer that is being written may stand still for others' prompts, and what is read of them all the same.
_LONGEST_STEP_S = 1.0
_LEAST_CHUNK = 16

Outcomes = list[tuple[int, Outcome]]


@dataclass(frozen=True, slots=True)
class Shape:
    """How an engine is cut."""

    slots: int
    n_ctx: int  #: tokens of one request, prompt and answer
    cells: int  #: tokens of all together, what is kept included
    prefixes: int = 4  #: what was read for a scope, kept
    chunk: int = 64  #: prompt tokens in a step while somebody's answer is being written
    chunk_quiet: int = 256  #: … and while nobody's is

    #: Sequences for the pinned system part and for another one that a caller brings.
    SHARED: ClassVar[int] = 2
    #: Cells beyond prompt and answer that a request may need for guesses.
    SPARE: ClassVar[int] = _LONGEST_DRAFT

    @property
    def sequences(self) -> int:
        return self.slots + self.SHARED + self.prefixes

    @property
    def rows(self) -> int:
        return max(self.chunk, self.chunk_quiet) + self.slots * (1 + _LONGEST_DRAFT)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that has no slot yet."""

    request_id: int
    prompt: Prompt
    params: SamplingParams
    scope: str | None
    limit: int
    grammar: str | None
    came_at: float

    @property
    def worst(self) -> int:
        """Cells it may come to need."""
        return len(self.prompt.tokens) + self.limit + Shape.SPARE


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
        self._asked: deque[_Asked] = deque()
        self._shelf = PrefixShelf(range(shape.slots, shape.sequences))
        self._cells = Cells(shape.cells)
        self._rates = Rates()
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
        placed = self._shelf.place(tokens, None, pinned=True) if len(tokens) >= _LEAST_SHARED else None
        if placed is None:
            return 0
        if not self._cells.hold(placed.kept):
            raise WorkFailed("The cache has no room for the system part.")
        for start in range(0, len(tokens), self._context.rows):
            begun, piece = self._now(), tokens[start : start + self._context.rows]
            self._context.add(placed.kept.seq, piece, start)
            self._context.decode()
            self._rates.note(len(piece), 0, self._now() - begun)
        return len(tokens)

    def submit(
        self, request_id: int, messages: Sequence[ChatMessage], params: SamplingParams, scope: str | None = None
    ) -> None:
        """Takes a request. What becomes of it, a refusal included, is told by `step`."""
        try:
            prompt = self._model.prompt(messages)
            limit = self._limit(prompt, params)
            grammar = grammar_of(params.json_schema) if params.json_schema is not None else params.grammar
            self._asked.append(_Asked(request_id, prompt, params, scope, limit, grammar, self._now()))
        except Exception as error:  # a defect in one request is no reason to end the others
            self._told.append((request_id, _known(error)))

    def count(self, request_id: int, messages: Sequence[ChatMessage]) -> None:
        """Tells the length of a prompt, or why there is none."""
        try:
            self._told.append((request_id, Counted(len(self._model.prompt(messages).tokens))))
        except Exception as error:  # as in `submit`
            self._told.append((request_id, _known(error)))

    def _limit(self, prompt: Prompt, params: SamplingParams) -> int:
        check_room(len(prompt.tokens), self.shape.n_ctx, params.max_tokens)
        return min(params.max_tokens, self.shape.n_ctx - len(prompt.tokens))

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
        for kept in self._shelf.drop_unpinned():
            self._let_go(kept)

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
            kept, length = self._find(asked.prompt, asked.scope)
            while not self._cells.reserve(asked.request_id, asked.worst - length, kept, length):
                evicted = self._shelf.evict_oldest(spare=kept)
                if evicted is None and not self._slots:
                    # Nobody is at work whose end would free cells: what it could have begun with stands in its own way.
                    evicted = self._shelf.evict_oldest()
                if evicted is None:
                    return
                self._let_go(evicted)
                kept, length = self._find(asked.prompt, asked.scope)
            self._asked.popleft()
            self._start(asked, kept, length)

    def _start(self, asked: _Asked, kept: Kept | None, length: int) -> None:
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
            self._take_over(slot, kept, length)
        self._told.append((asked.request_id, slot.progress()))

    def _decode(self) -> None:
        begun = self._now()
        self._context.clear_rows()
        writers = self._add_writers()
        readers = self._add_readers(len(writers))
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
            self._write(rows)
        written = sum(rows.slot.written for rows in writers) - before
        for rows in (*writers, *readers):
            self._tell(rows.slot)
        ended = self._now()
        self._rates.note(sum(rows.fed for rows in readers), written, ended - (self._busy_since or begun))
        self._busy_since = ended if self._slots or self._asked else None

    def _add_writers(self) -> list["_Rows"]:
        """One row for each answer, in ascending order of sequences, and some more for guesses."""
        slots = sorted((slot for slot in self._slots.values() if slot.decoding), key=lambda slot: slot.sequence)
        guesses = self._governor.rows(len(slots)) if self._governor is not None and slots else 0
        added = []
        for behind, slot in enumerate(slots, start=1 - len(slots)):
            tokens = slot.next_tokens()[: self._context.room + behind]  # forced text may be long; the others need a row
            whole = slot.fed + len(tokens) == len(slot.tokens)
            draft = slot.draft(min(guesses, self._context.room + behind - len(tokens))) if whole else []
            wanted = 1 + len(draft) if whole else 0
            first = self._context.add(slot.sequence, [*tokens, *draft], slot.fed, wanted)
            added.append(_Rows(slot, len(tokens), first + len(tokens) - 1 if whole else None, draft))
        return added

    def _add_readers(self, writers: int) -> list["_Rows"]:
        reading, leaders = [], dict[tuple[int, ...], int]()
        for slot in self._slots.values():
            if slot.decoding:
                continue
            if slot.begun_at is None:
                self._look_again(slot)
            waits = slot.begun_at is None and slot.fed < len(slot.shared)
            leader = leaders.get(slot.shared) if waits else None
            if slot.fed < len(slot.shared):
                leaders.setdefault(slot.shared, slot.request_id)
            reading.append(Reading(slot.request_id, slot.left, slot.came_at, leader))
        chunk, added = self._chunk(writers), []
        plan = plan_step(
            *(reading, writers, chunk, self.shape.chunk_quiet, self._now(), _AGEING_PER_S),
            self._context.room + writers,
        )
        for request_id, count in plan:
            slot = self._slots[request_id]
            last = count == slot.left
            tokens = slot.tokens[slot.fed : slot.fed + count]
            first = self._context.add(slot.sequence, tokens, slot.fed, wanted=int(last))
            added.append(_Rows(slot, count, first + count - 1 if last else None, []))
        return added

    def _chunk(self, writers: int) -> int:
        """Prompt tokens for a step in which `writers` answers go on: as many as the machine reads in the time that
        their readers may be kept waiting, but enough that a long prompt ends."""
        if not (self._rates.prefill and self._rates.decode):
            return self.shape.chunk
        left_s = _LONGEST_STEP_S - writers / self._rates.decode
        return max(min(_LEAST_CHUNK, self.shape.chunk), min(self.shape.chunk, int(left_s * self._rates.prefill)))

    def _note_read(self, rows: "_Rows", begun: float, computed: float) -> None:
        slot = rows.slot
        if slot.begun_at is None:
            slot.begun_at = begun
        before, slot.fed = slot.fed, slot.fed + rows.fed
        if before < len(slot.shared) <= slot.fed:
            self._keep(slot, slot.shared, None)
        if slot.decoding:
            slot.read_at = computed
        self._told.append((slot.request_id, slot.progress()))

    def _write(self, rows: "_Rows") -> None:
        """Draws what comes after the last row, and after each guess for as long as that is what was drawn."""
        slot, row = rows.slot, rows.draws_at
        if row is None:
            return
        try:
            accepted = 0
            for guess in (*rows.draft, None):
                token = slot.sampler.draw(row + accepted)
                if not slot.take(token, self._model) or token != guess:
                    break
                slot.fed += 1  # the guess is in the cache already, where the token belongs
                accepted += 1
            if rows.draft:
                self._context.forget(slot.sequence, slot.fed)
                self._note_draft(slot, len(rows.draft), accepted)
            if slot.finish is None:
                self._jump_ahead(slot)
        except SluiceError as error:
            self._told.append((slot.request_id, error))
            self._end(slot, keep=False)

    def _note_draft(self, slot: Slot, drafted: int, accepted: int) -> None:
        slot.drafted += drafted
        slot.accepted += accepted
        if self._governor is not None:
            self._governor.note(drafted, accepted)

    def _jump_ahead(self, slot: Slot) -> None:
        """Text without a choice is not asked of the model: it is read with the next step, as a prompt is."""
        text = slot.sampler.forced_text()
        for token in self._model.tokenize(text) if text else ():
            if not slot.sampler.allows(token):
                return  # the vocabulary cuts it otherwise
            slot.sampler.accept(token)
            if not slot.take(token, self._model):
                return

    def _tell(self, slot: Slot) -> None:
        if slot.request_id not in self._slots:
            return  # it failed in this step
        if delta := slot.delta():
            self._told.append((slot.request_id, delta))
        if slot.finish is not None:
            self._end(slot)

    # --- what is kept ---------------------------------------------------------------------------------------------

    def _find(self, prompt: Prompt, scope: str | None) -> tuple[Kept | None, int]:
        """What was read before and is this prompt's to use, if it is worth it."""
        kept, length = self._shelf.find(prompt.tokens, prompt.shared, scope)
        return (kept, length) if length >= _LEAST_SHARED else (None, 0)

    def _take_over(self, slot: Slot, kept: Kept, length: int) -> None:
        self._context.share(kept.seq, slot.sequence, length)
        slot.fed = slot.cached = length

    def _look_again(self, slot: Slot) -> None:
        """It waited for another to read what both begin with; that may be done."""
        kept, length = self._find(slot.prompt, slot.scope)
        if kept is not None and length > slot.fed:
            self._cells.release(slot.request_id)
            self._cells.reserve(slot.request_id, slot.worst - length, kept, length)
            self._context.forget(slot.sequence)
            self._take_over(slot, kept, length)

    def _keep(self, slot: Slot, tokens: Sequence[int], scope: str | None) -> None:
        """What `slot` has read stays for others to begin with."""
        placed = self._shelf.place(tokens, scope) if len(tokens) >= _LEAST_SHARED else None
        if placed is None:
            return
        if placed.evicted is not None:
            self._let_go(placed.evicted)
        self._context.share(slot.sequence, placed.kept.seq, len(tokens))
        self._cells.hold(placed.kept, by=slot.request_id)

    def _let_go(self, evicted: Kept) -> None:
        self._context.forget(evicted.seq)
        self._cells.let_go(evicted)

    def _end(self, slot: Slot, keep: bool = True) -> None:
        """Its last words, and its place to the next."""
        if slot.finish is not None:
            if delta := slot.rest():
                self._told.append((slot.request_id, delta))
            self._told.append((slot.request_id, slot.completion(self._now())))
        if keep and slot.scope is not None and slot.decoding:
            self._keep(slot, slot.prompt.tokens, slot.scope)
        slot.sampler.close()
        del self._slots[slot.request_id]
        self._cells.release(slot.request_id)
        self._context.forget(slot.sequence)
        self._free.append(slot.sequence)


def _known(error: Exception) -> SluiceError:
    """For one that is not ours only its kind: its words may quote the prompt."""
    return error if isinstance(error, SluiceError) else WorkFailed(reason=type(error).__name__)


@dataclass(slots=True)
class _Rows:
    """What a slot has in the present batch."""

    slot: Slot
    fed: int  #: tokens of its own
    draws_at: int | None  #: the row after which its next token is drawn; None when that is not yet
    draft: list[int]
