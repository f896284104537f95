"""The real forecast service with a sleep in its hot path: `python -m tests.load.planted` in place of `… serve`.

A load test that passes this measures nothing. The sleep is put into the worker from outside, where somebody's slow line
would stand; the product has no switch for it.
"""

from inference_container import process_pool
from inference_container.main import create_app
from inference_container.outside import outside_of
from inference_container.settings import InferenceSettings
from serving.http.server import or_exit, serve
from tests.load import slow_worker


def main() -> None:
    process_pool.work = slow_worker.work  # type: ignore[attr-defined]  # the pool's own name for what its children run
    settings = or_exit(InferenceSettings.from_environment)
    app = or_exit(lambda: create_app(settings, outside_of(settings)))
    state = app.state
    serve(state.door, settings, settings.inference_api_port, state.on_signal, state.metrics, state.protocol)


if __name__ == "__main__":
    main()
