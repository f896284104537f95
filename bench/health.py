"""`make bench`: is health free while the model works? 200 probes, one every 20 ms, idle and busy, on both services.

The chat engine writes an endless answer of a tiny random model on all its threads; the forecast service answers callers
that ask again at once. Both models take every core they can get, so what the probes see is scheduling, not our loop;
the loop's own lag is read from /metrics and stands beside it.
"""

import asyncio
import json
import multiprocessing
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from bench.predict_latency import PROBE_EVERY_S, Connection, Sample, crowd_apart, knock
from scripts.loopback import running
from tests.models.tiny_gguf import build_tiny_gguf

PROBES = 200
CALLERS = (1, 4, 16)


async def probes(url: str, path: str) -> Sample:
    connection = Connection(url)
    await connection.open()
    until = time.perf_counter() + PROBES * PROBE_EVERY_S
    sample = await knock(connection, connection.request("GET", path), until, PROBE_EVERY_S)
    connection.close()
    return sample


def row(case: str, sample: Sample, idle: Sample, url: str) -> str:
    p99, lag = sample.percentile(99), loop_lag_ms(url)
    worst = max(sample.latencies_ms)
    ratio = p99 / idle.percentile(99)
    return (
        f"| {case} | {len(sample.latencies_ms)} | {sample.others} | {p99:.1f} | {worst:.1f} | {ratio:.1f} | {lag:.1f} |"
    )


def loop_lag_ms(url: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        found = re.search(r"^event_loop_lag_max_seconds (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) * 1000 if found else float("nan")


def generate(url: str) -> None:
    """Asks once and reads until the connection ends; for a process of its own."""
    body = json.dumps({"patient_mrn": "P000123", "query": "Tell me everything."}).encode()
    request = urllib.request.Request(f"{url}/triage", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def chat_rows(environment: Mapping[str, str]) -> list[str]:
    with running("chat", environment) as service:
        idle = asyncio.run(probes(service.url, "/health"))
        asking = multiprocessing.get_context("spawn").Process(target=generate, args=(service.url,))
        asking.start()
        while json.load(urllib.request.urlopen(f"{service.url}/health/model"))["running"] == 0:
            time.sleep(0.05)
        busy = asyncio.run(probes(service.url, "/health"))
        still = json.load(urllib.request.urlopen(f"{service.url}/health/model"))["running"]
        asking.terminate()
        asking.join()
        case = "chat, generating" if still else "chat, generating (ended too early)"
        return [row("chat, idle", idle, idle, service.url), row(case, busy, idle, service.url)]


def forecast_rows() -> list[str]:
    with (
        running("inference", {"ACCESS_LOG": "false"}) as service,
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        pool.apply(crowd_apart, (service.url, 4, 1.0))
        idle = asyncio.run(probes(service.url, "/healthz"))
        rows = [row("forecast, idle", idle, idle, service.url)]
        for callers in CALLERS:
            busy = pool.apply_async(crowd_apart, (service.url, callers, PROBES * PROBE_EVERY_S + 0.5))
            time.sleep(0.2)
            sample = asyncio.run(probes(service.url, "/healthz"))
            rows.append(row(f"forecast, {callers} callers, {busy.get().per_second:.0f}/s", sample, idle, service.url))
        return rows


def main() -> int:
    print(f"{PROBES} probes of health, one every {PROBE_EVERY_S * 1000:.0f} ms\n")
    print("| case | answered | failed | p99 ms | worst ms | p99 / idle | loop lag max ms |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
        gguf = build_tiny_gguf(Path(scratch) / "random.gguf", "random")
        endless = {"GGUF_PATH": str(gguf), "GGUF_N_CTX": "8192", "GGUF_MAX_TOKENS": "8000", "LLM_MODE": "gguf"}
        print("\n".join(chat_rows(endless)))
    print("\n".join(forecast_rows()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
