"""Runs the command `adaptation` as a shell does: a process of its own, watched from here."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from unittest.mock import patch

import structlog

import loaded
from adaptation.cli import main
from services import wait_until

TIMEOUT_SECONDS = 240.0


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of stdout."""
        return self.out.splitlines()[-1] if self.out else ""

    @property
    def documents(self) -> list[Any]:
        """Stdout as one JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def code(self) -> str:
        """The code of the error on stderr; empty when there is none."""
        found = re.search(r"^code: (\w+)", self.err, re.MULTILINE)
        return found.group(1) if found else ""

    @property
    def hint(self) -> str:
        """The first remedy on stderr; empty when there is none."""
        found = re.search(r"^hint: (.+)", self.err, re.MULTILINE)
        return found.group(1) if found else ""


def adaptation(*words: object, **environment: str) -> Ended:
    """Run `adaptation WORDS…` to its end, with more variables in its environment."""
    ended = subprocess.run(
        _command(words),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@contextmanager
def started(*words: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start `adaptation WORDS…`; it is killed at the end of the block if it still runs."""
    with subprocess.Popen(
        _command(words),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream: IO[str] | None, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Read JSON lines of a running command up to the first that `holds`."""
    assert stream is not None
    for line in stream:
        document: dict[str, Any] = json.loads(line)
        if holds(document):
            return document
    raise AssertionError("the command ended without saying so")


@contextmanager
def loaded_command() -> Iterator[Path]:
    """A folder with a command `adaptation` for scripts, which is loaded once; see `loaded`."""
    paths = os.pathsep.join(path for path in sys.path if path)
    with TemporaryDirectory() as name:
        folder, place = Path(name), Path(name, "socket")
        words = [sys.executable, "-I", "-S", loaded.__file__, "call", str(place)]
        command = folder / "adaptation"
        command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        command.chmod(0o755)
        with subprocess.Popen(
            [sys.executable, loaded.__file__, "serve", str(place)],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as server:
            try:
                assert wait_until(place.exists, 60)
                yield folder
            finally:
                os.killpg(server.pid, signal.SIGKILL)


@contextmanager
def shell(folder: Path) -> Iterator[Callable[[str], Ended]]:
    """Runs scripts in a folder, as whoever follows a page does; `adaptation` is loaded once."""
    with loaded_command() as commands:
        path = f"{commands}:{os.environ['PATH']}"

        def run(script: str) -> Ended:
            ended = subprocess.run(
                ["bash", "-ec", script],
                cwd=folder,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
            return Ended(ended.returncode, ended.stdout, ended.stderr)

        yield run


def here(*words: object, **environment: str) -> Ended:
    """The same in this process, which need not load everything again; nothing may kill it."""
    out, err = io.StringIO(), io.StringIO()
    changed = patch.dict(os.environ, environment)
    with changed, _log_given_back(), redirect_stdout(out), redirect_stderr(err):
        status = main([str(word) for word in words])
    return Ended(status, out.getvalue(), err.getvalue())


@contextmanager
def _log_given_back() -> Iterator[None]:
    """A command sends the log to its stderr, which is none any more afterwards."""
    root, known, configure = logging.getLogger(), structlog.get_config(), structlog.configure
    handlers, level = root.handlers[:], root.level
    # What a logger has cached it keeps, whatever is configured later.
    uncached = partial(_configured, configure)
    try:
        with patch.object(structlog, "configure", uncached):
            yield
    finally:
        configure(**known)
        root.handlers[:] = handlers
        root.setLevel(level)


def _configured(configure: Callable[..., None], **wanted: Any) -> None:
    configure(**wanted | {"cache_logger_on_first_use": False})


def show(job: object = 1) -> dict[str, Any]:
    """What `adaptation show JOB --json` prints."""
    document: dict[str, Any] = json.loads(here("show", job, "--json").out)
    return document


def _command(words: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", "adaptation", *map(str, words)]
