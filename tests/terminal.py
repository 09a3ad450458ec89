"""A command in a terminal of its own: a real pty, keys that are pressed, and what stands on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

HOME = "\x1b[H"
"""Begins a picture that fills the screen."""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
"""SGR that sets a colour, ECMA-48 §8.3.117."""


@dataclass
class Terminal:
    """A screen with a command on it."""

    process: subprocess.Popen[bytes]
    _master: int
    _slave: int
    written: str = ""
    """All that the command has written."""

    def press(self, keys: str) -> None:
        """Press keys, one after the other."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the screen another size."""
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def modes(self) -> list[Any]:
        """How the terminal is set (`tcgetattr`)."""
        return termios.tcgetattr(self._slave)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen: the last whole picture."""
        pictures = self.written.split(HOME)
        return ESCAPES.sub("", pictures[-1]).replace("\r", "").split("\n")

    def shows(self, *words: str, timeout_seconds: float = 60.0) -> list[str]:
        """Wait until all these words stand on the screen; the lines that have one of them."""
        patterns = [re.compile(word) for word in words]
        self.until(
            lambda: all(pattern.search("\n".join(self.lines)) for pattern in patterns),
            timeout_seconds,
        )
        return [line for line in self.lines if any(pattern.search(line) for pattern in patterns)]

    def until(self, condition: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
        """Read what is written until a condition holds."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < deadline, "\n".join(self.lines)
            self._read(0.1)

    def ended(self) -> int:
        """The exit status, once the command has ended."""
        self.until(lambda: self.process.poll() is not None)
        while self._read(0.1):
            pass
        assert self.process.returncode is not None
        return self.process.returncode

    def _read(self, timeout_seconds: float) -> bool:
        if not select.select([self._master], [], [], timeout_seconds)[0]:
            return False
        self.written += os.read(self._master, 65536).decode(errors="replace")
        return True


@contextmanager
def terminal(
    *words: object, columns: int = 80, rows: int = 24, **environment: str
) -> Iterator[Terminal]:
    """`adaptation WORDS…` on a screen; it is killed at the end of the block if it still runs."""
    master, slave = pty.openpty()
    known = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "NO_COLOR"}}
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "adaptation", *map(str, words)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**known, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
        start_new_session=True,
        # It makes one system call and takes no lock.
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    with process:
        try:
            yield Terminal(process, master, slave)
        finally:
            process.kill()
            os.close(slave)
            os.close(master)
