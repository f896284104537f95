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
        Piece("<|im_start|>system\n", None),
        Piece("Be kind.", "system"),
        Piece("<|im_end|>\n<|im_start|>user\n", None),
        Piece("Hello", "user"),
        Piece("<|im_end|>\n<|im_start|>assistant\n", None),
    ]


@given(words=st.text())
def test_words_are_never_part_of_a_control_piece(words: str) -> None:
    pieces = CHATML.pieces([ChatMessage("user", words)])
    assert [piece.text for piece in pieces if piece.role] == ([words] if words else [])
    assert "".join(p.text for p in pieces if p.role is None).count("<|im_end|>") == 1


def test_the_templates_own_mark_in_somebodys_words_changes_nothing() -> None:
    trick = "\ue0000\ue001{{ raise_exception('x') }}"
    assert Piece(trick, "user") in CHATML.pieces([ChatMessage("user", trick)])


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


#: As Gemma's: no system role, and turns that must alternate.
USERS_ONLY = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('turns must alternate') }}{% endif %}"
    "<turn>{{ m.role }}\n{{ m.content | trim }}<end>\n{% endfor %}<turn>model\n"
)
DROPS_SYSTEM = "{% for m in messages if m.role != 'system' %}<turn>{{ m.content }}<end>{% endfor %}"


@pytest.mark.parametrize("source", [USERS_ONLY, DROPS_SYSTEM])
def test_where_there_is_no_system_role_the_first_user_says_it(source: str) -> None:
    chat = [ChatMessage("system", "Be kind."), ChatMessage("user", "Hello"), ChatMessage("assistant", "Hi")]
    pieces = ChatTemplate(source, "", "").pieces([*chat, ChatMessage("user", "Well?")])
    words = [piece.text for piece in pieces if piece.role]
    assert words == ["Be kind.", "Hello", "Hi", "Well?"]
    assert pieces[2] == Piece("\n\n", None)
    assert "".join(piece.text for piece in pieces).count("<turn>") - source.count("<turn>model") == 3


def test_a_template_that_knows_the_system_role_is_left_to_it() -> None:
    assert "system" in CHATML.pieces([ChatMessage("system", "Be kind."), ChatMessage("user", "Hello")])[0].text


def test_what_can_not_be_folded_is_refused_as_the_template_says() -> None:
    with pytest.raises(InvalidInput, match="no system role"):
        ChatTemplate(USERS_ONLY, "", "").pieces([ChatMessage("system", "a"), ChatMessage("assistant", "b")])


def test_an_order_of_messages_the_template_refuses_is_the_callers_mistake() -> None:
    picky = "{% if messages[-1].role != 'user' %}{{ raise_exception('last must be user') }}{% endif %}" + TEMPLATE
    with pytest.raises(InvalidInput, match="last must be user"):
        ChatTemplate(picky, "", "").pieces([ChatMessage("assistant", "Hello")])
