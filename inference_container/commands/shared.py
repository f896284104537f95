"""What the commands have in common: how an error is told, and how a call is written down."""

import shlex
import sys

from serving.plain_errors import plain_errors

__all__ = ["command_line", "plain_errors"]


def command_line() -> str:
    """As a person would type it again."""
    return shlex.join(["python", "-m", "inference_container", *sys.argv[1:]])
