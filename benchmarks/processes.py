"""Runs commands to their end and says what they cost; nothing started here outlives the bench."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

SAMPLE_SECONDS = 0.2
"""Between two looks at a process tree: a look costs about a millisecond."""
GRACE_SECONDS = 15.0
"""How long a process may tidy up before it is killed."""


class BenchError(Exception):
    """The bench cannot go on; the text says why."""


@dataclass(frozen=True)
class Command:
    """One process to run, with all it starts."""

    argv: list[str]
    """The program and its arguments."""
    label: str = ""
    """What it is for, where a shape has several."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the bench's own."""
    cwd: Path | None = None
    """Folder to run in; the bench's own when not given."""


@dataclass(frozen=True)
class Cost:
    """What a command, or several one after another, took."""

    wall_seconds: float = 0.0
    """From start to end."""
    cpu_seconds: float = 0.0
    """User and system time of the process and of all descendants that were waited for."""
    peak_rss_bytes: int = 0
    """Largest sum of the resident sets of the whole process tree, of all looks at it."""
    largest_process_bytes: int = 0
    """Peak resident set of the largest single process, as the kernel counted it."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_rss_bytes, other.peak_rss_bytes),
            max(self.largest_process_bytes, other.largest_process_bytes),
        )


class Sampler:
    """Looks at something again and again in a thread, and keeps the largest value."""

    def __init__(self, look: Callable[[], int], seconds: float = SAMPLE_SECONDS) -> None:
        self.peak = 0
        self._look = look
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self.peak = max(self.peak, self._look())


def measured(command: Command) -> Cost:
    """Run `command` to its end and give what it cost.

    Raises:
        BenchError: it failed; with the end of what it said.
    """
    with tempfile.TemporaryFile() as said, started(command, said) as process:
        began = time.perf_counter()
        with Sampler(lambda: tree_rss_bytes(process.pid)) as sampler:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - began
        _kill_group(process.pid)
        # Not `Popen.wait`: only this tells what the process and its descendants took.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise BenchError(failure(command, process.returncode, said))
    largest = usage.ru_maxrss * 1024
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, max(sampler.peak, largest), largest)


def run(command: Command) -> str:
    """Run `command` to its end without measuring it; what it printed on stdout.

    Raises:
        BenchError: it failed; with the end of what it said.
    """
    with tempfile.TemporaryFile() as said:
        with started(command, said, subprocess.PIPE) as process:
            printed, _ = process.communicate()
        if process.returncode != 0:
            raise BenchError(failure(command, process.returncode, said))
    return bytes(printed).decode()


@contextmanager
def started(
    command: Command, said: IO[bytes] | int, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A running process; at the end of the block it and its process group are gone.

    Args:
        command: what to run.
        said: where its stderr goes, and its stdout if that is not given.
        stdout: as for `subprocess.Popen`.
    """
    process = subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=said if stdout is None else stdout,
        stderr=said,
        env={**os.environ, **command.environment},
        cwd=command.cwd,
        # A group of its own: Ctrl-C reaches the bench alone, which then ends the whole group.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """End a process that may still run: politely by the signal, in the end by force."""
    if process.returncode is None:
        os.kill(process.pid, number)
        wait_until(lambda: _has_ended(process.pid), GRACE_SECONDS)
        _kill_group(process.pid)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def failure(command: Command, returncode: int, said: IO[bytes]) -> str:
    """How a command failed, with the end of what it said."""
    said.seek(0)
    tail = said.read()[-2000:].decode(errors="replace").strip()
    return f"{' '.join(command.argv[:4])} … ended with {returncode}:\n{tail}"


def tree_rss_bytes(pid: int) -> int:
    """Resident memory of a process and all its descendants; shared pages count in each."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_rss_bytes(process) for process in tree)


def tree_bytes(folder: Path) -> int:
    """Size of all files below `folder`; those that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - hot loop
    return total


def wait_until(condition: Callable[[], bool], timeout_seconds: float, poll: float = 0.02) -> bool:
    """Look at `condition` until it holds or the time is up; whether it held."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll)
    return True


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _has_ended(pid: int) -> bool:
    """Whether a child has ended; it is not reaped, so that its number stays its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(pid: int) -> None:
    """Kill what a process has left of its group; the process itself is not reaped yet."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
