"""`python -m tests.fetch`: what tests need and this machine has not built or fetched yet, before the first asks for it.

`make test` runs it beside the tests, which would otherwise stand still for minutes on a machine where they never ran.
What fails here is no failure: the tests that miss it say so.
"""

import sys
from contextlib import suppress

import pytest

from tests.integration.object_servers import rclone_program, versitygw_program
from tests.kafka.jars import NoKafka, jars


def main() -> None:
    def say(word: str) -> None:
        print(word, file=sys.stderr)  # noqa: T201  # the word of a command

    for fetch in (jars, versitygw_program, rclone_program):
        with suppress(NoKafka, pytest.skip.Exception, pytest.fail.Exception):
            fetch(say)


if __name__ == "__main__":
    main()
