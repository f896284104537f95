"""The messages as JSON has them: the types from which the published schemas are made and by which messages are read.

`messages` reads with them and turns what they hold into values of its own; nobody else needs these. The schemas lie in
`schemas/`, for producers in any language; a test holds them to the types. Fields that are not listed are let
pass: a producer may know more than this version.
"""

import json
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

#: Most steps a claim may ask for: the HTTP door's bound as well.
MAX_HORIZON = 10_000
#: JSON numbers are exact up to here in every language.
_MAX_SIZE = 2**53 - 1


def _moment(text: str) -> str:
    # The pattern has the shape; this has the calendar: no 30th of February, no 25 o'clock.
    datetime.fromisoformat(text)
    return text


def _of_old(v: object) -> object:
    if isinstance(v, int | float) and not isinstance(v, bool) and v > 1:
        raise ValueError("this version of claims is not known here")
    return v


Bucket = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
#: Fit for a header and for a log line: visible ASCII.
ClaimId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]
#: As a server sends it or without its quotes.
Etag = Annotated[str, StringConstraints(pattern=r'^("[!#-~]{1,200}"|[!#-~]{1,200})$')]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]
#: Whatever it says, unless it announces a later version than the one it stands in.
OldVersion = Annotated[
    object, AfterValidator(_of_old), WithJsonSchema({"not": {"type": "number", "exclusiveMinimum": 1}})
]
BundleId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"
    ),
    AfterValidator(_moment),
]


class _Message(BaseModel):
    # Strict: "64" is not 64. Extra fields are ignored, which is also what the schemas say.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class _Pointing(_Message):
    """An object by either of its two old names; `object_key` is read where both stand."""

    bucket: Bucket
    object_key: Key | None = None
    object: Key | None = None

    @model_validator(mode="after")
    def _names_an_object(self) -> Self:
        if self.object_key is None and self.object is None:
            raise ValueError("object_key or object is required")
        return self


def _either(*names: str) -> list[JsonValue]:
    """What the validators above and below say, in the words of JSON schema: one of these, and not null."""
    return [{"required": [name], "properties": {name: {"type": "string"}}} for name in names]


class ClaimV1(_Pointing):
    """Forecast the series in this object. `size` and `operation` may stand beside and are not looked at."""

    model_config = ConfigDict(
        title="ClaimV1",
        json_schema_extra={
            "allOf": [
                {"anyOf": _either("object_key", "object")},
                # With a claim_id and no version it is meant as ClaimV2, and read as one.
                {"anyOf": [{"required": ["v"]}, {"not": {"required": ["claim_id"]}}]},
            ]
        },
    )

    v: OldVersion = None
    identifier: object = Field(None, description="Comes back with the result where it is a text of 1 to 200.")


class ClaimV2(_Message):
    """Forecast the series in this version of this object, so many steps ahead."""

    model_config = ConfigDict(title="ClaimV2", json_schema_extra={"anyOf": _either("etag", "sha256")})

    v: Literal[2] = Field(2, description="May be left out where claim_id stands.")
    claim_id: ClaimId = Field(description="Comes back with the result.")
    bucket: Bucket
    object_key: Key
    etag: Etag | None = Field(None, description="Of the version that is meant; this or sha256.")
    sha256: Sha256 | None = Field(None, description="Of the object's bytes, hexadecimal.")
    size: int | None = Field(None, ge=0, le=_MAX_SIZE, description="Bytes of the object.")
    identifier: Identifier | None = Field(None, description="Tenant label; comes back with the result.")
    horizon: int | None = Field(None, ge=1, le=MAX_HORIZON, description="Steps wanted; the service's own if absent.")
    created_at: Moment | None = Field(None, description="When the claim was made, RFC 3339.")

    @model_validator(mode="after")
    def _names_a_version(self) -> Self:
        if self.etag is None and self.sha256 is None:
            raise ValueError("etag or sha256 is required")
        return self


class TrainingClaimBody(_Pointing):
    """Training data lie in this object."""

    model_config = ConfigDict(title="TrainingClaim", json_schema_extra={"anyOf": _either("object_key", "object")})

    identifier: object = None


class TrainingEventBody(_Message):
    """A training began, ended or failed."""

    model_config = ConfigDict(title="TrainingEvent")

    operation: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    status: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    experiment: Identifier | None = None
    run_name: Identifier | None = None
    run_id: Identifier | None = Field(None, description="Required once the status is SUCCESS.")
    config_hash: Identifier | None = None

    @model_validator(mode="after")
    def _a_success_has_a_run(self) -> Self:
        if self.status == "SUCCESS" and self.run_id is None:
            raise ValueError("run_id is required where the status is SUCCESS")
        return self


class PromotionBody(_Message):
    """This bundle is to be served from now on. A hint: the pointer in the store is the truth."""

    model_config = ConfigDict(title="Promotion")

    v: Literal[2]
    identifier: Identifier
    bundle_id: BundleId
    bucket: Bucket
    prefix: Key
    manifest_sha256: BundleId
    promoted_at: Moment | None = None
    promoted_by: Identifier | None = None
    previous_bundle_id: BundleId | None = None


def claim_schema() -> bytes:
    """What producers of claims go by; the bytes of `claim.schema.json`."""
    either: TypeAdapter[ClaimV2 | ClaimV1] = TypeAdapter(ClaimV2 | ClaimV1)
    return _encoded(either.json_schema(), "Claim")


def promotion_schema() -> bytes:
    """The bytes of `model-selected.schema.json`."""
    return _encoded(PromotionBody.model_json_schema(), "Promotion")


def _encoded(schema: dict[str, object], title: str) -> bytes:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
    return json.dumps(whole, indent=2, ensure_ascii=False).encode() + b"\n"
