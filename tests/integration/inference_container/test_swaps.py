"""Models swapped, workers killed and their number changed under load: every answer is the named model's own."""

import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from inference_container.bundles.golden import record_golden
from inference_container.bundles.importer import import_bundle
from inference_container.bundles.writer import write_bundle
from inference_container.forecasting.backends.linear import LinearBackend
from inference_container.forecasting.inferencer import Inferencer
from tests.integration.inference_container.conftest import MODULE
from tests.integration.inference_container.recomputation import Recomputation, of_bundle
from tests.integration.processes import ServiceProcess, descendants, eventually, running
from tests.unit.inference_container.bundles.foreign import foreign_arrays, foreign_spec, write_foreign
from tests.unit.inference_container.bundles.samples import COLUMNS, golden_data, plan_of, reseal, sample_draft
from tests.unit.inference_container.forecasting.samples import moments, sample_data, sample_weights

pytestmark = pytest.mark.timeout(150)

TOKEN = {"Authorization": "Bearer for-the-tests"}
CALLERS, BUNDLES, KILLS = 8, 20, 10
#: Places in the row of bundles whose files are spoiled, and how the refusal is called.
BROKEN, FORGED = 6, 13
CORRUPT = {BROKEN: "bundle_refused", FORGED: "golden_mismatch"}
#: Every fifth bundle is a small GRU, the others are linear.
GRU = {"input_columns": [*COLUMNS], "target_columns": ["load"], "scaler": {"kind": "none"}, "num_layers": 1}


@dataclass(frozen=True)
class Question:
    """A series as a client sends it, and as the second computation takes it."""

    body: bytes
    rows: list[dict[str, float]]
    last: datetime

    @staticmethod
    def drawn(seed: int) -> "Question":
        data = sample_data(10, COLUMNS, seed)
        values: dict[str, list[float]] = {name: [float(str(each)) for each in data[name]] for name in COLUMNS}
        rows = [{name: values[name][at] for name in COLUMNS} for at in range(10)]
        return Question(
            orjson.dumps({"data": data, "inference_length": 3}), rows, datetime.fromisoformat(moments(10)[-1])
        )


QUESTIONS = [Question.drawn(seed) for seed in range(4)]


def linear_bundle(into: Path, seed: int) -> Path:
    draft = sample_draft(f"linear-{seed}")
    plan = plan_of(draft)
    weights = sample_weights(plan.network, seed)
    golden = record_golden(Inferencer(plan, LinearBackend(plan.network, weights)), [golden_data(1), golden_data(2)])
    return write_bundle(draft, weights, golden, into)


def gru_bundle(into: Path, seed: int) -> Path:
    spec = foreign_spec(**GRU)
    order = write_foreign(into / f"gru-{seed}", spec, foreign_arrays(spec, seed))
    import_bundle(order)
    return order.out


def id_of(bundle: Path) -> str:
    return str(json.loads((bundle / "manifest.json").read_text())["bundle_id"])


def flip_a_byte(bundle: Path) -> None:
    """The last weight's sign."""
    weights = bundle / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0x80
    weights.write_bytes(content)


def forge(bundle: Path) -> None:
    """Another weight under hashes that fit: only the golden windows can tell."""
    flip_a_byte(bundle)
    reseal(bundle)


