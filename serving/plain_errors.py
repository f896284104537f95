"""How a command tells an error: one sentence on standard error and status 2, where a person can put it right.

Both services' commands stand on it. A traceback is for our own mistakes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from serving.errors import SluiceError
from serving.settings import SettingsError


@contextmanager
def plain_errors() -> Iterator[None]:
    """
    Raises:
        SystemExit: Status 2; the sentence is told.
    """
    try:
        yield
    except SluiceError as error:
        _end(f"{error.code}: {error.message}", error)
    except SettingsError as error:
        _end(str(error), error)
    except OSError as error:
        _end(f"{error.filename or ''}: {error.strerror or error}", error)


def _end(sentence: str, error: Exception) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2) from error
