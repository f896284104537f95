"""API keys: how one looks, what is kept of it, and which one a text is. Pure; `key_file` reads and writes the file.

A key is `sluice_<id>_<secret>`. The id is no secret: it finds the key's line and may stand in a log. The secret has 256
bits from the system's generator, so a plain SHA-256 is enough to keep: nobody tries 2^256 secrets, however fast a try
is. What makes a hash slow is for passwords, which people think up; it would also cost a tenth of a second a request.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from service_chat.access.grant import SCOPES, Grant
from service_chat.services.caller import Caller

_PREFIX = "sluice"
_FIELDS = {"id", "hash", "scopes", "owner", "patient", "expires", "created"}
_ID = re.compile(r"[0-9a-f]{12}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
#: A whole key. 43 of these characters hold 256 bits, and so do 64 hex digits; fewer might be guessed from the hash.
_WHOLE = re.compile(rf"{_PREFIX}_([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43,128}}")
#: A name for the holder. Never twelve hex digits alone, so that it can not be taken for an id.
_OWNER = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,62}")
_MRN = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Compared where there is no such id, so that both refusals take the same steps.
_NOBODYS = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One line of the file: everything of a key but its secret."""

    id: str
    hash: str  #: `sha256:` and 64 hex digits, of the whole key as it is sent
    scopes: frozenset[str]
    owner: str | None = None  #: who holds it; keys of one owner are one caller, so a key can be replaced by another
    patient: str | None = None  #: the only record number it may ask about
    expires: datetime | None = None
    created: datetime | None = None

    def ended(self, now: datetime) -> bool:
        return self.expires is not None and now >= self.expires

    def grant(self) -> Grant:
        principal = f"owner:{self.owner}" if self.owner is not None else f"key:{self.id}"
        return Grant(Caller(principal, self.patient), self.scopes)

    def line(self) -> str:
        """As the file has it, with its newline."""
        known: dict[str, object] = {"id": self.id, "hash": self.hash, "scopes": sorted(self.scopes)}
        if self.owner is not None:
            known["owner"] = self.owner
        if self.patient is not None:
            known["patient"] = self.patient
        for name, moment in (("expires", self.expires), ("created", self.created)):
            if moment is not None:
                known[name] = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
        return json.dumps(known) + "\n"


class KeyRing:
    """The keys of one reading of the file."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self.keys: Mapping[str, ApiKey] = {key.id: key for key in keys}
        self._grants = {key.id: key.grant() for key in self.keys.values()}

    def find(self, text: str, now: datetime) -> Grant | None:
        """What the key allows; None when it is none of these, or its time is over."""
        key = self.keys.get(text[len(_PREFIX) + 1 : len(_PREFIX) + 13])
        same = secrets.compare_digest(key.hash if key is not None else _NOBODYS, hash_of(text))
        if key is None or not same or key.ended(now):
            return None
        return self._grants[key.id]


def hash_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"


def new_key(
    scopes: Iterable[str],
    created: datetime,
    expires: datetime | None = None,
    patient: str | None = None,
    owner: str | None = None,
) -> tuple[str, ApiKey]:
    """The key itself, which is never to be had again, and what is kept of it.

    Raises:
        ValueError: A scope, the owner or the record number can not be one.
    """
    key_id = secrets.token_hex(6)
    text = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    found: dict[str, object] = {"id": key_id, "hash": hash_of(text), "scopes": list(scopes)}
    if owner is not None:
        found["owner"] = owner
    if patient is not None:
        found["patient"] = patient
    for name, moment in (("expires", expires), ("created", created)):
        if moment is not None:
            found[name] = moment.isoformat()
    return text, _key(found)


def given_key(text: str, scopes: Iterable[str], created: datetime, owner: str) -> ApiKey:
    """What is kept of a key that was made elsewhere.

    Raises:
        ValueError: It does not look like one, or a scope or the owner can not be one. Nothing of the key is repeated.
    """
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise ValueError(f"must be {_PREFIX}_, 12 hex digits, _ and 43 or more of A-Z, a-z, 0-9, _ and -")
    return _key(
        {
            **{"id": whole[1], "hash": hash_of(text), "scopes": list(scopes)},
            **{"owner": owner, "created": created.isoformat()},
        }
    )


def parse_keys(text: str) -> KeyRing:
    """A ring from the file's lines; empty ones and those that begin with # are for people.

    Raises:
        ValueError: A line says something wrong. The message names the line and repeats nothing of it.
    """
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            found = json.loads(line)
            if not isinstance(found, dict):
                raise ValueError("is no JSON object")
            key = _key(found)
            if key.id in keys:
                raise ValueError("has an id that a line before it has")
        except (json.JSONDecodeError, RecursionError):
            raise ValueError(f"line {number} is no JSON") from None
        except ValueError as error:
            raise ValueError(f"line {number} {error}") from None
        keys[key.id] = key
    return KeyRing(keys.values())


def _key(found: Mapping[str, object]) -> ApiKey:
    strange = sorted(set(found) - _FIELDS)
    if strange:  # an `expiry` that nobody reads would be a key that never ends
        raise ValueError(f"has members that mean nothing here; known are {', '.join(sorted(_FIELDS))}")
    scopes = found.get("scopes")
    if (
        not isinstance(scopes, list)
        or not scopes
        or not all(isinstance(scope, str) and scope in SCOPES for scope in scopes)
    ):
        raise ValueError(f"needs scopes, a list of: {', '.join(sorted(SCOPES))}")
    key_id, kept = _text(found, "id", _ID), _text(found, "hash", _HASH)
    if key_id is None or kept is None:
        raise ValueError("needs an id and a hash")
    return ApiKey(
        *(key_id, kept, frozenset(scopes)),
        owner=_text(found, "owner", _OWNER),
        patient=_text(found, "patient", _MRN),
        expires=_moment(found, "expires"),
        created=_moment(found, "created"),
    )


def _text(found: Mapping[str, object], name: str, shape: re.Pattern[str]) -> str | None:
    if name not in found:
        return None
    value = found[name]
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise ValueError(f"has a wrong {name}")
    return value


def _moment(found: Mapping[str, object], name: str) -> datetime | None:
    """Raises ValueError also where the zone is missing: a key must not live hours longer than somebody meant."""
    if name not in found:
        return None
    value = found[name]
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"has a wrong {name}: a date and time with its zone, like 2027-01-31T00:00:00Z")
    return moment.astimezone(UTC)
