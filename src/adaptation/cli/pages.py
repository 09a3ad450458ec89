"""The pages for people beside a job of this process, with a link that needs no key."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from adaptation.cli import output
from adaptation.cli.shift import POLL_SECONDS
from adaptation.engine.clients import Role
from adaptation.errors import ParameterError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from adaptation.cli.interruption import Interruption
    from adaptation.engine.model import Job
    from adaptation.wiring import Deployment

CLIENT = "demo.visitor"
"""Whose the job is, who may only look, and whose key nobody is ever told."""
HOST = "127.0.0.1"
KEY_HOURS = 12


@contextmanager
def job_page(deployment: Deployment, job: Job, interruption: Interruption) -> Iterator[None]:
    """Serve the pages on this machine while a job runs, and tell where its page is.

    Whoever sits at a terminal is asked when to end: a film is not broken off.

    Args:
        deployment: the engine.
        job: one of the client `CLIENT`.
        interruption: tells that somebody wants to end at once.
    """
    from adaptation.api.server import serving
    from adaptation.dashboard.entry import Passes
    from adaptation.dashboard.mounting import mount
    from adaptation.dashboard.painting import prepare

    passes: list[Passes] = []
    # Before the encode begins, which would take its time from it.
    prepare()

    def mounted(api: FastAPI) -> None:
        mount(api)
        passes.append(api.state.passes)

    with _a_key(deployment) as key_id, serving(deployment, HOST, 0, mount=mounted) as url:
        link = passes[0].grant(key_id, f"/ui/jobs/{job.id}#film-part")
        output.note(f"Watch it while it is made (once, on this machine): {url.rstrip('/')}{link}")
        yield
        if sys.stdin.isatty() and sys.stderr.isatty() and not interruption.count:
            output.note("The page stays until you press Enter.")
            _wait_for_enter(interruption)


@contextmanager
def _a_key(deployment: Deployment) -> Iterator[int]:
    """The number of a key that is good within the block."""
    store = deployment.store
    with suppress(ParameterError):  # it is there of an earlier time
        store.add_client(CLIENT, Role.READONLY)
    end = datetime.now(UTC) + timedelta(hours=KEY_HOURS)
    # Another demo may run beside this one.
    key = store.rotate_key(CLIENT, overlap_seconds=KEY_HOURS * 3600, expires_at=end)
    found = store.authenticated(CLIENT, key)
    if found is None:
        raise ParameterError(f"the key of {CLIENT} was taken away", code="key_unknown")
    try:
        yield found[1]
    finally:
        prefix = next(one.prefix for one in store.keys(CLIENT) if one.id == found[1])
        store.revoke_key(CLIENT, prefix)


def _wait_for_enter(interruption: Interruption) -> None:
    pressed = threading.Event()

    def read() -> None:
        sys.stdin.readline()
        pressed.set()

    # A thread of its own: a signal must be heard meanwhile.
    threading.Thread(target=read, name="enter", daemon=True).start()
    while not pressed.wait(POLL_SECONDS) and not interruption.count:
        continue
