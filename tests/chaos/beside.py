"""A thread that runs beside a block of code and ends with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(work: Callable[[], None], over: threading.Event) -> Iterator[threading.Thread]:
    """Run `work`, which must end soon after `over` is set, for the length of a block."""
    thread = threading.Thread(target=work, name=work.__qualname__, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        over.set()
        thread.join()
