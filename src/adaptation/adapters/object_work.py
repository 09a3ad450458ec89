"""The work area of a fleet that shares no folder: in a storage, and on each host what it has seen.

What a task puts there is sent to the storage and kept on this host; what a task asks for is fetched
once a host. Keys name one attempt of one task, so what lies under a key never changes, and a copy
is never out of date.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from adaptation.adapters.lock import locked
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.scratch import naming_a_full_disk
from adaptation.adapters.storage import LocalStorage, missing_work
from adaptation.errors import SourceError, Transient

AT_ONCE = 8
"""Files of one folder that are on their way at a time."""
OPEN_SECONDS = 60.0
"""How long a storage stays opened: then a key that an operator has changed counts."""
FETCH_SECONDS = 21_600.0
"""How long a task waits for another one of this host that fetches the same."""
LISTING = ".folder"
"""Ends the key of what lists a stored folder: the key of each file, by its name in the folder."""


class ObjectWork:
    """A `Storage` that all hosts reach. See `adaptation.adapters.storage.Storage`."""

    def __init__(self, root: Path, open_store: Callable[[], ObjectStore]) -> None:
        """Open nothing yet.

        Args:
            root: a folder of this host for copies, which nothing else writes to.
            open_store: gives the storage.
        """
        self.here = LocalStorage(root)
        self._open_store = open_store
        self._opened: tuple[float, ObjectStore] | None = None

    def put_file(self, path: Path, key: str) -> None:
        """Store the file at `path`, by a move where that is possible.

        Raises:
            Transient: `work_full`, `storage_unreachable`.
            SettingsError: `storage_forbidden`.
            ParameterError: `path_outside`, `storage_unknown`.
        """
        self.here.put_file(path, key)
        self._store.put_file(self.here.place(key), key)

    def put_bytes(self, content: bytes, key: str) -> None:
        """Store a small file; raises as `put_file`."""
        self.here.put_bytes(content, key)
        self._store.put_file(self.here.place(key), key)

    def open_local(self, key: str, cancelled: threading.Event | None = None) -> Path:
        """Give this host's copy of a file, which is fetched if there is none.

        Raises:
            AdaptationError: `work_missing`.
            Cancelled: it was asked to stop.
            SettingsError, Transient: as `put_file`; `storage_damaged`.
        """
        path = self.here.place(key)
        if not path.is_file():
            with self._alone(path):
                if not path.is_file():
                    self._fetch(key, path, cancelled)
        return path

    def new_folder(self, key: str) -> Path:
        """Where a task makes a folder that it stores when it is whole."""
        return self.here.place(key)

    def put_folder(self, key: str) -> None:
        """Store the folder that was made there; files that are stored already are not sent again.

        Those are links to what this host has of the work area.

        Raises:
            SettingsError, Transient: as `put_file`.
        """
        folder, job = self.here.place(key), "/".join(key.split("/")[:2])
        stored: Mapping[tuple[int, int] | None, str] = {
            identity: found.key
            for found in self._store.objects(job)
            if (identity := _identity(self.here.place(found.key)))
        }

        def send(path: Path) -> tuple[str, str]:
            name = path.relative_to(folder).as_posix()
            known = stored.get(_identity(path))
            if known is None:
                self._store.put_file(path, f"{key}/{name}")
            return name, known or f"{key}/{name}"

        with ThreadPoolExecutor(AT_ONCE, "storing") as pool:
            listing = dict(pool.map(send, sorted(_files(folder))))
        self.put_bytes(json.dumps(listing).encode(), f"{key}{LISTING}")

    def open_folder(self, key: str, cancelled: threading.Event | None = None) -> Path:
        """Give this host's copy of a stored folder, as `open_local` gives a file's."""
        folder = self.here.place(key)
        # It appears whole, by a rename, also where it is made.
        if not folder.is_dir():
            with self._alone(folder):
                if not folder.is_dir():
                    self._fetch_folder(key, folder, cancelled)
        return folder

    def delete_prefix(self, prefix: str) -> None:
        """Remove every key below the folder `prefix`, in the storage and on this host.

        Raises:
            SettingsError, Transient: as `put_file`.
        """
        self._store.delete_prefix(prefix)
        self.forget(prefix)

    def forget(self, prefix: str) -> None:
        """Remove this host's copies of what lies below the folder `prefix`."""
        self.here.delete_prefix(prefix)

    def jobs(self) -> set[int]:
        """The jobs of whose files this host has copies."""
        return numbered(self.here.root / "jobs")

    @property
    def _store(self) -> ObjectStore:
        now = time.monotonic()
        if self._opened is None or now - self._opened[0] > OPEN_SECONDS:
            self._opened = now, self._open_store()
        return self._opened[1]

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Be the only task of this host that fetches what is to be at `path`."""
        with naming_a_full_disk(self.here.root, "work_full"):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with locked(path.with_name(f".{path.name}.lock"), wait_seconds=FETCH_SECONDS):
                    yield
            except TimeoutError as error:
                raise Transient(
                    f"another task of this host has fetched {path.name} for {FETCH_SECONDS:.0f} s",
                    code="storage_unreachable",
                    hint="It is tried again by itself.",
                ) from error

    def _fetch(self, key: str, path: Path, cancelled: threading.Event | None) -> None:
        try:
            self._store.get_file(key, path, cancelled=cancelled)
        except SourceError as error:
            if error.code != "storage_not_found":
                raise
            raise missing_work(key, f"storage {self._store.config.name}") from error

    def _fetch_folder(self, key: str, folder: Path, cancelled: threading.Event | None) -> None:
        """Let the folder appear whole: of links to what is fetched file by file."""
        incoming = folder.with_name(f".{uuid4().hex}.incoming")
        try:
            found = self.open_local(f"{key}{LISTING}", cancelled).read_bytes()
            listing: Mapping[str, str] = json.loads(found)

            def bring(name: str) -> None:
                target = incoming / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if (own := listing[name]) == f"{key}/{name}":
                    self._fetch(own, target, cancelled)
                else:
                    _link(self.open_local(own, cancelled), target)

            with ThreadPoolExecutor(AT_ONCE, "fetching") as pool:
                list(pool.map(bring, listing))
            incoming.rename(folder)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def numbered(folder: Path) -> set[int]:
    """The jobs that have a folder of their own in this one; it need not be there."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return {int(name) for name in names if name.isdigit()}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def _identity(path: Path) -> tuple[int, int] | None:
    """Equal for links of one file; None: there is no file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # a file system without links
        shutil.copyfile(path, target)
