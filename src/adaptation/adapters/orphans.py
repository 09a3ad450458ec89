"""Finds what a tool has started and left behind, wherever it has gone, by a mark it inherited.

A process can leave its group and its session, but not what it was started with, unless it runs
another program without it. Only Linux shows that to others.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

MARK = "ADAPTATION_ATTEMPT"
"""Variable that holds the mark."""
ROUNDS = 20
"""How often to look: what is killed may have started another one in the moment before."""
PROCESSES = Path("/proc")


def new_mark() -> str:
    """A mark for one command and all it starts; it says whose command it is."""
    return f"{_whose(os.getpid())}-{uuid4().hex}"


def end_marked(mark: str) -> int:
    """Kill every process with the mark.

    Returns:
        How many there were.
    """
    return _end(lambda found: found == mark)


def end_abandoned() -> int:
    """Kill what was started for workers of this host that are gone.

    Returns:
        How many there were.
    """

    def is_abandoned(mark: str) -> bool:
        owner = mark.rpartition("-")[0]
        namespace, _, pid = owner.rpartition("-")[0].partition("-")
        # Numbers of other namespaces mean other processes here.
        return namespace == _namespace() and pid.isdigit() and owner != _whose(int(pid))

    return _end(is_abandoned)


def _end(is_meant: Callable[[str], bool]) -> int:
    ended = set[int]()
    for _ in range(ROUNDS):
        found = {pid for pid in _processes() if is_meant(_mark_of(pid)) and _kill(pid, is_meant)}
        if found <= ended:
            break
        ended |= found
    return len(ended)


def _processes() -> list[int]:
    if not hasattr(os, "pidfd_open") or not PROCESSES.is_dir():
        return []
    with os.scandir(PROCESSES) as entries:
        return [int(entry.name) for entry in entries if entry.name.isdigit()]


def _mark_of(pid: int) -> str:
    """The mark of a process; empty for a zombie, and for those of others."""
    try:
        with (PROCESSES / str(pid) / "environ").open("rb", buffering=0) as file:
            _, found, rest = (b"\0" + file.read()).partition(f"\0{MARK}=".encode())
    except OSError:
        return ""
    return rest.partition(b"\0")[0].decode(errors="replace") if found else ""


def _kill(pid: int, is_meant: Callable[[str], bool]) -> bool:
    with suppress(OSError):
        # Held while it is looked at again: the number may be another process's by now.
        handle = os.pidfd_open(pid)
        try:
            if is_meant(_mark_of(pid)):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                return True
        finally:
            os.close(handle)
    return False


def _whose(pid: int) -> str:
    """A process by its namespace, its number and the moment it was started; numbers come again."""
    try:
        facts = (PROCESSES / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return f"{_namespace()}-{pid}-gone"
    # The name in brackets may hold anything, and the 22nd field is the start.
    return f"{_namespace()}-{pid}-{facts.rpartition(')')[2].split()[19]}"


@cache
def _namespace() -> str:
    try:
        return str((PROCESSES / "self" / "ns" / "pid").stat().st_ino)
    except OSError:
        return ""
