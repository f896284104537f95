"""A model's own chat template, rendered so that nobody's words can act as control tokens. Pure.

Called by `context`. The template (Jinja, from the GGUF file, so run in a sandbox) sees a placeholder for each message;
the rendered text is then cut at the placeholders. Pieces of the template are tokenised with control tokens, the words
of a message without: `<|im_end|>` typed by a caller is ten characters, not the end of a turn. Where a template takes no
system message, its words become the beginning of the first user's turn.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from service_chat.engines.protocol import ChatMessage, Role
from serving.errors import InvalidInput

#: Two characters of Unicode's private use area around a number: no template trims, splits or changes them.
_MARK = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    #: Whose words these are; None for the template's own, in which control tokens count.
    role: Role | None


class TemplateUnusable(Exception):
    """The template can not be used safely; the message says why."""


class ChatTemplate:
    def __init__(self, source: str, bos: str, eos: str) -> None:
        """Raises TemplateUnusable when it does not compile, or does not carry messages through as they are."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise TemplateUnusable(f"the chat template does not compile: {error}") from error
        self._names = {"bos_token": bos, "eos_token": eos}
        self._folds = False
        try:
            self._probe()
        except TemplateUnusable as refused:
            self._folds = True  # Gemma's template, for one, knows users and the model only
            try:
                self._probe()
            except TemplateUnusable:
                raise refused from None

    def _probe(self) -> None:
        probe = (ChatMessage("system", "a"), ChatMessage("user", "b"), ChatMessage("assistant", "c"))
        for messages in (probe[:2], (*probe, probe[1])):
            self._render(messages)

    def pieces(self, messages: Sequence[ChatMessage]) -> list[Piece]:
        """The prompt up to where the assistant's turn begins.

        Raises:
            InvalidInput: The template does not take these messages in this order.
        """
        try:
            marked = self._render(messages)
        except TemplateUnusable as error:
            raise InvalidInput(f"The model's chat template refuses these messages: {error}") from error
        parts = _MARK.split(marked)  # text, number, text, number, …, text
        pieces = [
            Piece(messages[int(part)].content, messages[int(part)].role) if index % 2 else Piece(part, None)
            for index, part in enumerate(parts)
        ]
        return [piece for piece in pieces if piece.text]

    def _render(self, messages: Sequence[ChatMessage]) -> str:
        marked = [{"role": message.role, "content": f"\ue000{number}\ue001"} for number, message in enumerate(messages)]
        if self._folds and [message.role for message in messages[:2]] == ["system", "user"]:
            system, user = marked[:2]
            marked[:2] = [{"role": "user", "content": f"{system['content']}\n\n{user['content']}"}]
        try:
            text = self._template.render(
                messages=marked, add_generation_prompt=True, raise_exception=_refuse, **self._names
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise TemplateUnusable(str(error)) from error
        if _MARK.findall(text) != [str(number) for number in range(len(messages))]:
            raise TemplateUnusable("it drops, repeats or reorders messages")
        return text


def _refuse(reason: str) -> NoReturn:
    raise jinja2.TemplateError(reason)
