"""The pointer: a small object that names the one bundle that is to be served for an identifier.

Pure: bytes to a `Pointer` and back, and the keys under which it and its history lie. `shelf` reads and writes the
objects. Pointers of the time before bundles have the same name and are told apart here; nobody follows them.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, field_validator

from inference_container.errors import ObjectRefused
from inference_container.promotion.ports import Refused
from inference_container.stores.places import Places

#: Bytes of a pointer that are read; it has about one thousand.
MAX_POINTER_BYTES = 64 * 1024
#: Values of `reason`: the words that are used for messages, where they are the same.
NO_BUNDLE_ID, NOT_JSON, WRONG_SCHEMA, NOT_ALLOWED = "no_bundle_id", "not_json", "wrong_schema", "not_allowed"

#: How the predecessor's uploads begin: a form around the JSON, which its store kept as it came.
_FORM = re.compile(rb"\s*--\S+\r?\n(?:[A-Za-z-]+:.*\r?\n)*?content-disposition:\s*form-data", re.IGNORECASE)
#: Most faults that one sentence names.
_MOST_FAULTS = 5

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Pointer:
    """This bundle is served for `identifier`. The body of the event `model-selected` too."""

    identifier: str
    bundle_id: str
    bucket: str
    prefix: str  #: of the bundle's files, with a slash at its end
    manifest_sha256: str  #: what the manifest says is not covered by `bundle_id`
    promoted_at: datetime  #: UTC; always later than that of the pointer before
    promoted_by: str
    previous_bundle_id: str | None = None
    metrics: Mapping[str, JsonValue] | None = field(default=None, hash=False)  #: the manifest's

    def encode(self) -> bytes:
        """Equal pointers, equal bytes."""
        return orjson.dumps(
            {
                "v": 2,
                "identifier": self.identifier,
                "bundle_id": self.bundle_id,
                "bucket": self.bucket,
                "prefix": self.prefix,
                "manifest_sha256": self.manifest_sha256,
                "promoted_at": _moment(self.promoted_at),
                "promoted_by": self.promoted_by,
                "previous_bundle_id": self.previous_bundle_id,
                "metrics": self.metrics,
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )

    @property
    def version(self) -> tuple[str, str]:
        """What tells two bundles apart, also where they have the same files and say different things of them."""
        return self.bundle_id, self.manifest_sha256

    def key_of(self, file: str) -> str:
        return f"{self.prefix.removesuffix('/')}/{file}"


class _Body(BaseModel):
    # Strict, and open for fields of a later version.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    v: Literal[2]
    identifier: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    bundle_id: _Sha256
    bucket: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    prefix: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    manifest_sha256: _Sha256
    promoted_at: str
    promoted_by: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    previous_bundle_id: _Sha256 | None = None
    metrics: dict[str, JsonValue] | None = Field(None)

    @field_validator("promoted_at")
    @classmethod
    def _with_a_zone(cls, text: str) -> str:
        at = datetime.fromisoformat(text)
        if at.utcoffset() is None:
            raise ValueError("a time zone is needed")
        try:
            at.astimezone(UTC)
        except OverflowError:  # of the year 1 or 9999, a few hours too early or too late
            raise ValueError("no moment in UTC") from None
        return text


def read_pointer(content: bytes, identifier: str, places: Places) -> Pointer | Refused:
    """The pointer of `identifier`, or why these bytes are none to follow.

    Args:
        places: where bundles may lie.
    """
    inner = _unwrapped(content)
    try:
        fields: object = orjson.loads(inner)
    except orjson.JSONDecodeError:
        return Refused(NO_BUNDLE_ID, _OF_OLD) if inner != content else Refused(NOT_JSON, "The pointer is not JSON.")
    if not isinstance(fields, dict):
        return Refused(WRONG_SCHEMA, "The pointer is JSON, but no object.")
    if "bundle_id" not in fields:
        return Refused(NO_BUNDLE_ID, _OF_OLD)
    if inner != content:
        return Refused(
            WRONG_SCHEMA, "The pointer lies in a form, as uploads once did; `bundle promote` writes it bare."
        )
    try:
        body = _Body.model_validate(fields)
        pointer = _pointer(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_FAULTS]
        return Refused(WRONG_SCHEMA, "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults))
    if pointer.identifier != identifier:
        return Refused(WRONG_SCHEMA, "The pointer is one for another identifier than the one it lies under.")
    try:
        places.check_prefix(pointer.bucket, pointer.prefix)
    except ObjectRefused:
        return Refused(NOT_ALLOWED, "The pointer names a place that this service does not read bundles from.")
    return pointer


def is_identifier(text: str) -> bool:
    """As the service's own setting has it, and a name that can be part of a path."""
    return re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text) is not None and text not in (".", "..")


def pointer_key(identifier: str) -> str:
    return f"{identifier}/current.json"


def history_key(pointer: Pointer) -> str:
    """Sorted by name they are sorted by time."""
    return f"{history_prefix(pointer.identifier)}{_moment(pointer.promoted_at)}-{pointer.bundle_id}.json"


def history_prefix(identifier: str) -> str:
    return f"{identifier}/history/"


def replaced_key(identifier: str, content: bytes) -> str:
    """Where something is kept that stood in the pointer's place and was none."""
    return f"{history_prefix(identifier)}replaced-{hashlib.sha256(content).hexdigest()[:16]}"


_OF_OLD = (
    "The pointer names no bundle_id: it is of the time before bundles, and a model tracked elsewhere has to become a "
    "bundle first (docs/migration.md). What was served goes on."
)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _pointer(body: _Body) -> Pointer:
    return Pointer(
        body.identifier,
        body.bundle_id,
        body.bucket,
        body.prefix,
        body.manifest_sha256,
        datetime.fromisoformat(body.promoted_at).astimezone(UTC),
        body.promoted_by,
        body.previous_bundle_id,
        body.metrics,
    )


def _unwrapped(content: bytes) -> bytes:
    """What lies between the outermost braces of a form; the content itself where it is none."""
    if not _FORM.match(content):
        return content
    return content[content.find(b"{") : content.rfind(b"}") + 1]
