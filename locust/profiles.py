"""Every load that has a name: how many users, for how long, and what must hold for it to pass. Read it as a table.

`PROFILE` chooses one; `locustfile` gives its numbers to Locust as defaults, `stages` plays those that have stages, and
`judge` holds the result against `limits`. Numbers are the predecessor's where its notes named any (field notes 002 to
004). Knows no Locust and no service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from verdict import Limit

#: What a row of the statistics is called; the limits below and the users' code mean the same.
PREDICT, HEALTH, DOWNLOAD = "POST /predict", "GET /healthz", "GET download_processed"
TRIAGE, STREAM, CHAT_HEALTH = "POST /triage", "POST /triage (stream)", "GET /health"
PUBLISH, CLAIMS = "POST /publish_inference_claims", "GET /claims"
#: Series of their own: no request of Locust's statistics, so nothing of them is in its sums.
FIRST_TOKEN, WORKED = "triage: first token", "claims: burst worked"

#: `think`: users wait PREDICT_USER_WAIT_MIN to _MAX between requests. `at once`: they ask as soon as they were
#: answered. `twice the best`: they ask on schedule, answered or not, at twice the best rate of a stage before.
Pace = Literal["think", "at once", "twice the best"]


@dataclass(frozen=True, slots=True)
class Stage:
    users: int
    seconds: int
    pace: Pace = "at once"


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    says: str
    users: int  #: in all, those of triage and claims among them
    spawn_rate: float  #: users a second
    seconds: int
    limits: tuple[Limit, ...]
    least_rate: float = 0.0  #: requests a second over all endpoints once everybody is there
    triage_users: int = 1
    claims_users: int = 1
    stages: tuple[Stage, ...] = ()  #: in place of users, rate and seconds
    burst: int = 0  #: claims that are published and worked before the users come
    rows: int = 0  #: of a request's series; 0: what the model reads and half as much again
    deadline_ms: int = 0  #: what `X-Deadline-Ms` asks for; 0: the header is not sent
    answers: frozenset[int] = frozenset()  #: the only statuses that may occur; empty: any that is not a failure
    warm_up: bool = True  #: users ask everything once, uncounted, before they begin
    refusals: float = 0.0  #: part of all requests that may be refused with 429 or 503
    memory_growth: float = 0.0  #: by how much a service's memory may grow from a minute after the start on; 0: any


#: The quick endpoints and the other doors, the same in most profiles. A triage's length is its model's affair.
_ASIDE = (
    Limit(HEALTH, p99_ms=20),
    Limit(DOWNLOAD, p95_ms=250),
    Limit(CHAT_HEALTH, p99_ms=50),
    Limit(TRIAGE, p95_ms=15_000),
    Limit(STREAM, p95_ms=15_000),
    Limit(FIRST_TOKEN, p95_ms=5_000),
    Limit(PUBLISH, p95_ms=2_000),
    Limit(WORKED, p95_ms=15_000),
)
#: For runs that begin with a rush, or on machines that do something else too.
_RELAXED = (
    Limit(HEALTH, p99_ms=100),
    Limit(DOWNLOAD, p95_ms=1000),
    Limit(CHAT_HEALTH, p99_ms=250),
    *_ASIDE[3:],
)

_ALL = (
    Profile(
        "smoke",
        "Does everything answer, and rightly? 20 users for 45 s (field note 004).",
        users=20,
        spawn_rate=10,
        seconds=45,
        limits=(Limit(PREDICT, p95_ms=250), *_RELAXED),
    ),
    Profile(
        "baseline",
        "10 users: what a quiet service does (field note 002: average < 100 ms, p95 < 200 ms, 99 % successes).",
        users=10,
        spawn_rate=5,
        seconds=60,
        limits=(Limit(PREDICT, avg_ms=100, p95_ms=200, failures=0.01), *_ASIDE),
    ),
    Profile(
        "capacity",
        "10 to 50 users who never rest: requests a second of one replica, and where scaling should begin.",
        users=50,
        spawn_rate=50,
        seconds=0,
        limits=(Limit(PREDICT, p95_ms=500),),
        triage_users=0,
        claims_users=0,
        stages=tuple(Stage(users, 10) for users in (10, 20, 30, 40, 50)),
        burst=1000,
    ),
    Profile(
        "users80",
        "80 users for a minute (field note 004).",
        users=80,
        spawn_rate=8,
        seconds=60,
        limits=(Limit(PREDICT, p95_ms=100), *_ASIDE),
        least_rate=40,
    ),
    Profile(
        "users200burst",
        "200 users who all come within 4 s (field note 003, where a sixth of the requests failed).",
        users=200,
        spawn_rate=50,
        seconds=60,
        limits=(Limit(PREDICT, p95_ms=200), *_RELAXED),
        least_rate=100,
    ),
    Profile(
        "users200",
        "200 users for three minutes: what the service is built for (field notes 002 and 003).",
        users=200,
        spawn_rate=10,
        seconds=180,
        limits=(Limit(PREDICT, p95_ms=100), *_ASIDE),
        least_rate=100,
    ),
    Profile(
        "users400",
        "Twice that.",
        users=400,
        spawn_rate=40,
        seconds=120,
        limits=(Limit(PREDICT, p95_ms=200), *_RELAXED),
        least_rate=200,
    ),
    Profile(
        "sustained",
        "30 users for a quarter of an hour: does anything grow (field note 002, test 3)?",
        users=30,
        spawn_rate=10,
        seconds=900,
        limits=(Limit(PREDICT, p95_ms=100), *_ASIDE),
        memory_growth=0.15,
    ),
    Profile(
        "overload",
        "Twice what the service just showed that it can do, by callers who do not care: 200, 429 or 504, and no other.",
        users=800,
        spawn_rate=400,
        seconds=0,
        limits=(Limit(PREDICT, p95_ms=1000), Limit(HEALTH, p99_ms=500)),
        triage_users=0,
        claims_users=0,
        stages=(Stage(50, 15), Stage(800, 45, "twice the best")),
        rows=2500,
        deadline_ms=1000,
        answers=frozenset((200, 429, 504)),
        warm_up=False,  # eight hundred of them would be a load of their own
        refusals=1.0,
    ),
)

PROFILES: Mapping[str, Profile] = {each.name: each for each in _ALL}


def profile_named(name: str) -> Profile:
    """
    Raises:
        ValueError: there is none; the message lists them.
    """
    if name not in PROFILES:
        raise ValueError(f"PROFILE={name}: there is none; {', '.join(PROFILES)}")
    return PROFILES[name]
