"""Every environment variable that the load reads, and what became of the predecessor's.

Each name of the old harness either works (`ALIVE`) or stops the run with the sentence that names its replacement
(`GONE`): none is ignored in silence, which is what the old one did with fourteen of them. Locust's own names
(LOCUST_USERS, LOCUST_RUN_TIME, LOCUST_HEADLESS, …) stay Locust's. `wishes` reads the values; `docs/load.md` has these
tables, and a test compares.
"""

import re
from collections.abc import Iterable, Mapping

#: name → what it does. The first group is the predecessor's, the second ours.
ALIVE: Mapping[str, str] = {
    "PREDICT_URL": "The forecast service, with or without `/predict` at its end.",
    "TARGET_HOST": "The same, without a path.",
    "LOCUST_DEFAULT_HOST": "The same again. Where several of the three are set they must agree; `--host` beats them.",
    "GATEWAY_BASE": "Who is asked for downloads. Unset: the forecast service.",
    "ENDPOINT_HEALTH": "Path of the health request. Default `/healthz`.",
    "ENDPOINT_DOWNLOAD": "Path of the download. Default `/download/processed-data/test_processed_data.parquet`.",
    "ENDPOINT_DOWNLOAD_ALT": "Path that the warm-up tries, and users then take, where the other is not there.",
    "PREDICT_INPUT_LEN": "Rows of a request. Unset: what the model reads and half as much again.",
    "PREDICT_OUTPUT_LEN": "Steps asked for. Unset: 1, 6 or 24, as far as the model reaches.",
    "PREDICT_USER_WAIT_MIN": "Least seconds between two requests of a user. Default 1.",
    "PREDICT_USER_WAIT_MAX": "Most seconds. Default 2.",
    "PREDICT_PAYLOAD_MODE": "`auto` (default), `synthetic`, `cached` or `service`: see below.",
    "PREDICT_WARMUP_DISABLE": "`1`: users start without their uncounted first requests.",
    "DOWNLOAD_WARMUP_ATTEMPTS": "How often a user's first download is tried. Default 5.",
    "DOWNLOAD_WARMUP_DELAY": "Seconds between those tries. Default 0.5.",
    "LOCUST_PREFLIGHT_DISABLE": "`1`: no request is tried before the users come.",
    "LOCUST_WAIT_FOR_MODEL": "`0`: nobody waits for `/predict_ping` to tell of a model. Default `1`.",
    "LOCUST_WAIT_FOR_MODEL_TIMEOUT": "Seconds until that is given up. Default 180.",
    "KAFKA_BURST": "`1`: claims are published, and worked, before the users come.",
    "KAFKA_BURST_COUNT": "How many. Default: the profile's, else 1.",
    "KAFKA_BURST_TTL_MS": "Their time to live. Unset: none.",
    "KAFKA_BURST_KEY_PREFIX": "Their keys are `<prefix>-<i>`. Unset: no keys, so all partitions get some.",
    "LOG_FILE": "The JSONL. Default `requests.jsonl` in the folder of the run.",
    "LOCUST_TRUNCATE_LOG": "`1`: the JSONL is emptied at the start instead of continued.",
    "LOCUST_RUN_ID": "Name of the run: in every line, and of its folder. Default: profile and time.",
    "LOG_PREDICT_ALL": "`1`: every request is a line of the JSONL. Default `0`: failures and events only.",
    "LOG_PREDICT_ERRORS": "`0`: failures are no lines either. Default `1`.",
    "LOG_PREDICT_RESPONSE_CHARS": "So much of an answer's body is in its line. Default 0.",
    "LOG_PREDICT_PAYLOAD": "`1`: what was sent is in the line too, its first 2,000 characters.",
    "LOCUST_ALWAYS_LOG_FIRST": "`1`: the first forecast of every process is a line, whatever the others say.",
    "PROFILE": "One of the profiles. Default `smoke`.",
    "CHAT_URL": "The chat service. Unset: it is not asked, and the summary says so.",
    "API_KEY": "Sent to the chat service as bearer token.",
    "ADMIN_TOKEN": "Sent with bursts of claims. Unset: no claims, and the summary says so.",
    "LOAD_MIX": "Weights of forecasts, health and downloads. Default `80/10/10`.",
    "LOAD_SERIES": "CSV whose first column is time and whose others a request sends. Default: the shipped weather.",
    "LOAD_BURST": "Claims of each burst while the users are there. Default 25.",
    "LOAD_REPLICAS": "Replicas behind the address; `capacity` divides by it. Default 1.",
    "LOAD_REPORT_DIR": "Where the folder of a run is made. Default `var/load`.",
    "LOAD_PREDICT_P95_MS": "In place of the profile's limit for forecasts. The summary tells of it.",
    "LOAD_HEALTH_P99_MS": "In place of the limits for health, both services.",
    "LOAD_TRIAGE_P95_MS": "In place of the limits for triage: a large model takes minutes.",
}

_PROFILE = "PROFILE chooses users, rate and time; LOCUST_USERS, LOCUST_SPAWN_RATE and LOCUST_RUN_TIME override it."
GONE: Mapping[str, str] = {
    "LOCUST_ENABLE_PREDICT_CACHE": "The service's ENABLE_PREDICT_CACHE decides; PREDICT_PAYLOAD_MODE=cached tries it.",
    "DEBUG_LOCUST_PAYLOAD": "LOG_PREDICT_PAYLOAD=1 and LOCUST_ALWAYS_LOG_FIRST=1 show what is sent.",
    "LOCUST_CLI_ARGS": "Give Locust its arguments as a list in the command; a shell that split them broke on CRLF.",
    "LOCUST_MODE": "LOCUST_HEADLESS=1 runs without the page; without it there is one on port 8089.",
    "USERS": _PROFILE,
    "SPAWN_RATE": _PROFILE,
    "RUNTIME": _PROFILE,
    "LOAD_USERS": _PROFILE,
    "LOAD_SECONDS": _PROFILE,
    "LOAD_HEALTH_P95_MS": "Health is judged by its p99: LOAD_HEALTH_P99_MS.",
    "LOCUST_PAYLOAD_ROWS": "PREDICT_INPUT_LEN says how many rows a request has.",
    "LOCUST_TS_STEP_MINUTES": "Times are those of the series (LOAD_SERIES), as far apart as the model wants them.",
}
#: The predecessor's harness read these too; Locust does so itself.
LOCUSTS = ("LOCUST_HEADLESS",)

#: Names that begin so are nobody else's: one that is in no table is a slip.
_OURS = ("LOAD_", "KAFKA_BURST", "LOG_PREDICT_", "DOWNLOAD_WARMUP_", "PREDICT_USER_", "PREDICT_WARMUP_")
#: What Kubernetes puts into every pod for a Service that happens to be called like that.
_INJECTED = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)$")


def refused(present: Iterable[str]) -> list[str]:
    """A sentence for every name that does nothing here."""
    there = set(present)
    said = [f"{name}: {sentence}" for name, sentence in GONE.items() if name in there]
    return said + [
        f"{name}: no such name; docs/load.md has them all"
        for name in sorted(there)
        if name.startswith(_OURS) and name not in {*ALIVE, *GONE} and not _INJECTED.search(name)
    ]
