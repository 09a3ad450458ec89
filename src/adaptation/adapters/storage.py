"""Storage: where the tasks of a job leave files for each other, by key and never by path."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from adaptation.adapters.containment import held, inside, safe_key
from adaptation.adapters.scratch import naming_a_full_disk
from adaptation.errors import AdaptationError, ParameterError

_TRASH = ".trash"


class Storage(Protocol):
    """Whole files under keys, kept until they are deleted.

    A key is a relative POSIX path such as `jobs/12/tasks/34/1/v720.mp4`; see `checked_key`.
    What is stored appears whole or not at all, and outlives a crash once the call has returned.
    """

    def put_file(self, path: Path, key: str) -> None:
        """Store the file at `path`; the caller gives it up, it may be gone afterwards."""

    def put_bytes(self, content: bytes, key: str) -> None:
        """Store a small file."""

    def open_local(self, key: str, cancelled: threading.Event | None = None) -> Path:
        """Give a path on this host to read `key` from, never to write to.

        Storage that is far away fetches the file, until `cancelled` is set.
        """

    def new_folder(self, key: str) -> Path:
        """Give the place on this host where a folder is made that `put_folder` will store."""

    def put_folder(self, key: str) -> None:
        """Store the folder that was made there; nobody writes to it any more."""

    def open_folder(self, key: str, cancelled: threading.Event | None = None) -> Path:
        """Give a stored folder on this host to read from, as `open_local` does a file."""

    def delete_prefix(self, prefix: str) -> None:
        """Remove every key below the folder `prefix`; nothing stored there is no error."""


class LocalStorage:
    """Storage in a folder of this host, or of a shared file system.

    `open_local` instead of a download costs nothing here; `put_file` moves when scratch is on the
    same file system, so a large rendition is not copied.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_file(self, path: Path, key: str) -> None:
        """Store the file at `path`, by a move where that is possible.

        Raises:
            Transient: `work_full`.
            ParameterError: `path_outside`.
        """
        with self._arriving(key) as incoming:
            _move(path, incoming)

    def put_bytes(self, content: bytes, key: str) -> None:
        """Store a small file.

        Raises:
            Transient: `work_full`.
            ParameterError: `path_outside`.
        """
        with self._arriving(key) as incoming:
            incoming.write_bytes(content)

    def open_local(self, key: str, cancelled: threading.Event | None = None) -> Path:  # noqa: ARG002
        """Give the stored file itself, to read only; nothing takes time that could be cancelled.

        Raises:
            AdaptationError: `work_missing`.
        """
        path = self.place(key)
        if not path.is_file():
            raise missing_work(key, f"the work area {self.root}")
        return path

    def new_folder(self, key: str) -> Path:
        """Give the place itself: whoever makes a folder there lets it appear whole."""
        return self.place(key)

    def put_folder(self, key: str) -> None:
        """Tell that the folder is there.

        Raises:
            AdaptationError: `work_missing`.
        """
        self.open_folder(key)

    def open_folder(self, key: str, cancelled: threading.Event | None = None) -> Path:  # noqa: ARG002
        """Give the stored folder itself, to read only.

        Raises:
            AdaptationError: `work_missing`.
        """
        path = self.place(key)
        if not path.is_dir():
            raise missing_work(key, f"the work area {self.root}")
        return path

    def exists(self, key: str) -> bool:
        """Tell whether `key` is stored."""
        return self.place(key).is_file()

    def size_bytes(self, key: str) -> int:
        """Give the size of `key`.

        Raises:
            AdaptationError: `work_missing`.
        """
        try:
            return self.place(key).stat().st_size
        except FileNotFoundError:
            raise missing_work(key, f"the work area {self.root}") from None

    def list_keys(self, prefix: str) -> list[str]:
        """Give every key below the folder `prefix`, sorted."""
        files = (path for path in self.place(prefix).rglob("*") if path.is_file())
        names = (path.relative_to(self.root).as_posix() for path in files)
        return sorted(name for name in names if "/." not in name)

    def delete_prefix(self, prefix: str) -> None:
        """Remove every key below the folder `prefix`, all in one moment for whoever reads."""
        *names, last = checked_key(prefix).split("/")
        self.root.mkdir(parents=True, exist_ok=True)
        with held(self.root, (_TRASH,), make=True) as trash:
            with (
                suppress(FileNotFoundError, NotADirectoryError),  # two may delete at once
                held(self.root, (*names, last)),
                held(self.root, names) as folder,
            ):
                (folder / last).rename(trash / uuid4().hex)
            # Not only ours: whoever was killed between the rename and here left something, too.
            for abandoned in trash.iterdir():
                shutil.rmtree(abandoned, ignore_errors=True)

    @contextmanager
    def _arriving(self, key: str) -> Iterator[Path]:
        """Give a hidden path beside `key`; what is there at the end becomes `key`, durably."""
        *names, last = checked_key(key).split("/")
        with naming_a_full_disk(self.root, "work_full"):
            self.root.mkdir(parents=True, exist_ok=True)
            with held(self.root, names, make=True) as folder:
                incoming = folder / f".{uuid4().hex}.incoming"
                try:
                    yield incoming
                    sync(incoming)
                    incoming.replace(folder / last)
                finally:
                    incoming.unlink(missing_ok=True)
                sync(folder)

    def place(self, key: str) -> Path:
        """Where `key` lies or would lie.

        Raises:
            ParameterError: `path_outside`.
        """
        inside(self.root, checked_key(key), "key")
        return self.root / key


def checked_key(key: str) -> str:
    """Return `key` when it is a relative POSIX path that stays below any root on any system.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    if safe_key(key, "key") != key:
        raise ParameterError(
            f"the key {key!r:.100} is not written as it must be",
            hint="Give plain names with one / between them, in Unicode's form NFC.",
        )
    return key


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no such call for folders; NTFS journals names by itself.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except OSError:  # another file system: the copy is what the caller's error will be about
        shutil.copyfile(path, target)


def missing_work(key: str, place: str) -> AdaptationError:
    """The error for a key that is not stored; `place` is what does not hold it."""
    return AdaptationError(
        f"{key} is not in {place}",
        code="work_missing",
        hint="Somebody emptied the work area while the job ran; submit the job again.",
    )
