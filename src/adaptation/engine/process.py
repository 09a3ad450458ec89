"""The operating-system process behind a worker: how it is described, and whether it lives."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil

from adaptation.engine.model import Process

HOST_LETTERS = 40
"""As much of the host's name stands in an id, which has 64 letters."""


def this_process(slots: int, job_id: int | None = None, queues: Sequence[str] = ()) -> Process:
    """Describe the running process as a worker; see `Process`."""
    pid = os.getpid()
    return Process(
        worker_id=f"{socket.gethostname()[:HOST_LETTERS]}/{pid}/{uuid.uuid4().hex[:12]}",
        host=host_identity(),
        pid=pid,
        started_at_ms=int(psutil.Process().create_time() * 1000),
        slots=slots,
        job_id=job_id,
        queues=tuple(queues),
    )


def name_of_worker(worker_id: str) -> str:
    """What people call a worker: its host and process, also when it is long gone.

    Args:
        worker_id: as stored with what it ran; older ones are numbers that say nothing.
    """
    name, _, _ = worker_id.rpartition("/")
    return name or worker_id[:8]


def host_identity() -> str:
    """Equal for two processes only if a process id means the same thing to both."""
    parts = [socket.gethostname(), str(int(psutil.boot_time()))]
    namespace = Path("/proc/self/ns/pid")
    if namespace.is_symlink():
        parts.append(str(namespace.readlink()))
    return "/".join(parts)


def is_alive(process: Process) -> bool:
    """Whether a worker of this host still runs."""
    try:
        found = psutil.Process(process.pid)
        started = found.create_time()
        if found.status() == psutil.STATUS_ZOMBIE:  # dead, and nobody has asked how it ended
            return False
    except psutil.NoSuchProcess:
        return False
    # A second's grace: the clock behind create_time() has been seen to move a little.
    return abs(started * 1000 - process.started_at_ms) < 1000
