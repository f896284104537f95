"""The chat-completions use case: the name of a model becomes an engine's lane, and a chat goes through it as it is.

Called by `routers.openai`, which speaks OpenAI's shape. Here nothing is known of it, nor of patients: no record is read
and no word added to a prompt. Admission, the wait and the counting are `chat_lane`'s.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from service_chat.engines.protocol import EngineState, SamplingParams
from service_chat.errors import ModelNotFound
from service_chat.services.caller import ANONYMOUS, Caller
from service_chat.services.chat_lane import Chat, ChatLane, ChatStep
from service_chat.services.readiness import given_up
from service_chat.services.recording import ChatRecording
from serving.deadline import Deadline
from serving.errors import Draining, InvalidInput, NotReady
from serving.lifecycle import Lifecycle

#: The name for whatever this deployment is set to; many clients insist on sending one.
DEFAULT = "default"
#: Modes whose engine keeps to a JSON schema. The others would write what they like, and nobody would notice at once.
KEEPS_SCHEMA = frozenset({"gguf", "remote"})
#: Modes whose tokens are drawn here: there a grammar has a say in each, and so has `ignore_eos`.
DRAWS_HERE = frozenset({"gguf"})


@dataclass(frozen=True, slots=True)
class Offered:
    """A model that a request may name."""

    mode: str
    name: str  #: the engine's own name for it; the mode, until the engine knows
    sha256: str | None
    n_ctx: int | None  #: tokens that prompt and answer share
    aliases: tuple[str, ...]  #: what else it answers to


class ChatCompletions:
    def __init__(
        self,
        lanes: Mapping[str, ChatLane],
        default_mode: str,
        lifecycle: Lifecycle,
        params: SamplingParams,
        recording: ChatRecording | None = None,
    ) -> None:
        """`lanes`: one for each mode on offer, empty when the model is switched off; `params`: the service's own;
        `recording`: writes down how each chat ended, and nothing of what was said in it."""
        self._recording = recording
        self._lanes, self._default_mode, self._lifecycle = lanes, default_mode, lifecycle
        #: What a request does not say. The service's penalty and its fixed seed are for triage: a caller who sends no
        #: penalty means none, and one who asks twice without a seed wants two answers.
        self.defaults = replace(params, presence_penalty=0.0, seed=None)

    def models(self) -> tuple[Offered, ...]:
        """The configured one first."""
        modes = sorted(self._lanes, key=lambda mode: mode != self._default_mode)
        return tuple(self._offered(mode) for mode in modes)

    def model(self, name: str) -> Offered:
        """By the engine's name for it, by its mode, or `default`.

        Raises:
            ModelNotFound: None of these.
        """
        offered = self.models()
        for model in offered:
            if name == model.name or name in model.aliases:
                return model
        known = ", ".join(model.name for model in offered)
        raise ModelNotFound(f"There is no such model here. On offer: {known or 'none'}.", param="model")

    def steps(
        self, model: Offered, chat: Chat, deadline: Deadline, caller: Caller = ANONYMOUS
    ) -> AsyncGenerator[ChatStep, None]:
        """What the lane yields, the Completion last. Closing it early gives up the place and stops the engine.

        Raises (beside what `ChatLane.stream` raises):
            Draining: The process is going down.
            NotReady: The model is still loading, or will not come back.
            InvalidInput: `max_tokens` alone is more than the model's context holds, or a form is asked of an engine
                that has none.
        """
        steps = self._steps(model, chat, deadline)
        return steps if self._recording is None else self._recording.steps(steps, caller)

    async def _steps(self, model: Offered, chat: Chat, deadline: Deadline) -> AsyncGenerator[ChatStep, None]:
        if self._lifecycle.closing:
            raise Draining(retry_after_s=1)
        lane = self._lanes[model.mode]
        status = lane.engine.status()
        if given_up(status):
            raise NotReady("The model does not come back by itself.", retry_after_s=30)
        if status.state is EngineState.LOADING:
            eta = status.progress.eta_s if status.progress is not None else None
            raise NotReady("The model is still loading.", retry_after_s=max(1, min(60, round(eta or 5))))
        _check(model, chat.params)
        async with aclosing(lane.stream(chat, deadline)) as steps:
            async for step in steps:
                yield step

    def _offered(self, mode: str) -> Offered:
        info = self._lanes[mode].engine.status().model
        default = (DEFAULT,) if mode == self._default_mode else ()
        if info is None:
            return Offered(mode, mode, None, None, default)
        aliases = (*default, *((mode,) if mode != info.name else ()))
        return Offered(mode, info.name, info.sha256, info.n_ctx, aliases)


def _check(model: Offered, params: SamplingParams) -> None:
    """What can be told without the engine. Raises InvalidInput."""
    if model.n_ctx is not None and params.max_tokens >= model.n_ctx:
        raise InvalidInput(
            f"The model's context holds {model.n_ctx} tokens, the prompt's among them: ask for a shorter answer.",
            param="max_tokens",
            n_ctx=model.n_ctx,
        )
    if params.json_schema is not None and model.mode not in KEEPS_SCHEMA:
        raise InvalidInput(f"The mode {model.mode} writes free text only.")
    if params.grammar is not None and model.mode not in DRAWS_HERE:
        raise InvalidInput(f"The mode {model.mode} does not keep to grammars.")
    if params.ignore_eos and model.mode not in DRAWS_HERE:
        raise InvalidInput(f"The mode {model.mode} decides itself where its text ends.", param="ignore_eos")
