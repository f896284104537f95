"""Everything that crosses the pipe between the service and the engine's process. Plain values, pickled.

Down: Submit, Cancel. Up: Loading until Ready or LoadFailed, then for each request Step after Step until Done or Failed.
"""

from dataclasses import dataclass
from pathlib import Path

from service_chat.engines.protocol import ChatMessage, Completion, Delta, ModelInfo, Prefill, SamplingParams
from service_chat.models.manifest import ModelFile
from serving.errors import SluiceError


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the process is started with."""

    model: ModelFile
    cache_dir: Path  #: where fetched models are kept
    n_ctx: int = 4096  #: tokens; never more than the model was trained on
    n_threads: int | None = None  #: None: as many as this process may use
    #: Added to the process's nice value, so that the event loop is served before the model.
    nice: int = 5
    hub_endpoint: str | None = None
    hub_token: str | None = None

    def __repr__(self) -> str:
        return f"EngineConfig({self.model.where}, n_ctx={self.n_ctx}, n_threads={self.n_threads})"  # not the token


@dataclass(frozen=True, slots=True)
class Submit:
    request_id: int
    messages: tuple[ChatMessage, ...]
    params: SamplingParams


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this request any more. Unknown and finished ones are ignored."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Loading:
    phase: str  #: waiting, downloading, verifying, loading or warming
    percent: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Ready:
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The process ends after this one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    request_id: int
    event: Prefill | Delta


@dataclass(frozen=True, slots=True)
class Done:
    request_id: int
    completion: Completion


@dataclass(frozen=True, slots=True)
class Failed:
    request_id: int
    error: SluiceError


ToEngine = Submit | Cancel
FromEngine = Loading | Ready | LoadFailed | Step | Done | Failed
