"""What stands at `/`, `/model` and under `/page/`, asked without a browser."""

import re
from pathlib import Path

import httpx
import pytest

from inference_container.bundles.loader import read_manifest
from inference_container.defaults import default_bundle_path
from inference_container.page import load_assets, load_sample
from tests.integration.inference_container.conftest import MODULE
from tests.integration.processes import ServiceProcess, running

#: What Chromium sends for an address that somebody typed.
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def at_root(service: ServiceProcess, accept: str | None) -> httpx.Response:
    with service.client() as client:
        client.headers.pop("accept")
        return client.get("/", headers={} if accept is None else {"Accept": accept})


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0.4, application/json"])
def test_a_program_gets_service_info(service: ServiceProcess, accept: str | None) -> None:
    answer = at_root(service, accept)
    assert answer.headers["content-type"] == "application/json"
    info = answer.json()
    assert info["service"] == "inference-api"
    assert info["model"] == service.get("/model").json()
    for name, path in info["links"].items():
        assert service.get(path).status_code == (405 if name == "predict" else 200), name


def test_a_browser_gets_a_page_that_may_load_nothing_from_elsewhere(service: ServiceProcess) -> None:
    answer = at_root(service, BROWSER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "accept" in answer.headers["vary"].lower()
    for name in ("/", *(f"/page/{name}" for name in load_assets() if name != "index.html")):
        headers = at_root(service, BROWSER).headers if name == "/" else service.get(name).headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_every_file_that_the_page_names_is_served(service: ServiceProcess) -> None:
    assets = load_assets()
    page = assets["index.html"].body.decode()
    named = set(re.findall(r'(?:src|href)="page/([^"]+)"', page))
    for name, asset in assets.items():
        if name.endswith(".js"):
            named |= set(re.findall(r'from "\./([^"]+)"', asset.body.decode()))
    assert named == set(assets) - {"index.html"} | {"sample.csv"}
    assert {service.get(f"/page/{name}").status_code for name in named} == {200}


@pytest.mark.parametrize("name", ["__init__.py", "index.html", "nothing.js", "..%2fmain.py"])
def test_nothing_else_of_the_package_is_served(service: ServiceProcess, name: str) -> None:
    answer = service.get(f"/page/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/sample.csv"])
def test_a_file_that_the_browser_has_is_not_sent_again(service: ServiceProcess, path: str) -> None:
    with service.client() as client:
        client.headers["accept"] = BROWSER
        first = client.get(path)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-cache"
        for held in (tag, f'"old", W/{tag}', "*"):
            again = client.get(path, headers={"If-None-Match": held})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get(path, headers={"If-None-Match": '"old"'}).content == first.content


def test_the_card_tells_what_the_manifest_says(service: ServiceProcess) -> None:
    manifest = read_manifest(default_bundle_path())
    card = service.get("/model").json()
    assert card["bundle_id"] == manifest.bundle_id
    assert card["origin"] == "trained"
    assert card["columns"] == list(manifest.input.columns)
    assert card["time_columns"] == list(manifest.input.time_column)
    assert card["calendar"] == list(manifest.input.calendar)
    assert card["max_steps"] == manifest.output.max_steps
    assert card["arch"] == manifest.model.arch
    assert manifest.metrics is not None
    assert card["metrics"]["n_windows"] == manifest.metrics.n_windows
    score = manifest.metrics.targets["temp"]
    assert card["metrics"]["targets"]["temp"]["persistence_rmse"] == score.persistence_rmse
    assert [each["mean"] for each in card["metrics"]["targets"]["temp"]["coverage"]] == [c.mean for c in score.coverage]


def test_without_a_model_there_is_no_card_and_the_page_still_opens(tmp_path: Path) -> None:
    with running(MODULE, "INFERENCE_API_PORT", tmp_path, {"BUNDLE_PATH": "none"}) as service:
        service.until_answering()
        card = service.get("/model")
        assert card.status_code == 503
        assert card.json()["code"] == "not_ready"
        assert int(card.headers["retry-after"]) >= 1
        assert at_root(service, "application/json").json()["model"] is None
        assert at_root(service, BROWSER).status_code == 200


def test_the_sample_is_offered_to_models_that_can_read_it_only() -> None:
    sample = load_sample()
    assert sample.fits(("temp", "humid"), 3600, 336)
    assert not sample.fits(("temp", "flow"), 3600, 48)
    assert not sample.fits(("temp",), 60, 48)
    assert not sample.fits(("temp",), 3600, 337)
    assert not sample.fits((), 3600, 48)


def test_the_sample_has_no_hole_so_that_strict_models_take_it_too() -> None:
    header, *rows = load_sample().asset.body.decode().splitlines()
    assert len(rows) == 336
    assert all(len(row.split(",")) == len(header.split(",")) and "" not in row.split(",") for row in rows)
