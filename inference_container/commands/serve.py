"""`serve`: the one command whose process lives for months, so it imports nothing that only a command line needs.

typer and rich would stay as long as the service does, for an option or two: 3 MB of its 65.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path


def serve(arguments: Sequence[str]) -> None:
    """Serve forecasts until SIGTERM. `arguments` are those after the command's name; wrong ones exit with status 2."""
    asked = _parser().parse_args(arguments)
    bundle: Path | None = asked.bundle
    port: int | None = asked.port
    from inference_container.main import run

    run(bundle, port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference_container serve",
        description="Serve forecasts until SIGTERM.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="directory of the bundle to serve; without it the settings decide",
    )
    parser.add_argument("--port", type=_port, metavar="N", help="port to listen on; wins over INFERENCE_API_PORT")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)
