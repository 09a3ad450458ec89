"""The one place that starts child processes: they are watched, bounded, and never outlive us."""

from __future__ import annotations

import math
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from adaptation.adapters import launcher, sandbox
from adaptation.adapters.job_object import JobObject
from adaptation.adapters.orphans import MARK, end_marked, new_mark
from adaptation.adapters.sandbox import NOTHING, USUAL, Access, Sandbox
from adaptation.adapters.verdict import HINTS, End, judged, tool_error
from adaptation.errors import Cancelled, SettingsError, ToolError

POLL_SECONDS = 0.1
"""How often a silent child is looked at: cancel and time limits are seen this soon."""
GRACE_SECONDS = 2.0
"""How long a child may tidy up after SIGTERM before SIGKILL."""
NICENESS = 10
"""Of a child that gives way: it gets a tenth of what another one gets that wants as much."""
STDERR_LIMIT_BYTES = 8192
"""How much of the end of stderr is kept."""
STDOUT_LIMIT_BYTES = 64 * 1024 * 1024
"""The most stdout that is collected; more is an error, not silently lost."""
LINE_LIMIT_BYTES = 1024 * 1024
"""The longest line of stdout; a longer one is an error."""
CHUNK_BYTES = 64 * 1024

IS_WINDOWS = os.name == "nt"
HAS_LIMITS = hasattr(os, "fork")
"""Whether the system has resource limits."""

OnLine = Callable[[str], None]
OnStart = Callable[[Sequence[str]], None]
_on_start: ContextVar[OnStart | None] = ContextVar("on_start", default=None)


@dataclass(frozen=True)
class Finished:
    """What a child that ended with status 0 left behind."""

    argv: tuple[str, ...]
    """The command, without the launcher."""
    returncode: int
    """Exit status; always 0 here, anything else is raised."""
    stdout: str
    """What it printed; empty when `on_line` took the lines."""
    stderr_tail: str
    """The end of its stderr, at most `STDERR_LIMIT_BYTES`."""
    wall_seconds: float
    """From start to end."""
    cpu_seconds: float
    """User and system time of the child; 0 where the system does not tell."""


class Flag(Protocol):
    """Something that may be set by anybody at any time, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it is set."""


@dataclass(frozen=True)
class Limits:
    """When a child is stopped, and what it must leave to others."""

    cancelled: Flag | None = None
    """Set by anybody: stop now."""
    stall_seconds: float | None = None
    """The longest silence on stdout."""
    timeout_seconds: float | None = None
    """The longest life."""
    yields: Flag | None = None
    """Set when it is to give way to other processes from then on, where the system can do that."""
    cpu_seconds: float | None = None
    """The most user and system time; none: what all processors can give in `timeout_seconds`."""
    file_bytes: int = sandbox.FILE_BYTES
    """The largest file it may write."""
    memory_bytes: int | None = None
    """The largest address space; none: `sandbox.memory_bytes()`, unless it uses devices."""

    @property
    def cpu_limit_seconds(self) -> int | None:
        """Processor time in whole seconds, as the kernel counts it; none: no limit."""
        most = self.cpu_seconds
        if most is None and self.timeout_seconds is not None:
            most = self.timeout_seconds * (os.cpu_count() or 1)
        return None if most is None else max(1, math.ceil(most))

    def words(self, access: Access) -> list[str]:
        """What `launcher.py` is told."""
        most = {"CORE": 0, "NOFILE": sandbox.OPEN_FILES, "FSIZE": self.file_bytes}
        if self.cpu_limit_seconds is not None:
            most["CPU"] = self.cpu_limit_seconds
        # Drivers of graphics cards map more than they will ever use.
        if self.memory_bytes is not None or not access.devices:
            most["AS"] = self.memory_bytes or sandbox.memory_bytes()
        return [f"limit:{name}:{number}" for name, number in most.items()] if HAS_LIMITS else []


@contextmanager
def telling(on_start: OnStart) -> Iterator[None]:
    """Let somebody know of every command that this thread starts within the block."""
    before = _on_start.set(on_start)
    try:
        yield
    finally:
        _on_start.reset(before)


