"""Everything that crosses the pipe between the service and the engine's process. Plain values, pickled.

Down: Submit, Cancel, Count. Up: Loading until Ready or LoadFailed, then one Stepped for each step: whatever became of
all requests in it, so that the pipe carries one message where there are eight streams.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from service_chat.engines.protocol import (
    ChatMessage,
    Completion,
    Delta,
    EngineLoad,
    ModelInfo,
    Prefill,
    SamplingParams,
)
from service_chat.models.manifest import ModelFile
from serving.errors import SluiceError

Drafting = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the process is started with."""

    model: ModelFile
    cache_dir: Path  #: where fetched models are kept
    n_ctx: int = 4096  #: tokens of one request, prompt and answer; never more than the model was trained on
    n_threads: int | None = None  #: None: as many as this process may use
    #: Added to the process's nice value, so that the event loop is served before the model.
    nice: int = 5
    hub_endpoint: str | None = None
    hub_token: str | None = None
    offline: bool = False  #: the model is in cache_dir already, which may be read-only
    slots: int = 4  #: requests at the same time
    prefixes: int = 4  #: what was read for a scope and is kept for its next request, beside the slots
    kv_cells: int = 0  #: tokens that all slots and prefixes share; 0: the child decides
    prefill_chunk: int = 64  #: prompt tokens in a step while somebody's answer is being written
    prefill_chunk_quiet: int = 256  #: … and while nobody's is
    #: Whether tokens are guessed from the prompt and put to the model together; "auto": while that wins.
    draft: Drafting = "auto"
    #: The system message that most requests begin with: it is read before the first of them comes, and kept for good.
    system_text: str | None = None

    def __repr__(self) -> str:
        return f"EngineConfig({self.model.where}, n_ctx={self.n_ctx}, slots={self.slots})"  # not the token


@dataclass(frozen=True, slots=True)
class Submit:
    request_id: int
    messages: tuple[ChatMessage, ...]
    params: SamplingParams
    scope: str | None = None  #: see `Engine.stream`


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this request any more; it ends with a Completion that says CANCELLED, at the next step.

    Unknown and finished ones are ignored. A child that never says that it ended is thought to sit on it, and replaced.
    """

    request_id: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many tokens is the prompt that these make? Answered by Counted, or by the error that `Submit` would get."""

    request_id: int
    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class Loading:
    phase: str  #: waiting, downloading, verifying, loading or warming
    percent: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Ready:
    """`load.slots` is the truth about slots, whatever was asked for."""

    model: ModelInfo
    load: EngineLoad


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The process ends after this one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Counted:
    tokens: int


#: The last one of a request is its Completion, its Counted or its error.
Outcome: TypeAlias = Prefill | Delta | Completion | Counted | SluiceError


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step is done. `outcomes` names each request for which something came of it, in order; maybe none."""

    outcomes: tuple[tuple[int, Outcome], ...]
    load: EngineLoad


ToEngine: TypeAlias = Submit | Cancel | Count
FromEngine: TypeAlias = Loading | Ready | LoadFailed | Stepped
