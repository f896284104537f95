"""`make bench`: what /predict carries at 1, 10 and 50 connections, and what that does to /healthz.

Starts the service on loopback, measures, prints one table and stops it. Callers run in a process of their own, so that
the probes' own loop is as idle as a kubelet's. Absolute figures do not travel between machines; the ratio columns do.
"""

import asyncio
import csv
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from inference_container.defaults import default_data_path
from scripts.loopback import running

CONNECTIONS = (1, 10, 50)
PROBE_EVERY_S = 0.02
WARM_UP_S = 1.0
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
#: Rows in a request: the default bundle's window and a few more.
ROWS = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """What one kind of request did within one stretch of time."""

    latencies_ms: tuple[float, ...]  #: of the answers with status 200
    others: int  #: answers with another status
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, percent: float) -> float:
        """Nearest rank, in milliseconds; NaN when nothing succeeded."""
        ranked = sorted(self.latencies_ms)
        return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))] if ranked else float("nan")


@dataclass(frozen=True, slots=True)
class Round:
    connections: int
    predict: Sample | None  #: None for the idle round
    health: Sample


class Connection:
    """One kept-alive HTTP/1.1 connection. A client library would take a core and be measured in the service's place."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._address.hostname, self._address.port)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._address.netloc}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def status(self, request: bytes) -> int:
        """Sends the request and reads the whole answer; its status."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        await self._reader.readexactly(int(length.partition(":")[2]))
        return int(head.split(" ", 2)[1])

    def close(self) -> None:
        self._writer.close()


async def knock(connection: Connection, request: bytes, until: float, every_s: float = 0.0) -> Sample:
    """One request after the other, at most one every `every_s`."""
    latencies: list[float] = []
    others, begun = 0, time.perf_counter()
    while (started := time.perf_counter()) < until:
        if await connection.status(request) == 200:
            latencies.append((time.perf_counter() - started) * 1000)
        else:
            others += 1
        if rest := max(0.0, started + every_s - time.perf_counter()):
            await asyncio.sleep(rest)
    return Sample(tuple(latencies), others, time.perf_counter() - begun)


async def crowd(url: str, connections: int, seconds: float) -> Sample:
    """That many callers, each asking again as soon as it was answered."""
    callers = [Connection(url) for _ in range(connections)]
    for caller in callers:
        await caller.open()
    request = callers[0].request("POST", "/predict", json.dumps(observations()).encode())
    until = time.perf_counter() + seconds
    samples = await asyncio.gather(*(knock(caller, request, until) for caller in callers))
    for caller in callers:
        caller.close()
    return merged(samples)


def merged(samples: Iterable[Sample]) -> Sample:
    found = list(samples)
    return Sample(
        tuple(latency for sample in found for latency in sample.latencies_ms),
        sum(sample.others for sample in found),
        max(sample.seconds for sample in found),
    )


def observations() -> dict[str, object]:
    """A request like a caller's: real hours from the default bundle's data."""
    with default_data_path().open(newline="") as file:
        rows = list(csv.DictReader(file))[:ROWS]
    columns = [name for name in rows[0] if name != "time"]
    data: dict[str, object] = {"time": [row["time"] for row in rows]}
    data |= {name: [float(row[name]) if row[name] else None for row in rows] for name in columns}
    return {"data": data, "inference_length": 24}


def crowd_apart(url: str, connections: int, seconds: float) -> Sample:
    """`crowd`, for a process of its own."""
    return asyncio.run(crowd(url, connections, seconds))


async def measure(url: str) -> list[Round]:
    probe = Connection(url)
    await probe.open()
    health = probe.request("GET", "/healthz")
    loop = asyncio.get_running_loop()
    rounds: list[Round] = []
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        await loop.run_in_executor(None, pool.apply, crowd_apart, (url, 4, WARM_UP_S))
        idle = await knock(probe, health, time.perf_counter() + SECONDS, PROBE_EVERY_S)
        rounds.append(Round(0, None, idle))
        for connections in CONNECTIONS:
            busy = loop.run_in_executor(None, pool.apply, crowd_apart, (url, connections, SECONDS))
            probes = await knock(probe, health, time.perf_counter() + SECONDS, PROBE_EVERY_S)
            rounds.append(Round(connections, await busy, probes))
    probe.close()
    return rounds


def table(rounds: Sequence[Round]) -> str:
    """Markdown: throughput against one connection, health against the idle service."""
    lines = [
        "| connections | req/s | x of one | p50 ms | p99 ms | not 200 | health p50 ms | health p99 ms | x of idle |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    one = next((row.predict for row in rounds if row.connections == 1), None)
    idle_p99 = rounds[0].health.percentile(99)
    for row in rounds:
        health = (
            f"{row.health.percentile(50):.2f} | {row.health.percentile(99):.2f} | "
            f"{row.health.percentile(99) / idle_p99:.1f}"
        )
        if row.predict is None:
            lines.append(f"| idle | | | | | | {health} |")
            continue
        of_one = f"{row.predict.per_second / one.per_second:.2f}" if one and one.per_second else ""
        p50, p99 = row.predict.percentile(50), row.predict.percentile(99)
        served = f"{row.predict.per_second:.0f} | {of_one} | {p50:.1f} | {p99:.1f} | {row.predict.others}"
        lines.append(f"| {row.connections} | {served} | {health} |")
    return "\n".join(lines)


def main() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"/predict, {ROWS} rows in, 24 hours out; {SECONDS:.0f} s a line, {cores} core(s) shared with the callers\n")
    with running("inference", {"ACCESS_LOG": "false"}) as service:
        print(table(asyncio.run(measure(service.url))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
