"""Runs a command that must not outlive the process that started it: `python tether.py PARENT_PID COMMAND…`.

Started as a file by `wheel`, so it imports nothing of ours. It asks Linux to kill this process when its parent goes,
then becomes the command: the wish survives the exec. Not a `preexec_fn`, which runs Python between fork and exec of a
process with threads and may wait there forever for a lock that nobody holds any more.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before we asked
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
