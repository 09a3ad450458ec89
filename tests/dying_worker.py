"""Workers that are processes of their own, and kill themselves at a moment that is told.

usage: python dying_worker.py

Everything is loaded once; each line on stdin, a JSON `Life`, then makes a new process that runs
the one job there is under a home until it has ended and is told of. When a process is gone,
a line on stdout says how: `status` (negative: the signal), and `moments`.

A moment is a change of the file system, or a tool's start. The process dies right before it, or
a little later: in the midst of what the tool does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from adaptation.engine.store import Store
from adaptation.settings import Settings
from adaptation.wiring import Deployment

MOMENTS = ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "subprocess.Popen")
"""What the interpreter tells before it happens: PEP 578."""
JOB = 1
"""A home has one job."""
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Life:
    """How long a worker lives."""

    home: str
    """Of the engine."""
    dies_at: int | None = None
    """The number of the moment, from 0; None: it ends by itself."""
    later_seconds: float = 0.0
    """How long after that moment it really dies."""


def live(life: Life, ledger: Path) -> None:
    """Do the job, or die; what was passed is noted in `ledger`, a character a moment."""
    deployment = Deployment(Settings(home=Path(life.home)))
    store = deployment.store
    with ledger.open("ab", buffering=0) as passed:
        count_moments(life, passed.fileno())
        with deployment.engine.running(2):
            until = time.monotonic() + PATIENCE_SECONDS
            while not is_over(store) and time.monotonic() < until:
                time.sleep(0.01)
        deployment.engine.tidy()
        store.close()


def is_over(store: Store) -> bool:
    """Whether the home's one job has ended, and everybody knows."""
    told = all(one.state != "pending" for one in store.deliveries(JOB))
    return store.job(JOB).ended and told


def count_moments(life: Life, ledger: int) -> None:
    """Note each moment of this process from now on, and die at one of them."""
    number, lock = 0, threading.Lock()

    def heard(event: str, arguments: Sequence[object]) -> None:
        nonlocal number
        if event not in MOMENTS:
            return
        with lock:
            os.write(ledger, f"{MOMENTS.index(event)}".encode())
            mine, number = number, number + 1
        if mine == life.dies_at:
            die(life.later_seconds)

    sys.addaudithook(heard)


def die(seconds: float) -> None:
    """Be killed, as if by somebody else, after so long."""
    if seconds:
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Make a process for each line, one after the other."""
    with TemporaryDirectory() as folder:
        ledger = Path(folder, "moments")
        for line in sys.stdin:
            ledger.write_bytes(b"")
            child = os.fork()
            if child == 0:
                os.dup2(2, 1)  # what it logs is no answer
                live(Life(**json.loads(line)), ledger)
                os._exit(0)  # what the parent holds is not this one's to tidy up
            _, ended = os.waitpid(child, 0)
            status = os.waitstatus_to_exitcode(ended)
            answer = {"status": status, "moments": ledger.read_text()}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
