"""Finds what a tool has started and left behind, wherever it has gone, by a mark it inherited.

A process can leave its group and its session, but not what it was started with, unless it runs
another program without it. Only Linux shows that to others.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

MARK = "ADAPTATION_ATTEMPT"
"""Variable that holds the mark."""
ROUNDS = 20
"""How often to look: what is killed may have started another one in the moment before."""
PROCESSES = Path("/proc")


def new_mark() -> str:
    """A mark for one command and all it starts."""
    return uuid4().hex


def end_marked(mark: str) -> int:
    """Kill every process with the mark.

    Returns:
        How many there were.
    """
    ended = set[int]()
    for _ in range(ROUNDS):
        found = set(_marked(f"{MARK}={mark}".encode()))
        if found <= ended:
            break
        ended |= found
    return len(ended)


def _marked(variable: bytes) -> list[int]:
    """Kill those that live now; their numbers."""
    if not hasattr(os, "pidfd_open") or not PROCESSES.is_dir():
        return []
    with os.scandir(PROCESSES) as entries:
        names = [entry.name for entry in entries if entry.name.isdigit()]
    having = [int(name) for name in names if variable in _variables(name)]
    return [pid for pid in having if _kill(pid, variable)]


def _variables(name: str) -> list[bytes]:
    """What a process was started with; nothing for a zombie, and for those of others."""
    try:
        with (PROCESSES / name / "environ").open("rb", buffering=0) as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def _kill(pid: int, variable: bytes) -> bool:
    with suppress(OSError):
        # Held while it is looked at again: the number may be another process's by now.
        handle = os.pidfd_open(pid)
        try:
            if variable in _variables(str(pid)):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                return True
        finally:
            os.close(handle)
    return False
