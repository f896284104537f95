"""What the person who starts a run asks for, read from the environment once and checked before anything is sent.

`run` reads it when Locust imports the locustfile; the tables of names are in `names`. Knows no Locust.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from names import refused
from profiles import Profile, profile_named

PayloadMode = Literal["auto", "cached", "synthetic", "service"]
#: The series that requests are cut from, beside this folder in a checkout.
SERIES = Path(__file__).parent.parent / "inference_container" / "defaults" / "jfk-hourly-2013.csv"


class BadName(Exception):
    """The environment can not be run with. One line per problem, for a person."""


@dataclass(frozen=True, slots=True)
class Wishes:
    profile: Profile
    forecast_url: str  #: without a slash at its end
    chat_url: str  #: empty: the chat service is not asked
    health_path: str
    download_url: str
    download_path: str
    download_fallback: str
    mix: tuple[int, int, int]  #: predict, health, downloads
    rows: int  #: 0: the profile's, or what the model reads
    steps: int  #: 0: differs from request to request
    payload: PayloadMode
    series: Path
    wait_s: tuple[float, float]
    warm_up: bool
    download_tries: int
    download_pause_s: float
    wait_for_model_s: float  #: 0: nobody waits
    preflight: bool
    burst: int  #: claims before the users come; 0: none
    burst_ttl_ms: int  #: 0: none
    burst_prefix: str
    burst_size: int  #: claims of each burst while the users are there
    api_key: str
    admin_token: str
    log_file: Path
    truncate_log: bool
    run_id: str
    log_all: bool
    log_errors: bool
    log_chars: int
    log_payload: bool
    log_first: bool
    report_dir: Path
    replicas: int
    predict_p95_ms: float | None
    health_p99_ms: float | None
    triage_p95_ms: float | None


_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def wishes(environ: Mapping[str, str] = os.environ, clock: float | None = None) -> Wishes:
    """
    Raises:
        BadName: a name is gone or unknown, a value can not be used, or two names contradict each other.
    """
    env = {name: value.strip() for name, value in environ.items() if value.strip()}
    problems = refused(env)
    read = _Reader(env, problems)
    profile = read.profile()
    forecast = read.forecast_url()
    run_id = env.get("LOCUST_RUN_ID") or time.strftime(f"{profile.name}-%Y%m%d-%H%M%S", time.localtime(clock))
    reports = Path(env.get("LOAD_REPORT_DIR", "var/load"))
    if "/" in run_id or run_id.startswith("."):
        problems.append(f"LOCUST_RUN_ID={run_id}: a folder gets this name")
    wait = (read.number("PREDICT_USER_WAIT_MIN", 1.0), read.number("PREDICT_USER_WAIT_MAX", 2.0))
    if wait[0] > wait[1]:
        problems.append("PREDICT_USER_WAIT_MIN: is more than PREDICT_USER_WAIT_MAX")
    if read.no("KAFKA_BURST") and "KAFKA_BURST_COUNT" in env and env["KAFKA_BURST_COUNT"] != "0":
        problems.append("KAFKA_BURST_COUNT: counts claims that KAFKA_BURST=0 forbids")
    if (read.yes("KAFKA_BURST", False) or "KAFKA_BURST_COUNT" in env) and "ADMIN_TOKEN" not in env:
        problems.append("KAFKA_BURST: publishing asks for ADMIN_TOKEN; set it to the service's")
    seeded = read.whole("KAFKA_BURST_COUNT", profile.burst or int(read.yes("KAFKA_BURST", False)))
    found = Wishes(
        profile=profile,
        forecast_url=forecast,
        chat_url=env.get("CHAT_URL", "").rstrip("/"),
        health_path=env.get("ENDPOINT_HEALTH", "/healthz"),
        download_url=env.get("GATEWAY_BASE", forecast).rstrip("/"),
        download_path=env.get("ENDPOINT_DOWNLOAD", "/download/processed-data/test_processed_data.parquet"),
        download_fallback=env.get("ENDPOINT_DOWNLOAD_ALT", ""),
        mix=read.mix(),
        rows=read.whole("PREDICT_INPUT_LEN", profile.rows),
        steps=read.whole("PREDICT_OUTPUT_LEN", 0),
        payload=read.payload(),
        series=Path(env.get("LOAD_SERIES", SERIES)),
        wait_s=wait,
        warm_up=profile.warm_up and not read.yes("PREDICT_WARMUP_DISABLE", False),
        download_tries=read.whole("DOWNLOAD_WARMUP_ATTEMPTS", 5),
        download_pause_s=read.number("DOWNLOAD_WARMUP_DELAY", 0.5),
        wait_for_model_s=read.number("LOCUST_WAIT_FOR_MODEL_TIMEOUT", 180.0) * read.yes("LOCUST_WAIT_FOR_MODEL", True),
        preflight=not read.yes("LOCUST_PREFLIGHT_DISABLE", False),
        burst=0 if read.no("KAFKA_BURST") or "ADMIN_TOKEN" not in env else seeded,
        burst_ttl_ms=read.whole("KAFKA_BURST_TTL_MS", 0),
        burst_prefix=env.get("KAFKA_BURST_KEY_PREFIX", ""),
        burst_size=read.whole("LOAD_BURST", 25),
        api_key=env.get("API_KEY", ""),
        admin_token=env.get("ADMIN_TOKEN", ""),
        log_file=Path(env.get("LOG_FILE", reports / run_id / "requests.jsonl")),
        truncate_log=read.yes("LOCUST_TRUNCATE_LOG", False),
        run_id=run_id,
        log_all=read.yes("LOG_PREDICT_ALL", False),
        log_errors=read.yes("LOG_PREDICT_ERRORS", True),
        log_chars=read.whole("LOG_PREDICT_RESPONSE_CHARS", 0),
        log_payload=read.yes("LOG_PREDICT_PAYLOAD", False),
        log_first=read.yes("LOCUST_ALWAYS_LOG_FIRST", False),
        report_dir=reports / run_id,
        replicas=max(1, read.whole("LOAD_REPLICAS", 1)),
        predict_p95_ms=read.limit("LOAD_PREDICT_P95_MS"),
        health_p99_ms=read.limit("LOAD_HEALTH_P99_MS"),
        triage_p95_ms=read.limit("LOAD_TRIAGE_P95_MS"),
    )
    if problems:
        raise BadName("\n".join(problems))
    return found


class _Reader:
    """Reads one value at a time; what can not be used is written down and read as the default."""

    def __init__(self, env: Mapping[str, str], problems: list[str]) -> None:
        self._env, self._problems = env, problems

    def profile(self) -> Profile:
        try:
            return profile_named(self._env.get("PROFILE", "smoke"))
        except ValueError as error:
            self._problems.append(str(error))
            return profile_named("smoke")

    def forecast_url(self) -> str:
        said = {
            name: self._env[name].rstrip("/").removesuffix("/predict")
            for name in ("PREDICT_URL", "TARGET_HOST", "LOCUST_DEFAULT_HOST")
            if name in self._env
        }
        if len(set(said.values())) > 1:
            self._problems.append(f"{' and '.join(said)} name different services; keep one")
        return next(iter(said.values()), "http://127.0.0.1:8000")

    def mix(self) -> tuple[int, int, int]:
        parts = self._env.get("LOAD_MIX", "80/10/10").split("/")
        if len(parts) != 3 or not all(part.isdigit() for part in parts) or not any(int(part) for part in parts):
            self._problems.append(f"LOAD_MIX={'/'.join(parts)}: three whole numbers, like 80/10/10")
            return (80, 10, 10)
        return (int(parts[0]), int(parts[1]), int(parts[2]))

    def payload(self) -> PayloadMode:
        for mode in get_args(PayloadMode):
            if self._env.get("PREDICT_PAYLOAD_MODE", "auto") == mode:
                found: PayloadMode = mode
                return found
        modes = ", ".join(get_args(PayloadMode))
        self._problems.append(f"PREDICT_PAYLOAD_MODE={self._env['PREDICT_PAYLOAD_MODE']}: one of {modes}")
        return "auto"

    def yes(self, name: str, default: bool) -> bool:
        text = self._env.get(name, "").lower()
        if text and text not in (*_YES, *_NO):
            self._problems.append(f"{name}={text}: 1 or 0")
        return default if not text else text in _YES

    def no(self, name: str) -> bool:
        """Whether it was said, and was no."""
        return self._env.get(name, "").lower() in _NO

    def whole(self, name: str, default: int) -> int:
        text = self._env.get(name, str(default))
        if not (text.isascii() and text.isdigit()):
            self._problems.append(f"{name}={text}: a whole number")
            return default
        return int(text)

    def number(self, name: str, default: float) -> float:
        text = self._env.get(name, "")
        try:
            found = float(text) if text else default
        except ValueError:
            found = -1.0
        if not 0 <= found < float("inf"):
            self._problems.append(f"{name}={text}: a number, not negative")
            return default
        return found

    def limit(self, name: str) -> float | None:
        return self.number(name, 0.0) or None
