"""`docs/configuration.md`, made from the settings classes, so that it can not drift from them.

`scripts/configuration_page.py` writes it, a contract test compares it.
"""

from collections.abc import Iterator, Sequence
from enum import Enum

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from serving.settings import ServiceSettings, names_of

_HEAD = """# Configuration

Settings are environment variables, or lines of a file `.env` in the working directory; the environment wins. Names may
be written in any case. A value out of bounds stops the start with a sentence. This page is made from the settings
classes: `python scripts/configuration_page.py`.
"""


def settings_page(services: Sequence[tuple[str, type[ServiceSettings]]]) -> str:
    return "\n".join([_HEAD, *(line for title, settings in services for line in _service(title, settings))])


def _service(title: str, settings: type[ServiceSettings]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| variable | default | bounds | what it does |"
    yield "|---|---|---|---|"
    for name, info in settings.model_fields.items():
        first, *older = names_of(settings, name)
        also = f" Older name: {', '.join(f'`{o}`' for o in older)}." if older else ""
        yield f"| `{first}` | {_default(info)} | {_bounds(info)} | {info.description}{also} |"
    yield from _table(
        "Only one value is left",
        "These once switched behaviour. The values named here are accepted; any other stops the start.",
        [(name, _values(values), sentence) for name, (values, sentence) in settings.fixed.items()],
        ("variable", "accepted", "why"),
    )
    yield from _table(
        "Gone",
        "Setting one of these stops the start with this sentence.",
        [(name, sentence) for name, sentence in settings.retired.items()],
        ("variable", "instead"),
    )
    yield from _table(
        "Known, without effect yet",
        "Setting one of these logs the event `setting_without_effect`.",
        [(name, sentence) for name, sentence in settings.announced.items()],
        ("variable", "state"),
    )


def _table(title: str, lead: str, rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> Iterator[str]:
    if not rows:
        return
    yield f"\n### {title}\n\n{lead}\n"
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for name, *rest in sorted(rows):
        yield f"| `{name}` | " + " | ".join(rest) + " |"
    yield ""


def _values(accepted: str) -> str:
    return ", ".join(f"`{value}`" for value in accepted.split()) or "empty"


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is PydanticUndefined or value is None or value == "" or value == ():
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _bounds(info: FieldInfo) -> str:
    words: list[str] = []
    for limit in info.metadata:
        match limit:
            case Ge(ge=low):
                words.append(f"≥ {low}")
            case Gt(gt=low):
                words.append(f"> {low}")
            case Le(le=high):
                words.append(f"≤ {high}")
            case Lt(lt=high):
                words.append(f"< {high}")
            case _:
                pass
    return ", ".join(words) or "-"
