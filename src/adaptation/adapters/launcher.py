"""Replaces itself by a command that the kernel kills as soon as the process that asked for it ends.

Run as a script, never imported: `python -I -S launcher.py PARENT_PID COMMAND ARGUMENT…`.
A child that outlives a killed worker would keep writing into files that belong to its successor.
Python's `preexec_fn` could set the same flag but is unsafe in a process with threads.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""`prctl(2)`: the signal a process gets when its parent thread ends."""
NOT_STARTED = 127
"""Exit status when the command cannot be started, as shells use it."""


def die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process with its parent; other systems have nothing like it."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended before the flag was set: then nobody would ever kill us.
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Become the command; returns only when it cannot be started."""
    parent_pid, *command = arguments
    die_with_parent(int(parent_pid))
    try:
        os.execv(command[0], command)  # noqa: S606 (a list we built, no shell)
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
    return NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
