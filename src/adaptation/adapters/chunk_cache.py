"""A folder of encoded chunks by what they are made of, which stays within its room."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from adaptation.adapters.chunk_entry import ENTRY_NAME, CachedFile, Record, copy_proven, proven
from adaptation.adapters.lock import locked

LOCK_SECONDS = 10.0
"""How long others may keep the lock before a chunk is left out: it is never worth waiting long."""
ABANDONED_SECONDS = 3600.0
"""Nobody writes an entry for that long: who began it was killed."""
SPARE_PART = 10
"""A tenth of the room is freed when it is full, for looking at all entries takes time."""
_LOCK, _USED, _INCOMING, _TRASH = ".lock", ".used", ".incoming", ".trash"
_SHELF, _KEY = re.compile("[0-9a-f]{2}"), re.compile("[0-9a-f]{64}")
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST})

Check = Callable[[], None]
"""Called between files; what it raises ends the work."""


@dataclass(frozen=True)
class Usage:
    """What a cache holds."""

    entries: int
    used_bytes: int
    oldest_use: datetime | None
    """When the entry that goes next was last used; none when there are no entries."""
    newest_use: datetime | None
    """When any entry was last used."""


@dataclass(frozen=True)
class _Entry:
    """An entry as it is found in the folder."""

    folder: Path
    size_bytes: int
    used: float
    """When it was last used, in seconds since 1970."""


class ChunkCache:
    """Entries by key, shared by all processes that are given the folder.

    An entry appears whole, by one rename, and goes in the same way. Those that were not used for
    longest go when the room is full. Whoever reads one proves each file by its digest.
    """

    def __init__(self, root: Path, room_bytes: int) -> None:
        """Prepare; nothing is made yet.

        Args:
            root: the folder; everybody who shares it should give it the same room.
            room_bytes: what it may hold.
        """
        self.root = root
        self.room_bytes = room_bytes

    def fetch(self, key: str, into: Path, *, is_full: bool, check: Check) -> list[str] | None:
        """Copy an entry's files into a folder, each proven by its digest.

        Args:
            key: 64 hexadecimal digits.
            into: made when needed; of use only when names are returned.
            is_full: whether only an entry will do of which every frame was decoded.
            check: called before each file.

        Returns:
            The files' names; none when there is no such entry.

        Raises:
            ValueError: the entry was damaged; it is gone now.
            OSError: the cache cannot be read, or `into` not be written.
        """
        folder = self._folder(key)
        try:
            record = Record.from_bytes((folder / ENTRY_NAME).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            self._drop(folder)
            raise ValueError(f"the entry {folder} was damaged and is removed: {error}") from error
        if is_full and not record.is_full:
            return None
        self._touch(folder)
        for name, (size_bytes, sha256) in record.files.items():
            check()
            content = proven(folder / name, size_bytes, sha256)
            if content is None:
                self._check_gone(folder, name)
                return None
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return list(record.files)

    def store(self, key: str, files: Sequence[CachedFile], *, is_full: bool, check: Check) -> bool:
        """Keep files as an entry; where there is one that is proven as well, it stays.

        Args:
            key: 64 hexadecimal digits.
            files: all of them.
            is_full: whether every frame was decoded as proof.
            check: called before each file.

        Returns:
            Whether the entry is there; not when it has no place in the room.

        Raises:
            ValueError: a file is not what its digest says.
            OSError: the cache cannot be written.
        """
        if self._holds(key, is_full=is_full):
            return True
        sizes = {file.name: (file.path.stat().st_size, file.sha256) for file in files}
        record = Record(is_full, sizes)
        written = record.to_bytes()
        incoming = self._reserved(record.size_bytes + len(written))
        if incoming is None:
            return False
        try:
            for file in files:
                check()
                copy_proven(file, incoming / file.name)
            (incoming / ENTRY_NAME).write_bytes(written)
            self._place(incoming, key, is_full=is_full)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        return True

    def usage(self) -> Usage:
        """Count what is there.

        Raises:
            OSError: the folder cannot be read.
        """
        return _summed(list(self._entries()))

    def clear(self) -> Usage:
        """Remove all entries, except those that are only just being written; returns what went.

        Raises:
            OSError: the folder cannot be written, or others keep it locked.
        """
        if not self.root.is_dir():
            return _summed([])
        with self._locked():
            gone = self._tidied()
            for entry in gone:
                self._drop(entry.folder)
            self._sweep()
            (self.root / _USED).unlink(missing_ok=True)
        if any(entry.folder.exists() for entry in gone):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.root))
        return _summed(gone)

    def _folder(self, key: str) -> Path:
        return self.root / key[:2] / key

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self.root / _LOCK, wait_seconds=LOCK_SECONDS)

    def _touch(self, folder: Path) -> None:
        with suppress(OSError):  # gone, or not ours to write to: the next step will tell
            os.utime(folder / ENTRY_NAME)

    def _check_gone(self, folder: Path, name: str) -> None:
        """Tell an entry that others removed while it was read from one that lacks a file.

        Raises:
            ValueError: it is damaged.
        """
        if (folder / ENTRY_NAME).exists():
            self._drop(folder)
            raise ValueError(f"the entry {folder} was damaged and is removed: {name}")

    def _holds(self, key: str, *, is_full: bool) -> bool:
        folder = self._folder(key)
        try:
            record = Record.from_bytes((folder / ENTRY_NAME).read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        self._touch(folder)
        return record.is_full or not is_full

    def _reserved(self, size_bytes: int) -> Path | None:
        """A new folder to write an entry to, with room for it; none when there cannot be any.

        Its bytes count from now on, so that whoever else writes at the same time leaves room.
        """
        if size_bytes > self.room_bytes:
            return None
        self.root.mkdir(parents=True, exist_ok=True)
        with self._locked():
            used = self._known_bytes()
            if used is None or used + size_bytes > self.room_bytes:
                used = self._freed(size_bytes)
            has_room = used + size_bytes <= self.room_bytes
            self._note_bytes(used + (size_bytes if has_room else 0))
            if not has_room:
                return None
            incoming = self.root / _INCOMING / f"{uuid4().hex}-{size_bytes}"
            incoming.mkdir(parents=True)
            return incoming

    def _place(self, incoming: Path, key: str, *, is_full: bool) -> None:
        """Let a written entry appear, in place of one that is proven less."""
        target = self._folder(key)
        target.parent.mkdir(exist_ok=True)
        try:
            incoming.rename(target)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            if self._holds(key, is_full=is_full):
                return
            self._drop(target)
            incoming.rename(target)

    def _known_bytes(self) -> int | None:
        """What is used as it was last counted, with all that came since; none: nobody knows.

        It may be too much, for removed entries are not taken off: then all is counted anew
        sooner. It is never too little.
        """
        try:
            return int((self.root / _USED).read_text())
        except (OSError, ValueError):
            return None

    def _note_bytes(self, used_bytes: int) -> None:
        part = self.root / f"{_USED}.part"
        part.write_text(str(used_bytes))
        part.replace(self.root / _USED)

    def _freed(self, wanted_bytes: int) -> int:
        """Count all, and remove the entries that were not used for longest if there is no room.

        Returns:
            The bytes in use afterwards.
        """
        used = self._sweep()
        entries = sorted(self._tidied(), key=lambda entry: entry.used)
        used += sum(entry.size_bytes for entry in entries)
        if used + wanted_bytes <= self.room_bytes:
            return used
        goal = self.room_bytes - self.room_bytes // SPARE_PART - wanted_bytes
        for entry in entries:
            if used <= goal:
                break
            self._drop(entry.folder)
            if not entry.folder.exists():
                used -= entry.size_bytes
        return used

    def _sweep(self) -> int:
        """Remove what killed processes left; returns the bytes that are promised to living ones."""
        shutil.rmtree(self.root / _TRASH, ignore_errors=True)
        promised = 0
        for folder in (self.root / _INCOMING).glob("*-*"):
            with suppress(FileNotFoundError):  # it has just become an entry
                if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    promised += int(folder.name.rpartition("-")[2])
        return promised

    def _entries(self) -> Iterator[_Entry]:
        """All entries that can be understood."""
        return (entry for folder in self._folders() if (entry := _seen(folder)))

    def _tidied(self) -> list[_Entry]:
        """All entries; those that cannot be understood are removed."""
        entries = list[_Entry]()
        for folder in self._folders():
            if entry := _seen(folder):
                entries.append(entry)
            else:
                self._drop(folder)
        return entries

    def _folders(self) -> list[Path]:
        """Where entries lie; whatever else is in the folder is not ours.

        Raises:
            OSError: it cannot be read.
        """
        try:
            shelves = [path for path in self.root.iterdir() if _SHELF.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        folders = (folder for shelf in shelves for folder in shelf.iterdir())
        return [folder for folder in folders if _KEY.fullmatch(folder.name)]

    def _drop(self, folder: Path) -> None:
        """Remove an entry in one moment for whoever reads; what cannot be removed stays."""
        trash = self.root / _TRASH / uuid4().hex
        with suppress(OSError):
            trash.parent.mkdir(exist_ok=True)
            folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)


def _seen(folder: Path) -> _Entry | None:
    """An entry; none when it cannot be understood, or has been removed meanwhile."""
    try:
        used = (folder / ENTRY_NAME).stat().st_mtime
        content = (folder / ENTRY_NAME).read_bytes()
        return _Entry(folder, Record.from_bytes(content).size_bytes + len(content), used)
    except (FileNotFoundError, ValueError):
        return None


def _summed(entries: Sequence[_Entry]) -> Usage:
    times = [datetime.fromtimestamp(entry.used, UTC) for entry in entries]
    used_bytes = sum(entry.size_bytes for entry in entries)
    return Usage(len(entries), used_bytes, min(times, default=None), max(times, default=None))
