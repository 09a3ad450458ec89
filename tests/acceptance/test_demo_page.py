"""The link that `adaptation demo` prints leads to the film, which plays while it is made."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from command_line import show
from dashboard.visits import need_browser, visit

PLAYS_SECONDS = 10
"""From the start of the encode to a moving picture, on a machine that does nothing else."""
LINK = re.compile(rb"http://127\.0\.0\.1:\d+/ui/enter\?pass=[\w-]+")
FILM = "document.getElementById('film')"

pytestmark = pytest.mark.slow


class Terminal:
    """What a person at a terminal sees of a command, and types."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.seen = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: re.Pattern[bytes], seconds: float) -> str:
        end = time.monotonic() + seconds
        while not (found := pattern.search(self.seen)):
            assert time.monotonic() < end, self.seen[-2000:].decode()
            time.sleep(0.05)
        return found[0].decode()

    def press_enter(self) -> None:
        os.write(self._master, b"\n")

    def _read(self) -> None:
        try:
            while piece := os.read(self._master, 4096):
                self.seen += piece
        except OSError:  # the command has ended
            return


@contextmanager
def at_a_terminal(folder: Path, *words: str) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Run `adaptation WORDS…` at a terminal; only its stdout goes elsewhere."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "adaptation", *words],
        cwd=folder,
        stdin=slave,
        stderr=slave,
        stdout=subprocess.PIPE,
    ) as process:
        os.close(slave)
        try:
            yield Terminal(master), process
        finally:
            process.kill()
            process.wait()
            os.close(master)


def test_the_link_of_the_demo_plays_the_film_while_it_is_made(home: Path, tmp_path: Path) -> None:
    need_browser()
    with at_a_terminal(tmp_path, "demo") as (terminal, demo):
        link = terminal.wait_for(LINK, 60)
        address = urlsplit(link)
        steps = [
            ["goto", f"{address.path}?{address.query}"],
            ["until", f"{FILM} && {FILM}.currentTime > 0"],
            ["value", "Date.now() / 1000"],
            ["value", "document.getElementById('film-now').dataset.state"],
            ["value", "document.querySelector('.who span').textContent"],
        ]
        seen = visit(f"http://{address.netloc}", steps)
        assert seen.errors == []
        moved, state, who = seen.seen[2:]
        terminal.wait_for(re.compile(rb"until you press Enter"), 300)
        terminal.press_enter()
        assert demo.stdout is not None
        printed = demo.stdout.read().decode()
        assert demo.wait(30) == 0
    assert printed.splitlines()[-1] == str(tmp_path / "demo" / "bigbuckbunny")
    job = show(1)
    began = datetime.fromisoformat(job["started_at"]).timestamp()
    # What else the machine does takes its share.
    share = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert moved - began <= PLAYS_SECONDS * share
    assert (state, who) == ("growing", job["client"])
    assert home.is_dir()
