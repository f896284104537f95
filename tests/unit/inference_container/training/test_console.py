import io

from typing_extensions import override

from inference_container.training.console import epochs_shown
from inference_container.training.fit import Progress

_EPOCHS = [Progress(1, 0.5, 0.25, best=True), Progress(2, 0.25, 0.375, best=False)]


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def _shown(output: io.StringIO, epochs: list[Progress]) -> str:
    with epochs_shown(60, output) as show:
        for epoch in epochs:
            show(epoch)
    return output.getvalue()


def test_a_log_gets_a_line_for_each_epoch_and_no_control_character() -> None:
    text = _shown(io.StringIO(), _EPOCHS)
    assert text.splitlines() == [
        "epoch 1: train 0.5000 validation 0.2500 *",
        "epoch 2: train 0.2500 validation 0.3750",
    ]


def test_a_terminal_gets_a_bar_that_ends_where_the_training_ended() -> None:
    text = _shown(Terminal(), _EPOCHS)
    assert "2/60" in text
    assert "validation 0.3750, best so far 1" in text
    assert text.endswith("\x1b[?25h")  # the cursor is back


def test_a_training_without_epochs_shows_nothing() -> None:
    assert _shown(Terminal(), []).strip() == ""
    assert _shown(io.StringIO(), []) == ""


def test_a_training_that_fails_gives_the_cursor_back() -> None:
    output = Terminal()
    try:
        with epochs_shown(60, output) as show:
            show(_EPOCHS[0])
            raise OSError
    except OSError:
        pass
    assert output.getvalue().endswith("\x1b[?25h")
