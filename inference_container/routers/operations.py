"""Probes and counters. None of them touches a worker, a lock or a thread: they answer while everything else is busy."""

from typing import Protocol

from fastapi import APIRouter
from starlette.responses import JSONResponse

from inference_container.routers.schemas import Health, Ping, QueueStats, Readiness
from inference_container.services.answer_cache import AnswerCache
from inference_container.services.lanes import Lanes
from inference_container.services.ports import Predictor
from serving.http.probes import readiness
from serving.http.problems import declared
from serving.lifecycle import Lifecycle
from serving.loop_lag import LoopLag


class HasWorkers(Protocol):
    @property
    def workers(self) -> int: ...


class Observed(Protocol):
    """What these routes look at. `wiring` has it; they change nothing of it."""

    lanes: Lanes
    cache: AnswerCache | None
    lifecycle: Lifecycle
    lag: LoopLag
    build_version: str
    startup_ready_ms: int | None

    @property
    def stalled(self) -> bool:
        """Whether a thread that has to turn does not turn any more."""

    @property
    def settings(self) -> HasWorkers: ...

    @property
    def switch(self) -> Predictor: ...


def health_of(runtime: Observed) -> tuple[int, Health]:
    """What liveness answers, whichever road the probe came by: the status and the body.

    503 only for what a restart mends: a consumer that does not poll any more loses its partitions and never notices.
    """
    stalled = runtime.stalled
    return 503 if stalled else 200, Health(
        status="stalled" if stalled else "ok",
        model_ready=runtime.lifecycle.ready,
        queue_length=runtime.lanes.interactive.depth,
        startup_ready_ms=runtime.startup_ready_ms,
    )


def operations_router(runtime: Observed) -> APIRouter:
    router = APIRouter(tags=["operations"])
    lane, claims, switch = runtime.lanes.interactive, runtime.lanes.claims, runtime.switch
    lifecycle = runtime.lifecycle

    @router.get(
        "/healthz",
        summary="Liveness: does the event loop turn, and the consumer of claims?",
        response_class=JSONResponse,
        responses={200: {"model": Health}, 503: {"model": Health, "description": "The consumer does not poll."}},
    )
    async def health() -> JSONResponse:
        status, body = health_of(runtime)
        return JSONResponse(body.model_dump(), status)

    @router.get(
        "/ready",
        summary="Readiness: may I send work?",
        response_class=JSONResponse,
        responses={200: {"model": Readiness}, 503: {"description": "Not now; phase, percent or reason say why."}},
    )
    async def ready() -> JSONResponse:
        status, body = readiness(lifecycle)
        if status != 200:
            # Old probes and scripts look for this word.
            body = {**body, "status": "not_ready", "state": body["status"]}
        return JSONResponse(body, status)

    @router.get("/predict_ping", summary="What a load test asks before it starts")
    async def ping() -> Ping:
        model, busy = switch.model, switch.statistics().busy
        return Ping(
            model_loaded=model is not None,
            busy=busy > 0,
            active_jobs=lane.statistics().running,
            input_seq_len=model.input_len if model else None,
            output_seq_len=model.horizon if model else None,
        )

    @router.get("/queue_stats", summary="Counters of the queue and the workers", responses=declared(500))
    async def queue_stats() -> QueueStats:
        queue, workers, lag, model = lane.statistics(), switch.statistics(), runtime.lag.statistics(), switch.model
        started = queue.completed + queue.invalid + queue.failed + queue.running
        return QueueStats(
            mode="process_pool" if runtime.settings.workers else "inline",
            build_version=runtime.build_version,
            queue_length=queue.depth,
            qsize=queue.depth,
            maxsize=queue.capacity,
            workers=workers.workers,
            active=workers.busy,
            active_jobs=queue.running,
            enqueued=queue.admitted,
            rejected_full=queue.rejected,
            completed=queue.completed,
            timeouts=queue.expired,
            failed=queue.failed,
            invalid=queue.invalid,
            abandoned=queue.abandoned,
            claims_qsize=claims.depth,
            served_cached=runtime.cache.served if runtime.cache is not None else 0,
            last_wait_ms=queue.last_wait_s * 1000,
            max_wait_ms=queue.max_wait_s * 1000,
            avg_wait_ms=queue.total_wait_s * 1000 / started if started else 0.0,
            total_wait_ms=queue.total_wait_s * 1000,
            wait_samples=started,
            retry_after_s=lane.retry_after_s(),
            model_loaded=model is not None,
            current_run_id=model.bundle_id if model else None,
            current_model_type=model.name if model else None,
            startup_latency_ms=runtime.startup_ready_ms,
            worker_restarts=workers.restarts,
            event_loop_lag_last_ms=lag.last_ms,
            event_loop_lag_max_ms=lag.max_ms,
            event_loop_lag_avg_ms=lag.avg_ms,
        )

    return router
