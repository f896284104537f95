from pathlib import Path

import gguf
import pytest

from bench.chats.model import FEED_FORWARD, KV_HEADS, LAYERS, ROWS, WIDTH, read_tokenizer, shapes
from bench.chats.peers.example_server import configuration
from bench.chats.stage import SPIN
from bench.triage import MARKS, PARTS, PEERS, between_marks, parse
from tests.models.tiny_gguf import build_tiny_gguf

PAGE = Path(__file__).parents[4] / "docs" / "performance.md"


def test_the_defaults_run_every_part_against_every_peer_as_its_authors_ship_it() -> None:
    options = parse([])
    assert options.parts == tuple(PARTS) == ("chats", "decode", "prefix", "schema", "burst", "neighbour", "emergency")
    assert (options.peers, options.effort.rounds, options.peer_environ) == (PEERS, 3, {})


def test_a_part_can_be_run_alone_and_quickly() -> None:
    options = parse(["--parts", "burst,decode", "--peers", "", "--quick", "--bounded-peers"])
    assert options.parts == ("decode", "burst")
    assert (options.peers, options.effort.rounds, options.peer_environ) == ((), 1, SPIN)


@pytest.mark.parametrize("refused", [["--parts", "chat"], ["--peers", "ollama"], ["--rounds", "0"]], ids=" ".join)
def test_what_can_not_be_measured_is_refused(refused: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(refused)
    assert ended.value.code == 2


def test_a_report_replaces_the_one_before_it_and_leaves_the_other_benchmark_alone() -> None:
    page = PAGE.read_text()
    written = between_marks(page, "figures")
    assert between_marks(written, "figures") == written
    for part in (0, 1):
        kept = page.partition(MARKS[0])[0], page.partition(MARKS[1])[2]
        assert (written.partition(MARKS[0])[0], written.partition(MARKS[1])[2])[part] == kept[part]


def test_the_performance_page_has_its_marks() -> None:
    assert parse(["--into", str(PAGE)]).page == PAGE


def test_a_page_without_marks_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Words of a person")
    with pytest.raises(SystemExit):
        parse(["--into", str(page)])


def test_the_peer_gets_the_same_threads_and_slots_and_nothing_else_is_chosen_for_it() -> None:
    written = configuration("8080", "m.gguf", "8192", "8", "2", "256")
    assert written["server"] == {"host": "127.0.0.1", "port": 8080}
    assert set(written["model"]) == {"path", "alias", "n_ctx", "n_seq_max", "n_batch", "threads", "threads_batch"}


def test_the_model_has_the_size_of_the_original() -> None:
    tensors = dict(shapes())
    assert len(tensors) == 2 + 12 * LAYERS
    assert tensors["token_embd.weight"] == (ROWS, WIDTH)
    assert tensors["blk.27.attn_k.weight"] == (128 * KV_HEADS, WIDTH)
    assert tensors["blk.0.ffn_down.weight"] == (WIDTH, FEED_FORWARD)
    weights = sum(shape[0] * (shape[1] if len(shape) == 2 else 1) for shape in tensors.values())
    assert weights == 1_543_714_304  # as the original's card says: 1.54 billion


def test_the_model_can_say_nothing_but_whole_ascii_and_never_the_end_of_its_turn(tmp_path: Path) -> None:
    tokenizer = read_tokenizer(build_tiny_gguf(tmp_path / "tiny.gguf", "random"))
    assert len(tokenizer.tokens) == len(tokenizer.kinds) == ROWS
    can = dict(zip(tokenizer.tokens, tokenizer.speakable(), strict=True))
    assert can["\u0120pain"]
    assert can["!"]
    assert not can["<|im_end|>"]  # a control token
    assert not can["\u010a"]  # a newline
    assert not can["\u00ef"]  # a byte of some longer character
    assert not can[f"[PAD{ROWS - 1}]"]
    assert tokenizer.kinds[-1] == int(gguf.TokenType.UNUSED)
