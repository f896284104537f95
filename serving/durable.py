"""What makes a file's new name survive a power cut. Called by whatever renames a finished file into its place."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """A name is only for good once its folder is on the disk too. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
