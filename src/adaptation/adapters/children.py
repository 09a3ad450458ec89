"""Where the files that a playlist names come from: the web, or the playlist's own folder."""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from adaptation.adapters.addresses import AddressPolicy
from adaptation.adapters.http import Connection, connection
from adaptation.adapters.scratch import naming_a_full_disk
from adaptation.adapters.web import fetch
from adaptation.errors import SourceError

OnBytes = Callable[[int], None]
"""Called with the bytes of a file that are on disk."""


class Children(Protocol):
    """Brings files by their addresses; each thread takes a `visit` of its own."""

    @contextmanager
    def visit(self, stop: threading.Event) -> Iterator[Visit]:
        """Give what brings one file after the other, until `stop` is set."""


class Visit(Protocol):
    """Brings one file after the other."""

    def bring(self, address: str, target: Path, on_bytes: OnBytes) -> str:
        """Bring a file to `target`, whole; returns the address it really came from.

        Raises:
            SourceError, Transient, Cancelled: it cannot be brought.
        """


class WebChildren:
    """Files of the web; each address is judged before it is connected to."""

    def __init__(self, policy: AddressPolicy, total_seconds: float) -> None:
        """Args say what holds for all files together.

        Args:
            policy: which addresses may be reached.
            total_seconds: from now until the last one must be here.
        """
        self.policy = policy
        self.ends_at = time.monotonic() + total_seconds

    @contextmanager
    def visit(self, stop: threading.Event) -> Iterator[Visit]:
        """Use one connection for one file after the other."""
        with connection(stop, self.policy) as link:
            yield _WebVisit(link, stop, self.ends_at)


class _WebVisit:
    def __init__(self, link: Connection, stop: threading.Event, ends_at: float) -> None:
        self._link = link
        self._stop = stop
        self._ends_at = ends_at

    def bring(self, address: str, target: Path, on_bytes: OnBytes) -> str:
        fetched = fetch(
            address,
            target,
            link=self._link,
            cancelled=self._stop,
            total_seconds=max(1.0, self._ends_at - time.monotonic()),
            on_progress=lambda done, _: on_bytes(done),
        )
        return fetched.address


class FolderChildren:
    """Files at or below one folder, wherever links lead."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @contextmanager
    def visit(self, stop: threading.Event) -> Iterator[Visit]:  # noqa: ARG002 - copies are quick
        """Give itself: nothing is kept open."""
        yield self

    def bring(self, address: str, target: Path, on_bytes: OnBytes) -> str:
        """Copy a file.

        Raises:
            SourceError: `source_child_forbidden`, `source_missing`.
            Transient: `scratch_full`.
        """
        with naming_a_full_disk(target.parent, "scratch_full"):
            incoming = target.with_name(f"{target.name}.{threading.get_ident()}.part")
            with _opened(self.folder, address) as source, incoming.open("wb") as copy:
                on_bytes(os.fstat(source).st_size)
                with open(source, "rb", closefd=False) as reader:
                    shutil.copyfileobj(reader, copy, 1 << 20)
            incoming.replace(target)
        return address


@contextmanager
def _opened(folder: Path, address: str) -> Iterator[int]:
    """Open a file below a folder, and make sure that what was opened is what was judged."""
    named = url2pathname(urlsplit(address).path)
    name = Path(named).name
    try:
        path = Path(named).resolve()
        if not path.is_relative_to(folder):
            raise _outside(name)
        # A pipe would let us wait for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        file = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{name:.100} of the playlist cannot be read: {getattr(error, 'strerror', error)}",
            code="source_missing",
            hint="Copy the playlist together with all its files.",
        ) from error
    try:
        facts = os.fstat(file)
        # A folder on the way may have become a link since it was looked at.
        again = path.resolve()
        if again != path or not os.path.samestat(facts, again.lstat()):
            raise _outside(name)
        if not stat.S_ISREG(facts.st_mode):
            raise _outside(name)
        yield file
    finally:
        os.close(file)


def _outside(name: str) -> SourceError:
    return SourceError(
        f"the playlist may not be followed: {name:.100} is no file in its folder or below",
        code="source_child_forbidden",
        hint="Put the playlist and all its files into one folder; links may not lead out of it.",
    )
