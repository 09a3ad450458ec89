"""A folder of sources: its files, read without following any link out of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adaptation.adapters.containment import held, led_out, names_below
from adaptation.adapters.storage import sync
from adaptation.errors import SourceError

_PLAIN = os.O_RDONLY
# No link is followed, and nobody waits for a pipe that has no writer.
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    _PLAIN |= getattr(os, _name, 0)
_COPIED_BYTES = 1 << 20


@dataclass(frozen=True)
class FoundFile:
    """A file of a folder, as it was when it was looked at."""

    name: str
    size_bytes: int
    changed_ns: int
    """Time of the last change, nanoseconds since 1970; in a storage a number that changes with the
    file."""


@dataclass(frozen=True)
class SourceFolder:
    """A folder, whose files others may change at any time."""

    path: Path
    """Absolute, with all links resolved."""
    roots: tuple[Path, ...]
    """Folders below which symbolic links are not followed."""

    @property
    def name(self) -> str:
        """What it is called in errors."""
        return str(self.path)

    def files(self) -> list[FoundFile]:
        """The files right in the folder, by name; neither links nor hidden ones.

        Raises:
            SourceError: `source_missing`.
            ParameterError: `path_outside`.
        """
        found = []
        try:
            with self._standing() as folder:
                for entry in sorted(folder.iterdir(), key=lambda path: path.name):
                    facts = entry.lstat()
                    if stat.S_ISREG(facts.st_mode) and not entry.name.startswith("."):
                        found.append(FoundFile(entry.name, facts.st_size, facts.st_mtime_ns))
        except OSError as error:
            raise self._missing(error) from error
        return found

    @contextmanager
    def opened(self, key: str) -> Iterator[BinaryIO]:
        """A file of the folder, to be read.

        Args:
            key: names with `/` between them, as `safe_key` gives them.

        Raises:
            SourceError: `source_missing`.
            ParameterError: `path_outside`.
        """
        *folders, last = key.split("/")
        with ExitStack() as stack:
            try:
                place = stack.enter_context(self._standing())
                folder = stack.enter_context(held(place, folders))
                stream = stack.enter_context(os.fdopen(os.open(folder / last, _PLAIN), "rb"))
            except OSError as error:
                raise self._missing(error) from error
            yield stream

    def append(
        self, key: str, size_bytes: int, sha256: str, target: BinaryIO, offset: int | None = None
    ) -> None:
        """Copy a file of the folder, or a part, to the end of another one, if it is as known.

        Args:
            key: as for `opened`.
            size_bytes: it must have.
            sha256: its digest, hexadecimal.
            target: open for writing.
            offset: of a part, bytes of the file in front of it; None: it is the whole file.

        Raises:
            SourceError: `asset_damaged`, `source_missing`.
        """
        with self.opened(key) as stream:
            append_known(stream, (size_bytes, sha256), target, f"{key} in {self.path}", offset)

    def file(self, name: str) -> Path:
        """The path of a file right in the folder, for a tool to read.

        Raises:
            ParameterError: `path_outside`, it is a link by now.
        """
        place = self.path / name
        if place.resolve() != place:
            raise led_out(name)
        return place

    def remove(self, known: Iterable[FoundFile]) -> dict[str, str]:
        """Delete files right in the folder that are still what they were, durably.

        Args:
            known: as `files` found them.

        Returns:
            The names of those that are left, and why; one that is not there any more is not left.

        Raises:
            SourceError: `source_missing`, the folder cannot be opened.
            ParameterError: `path_outside`.
        """
        left = dict[str, str]()
        try:
            with self._standing() as folder:
                for file in known:
                    if why := _unlinked(folder / file.name, file):
                        left[file.name] = why
                sync(folder)
        except OSError as error:
            raise self._missing(error) from error
        return left

    @contextmanager
    def _standing(self) -> Iterator[Path]:
        root, names = self.path, tuple[str, ...]()
        for one in self.roots:
            if below := names_below(one, self.path):
                root, names = one, below
        with held(root, names) as folder:
            yield folder

    def _missing(self, error: OSError) -> SourceError:
        return SourceError(
            f"{self.path} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the folder; every worker must be able to read all of it.",
        )


def append_known(
    stream: BinaryIO,
    facts: tuple[int, str],
    target: BinaryIO,
    shown: str,
    offset: int | None = None,
) -> None:
    """Copy a file, or a part of it, to the end of another one, if it is what it should be.

    Args:
        stream: the file.
        facts: size in bytes and SHA-256 that it must have.
        target: open for writing.
        shown: what the file is called in the error.
        offset: of a part, bytes of the file in front of it; None: it is all of the file.

    Raises:
        SourceError: `asset_damaged`.
    """
    left, sha256 = facts
    stream.seek(offset or 0)
    digest = hashlib.sha256()
    # Never more than that: a file may have been replaced by one without an end.
    while left and (content := stream.read(min(left, _COPIED_BYTES))):
        digest.update(content)
        target.write(content)
        left -= len(content)
    is_longer = offset is None and bool(stream.read(1))
    if left or is_longer or digest.hexdigest() != sha256:
        raise SourceError(
            f"{shown} is not what the asset's record says",
            code="asset_damaged",
            hint="Somebody changed the file after it was published: make the asset anew.",
        )


def _unlinked(path: Path, known: FoundFile) -> str:
    """Delete a file; gives why it is left, or nothing."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            return "it is no file any more"
        if (facts.st_size, facts.st_mtime_ns) != (known.size_bytes, known.changed_ns):
            return "it was changed meanwhile"
        path.unlink()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error.strerror)
    return ""
