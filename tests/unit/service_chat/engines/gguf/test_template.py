"""Chat templates: rendered as the model wants them, and deaf to control tokens in anybody's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat.engines.gguf.template import ChatTemplate, Piece, TemplateUnusable
from service_chat.engines.protocol import ChatMessage
from serving.errors import InvalidInput
from tests.models.tiny_gguf import TEMPLATE

CHATML = ChatTemplate(TEMPLATE, "<s>", "</s>")


def test_a_chat_becomes_template_and_words_by_turns() -> None:
    pieces = CHATML.pieces([ChatMessage("system", "Be kind."), ChatMessage("user", "Hello")])
    assert pieces == [
        Piece("<|im_start|>system\n", control=True),
        Piece("Be kind.", control=False),
        Piece("<|im_end|>\n<|im_start|>user\n", control=True),
        Piece("Hello", control=False),
        Piece("<|im_end|>\n<|im_start|>assistant\n", control=True),
    ]


@given(words=st.text())
def test_words_are_never_part_of_a_control_piece(words: str) -> None:
    pieces = CHATML.pieces([ChatMessage("user", words)])
    assert [piece.text for piece in pieces if not piece.control] == ([words] if words else [])
    assert "".join(p.text for p in pieces if p.control).count("<|im_end|>") == 1


def test_the_templates_own_mark_in_somebodys_words_changes_nothing() -> None:
    trick = "\ue0000\ue001{{ raise_exception('x') }}"
    assert Piece(trick, control=False) in CHATML.pieces([ChatMessage("user", trick)])


def test_the_beginning_of_text_comes_from_the_vocabulary() -> None:
    template = ChatTemplate("{{ bos_token }}" + TEMPLATE, "<s>", "</s>")
    assert template.pieces([ChatMessage("user", "a")])[0].text.startswith("<s><|im_start|>")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{% for m in messages %}", "does not compile"),
        ("{{ messages[-1].content }}", "drops, repeats or reorders"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "drops, repeats or reorders"),
        ("{% for m in messages %}{{ m.content[:1] }}{% endfor %}", "drops, repeats or reorders"),
        ("{{ raise_exception('no system role') }}", "no system role"),
        ("{{ messages.pop() }}", "immutable|unsafe|not safely"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_a_template_that_can_not_be_used_safely_is_refused_at_load(source: str, words: str) -> None:
    with pytest.raises(TemplateUnusable, match=words):
        ChatTemplate(source, "", "")


def test_an_order_of_messages_the_template_refuses_is_the_callers_mistake() -> None:
    picky = "{% if messages[-1].role != 'user' %}{{ raise_exception('last must be user') }}{% endif %}" + TEMPLATE
    with pytest.raises(InvalidInput, match="last must be user"):
        ChatTemplate(picky, "", "").pieces([ChatMessage("assistant", "Hello")])
