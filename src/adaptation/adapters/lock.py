"""A lock between processes that ends with its holder, however that ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.02
"""How often a taken lock is tried again."""

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def locked(path: Path, *, wait_seconds: float) -> Iterator[None]:
    """Be the only one who holds the lock file `path`, which is made when needed.

    Raises:
        TimeoutError: others held it all the time.
        OSError: the file cannot be opened, or its file system knows no locks.
    """
    deadline = time.monotonic() + wait_seconds
    with path.open("ab") as file:
        while not _try(file.fileno()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} was locked for {wait_seconds:.0f} s")
            time.sleep(POLL_SECONDS)
        yield
