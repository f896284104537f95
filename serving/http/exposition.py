"""`GET /metrics` in Prometheus's text format."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from serving.metrics import Metrics


def metrics_router(metrics: Metrics, *aliases: str) -> APIRouter:
    """Serves `/metrics`, and the same under older `aliases`."""
    router = APIRouter(tags=["operations"])

    async def exposition() -> Response:
        return Response(await metrics.scrape(), media_type=CONTENT_TYPE_LATEST)

    for path in ("/metrics", *aliases):
        router.add_api_route(
            path,
            exposition,
            methods=["GET"],
            summary="Prometheus exposition",
            response_class=Response,
            responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
            operation_id="get" + path.replace("/", "_"),
        )
    return router
