"""Ways down from an open folder that no symbolic link can bend: each step is opened from the one above it.

Used by `files`. Checking a path first and opening it afterwards leaves a moment in which somebody puts a link there;
here the kernel refuses the link itself. Everything raises OSError as it comes.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def folder_below(top: int, steps: Sequence[str], make_from: int | None = None) -> Iterator[int]:
    """The folder `steps` below the open one; those from index `make_from` on are made when missing."""
    at = os.dup(top)
    try:
        for index, step in enumerate(steps):
            if make_from is not None and index >= make_from:
                make_folder(at, step)
            below = os.open(step, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def make_folder(at: int, name: str) -> None:
    try:
        os.mkdir(name, dir_fd=at)
    except FileExistsError:
        return
    os.fsync(at)


def keys_below(top: int, prefix: str, after: str) -> Iterator[str]:
    """Paths of what is no folder, relative, with `/`, in their order; those that begin with `prefix`, behind `after`.

    Reads one folder at a time, and only those that can hold such a path.
    """
    yield from _keys(top, (), prefix, after)


def _keys(top: int, steps: tuple[str, ...], prefix: str, after: str) -> Iterator[str]:
    try:
        with folder_below(top, steps) as folder, os.scandir(folder) as entries:
            # A folder stands where its keys stand: `a.x` comes before `a/b`, though `a` comes before `a.x`.
            names = sorted(each.name + "/" * each.is_dir(follow_symlinks=False) for each in entries)
    except (FileNotFoundError, NotADirectoryError):
        if steps:
            return  # gone since its parent was read
        raise
    for name in names:
        path = "/".join((*steps, name))
        if not name.endswith("/"):
            if path > after and path.startswith(prefix):
                yield path
        elif (path.startswith(prefix) or prefix.startswith(path)) and (path > after or after.startswith(path)):
            yield from _keys(top, (*steps, name[:-1]), prefix, after)
