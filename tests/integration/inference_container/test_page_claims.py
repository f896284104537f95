"""The page's section on claims, in a real browser, beside a service that consumes them from a broker in memory."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Browser, expect

from inference_container.defaults import default_data_path
from tests.integration.browser import Watched, chromium
from tests.integration.inference_container.conftest import MODULE
from tests.integration.processes import ServiceProcess, eventually, running

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def claimed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("claims")
    put(folder / "objects" / "processed-data" / "there.parquet")
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": "memory",
        "STORE_PATH": str(folder / "objects"),
        "ENABLE_PUBLISH_API": "1",
        "ADMIN_TOKEN": TOKEN,
        "INFERENCE_AUTOLOAD_PROMOTED": "0",
    }
    with running(MODULE, "INFERENCE_API_PORT", folder, settings) as process:
        process.until_ready()
        eventually(lambda: process.get("/claims").json()["state"] == "running", 20, lambda: "\n".join(process.log))
        yield process


def put(place: Path) -> None:
    place.parent.mkdir(parents=True)
    pd.read_csv(default_data_path()).tail(200).to_parquet(place, index=False)


def publish(service: ServiceProcess, count: int, key: str) -> None:
    order = {"object_key": key, "count": count}
    told = httpx.post(
        f"{service.url}/publish_inference_claims", json=order, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert told.status_code == 200, told.text


def test_a_service_without_claims_shows_no_such_section(browser: Browser, service: ServiceProcess) -> None:
    context = browser.new_context()
    watched = Watched(context.new_page())
    with watched.page.expect_response("**/claims") as asked:
        watched.page.goto(service.url)
    assert asked.value.json()["state"] == "off"
    expect(watched.page.locator("#served")).to_contain_text("forecasts temp")
    expect(watched.page.locator("#claims")).to_be_hidden()
    context.close()
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lane_lag_letters_and_last_results_are_shown_as_they_come(
    browser: Browser, claimed: ServiceProcess, scheme: str
) -> None:
    context = browser.new_context()
    watched = Watched(context.new_page())
    page = watched.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_default_timeout(15_000)
    page.goto(claimed.url)
    expect(page.locator("#claims-state")).to_have_text("The consumer runs.")
    publish(claimed, 3, "there.parquet")
    publish(claimed, 2, "missing.parquet")
    expect(page.locator("#claims-letters tbody tr")).to_have_count(1)
    expect(page.locator("#claims-letters")).to_contain_text("object missing")
    expect(page.locator("#claims-latest tbody tr").first).to_contain_text("inference-data-")
    expect(page.locator("#claims-lag")).to_contain_text("partitions: worked to the end.")
    expect(page.locator("#claims-lane")).to_contain_text("ok")
    assert watched.barriers() == []
    context.close()
    assert watched.complaints == []
    assert watched.strangers(claimed.url) == []
