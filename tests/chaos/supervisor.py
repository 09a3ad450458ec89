"""Keeps the processes of a fleet up, as a service manager does, whatever ends them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos import member
from chaos.beside import beside
from disks import mount_tmpfs, unmount
from services import wait_until

RESTART_SECONDS = 0.1
"""As systemd does where nothing else is said, so in docs/fleet.md."""
LOOK_SECONDS = 0.05
DYING_SECONDS = 5.0
"""How long a child may take to be gone after its parent was killed."""
LEAVING_SECONDS = 60.0
"""How long a process may take to drain."""
UNREACHABLE = 3
"""Exit status: the database or the broker could not be reached at the start."""
SHARED = ("work", "live", "downloads")
"""Folders that all hosts see, and that are empty when all jobs have ended."""


@dataclass
class Member:
    """One process that is kept up, on a host of its own."""

    role: str
    number: int
    command: tuple[str, ...]
    hosts_lost: int = 0
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    """When it is started again, where it does not run."""
    expected: int | None = None
    """The exit status that was asked for; None: it is to go on."""
    stopped: bool = False
    """Whether it stands still."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.role}{self.number}"

    @property
    def host(self) -> str:
        """Its host's name; a lost host's name never comes again."""
        return f"{self.name}-{self.hosts_lost}"

    @property
    def runs(self) -> bool:
        """Whether it may be hurt: it lives, and nothing is under way to it."""
        return self.process is not None and self.expected is None and not self.stopped


