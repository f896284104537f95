from pathlib import Path

import numpy as np
import pytest

from bench.peers.workload import ARRAYS, COLUMNS, FEATURES, SPEC, request_bodies, write_network
from bench.predict import MARKS, PEERS, Options, Report, between_marks, parse
from inference_container.bundles.import_spec import read_spec

PAGE = Path(__file__).parents[3] / "docs" / "performance.md"


def test_the_defaults_measure_everyone_at_every_promised_level() -> None:
    options = parse([])
    assert options.levels == (1, 10, 50, 200)
    assert options.peers == PEERS
    assert (options.rounds, options.secs, options.overload_secs, options.two_cores) == (3, 4.0, 0.0, False)


def test_an_overload_lasts_a_minute_and_a_quick_one_seconds() -> None:
    assert parse(["--overload"]).overload_secs == 60.0
    quick = parse(["--overload", "--quick"])
    assert (quick.rounds, quick.secs, quick.overload_secs) == (1, 1.0, 5.0)


@pytest.mark.parametrize(
    "refused",
    [["--peers", "mosec,torchserve"], ["--levels", "1,many"], ["--levels", "0"], ["--rounds", "0"], ["--secs", "-1"]],
    ids=" ".join,
)
def test_what_can_not_be_measured_is_refused(refused: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(refused)
    assert ended.value.code == 2


def test_we_can_be_measured_alone() -> None:
    assert parse(["--peers", ""]).peers == ()


def test_a_page_without_marks_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Words of a person")
    with pytest.raises(SystemExit):
        parse(["--into", str(page)])
    assert page.read_text() == "# Words of a person"


def test_a_report_replaces_the_one_before_it_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{MARKS[0]}\nolder figures\n{MARKS[1]}\nbelow\n")
    options = parse(["--into", str(page), "--json", str(tmp_path / "figures.json")])
    report = Report([], {"verdict": []})
    report.add("first")
    report.add("second")
    report.write(options)
    assert page.read_text() == f"above\n{MARKS[0]}\n\nfirst\n\nsecond\n\n{MARKS[1]}\nbelow\n"
    assert between_marks(page.read_text(), "first\n\nsecond") == page.read_text()
    assert (tmp_path / "figures.json").read_text() == '{\n "verdict": []\n}'


def test_the_performance_page_has_its_marks() -> None:
    assert isinstance(parse(["--into", str(PAGE)]), Options)


def test_requests_are_of_the_promised_size_and_all_different() -> None:
    bodies = request_bodies(8)
    assert len(set(bodies)) == 8
    assert all(4500 < len(body) < 5100 for body in bodies)
    assert all(f'"{name}": ['.encode() in bodies[0] for name in COLUMNS)


def test_the_network_is_described_as_our_import_wants_it(tmp_path: Path) -> None:
    write_network(tmp_path)
    spec = read_spec((tmp_path / SPEC).read_bytes())
    assert (spec.arch, spec.input_len, spec.output_len) == ("gru", 10, 1)
    with np.load(tmp_path / ARRAYS, allow_pickle=False) as arrays:
        assert arrays["rnn.weight_ih_l0"].shape == (3 * 128, FEATURES)
        assert len(arrays.files) == 2 * 4 + 2