def run(  # noqa: PLR0913 (all but the first have defaults)
    argv: Sequence[str],
    *,
    access: Access = NOTHING,
    within: Sandbox = USUAL,
    on_line: OnLine | None = None,
    limits: Limits | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run a command to its end in the calling thread.

    The child leads its own process group and dies with the calling thread, even on `kill -9`.

    Args:
        argv: the program's path and its arguments; no shell is involved.
        access: the files it opens. It can open no other, where the system can see to that.
        within: how it is confined; as well as the system can when not given.
        on_line: gets each line of stdout, in the calling thread; what it raises stops the child.
        limits: when to stop it; none: it may run for ever.
        cwd: folder to run in; the caller's when not given.

    Raises:
        Cancelled: `cancelled` was set; the child is gone.
        ToolError: `tool_failed` (status), `tool_crashed` (signal), `tool_stalled`, `tool_timeout`,
            `tool_cpu_limit`, `tool_file_limit`, `tool_memory_limit`, `tool_output_too_long`.
        Transient: `disk_full`: room may come back when other work ends.
        SettingsError: `tool_missing`, the program does not exist; `sandbox_missing`, it is to be
            confined and cannot be.
    """
    if (program := shutil.which(argv[0])) is None:
        raise SettingsError(
            f"{argv[0]} cannot be run",
            code="tool_missing",
            hint="Install it or set the path of the tool in the settings.",
        )
    limits = limits or Limits()
    words = [*limits.words(access), *within.words(program, access), "--"]
    words += within.around(program, access, cwd)
    if (on_start := _on_start.get()) is not None:
        on_start(argv)
    child = _Child(tuple(argv), words, access, cwd)
    collected = _Collected()
    try:
        child.follow(on_line or collected.add, limits)
        child.wait(limits)
    except BaseException:
        child.stop()
        raise
    finally:
        child.close()
    return _judge(child, limits, "\n".join(collected.lines))


@dataclass
class _Collected:
    """Stdout kept in memory, up to its limit."""

    lines: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, line: str) -> None:
        self.size += len(line) + 1
        if self.size > STDOUT_LIMIT_BYTES:
            raise ToolError(
                "the tool printed more than can be kept",
                code="tool_output_too_long",
                hint=HINTS["tool_output_too_long"],
            )
        self.lines.append(line)


class _Child:
    """A running command, its two reader threads and what is known of its end."""

    def __init__(
        self, argv: tuple[str, ...], words: Sequence[str], access: Access, cwd: Path | None
    ) -> None:
        self.argv = argv
        self.started = time.monotonic()
        self.cpu_seconds = 0.0
        self.returncode: int | None = None
        self.has_yielded = False
        self.mark = new_mark()
        # Isolated and without site-packages: the launcher costs some 20 ms. Windows cannot let
        # one program become another; there a job object does what it can.
        start = [sys.executable, "-I", "-S", str(launcher.__file__), str(os.getpid()), *words]
        self.popen = subprocess.Popen(
            list(argv) if IS_WINDOWS else [*start, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**sandbox.environment(access), MARK: self.mark},
            start_new_session=True,
        )
        self.job = self._job() if IS_WINDOWS else None
        self.stderr = deque[bytes]()
        # Bounded, so that a slow consumer slows the child instead of filling our memory.
        self.chunks = queue.Queue[bytes](maxsize=16)
        self.readers = [
            threading.Thread(target=self._read, args=(pipe, keep), daemon=True)
            for pipe, keep in (
                (self.popen.stdout, self.chunks.put),
                (self.popen.stderr, self._keep_tail),
            )
        ]
        for reader in self.readers:
            reader.start()

    def _job(self) -> JobObject | None:
        with suppress(OSError):
            return JobObject(int(getattr(self.popen, "_handle")), sandbox.memory_bytes())  # noqa: B009
        return None

    @staticmethod
    def _read(pipe: IO[bytes], keep: Callable[[bytes], None]) -> None:
        """Hand on what arrives; an empty chunk says that nothing more will."""
        while chunk := os.read(pipe.fileno(), CHUNK_BYTES):
            keep(chunk)
        keep(b"")

    def _keep_tail(self, chunk: bytes) -> None:
        self.stderr.append(chunk)
        kept = sum(map(len, self.stderr))
        while kept - len(self.stderr[0]) >= STDERR_LIMIT_BYTES:
            kept -= len(self.stderr.popleft())

    @property
    def stderr_tail(self) -> str:
        return b"".join(self.stderr)[-STDERR_LIMIT_BYTES:].decode(errors="replace").strip()

    def follow(self, on_line: OnLine, limits: Limits) -> None:
        """Pass on stdout line by line until it ends."""
        rest = b""
        heard = time.monotonic()
        while chunk := self._next_chunk(heard, limits):
            heard = time.monotonic()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                on_line(line.decode(errors="replace").rstrip("\r"))
            if len(rest) > LINE_LIMIT_BYTES:
                raise self._error("printed a line without an end", "tool_output_too_long")
        if rest:
            on_line(rest.decode(errors="replace"))

    def _next_chunk(self, heard: float, limits: Limits) -> bytes:
        while True:
            self._check(limits)
            try:
                return self.chunks.get(timeout=POLL_SECONDS)
            except queue.Empty:
                # What it left behind may keep its stdout open.
                self._ended()
                silence = time.monotonic() - heard
                if limits.stall_seconds is not None and silence > limits.stall_seconds:
                    raise self._error(
                        f"printed nothing for {limits.stall_seconds:g} s", "tool_stalled"
                    ) from None

    def _check(self, limits: Limits) -> None:
        if limits.yields is not None and not self.has_yielded and limits.yields.is_set():
            self._give_way()
        if limits.cancelled is not None and limits.cancelled.is_set():
            raise Cancelled(f"{Path(self.argv[0]).name} was stopped")
        if limits.timeout_seconds is not None and self.wall_seconds > limits.timeout_seconds:
            raise self._error(f"took longer than {limits.timeout_seconds:g} s", "tool_timeout")

    def _give_way(self) -> None:
        self.has_yielded = True
        if not hasattr(os, "setpriority"):
            return
        with suppress(OSError):
            here = os.getpriority(os.PRIO_PGRP, self.popen.pid)
            os.setpriority(os.PRIO_PGRP, self.popen.pid, max(here, NICENESS))
            # Linux may divide its time among sessions first, and each child leads one.
            Path(f"/proc/{self.popen.pid}/autogroup").write_text(f"{NICENESS}", encoding="ascii")

    def wait(self, limits: Limits) -> None:
        """Wait for the end of a child that has closed its stdout."""
        pause = 0.001
        while not self._ended():
            self._check(limits)
            time.sleep(pause)
            pause = min(2 * pause, POLL_SECONDS)

    def _ended(self) -> bool:
        """Whether the child is gone; takes its exit status and CPU time when it is."""
        if self.returncode is None and hasattr(os, "waitid"):
            if os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                # Before it is reaped: until then nobody else can get the number of its group.
                self._signal(signal.SIGKILL)
                end_marked(self.mark)
                _, status, usage = os.wait4(self.popen.pid, 0)
                self.cpu_seconds = usage.ru_utime + usage.ru_stime
                self.popen.returncode = self.returncode = os.waitstatus_to_exitcode(status)
        elif self.returncode is None:
            self.returncode = self.popen.poll()
        return self.returncode is not None

    def stop(self) -> None:
        """End the whole process group: politely, then not."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while not self._ended() and time.monotonic() < deadline:
            with suppress(queue.Empty):  # a child blocked on a full pipe must be able to leave
                self.chunks.get(timeout=0.01)

    def close(self) -> None:
        """Leave nothing behind: no group member, no thread, no pipe, no zombie."""
        if self.returncode is None:
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        while not self._ended() or any(reader.is_alive() for reader in self.readers):
            with suppress(queue.Empty):
                self.chunks.get(timeout=0.001)
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                pipe.close()
        if self.job is not None:
            self.job.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                # The group outlives its leader as long as any member is left.
                os.killpg(self.popen.pid, number)
            elif self.job is not None:
                self.job.end()
            elif self.returncode is None:
                self.popen.send_signal(number)

    @property
    def wall_seconds(self) -> float:
        return time.monotonic() - self.started

    def _error(self, what: str, code: str) -> ToolError:
        return tool_error(self.argv, what, code, self.stderr_tail)


def _judge(child: _Child, limits: Limits, stdout: str) -> Finished:
    """The result of a child that ended well; raises for any other."""
    if child.returncode:
        spent, most = child.cpu_seconds, limits.cpu_limit_seconds
        raise judged(End(child.argv, child.returncode, child.stderr_tail, spent, most))
    return Finished(
        argv=child.argv,
        returncode=0,
        stdout=stdout,
        stderr_tail=child.stderr_tail,
        wall_seconds=child.wall_seconds,
        cpu_seconds=child.cpu_seconds,
    )