@dataclass
class Supervisor:
    """The fleet's processes, each with the environment of its host."""

    folder: Path
    environment: Mapping[str, str]
    members: list[Member]
    scratch_bytes: int = 0
    """Size of each host's scratch, a file system of its own; 0: a folder like any other."""
    incidents: list[str] = field(default_factory=list)
    """What should not have happened."""
    refused: list[tuple[str, int]] = field(default_factory=list)
    """Names and ids of processes that ended because the database or the broker was away: at their
    start they may."""
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the fleet up for the length of a block; nothing of it is left afterwards."""
        try:
            with beside(self._watch, self._over):
                yield
        finally:
            for each in self.members:
                self._end(each)
                self._remove_host(each.host)

    def home(self, host: str) -> Path:
        """What one host has on its own disk."""
        return self.folder / "hosts" / host

    def scratch(self, host: str) -> Path:
        """Where the attempts on one host work."""
        return self.home(host) / "scratch"

    def pick(
        self, role: str, number: int, suits: Callable[[Member], bool] = lambda _: True
    ) -> Member:
        """The first of a role that runs and suits, from `number` on round and round; waits."""
        known = [each for each in self.members if each.role == role]
        turn = number % len(known)
        found: list[Member] = []

        def any_runs() -> bool:
            found[:] = [each for each in known[turn:] + known[:turn] if each.runs and suits(each)]
            return bool(found) or self._over.is_set()

        if not wait_until(any_runs, LEAVING_SECONDS) or not found:
            raise TimeoutError(f"no {role} is up")
        return found[0]

    def by_pid(self, pid: int) -> Member | None:
        """The member that is this process and runs."""
        return next(
            (m for m in self.members if m.runs and m.process and m.process.pid == pid), None
        )

    def kill(self, victim: Member) -> int:
        """Kill a process alone: the system must see to its children. Returns its id."""
        with self._lock:
            process, children = self._doom(victim)
            process.kill()
        self._mourn(victim, children)
        return process.pid

    def lose_host(self, victim: Member) -> int:
        """Kill a process and all that it started, and forget its disk; another host follows."""
        with self._lock:
            process, children = self._doom(victim)
            process.kill()
            for child in children:
                _kill(child)
            process.wait()
            self._remove_host(victim.host)
            victim.hosts_lost += 1
        self._mourn(victim, children)
        return process.pid

    def drain(self, victim: Member) -> int:
        """Ask a process to leave; it is started again afterwards."""
        with self._lock:
            process, _ = self._doom(victim, 0)
            process.terminate()
        return process.pid

    def stop(self, victim: Member) -> int:
        """Let a process stand still, with all its threads; its children run on."""
        with self._lock:
            process, _ = self._doom(victim)
            victim.expected, victim.stopped = None, True
            process.send_signal(signal.SIGSTOP)
        return process.pid

    def go_on(self, victim: Member) -> None:
        """Let it run again."""
        with self._lock:
            if victim.process is not None:
                victim.process.send_signal(signal.SIGCONT)
            victim.stopped = False

    def end_all(self) -> None:
        """Ask all to leave, and see that they do."""
        self._over.set()
        with self._lock:
            for each in self.members:
                if each.process is not None:
                    each.expected = 0
                    each.process.terminate()
        for each in self.members:
            self._await_end(each)

    def _doom(
        self, victim: Member, expected: int = -signal.SIGKILL
    ) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
        process = victim.process
        if process is None or process.poll() is not None:
            raise ProcessLookupError(f"{victim.name} has ended by itself")
        victim.expected = expected
        return process, psutil.Process(process.pid).children(recursive=True)

    def _mourn(self, victim: Member, children: list[psutil.Process]) -> None:
        _, alive = psutil.wait_procs(children, timeout=DYING_SECONDS)
        for child in alive:
            self.incidents.append(f"a child outlived {victim.name}: process {child.pid}")

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                for each in self.members:
                    self._look_after(each)

    def _look_after(self, each: Member) -> None:
        if each.process is None:
            if time.monotonic() >= each.due:
                self._start(each)
        elif (status := each.process.poll()) is not None:
            self._note_end(each, each.process, status)
            each.process, each.expected, each.stopped = None, None, False
            each.due = time.monotonic() + RESTART_SECONDS

    def _note_end(self, each: Member, process: subprocess.Popen[bytes], status: int) -> None:
        if status == UNREACHABLE and each.expected is None:
            self.refused.append((each.name, process.pid))
        elif status not in {each.expected, UNREACHABLE}:
            self.incidents.append(f"{each.name} ended with status {status}, not {each.expected}")

    def _start(self, each: Member) -> None:
        home = self._make_host(each.host)
        command = [sys.executable, member.__file__, each.host, *each.command]
        with (self.folder / f"{each.name}.log").open("ab") as log:
            each.process = subprocess.Popen(
                command,
                env={**self.environment, "ADAPTATION_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _make_host(self, host: str) -> Path:
        home = self.home(host)
        if home.exists():
            return home
        home.mkdir(parents=True)
        if self.scratch_bytes:
            self.scratch(host).mkdir()
            mount_tmpfs(self.scratch(host), _size(self.scratch_bytes))
        return home

    def _remove_host(self, host: str) -> None:
        if self.scratch_bytes and self.scratch(host).is_mount():
            unmount(self.scratch(host))
        shutil.rmtree(self.home(host), ignore_errors=True)

    def _await_end(self, each: Member) -> None:
        if each.process is None:
            return
        try:
            status = each.process.wait(LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            self.incidents.append(f"{each.name} did not leave in {LEAVING_SECONDS:g} s")
            return
        self._note_end(each, each.process, status)
        each.process = None

    def _end(self, each: Member) -> None:
        if each.process is not None:
            for child in psutil.Process(each.process.pid).children(recursive=True):
                _kill(child)
            each.process.kill()
            each.process.wait()
            each.process = None


def _size(size_bytes: int) -> str:
    return f"size={size_bytes},mode=0777"


def may_mount(folder: Path) -> bool:
    """Whether hosts can have small scratch disks here."""
    probe = folder / "probe"
    probe.mkdir()
    allowed = mount_tmpfs(probe, _size(65_536))
    if allowed:
        unmount(probe)
    probe.rmdir()
    return allowed


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
