"""The command line: `serve`, `train`, `bundle import`, `bundle schema`, `bundle show`, `bundle verify`, `demo-data`.

Commands import what they need when they run: `--help` and a refused argument answer without numpy, a bundle of a linear
model is trained and verified without torch, and `serve` runs without what reads the other commands' arguments.
"""

import sys

from serving.heap import defer_collections


def main() -> None:
    match sys.argv[1:]:
        case ["serve", *arguments]:
            defer_collections()
            from inference_container.commands.serve import serve

            serve(arguments)
        case _:
            from inference_container.commands.app import app

            app()


if __name__ == "__main__":
    main()
