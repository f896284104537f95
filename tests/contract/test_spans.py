"""What is told of a request is a list: spans and attributes that are on the page, and no others."""

import re
from pathlib import Path

import inference_container.spans
import service_chat.spans
from serving.spans import DECLARED, SpanType

ROOMS = (service_chat.spans, inference_container.spans)
PAGE = Path(__file__).parents[2] / "docs" / "tracing.md"
#: OpenTelemetry's registry of attribute names, as far as it is used here, and our own.
CONVENTIONS = ("http.", "server.", "messaging.", "gen_ai.", "error.", "sluice.")


def ours() -> dict[str, SpanType]:
    assert all(room.__doc__ for room in ROOMS)  # imported: declared
    return {name: span for name, span in DECLARED.items() if not name.startswith("test ")}


def test_the_page_lists_every_span_with_its_kind_sentence_and_attributes() -> None:
    told = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = {name.strip("`"): (kind, sentence, attributes) for name, kind, sentence, attributes in told}
    declared = {
        name: (
            span.kind.value,
            span.sentence,
            ", ".join(f"`{each}`" for each in sorted({*span.attributes.values(), *span.fixed})) or "-",
        )
        for name, span in ours().items()
    }
    assert listed == declared


def test_attributes_have_names_of_the_conventions_or_say_that_they_are_ours() -> None:
    names = {name for span in ours().values() for name in (*span.attributes.values(), *span.fixed)}
    assert {name for name in names if not name.startswith(CONVENTIONS)} == set()
    assert all(re.fullmatch(r"[a-z][a-z0-9_.]*", name) for name in names)


def test_no_attribute_can_hold_what_a_patient_is_known_by() -> None:
    """Paths, addresses, keys and texts may hold a record number; routes, sizes, times and codes can not."""
    names = {name for span in ours().values() for name in span.attributes.values()}
    barred = ("path", "url", "query", "key", "user", "patient", "body", "message.id", "prompt", "address.", "acuity")
    assert {name for name in names if any(word in name for word in barred)} == set()
