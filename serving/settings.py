"""What both services read from the environment, and how a name that is gone is refused.

One frozen class per service extends `ServiceSettings`. Field name = variable name in lower case; older spellings are
aliases. A variable that an operator of the predecessor may still set is a field, an alias, or stands in one of three
tables, so that no wish is ever ignored in silence:

    fixed      only one behaviour is left; the values that ask for it pass, any other stops the start with a sentence
    retired    does nothing any more; setting it stops the start with the sentence that names its replacement
    announced  its behaviour is not built yet; setting it is logged as a warning

A name in the last two may end in `*`.
"""

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Self

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from serving import events
from serving.logging import LogFormat


class SettingsError(Exception):
    """The environment can not be served with. The message is for an operator: one line per problem, no traceback."""


class ServiceSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env",
        frozen=True,
        extra="ignore",
        case_sensitive=False,
        populate_by_name=True,
        env_ignore_empty=True,
    )

    fixed: ClassVar[Mapping[str, tuple[str, str]]] = {}  #: name → (the values that pass, the sentence)
    retired: ClassVar[Mapping[str, str]] = {}  #: name → what to do instead
    announced: ClassVar[Mapping[str, str]] = {}  #: name → what it will do
    given: ClassVar[tuple[str, ...]] = ()  #: names of `announced` that a platform sets by itself: nobody's wish

    host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0 opens the service to the network.")
    log_level: str = Field(
        "INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged, for every logger."
    )
    log_format: LogFormat = Field("json", description="One JSON object a line, or plain text for a terminal.")
    access_log: bool = Field(True, description="One line per HTTP request (logger uvicorn.access).")
    log_probes: bool = Field(False, description="Access lines for health, readiness and metrics requests too.")
    enable_resource_logs: bool = Field(
        False, description="Log what the process and its children use (`resource_usage`); /metrics has it either way."
    )
    resource_log_seconds: float = Field(10.0, ge=1, le=3600, description="Between two of those lines.")
    build_revision: str = Field(
        "", max_length=64, description="What was built, for `service_info`; the images set it to their commit."
    )
    admin_token: str = Field(
        "",
        repr=False,
        description="Bearer token of the administration routes. Empty: those routes answer 404.",
    )
    cors_allow_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        ("http://localhost:5173",),
        description="Browser origins that may call the service, separated by commas. `*` is refused.",
    )
    uvicorn_timeout_keep_alive: int = Field(
        65,
        ge=1,
        le=3600,
        validation_alias=AliasChoices("uvicorn_timeout_keep_alive", "uvicorn_keepalive"),
        description="Seconds an idle connection is kept. Longer than a balancer's 60: the balancer must close first.",
    )
    uvicorn_timeout_graceful_shutdown: int = Field(
        30, ge=1, le=3600, description="Seconds that running requests get after SIGTERM before they are cut off."
    )
    uvicorn_limit_concurrency: int = Field(
        2000, ge=1, description="Connections beyond this are answered 503 by the server itself: the last dam."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("cors_allow_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("cors_allow_origins")
    @classmethod
    def _refuse_any_origin(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("*" in origin or origin == "null" for origin in value):
            raise ValueError("`*` and `null` would let strange web pages call this service; name the origins")
        return value

    @classmethod
    def from_environment(cls) -> Self:
        """Reads and checks the environment and `.env`.

        Raises:
            SettingsError: A value is out of bounds, or a retired name is set.
        """
        present = _present()
        problems = [
            f"{name}: {sentence}"
            for name in sorted(present)
            for pattern, sentence in cls.retired.items()
            if fnmatchcase(name, pattern)
        ]
        problems += _contradictions(cls, present)
        for name in sorted(present.keys() & cls.fixed.keys()):
            accepted, sentence = cls.fixed[name]
            if present[name].strip().lower() not in ("", *accepted.split()):
                problems.append(f"{name}={present[name]}: {sentence}")
        if problems:
            raise SettingsError("\n".join(problems))
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError("\n".join(_sentence(problem) for problem in error.errors())) from None

    def warn_of_announced(self) -> None:
        """Logs each variable that is set and has no effect yet. Call it once logging is configured."""
        for name in sorted(_present()):
            if any(fnmatchcase(name, pattern) for pattern in self.given):
                continue
            for pattern, sentence in self.announced.items():
                if fnmatchcase(name, pattern):
                    events.setting_without_effect(name=name, sentence=sentence)


#: Values that mean yes and no for a fixed flag.
YES, NO = "1 true yes on", "0 false no off"


def names_of(settings: type[ServiceSettings], field: str) -> tuple[str, ...]:
    """The variable's name, then its older spellings."""
    alias = settings.model_fields[field].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else []
    older = [str(choice).upper() for choice in choices if str(choice).upper() != field.upper()]
    return (field.upper(), *older)


def _contradictions(settings: type[ServiceSettings], present: Mapping[str, str]) -> list[str]:
    """A name and its older spelling that say different things: neither may lose in silence."""
    found = [[n for n in names_of(settings, field) if n in present] for field in settings.model_fields]
    return [
        f"{' and '.join(names)} are one setting and say different things; keep {names[0]}"
        for names in found
        if len({present[name] for name in names}) > 1
    ]


def _present() -> dict[str, str]:
    found = {**dotenv_values(".env"), **os.environ}
    return {name.upper(): value for name, value in found.items() if value}


def _sentence(problem: ErrorDetails) -> str:
    name = ".".join(str(part) for part in problem["loc"]).upper()
    return f"{name}: {problem['msg']}" if name else problem["msg"]
