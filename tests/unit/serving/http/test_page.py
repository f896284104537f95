"""Files of a page on their way to a browser."""

from pathlib import Path

import pytest
from starlette.requests import Request

from serving.http.page import INDEX, Asset, asset_response, read_assets, wants_page


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


def test_a_page_is_its_own_files_and_those_that_all_pages_share(tmp_path: Path) -> None:
    for name in (INDEX, "app.js", "page.css", "secret.py", "notes.md"):
        (tmp_path / name).write_text(name)
    assets = read_assets(tmp_path)
    assert set(assets) == {INDEX, "app.js", "page.css", "dom.js"}
    assert assets["app.js"].media_type.startswith("text/javascript")


def test_a_page_may_have_a_file_of_its_own_in_the_place_of_a_shared_one(tmp_path: Path) -> None:
    (tmp_path / "dom.js").write_text("mine")
    assert read_assets(tmp_path)["dom.js"].body == b"mine"


def test_the_tag_of_a_file_changes_with_it_and_only_with_it() -> None:
    one, same, other = (Asset.of(body, "text/css") for body in (b"a", b"a", b"b"))
    assert one.etag == same.etag != other.etag


def test_who_has_a_file_is_told_so_and_the_policy_goes_along() -> None:
    asset = Asset.of(b"body", "text/css")
    assert asset_response(request(), asset).body == b"body"
    again = asset_response(request(if_none_match=asset.etag), asset, {"Vary": "Accept"})
    assert (again.status_code, again.body, again.headers["vary"]) == (304, b"", "Accept")
    assert "default-src 'none'" in again.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html,*/*;q=0.8", True),
        ("*/*", False),
        ("application/json", False),
        ("text/html;q=0.1,application/json", False),
    ],
)
def test_only_who_prefers_a_page_gets_one(accept: str, page: bool) -> None:
    assert wants_page(request(accept=accept)) is page
