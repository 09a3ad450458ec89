"""A folder of sources: its files, read without following any link out of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adaptation.adapters.containment import held, led_out, names_below
from adaptation.errors import SourceError

_NO_LINK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class FoundFile:
    """A file of a folder, as it was when it was looked at."""

    name: str
    size_bytes: int
    changed_ns: int
    """Time of the last change, nanoseconds since 1970."""


@dataclass(frozen=True)
class SourceFolder:
    """A folder, whose files others may change at any time."""

    path: Path
    """Absolute, with all links resolved."""
    roots: tuple[Path, ...]
    """Folders below which symbolic links are not followed."""

    def files(self) -> list[FoundFile]:
        """The files right in the folder, by name; neither links nor hidden ones.

        Raises:
            SourceError: `source_missing`.
            ParameterError: `path_outside`.
        """
        found = []
        with self._standing() as folder:
            for entry in sorted(folder.iterdir(), key=lambda path: path.name):
                facts = entry.lstat()
                if stat.S_ISREG(facts.st_mode) and not entry.name.startswith("."):
                    found.append(FoundFile(entry.name, facts.st_size, facts.st_mtime_ns))
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
        with (
            self._standing() as place,
            held(place, folders) as folder,
            os.fdopen(os.open(folder / last, _NO_LINK), "rb") as stream,
        ):
            yield stream

    def append(self, key: str, size_bytes: int, sha256: str, target: BinaryIO) -> None:
        """Copy a file of the folder to the end of another one, if it is what it should be.

        Args:
            key: as for `opened`.
            size_bytes: it must have.
            sha256: its digest, hexadecimal.
            target: open for writing.

        Raises:
            SourceError: `asset_damaged`, `source_missing`.
        """
        with self.opened(key) as stream:
            # No further than that: a file may have been replaced by one without an end.
            content = stream.read(size_bytes + 1)
        if len(content) != size_bytes or hashlib.sha256(content).hexdigest() != sha256:
            raise SourceError(
                f"{key} in {self.path} is not what the asset's record says",
                code="asset_damaged",
                hint="Somebody changed the file after it was published: make the asset anew.",
            )
        target.write(content)

    @contextmanager
    def _standing(self) -> Iterator[Path]:
        root, names = self.path, tuple[str, ...]()
        for one in self.roots:
            if below := names_below(one, self.path):
                root, names = one, below
        try:
            with held(root, names) as folder:
                yield folder
        except OSError as error:
            raise self._missing(error) from error

    def _missing(self, error: OSError) -> SourceError:
        return SourceError(
            f"{self.path} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the folder; every worker must be able to read all of it.",
        )

    def file(self, name: str) -> Path:
        """The path of a file right in the folder, for a tool to read.

        Raises:
            ParameterError: `path_outside`, it is a link by now.
        """
        place = self.path / name
        if place.resolve() != place:
            raise led_out(name)
        return place
