"""`records import` and `records show`: a newcomer's own patients, and what the model would be told of one."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from service_chat.commands.app import app
from service_chat.commands.progress import files_shown
from tests.fakes.written_patient import MRN, bundle, patient


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECORDS_PATH", str(tmp_path / "records.sqlite"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["records", *arguments])


def written(path: Path, content: Mapping[str, Any] | None = None, pack: bool = False) -> str:
    data = orjson.dumps(content if content is not None else bundle())
    path.write_bytes(gzip.compress(data) if pack else data)
    return str(path)


def shown(mrn: str) -> Any:
    result = run("show", mrn, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_bundle_is_imported_and_shown_with_sources(here: Path) -> None:
    imported = run("import", written(here / "a.json"))
    assert (imported.exit_code, imported.stdout) == (0, f"a.json: {MRN} added\n")
    context = shown(MRN)
    assert any("female" in line for line in context["about"])
    texts = {item["text"] for item in context["items"]}
    assert any(text.startswith("Penicillin G") for text in texts)
    assert all(item["source"] and item["id"] for item in context["items"])


def test_what_is_shown_names_nobody(here: Path) -> None:
    run("import", written(here / "a.json"))
    told = run("show", MRN).stdout + run("show", MRN, "--json").stdout
    assert "Canary" not in told
    assert MRN not in told


def test_gzip_is_known_by_its_bytes_whatever_the_name(here: Path) -> None:
    assert run("import", written(here / "packed.json", pack=True), written(here / "plain.json.gz")).exit_code == 0


def test_importing_again_replaces_and_doubles_nothing(here: Path) -> None:
    path = written(here / "a.json")
    run("import", path)
    before = shown(MRN)
    assert run("import", path).stdout == f"a.json: {MRN} replaced\n"
    assert shown(MRN) == before


def test_the_made_up_patients_are_there_beside_the_imported_ones(here: Path) -> None:
    run("import", written(here / "a.json"))
    assert shown("P000123")["items"]


def test_a_folder_stands_for_the_bundles_in_it(here: Path) -> None:
    folder = here / "bundles"
    folder.mkdir()
    written(folder / "a.json.gz", pack=True)
    (folder / "README.md").write_text("not a bundle")
    assert run("import", str(folder)).stdout == f"a.json.gz: {MRN} added\n"


def test_a_file_without_patients_is_passed_over(here: Path) -> None:
    hospitals = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {"resourceType": "Organization"}}]}
    imported = run("import", written(here / "hospitals.json", hospitals))
    assert (imported.exit_code, imported.stdout) == (0, "hospitals.json: no patient in it\n")


def test_one_bundle_may_hold_several_patients(here: Path) -> None:
    two = bundle()
    two["entry"].append(
        {"fullUrl": "urn:uuid:p-2", "resource": {**patient(identifier=[{"value": "HW-2"}]), "id": "p-2"}}
    )
    assert run("import", written(here / "two.json", two)).stdout == f"two.json: {MRN} added; HW-2 added\n"
    assert shown("HW-2")["items"] == []


@pytest.mark.parametrize("content", [b"", b"{", b"\x1f\x8bjunk", b"[]", b'{"resourceType": "Patient"}', b"[" * 100_000])
def test_a_file_that_is_no_bundle_keeps_no_other_out(here: Path, content: bytes) -> None:
    (here / "bad.json").write_bytes(content)
    imported = run("import", str(here / "bad.json"), str(here / "none.json"), written(here / "good.json"))
    assert imported.exit_code == 2
    assert f"good.json: {MRN} added" in imported.stdout
    assert "bad.json" in imported.stderr
    assert "none.json" in imported.stderr
    assert "Traceback" not in imported.output


def test_a_patient_without_a_number_beyond_doubt_is_told(here: Path) -> None:
    nobody = bundle(patient(identifier=[{"value": "a"}, {"value": "b"}]))
    imported = run("import", written(here / "a.json", nobody))
    assert imported.exit_code == 2
    assert "identifier of type MR" in imported.stderr


def test_an_unknown_number_is_one_sentence_and_a_status(here: Path) -> None:
    unknown = run("show", "NOBODY")
    assert unknown.exit_code == 2
    assert unknown.stderr == "not_found: Patient not found\n"


def test_settings_that_mean_nothing_are_one_sentence(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDS_BACKEND", "fhir")
    refused = run("show", MRN)
    assert refused.exit_code == 2
    assert "FHIR_BASE_URL" in refused.stderr


def test_a_terminal_sees_a_bar_and_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def __init__(self) -> None:
            self.text = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None:
            pass

    terminal = Terminal()
    with files_shown(1, terminal) as tell:  # type: ignore[arg-type]  # as much of a stream as a bar needs
        tell("a[b].json", "added")
    assert "a[b].json: added" in terminal.text
    assert "1/1" in terminal.text
