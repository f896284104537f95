"""Runs an app under uvicorn with the settings that keep connections and answers whole.

The field notes' connection resets came from here, not from the model: a keep-alive shorter than the balancer's closes a
connection that the balancer is just about to use. A signal begins the drain; the door stays open to say no until
nothing is left, and only then the server closes.
"""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias, TypeVar

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from serving.http.bounded_head import BoundedHead
from serving.http.refusal_counting import RefusalCounting, counting
from serving.metrics import Metrics
from serving.settings import ServiceSettings, SettingsError

T = TypeVar("T")

#: Told of the first signal; calls what it is given when the server may close.
OnSignal: TypeAlias = Callable[[Callable[[], None]], None]

#: The server waits this much longer than the drain's grace: answers that the drain wrote must still get out.
_LAST_WORDS_S = 5


def serve(
    app: ASGIApp,
    settings: ServiceSettings,
    port: int,
    on_signal: OnSignal,
    metrics: Metrics,
    http: type[RefusalCounting] | None = None,
    proxies: str | None = None,
) -> None:
    """Blocks until the process is told to end, which is a success: SIGTERM and Ctrl-C exit with status 0.

    `on_signal` is called from the signal handler with what closes the server when the house is drained, and once more
    for a second signal, which asks for that at once.
    `metrics` count what the server answers by itself. `http` is a service's own kind of uvicorn's protocol class, where
    it has one. `proxies` are those whose X-Forwarded-For is believed, as uvicorn has them; None where nothing asks
    where a caller comes from.
    """
    # uvicorn raises the signal again once it has shut down, to whatever handler stood here before it.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    _Server(server_config(app, settings, port, http, proxies, metrics), on_signal).run()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_signal: OnSignal) -> None:
        super().__init__(config)
        self._on_signal = on_signal
        self._told = 0

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second one ends the wait, the third one closes whatever is still open."""
        self._told += 1
        if self._told <= 2:
            self._on_signal(lambda: super(_Server, self).handle_exit(sig, frame))
        else:
            super().handle_exit(sig, frame)


def server_config(
    app: ASGIApp,
    settings: ServiceSettings,
    port: int,
    http: type[RefusalCounting] | None = None,
    proxies: str | None = None,
    metrics: Metrics | None = None,
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=counting(http or BoundedHead, metrics.count_unmatched if metrics is not None else None),
        host=settings.host,
        port=port,
        log_config=None,  # serving.logging has the loggers
        access_log=settings.access_log,
        timeout_keep_alive=settings.uvicorn_timeout_keep_alive,
        timeout_graceful_shutdown=settings.uvicorn_timeout_graceful_shutdown + _LAST_WORDS_S,
        limit_concurrency=settings.uvicorn_limit_concurrency,
        server_header=False,
        proxy_headers=proxies is not None,
        forwarded_allow_ips=proxies,
        lifespan="on",
    )


def or_exit(build: Callable[[], T]) -> T:
    """What `build` makes of the environment, or status 2 and sentences on standard error for an operator."""
    try:
        return build()
    except SettingsError as error:
        print(f"This environment can not be served with:\n{error}", file=sys.stderr)  # noqa: T201 - before any logging
        raise SystemExit(2) from None
