"""The three roads to `POST /predict` side by side: real uvicorn servers on loopback, one lane, a fake predictor.

The predictor computes with a real, small model, so bodies are read as in a worker. Whoever leaves the street finds
nothing left on it: no byte held, no request in flight.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI

from inference_container.forecasting.messages import ForecastQuery
from inference_container.main import STATUS
from inference_container.metrics import InferenceMetrics
from inference_container.routers.door import PredictDoor, PredictTicket
from inference_container.routers.express import express_protocol
from inference_container.routers.hot import HotRoute
from inference_container.routers.liveness import Liveness
from inference_container.routers.predict import predict_router
from inference_container.services.batches import BatchFeed
from inference_container.services.lanes import ForecastLane, make_lanes
from inference_container.services.predict import Predict
from inference_container.settings import InferenceSettings
from serving.clock import SystemClock
from serving.deadline import Deadline
from serving.http.app import add_floor
from serving.http.problems import STATUS as FLOOR_STATUS
from serving.http.problems import status_of
from serving.http.server import server_config
from serving.lifecycle import Lifecycle, State
from tests.fakes.predictor import FakePredictor
from tests.unit.inference_container.forecasting.samples import body, sample_data, sample_inferencer, sample_plan
from tests.unit.until import until

ROADS = ("express", "hot", "app")
CLOCK = SystemClock()
CAPACITY, MAX_BODY = 3, 4096
GOOD = body(sample_data(8))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Wire:
    """One connection, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)

    async def answer(self) -> Answer:
        """The next answer. Its length must be told; an interim answer is one too, without a body."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
            status = int(line.split()[1])
            return Answer(status, headers, await self.reader.readexactly(int(headers.get("content-length", "0"))))

    async def ended(self) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(5):
            return await self.reader.read()

    def hang_up(self) -> None:
        self.writer.close()


@dataclass
class Street:
    predictor: FakePredictor
    predict: Predict
    lane: ForecastLane
    life: Lifecycle
    metrics: InferenceMetrics
    ports: dict[str, int] = field(default_factory=dict)
    servers: dict[str, uvicorn.Server] = field(default_factory=dict)
    _wires: list[Wire] = field(default_factory=list)

    async def wire(self, road: str = "express") -> Wire:
        self._wires.append(Wire(*await asyncio.open_connection("127.0.0.1", self.ports[road])))
        return self._wires[-1]

    async def ask(self, road: str, *pieces: bytes) -> Answer:
        """One answer on a connection of its own."""
        wire = await self.wire(road)
        wire.send(*pieces)
        answer = await wire.answer()
        wire.hang_up()
        return answer

    async def ask_all(self, *pieces: bytes) -> dict[str, Answer]:
        return {road: await self.ask(road, *pieces) for road in ROADS}

    async def fill(self, places: int = CAPACITY) -> list[PredictTicket]:
        """A batch that runs until `predictor.gate` is opened, and `places` tickets that wait behind it."""
        self.predictor.gate.clear()
        first = self.place()
        await until(lambda: self.lane.statistics().running == 1)
        return [first, *(self.place() for _ in range(places))]

    def place(self) -> PredictTicket:
        return self.predict.admit(ForecastQuery("filler", GOOD), Deadline.after(30, CLOCK))

    def hang_up(self) -> None:
        for wire in self._wires:
            wire.hang_up()


def request(
    payload: bytes = GOOD,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    length: int | None = None,
    version: str = "1.1",
) -> bytes:
    """A request as bytes; `length` may differ from the truth, and -1 leaves it out."""
    fields = {"Host": "street", "Content-Type": "application/json", **(headers or {})}
    if length != -1:
        fields["Content-Length"] = str(len(payload) if length is None else length)
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /predict{query} HTTP/{version}\r\n{head}\r\n".encode() + payload


def chunked(payload: bytes = GOOD, size: int = 100) -> bytes:
    """A request whose length is not announced."""
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return request(b"", {"Transfer-Encoding": "chunked"}, length=-1) + coded


@asynccontextmanager
async def street(timeout_s: float = 10.0, kind: type[PredictDoor] = PredictDoor) -> AsyncIterator[Street]:
    predictor, lanes = FakePredictor(), make_lanes(CAPACITY, 1_000_000, CLOCK)
    inferencer = sample_inferencer(sample_plan(horizon=3))
    predictor.answer = lambda queries: inferencer.answer(queries).replies
    life, metrics, settings = Lifecycle(), InferenceMetrics(), InferenceSettings()
    life.to(State.READY)
    predict = Predict(lanes, predictor, life, metrics, CLOCK)
    app = FastAPI()
    app.include_router(predict_router(predict, None, timeout_s, CLOCK))
    add_floor(app, settings, metrics, MAX_BODY, STATUS)
    table = {**FLOOR_STATUS, **STATUS}
    door = kind(predict, metrics, CLOCK, timeout_s, MAX_BODY, lambda error: status_of(error, table))
    hot = HotRoute(app, door)
    built = Street(predictor, predict, lanes.interactive, life, metrics)
    configs = {
        "express": server_config(
            *(hot, settings, 0, express_protocol(door, Liveness(lambda: (200, b'{"status":"ok"}'), metrics))),
            metrics=metrics,
        ),
        "hot": server_config(hot, settings, 0),
        "app": server_config(app, settings, 0),
    }
    sockets: dict[str, socket.socket] = {}
    async with BatchFeed(lanes, predictor, metrics, CLOCK, 2):
        for road, config in configs.items():
            config.load()
            server = built.servers[road] = uvicorn.Server(config)
            server.lifespan = config.lifespan_class(config)
            sockets[road] = socket.create_server(("127.0.0.1", 0))
            built.ports[road] = sockets[road].getsockname()[1]
            await server.startup([sockets[road]])
        try:
            yield built
            # A test that failed says so itself; what it left behind is looked at only when it did not.
            predictor.gate.set()
            built.hang_up()
            await until(lambda: built.metrics.http_in_flight == 0)
            await until(lambda: built.lane.statistics().running == 0)
            assert built.lane.held_bytes == 0
        finally:
            predictor.gate.set()
            built.hang_up()
            await asyncio.gather(*(server.shutdown([sockets[road]]) for road, server in built.servers.items()))
