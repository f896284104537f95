from pathlib import Path

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.check import main, torn
from service_chat.safety.packaged import RulesError, refuse
from service_chat.safety.values import Flag
from tests.unit.service_chat.safety.small import data_in, packaged


def test_the_packaged_data_has_no_problem() -> None:
    problems: list[str] = []
    Ruleset.read(problems)
    assert problems == []


def test_every_language_that_is_spoken_to_is_also_read() -> None:
    assert packaged().lexicon.languages == {"en", "es", "fr", "de", "pt", "it", "pl", "zh", "ja", "ar", "hi", "ru"}


def test_rules_point_to_public_pages() -> None:
    for rule in packaged().rules.rules:
        assert rule.flag is None or rule.source.startswith("https://"), rule.name


def test_the_check_counts_and_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "concepts" in capsys.readouterr().out
    assert main(["--age", "40", "crushing chest pain"]) == 0
    told = capsys.readouterr().out
    assert "chest_site" in told
    assert Flag.CARDIAC.value in told


@pytest.mark.parametrize(("pattern", "doubts"), [("a|b|back passage|c", 1), ("a|b|back_passage|c", 0)])
def test_two_words_of_one_alternative_are_doubted(tmp_path: Path, pattern: str, doubts: int) -> None:
    data = data_in(tmp_path, **{"lexicon/en.toml": f'pain = ["{pattern}"]\nfever = ["back passage"]\n'})
    assert len([doubt for doubt in torn(data) if "back_passage" in doubt]) == doubts


def test_problems_are_raised_together() -> None:
    refuse([])
    with pytest.raises(RulesError) as caught:
        refuse(["one", "two"])
    assert caught.value.details["problems"] == ["one", "two"]
    assert caught.value.code == "rules_invalid"