@dataclass
class Load:
    """Callers that ask one after another, and what they were told."""

    answers: list[tuple[Question, dict[str, Any]]] = field(default_factory=list)
    #: Of answers that were none: status, code and Retry-After.
    refusals: list[tuple[int, str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def call(self, url: str, seed: int) -> None:
        dice = random.Random(seed)
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self.over.is_set():
                question = dice.choice(QUESTIONS)
                try:
                    answer = client.post("/predict", content=question.body)
                except httpx.HTTPError as error:
                    self.broken.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answers.append((question, orjson.loads(answer.content)))
                else:
                    told = answer.status_code, answer.json()["code"], answer.headers.get("retry-after", "")
                    self.refusals.append(told)
                time.sleep(0.005)  # the machine is shared; what counts is that there is always a batch

    def until_more(self, answers: int) -> None:
        """Waits for so many more answers."""
        wanted = len(self.answers) + answers
        eventually(lambda: len(self.answers) >= wanted, 20, lambda: str(self.refusals[-5:]))


@contextmanager
def load(service: ServiceProcess) -> Iterator[Load]:
    found = Load()
    callers = [threading.Thread(target=found.call, args=(service.url, seed)) for seed in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield found
    finally:
        found.over.set()
        for caller in callers:
            caller.join(40)
    assert found.broken == []


def assert_true(found: Load, truths: Mapping[str, Recomputation]) -> Counter[str]:
    """Every answer is what its own model forecasts; how many each model gave."""
    known: dict[tuple[str, bytes], list[float]] = {}
    for question, answer in found.answers:
        model = answer["run_id"]
        if (model, question.body) not in known:
            steps = truths[model].forecast(question.rows, question.last, 3)
            known[model, question.body] = [step["load"] for step in steps]
        told = [step["load"] for step in answer["predictions"]]
        np.testing.assert_allclose(told, known[model, question.body], rtol=1e-4, atol=1e-4)
    different = {tuple(np.round(values, 3)) for values in known.values()}
    assert len(different) == len(known), "models that forecast the same would prove nothing"
    return Counter(answer["run_id"] for _, answer in found.answers)


@contextmanager
def serving(cwd: Path, bundle: Path, **settings: str) -> Iterator[ServiceProcess]:
    told = {"BUNDLE_PATH": str(bundle), "ADMIN_TOKEN": "for-the-tests", **settings}
    with running(MODULE, "INFERENCE_API_PORT", cwd, told) as service:
        service.until_ready()
        yield service


def workers(service: ServiceProcess) -> tuple[int, int]:
    """As the service tells, and as the system does."""
    return service.get("/queue_stats").json()["workers"], len(descendants(service.process.pid))


def promote(bundle: Path, served: Path) -> None:
    """As an operator does who never leaves a moment without a bundle: a new link takes the old one's place."""
    fresh = served.with_name("next")
    fresh.symlink_to(bundle)
    fresh.rename(served)


def control(service: ServiceProcess, path: str, **body: object) -> httpx.Response:
    return httpx.post(service.url + path, timeout=60, headers=TOKEN, json=body)


def test_twenty_bundles_in_turn_two_of_them_corrupt_and_every_answer_is_its_models_own(tmp_path: Path) -> None:
    kinds = [gru_bundle if number % 5 == 4 else linear_bundle for number in range(BUNDLES)]
    bundles = [make(tmp_path / "made", number) for number, make in enumerate(kinds)]
    truths = {id_of(each): of_bundle(each) for each in bundles}
    flip_a_byte(bundles[BROKEN])
    forge(bundles[FORGED])
    served = tmp_path / "served"
    promote(bundles[0], served)
    with serving(tmp_path, served, QUEUE_WORKERS="1") as service:
        told = []
        with load(service) as found:
            for bundle in bundles:
                promote(bundle, served)
                told.append(control(service, "/reload_latest").json())
                time.sleep(0.1)
        names = list(truths)
        for number, answer in enumerate(told):
            if number in CORRUPT:
                assert (answer["status"], answer["code"], answer["run_id"]) == ("not_loaded", CORRUPT[number], None)
            else:
                assert (answer["status"], answer["run_id"]) == ("loaded", names[number])
        assert found.refusals == []
        given = assert_true(found, truths)
        assert set(given) == {name for number, name in enumerate(names) if number not in CORRUPT}
        eventually(lambda: workers(service) == (1, 1), 10)
        assert service.get("/queue_stats").json()["current_run_id"] == names[-1]


def test_a_worker_killed_ten_times_costs_the_requests_in_its_batch_and_no_others(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path, 1)
    truths = {id_of(bundle): of_bundle(bundle)}
    with serving(tmp_path, bundle, QUEUE_WORKERS="1") as service:
        with load(service) as found:
            for kill in range(1, KILLS + 1):
                time.sleep(0.1)
                (worker,) = descendants(service.process.pid)
                os.kill(worker, signal.SIGKILL)
                eventually(lambda kill=kill: len(service.events("model_activated")) > kill, 20)  # type: ignore[misc]
                found.until_more(2 * CALLERS)
        assert {(status, code) for status, code, _ in found.refusals} == {(503, "worker_died")}
        assert all(int(wait) >= 1 for _, _, wait in found.refusals)
        assert len(found.refusals) <= KILLS * CALLERS
        assert_true(found, truths)
        stats = service.get("/queue_stats").json()
        assert stats["worker_restarts"] == KILLS
        assert stats["failed"] == len(found.refusals)
        assert service.get("/ready").json() == {"status": "ready"}


def test_workers_come_and_go_under_load_without_a_failed_answer(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path, 1)
    with serving(tmp_path, bundle, QUEUE_WORKERS="1") as service:
        with load(service) as found:
            for before, after in ((1, 3), (3, 1)):
                answer = control(service, "/scale_workers", workers=after)
                assert answer.json() == {"status": "ok", "old_workers": before, "new_workers": after}
                eventually(lambda after=after: workers(service) == (after, after), 30)  # type: ignore[misc]
                found.until_more(2 * CALLERS)
        assert found.refusals == []
        refused = control(service, "/scale_workers", workers=0)
        assert refused.status_code == 422


def test_a_model_on_the_event_loop_gives_the_same_answers_and_is_swapped_too(tmp_path: Path) -> None:
    first, second = linear_bundle(tmp_path, 1), gru_bundle(tmp_path, 2)
    truths = {id_of(each): of_bundle(each) for each in (first, second)}
    served = tmp_path / "served"
    promote(first, served)
    with serving(tmp_path, served, QUEUE_WORKERS="0") as service:
        assert descendants(service.process.pid) == set()
        with load(service) as found:
            time.sleep(0.5)
            promote(second, served)
            assert control(service, "/reload_latest").json()["status"] == "loaded"
            flip_a_byte(first)
            promote(first, served)
            assert control(service, "/reload_latest").json()["code"] == "bundle_refused"
            time.sleep(0.5)
        assert found.refusals == []
        assert set(assert_true(found, truths)) == set(truths)
        refused = control(service, "/scale_workers", workers=2)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_a_folder_replaced_or_gone_is_told_by_name_and_the_model_goes_on(tmp_path: Path) -> None:
    served = tmp_path / "served"
    shutil.copytree(linear_bundle(tmp_path / "made", 1), served)
    with serving(tmp_path, served) as service:
        before = service.get("/queue_stats").json()["current_run_id"]
        served.rename(tmp_path / "away")
        gone = control(service, "/reload_latest").json()
        assert (gone["status"], gone["code"]) == ("not_loaded", "bundle_refused")
        assert "served" in gone["reason"]
        shutil.copytree(linear_bundle(tmp_path / "made", 2), tmp_path / "next")
        (tmp_path / "next").rename(served)
        loaded = control(service, "/reload_latest").json()
        assert loaded["status"] == "loaded"
        assert service.get("/queue_stats").json()["current_run_id"] == loaded["run_id"] != before


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    settings = {"ADMIN_TOKEN": "for-the-tests"}
    with running(MODULE, "INFERENCE_API_PORT", tmp_path_factory.mktemp("guarded"), settings) as service:
        service.until_answering()
        yield service


@pytest.mark.parametrize("path", ["/reload_latest", "/scale_workers"])
def test_the_operators_routes_are_off_without_a_token_and_guarded_with_one(
    path: str, service: ServiceProcess, guarded: ServiceProcess
) -> None:
    assert httpx.post(service.url + path, headers=TOKEN, json={"workers": 1}).status_code == 404
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": "Basic for-the-tests"}):
        refused = httpx.post(guarded.url + path, headers=headers, json={"workers": 1})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
