"""docker-compose.yaml as compose reads it: variables filled in, one file laid over another. For tests without Docker.

Only what our files use: `${NAME}`, `${NAME:-word}` and `${NAME:?word}`; mappings are merged, anything else is replaced.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE, STAGING = ROOT / "docker-compose.yaml", ROOT / "docker-compose.staging.yaml"
#: What `make up` writes, with values of the right form.
SECRETS: Mapping[str, str] = {
    "SLUICE_API_KEY": "sluice_0123456789ab_" + "k" * 43,
    "SLUICE_ADMIN_TOKEN": "admin-token-of-a-test",
    "SLUICE_S3_ACCESS_KEY": "access-key-of-a-test",
    "SLUICE_S3_SECRET_KEY": "secret-key-of-a-test",
    "SLUICE_GRAFANA_PASSWORD": "password-of-a-test",
}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?\}")


class Missing(Exception):
    """A variable that has to be set is empty; the message is what compose would say."""


def services(*files: Path, environ: Mapping[str, str] = SECRETS) -> dict[str, dict[str, Any]]:
    """By name, those of profiles too.

    Raises:
        Missing: like compose, before anything starts.
    """
    merged: Any = {}
    for file in files or (COMPOSE,):
        merged = _laid_over(merged, yaml.safe_load(file.read_text()))
    found = _filled(merged["services"], environ)
    assert isinstance(found, dict)
    return found


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    found = service.get("environment", {})
    assert all(isinstance(value, str) for value in found.values()), "YAML reads 1 and true as what they are not: quote"
    return dict(found)


def _laid_over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _laid_over(below.get(key), value) for key, value in above.items()}}
    return above


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, environ) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, environ) for each in value]
    return _VARIABLE.sub(lambda match: _value(match, environ), value) if isinstance(value, str) else value


def _value(match: "re.Match[str]", environ: Mapping[str, str]) -> str:
    found = environ.get(match["name"], "")
    if not found and match["how"] == "?":
        raise Missing(f"{match['name']}: {match['word']}")
    return found or (match["word"] if match["how"] == "-" else "")
