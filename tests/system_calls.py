"""What programs really open and connect to, seen by strace from outside."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 120
_LINE = re.compile(r"(\d+)\s+(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))")
_STARTS = frozenset({"clone", "clone3", "fork", "vfork"})
_TRACED = ("execve", "open", "openat", "openat2", "connect", *sorted(_STARTS))


@dataclass(frozen=True)
class Call:
    """A call of a program."""

    program: str
    """File name of the program that made it."""
    name: str
    """Of the system call."""
    told: str
    """Its arguments and its result, as strace prints them."""

    @property
    def path(self) -> str:
        """The path that was opened."""
        found = re.search(r'"((?:[^"\\]|\\.)*)"', self.told)
        return found[1] if found else ""


def traced(
    command: Sequence[str], strace: str, log: Path, environment: Mapping[str, str]
) -> list[Call]:
    """Run a command and give what it and its children opened, connected to and executed."""
    words = [strace, "-f", "--seccomp-bpf", "-s", "4096", "-e", f"trace={','.join(_TRACED)}"]
    subprocess.run(
        [*words, "-o", str(log), *command],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
    )
    return list(_calls(log.read_text(errors="replace").splitlines()))


def _calls(lines: Sequence[str]) -> Iterator[Call]:
    """Calls with the program of their process: a child has its parent's until it executes one."""
    programs = dict[str, str]()
    begun = dict[str, str]()
    parents = _parents(lines)
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        process, name = match[1], match[2] or match[4]
        told = begun.pop(process, "") + match[3] if match[2] else match[5]
        if process not in programs:
            programs[process] = programs.get(parents.get(process, ""), "")
        if told.endswith("<unfinished ...>"):
            begun[process] = told
            continue
        if name == "execve" and told.endswith("= 0"):
            programs[process] = Path(Call("", name, told).path).name
        yield Call(programs[process], name, told)


def _parents(lines: Sequence[str]) -> dict[str, str]:
    """Who started each process or thread; a child may be seen before its parent is told."""
    parents = dict[str, str]()
    for line in lines:
        match = _LINE.match(line)
        if match and (match[2] or match[4]) in _STARTS and (born := re.search(r"= (\d+)$", line)):
            parents[born[1]] = match[1]
    return parents
