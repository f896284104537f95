"""Both services as processes, claims in an S3 server, and somebody who asks them all the time."""

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import httpx
import pandas as pd

from inference_container.defaults import default_bundle_path, default_data_path
from inference_container.stores.opening import open_store
from inference_container.stores.places import Places
from tests.fakes.weather import weather
from tests.integration.object_servers import KEY, SECRET, ObjectServer
from tests.integration.processes import ServiceProcess, running
from tests.models.tiny_gguf import build_tiny_gguf, form_of

TOKEN = "for-the-tests"
BUCKET, OBJECT = "processed-data", "a.parquet"
Ask: TypeAlias = Callable[[httpx.Client], httpx.Response]


@dataclass(frozen=True, slots=True)
class Pair:
    chat: ServiceProcess
    inference: ServiceProcess
    store: ObjectServer

    @property
    def targets(self) -> Mapping[str, str]:
        return {"chat": f"127.0.0.1:{self.chat.port}", "inference": f"127.0.0.1:{self.inference.port}"}


@contextmanager
def running_pair(folder: Path, store: ObjectServer) -> Iterator[Pair]:
    """Ready, with an object that claims may point at. Claims go through the broker in memory."""
    opened = open_store(store.address, Places.read(BUCKET))
    opened.ensure_buckets()
    content = io.BytesIO()
    pd.read_csv(default_data_path()).tail(200).to_parquet(content, index=False)
    opened.put(BUCKET, OBJECT, content.getvalue())
    opened.close()
    model = build_tiny_gguf(folder / "tiny.gguf", "script", form_of())
    chat = {"GGUF_PATH": str(model), "PATIENT_REF_KEY": "5" * 64}
    inference = {
        "KAFKA_BOOTSTRAP_SERVERS": "memory",
        "S3_ENDPOINT": store.address.endpoint,
        "S3_ACCESS_KEY": KEY,
        "S3_SECRET_KEY": SECRET,
        "S3_SECURE": "0",
        "PROCESSED_BUCKET": BUCKET,
        "TEST_OBJECT_KEY": OBJECT,
        "ENABLE_PUBLISH_API": "1",
        "ADMIN_TOKEN": TOKEN,
        "INFERENCE_AUTOLOAD_PROMOTED": "0",
        "QUEUE_WORKERS": "1",
        "SHADOW_BUNDLE_PATH": str(default_bundle_path()),
    }
    with ExitStack() as stack:
        for name in ("chat", "inference"):
            (folder / name).mkdir()
        first = stack.enter_context(running(("service_chat",), "CHAT_API_PORT", folder / "chat", chat))
        module = ("inference_container", "serve")
        second = stack.enter_context(running(module, "INFERENCE_API_PORT", folder / "inference", inference))
        first.until_ready()
        second.until_ready()
        yield Pair(first, second, store)


class Load:
    """A gentle mix: forecasts, questions, claims; not one of them is refused. Ends with the block."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._over = threading.Event()
        self._forecast = {"data": weather(120)}
        self._threads = [
            threading.Thread(target=self._again, args=(what, every_s), daemon=True)
            for what, every_s in ((self._predict, 0.1), (self._triage, 0.3), (self._claims, 0.5))
        ]
        #: Answers by their status.
        self.answers: dict[int, int] = {}

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _again(self, ask: Ask, every_s: float) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._over.wait(every_s):
                try:
                    status = ask(client).status_code
                except httpx.TransportError:
                    status = 0  # nobody listens: one of the faults
                self.answers[status] = self.answers.get(status, 0) + 1

    def _predict(self, client: httpx.Client) -> httpx.Response:
        return client.post(f"{self._pair.inference.url}/predict", json=self._forecast)

    def _triage(self, client: httpx.Client) -> httpx.Response:
        question = {"patient_mrn": "P000123", "query": "Can I take ibuprofen?"}
        return client.post(f"{self._pair.chat.url}/triage", json=question)

    def _claims(self, client: httpx.Client) -> httpx.Response:
        return client.post(
            f"{self._pair.inference.url}/publish_inference_claims",
            json={"count": 5, "bucket": BUCKET, "object_key": OBJECT},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
