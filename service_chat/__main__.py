"""The command line: `python -m service_chat` serves on HOST and CHAT_API_PORT; or a command, which `commands` lists.

docs/configuration.md lists every variable. Serving does not import what reads the other commands' arguments.
"""

import sys

from serving.heap import defer_collections


def main() -> None:
    if sys.argv[1:] in ([], ["serve"]):
        defer_collections()
        from service_chat.main import run

        run()
    else:
        from service_chat.commands.app import app

        app()


if __name__ == "__main__":
    main()
