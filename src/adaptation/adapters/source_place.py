"""A folder of sources, wherever it lies: a path of the machines, or a folder of a storage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from adaptation.adapters.object_reading import opened_object
from adaptation.adapters.object_store import ObjectStore, Stored
from adaptation.adapters.source_folder import FoundFile, append_known
from adaptation.errors import SourceError


class SourcePlace(Protocol):
    """A folder, whose files others may change at any time. See `SourceFolder` for its errors."""

    @property
    def name(self) -> str:
        """What it is called in errors."""

    def files(self) -> list[FoundFile]:
        """The files right in the folder, by name; no hidden ones."""

    def opened(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A file at or below the folder, to be read."""

    def append(
        self, key: str, size_bytes: int, sha256: str, target: BinaryIO, offset: int | None = None
    ) -> None:
        """Copy a file, or a part of it, to the end of another one, if it is what it should be."""

    def file(self, name: str) -> Path:
        """The path of a file right in the folder on this machine, for a tool to read."""

    def remove(self, known: Iterable[FoundFile]) -> dict[str, str]:
        """Delete files that are still what they were; gives those that are left, and why."""


@dataclass(frozen=True)
class ObjectFolder:
    """A folder of a storage. All of it raises as `ObjectStore.facts` besides."""

    store: ObjectStore
    key: str
    into: Path
    """A folder of this machine that files are brought to; it may not be there yet."""

    @property
    def name(self) -> str:
        """What it is called in errors."""
        return f"{self.key} of storage {self.store.config.name}"

    def files(self) -> list[FoundFile]:
        """The files right in the folder, by name.

        Raises:
            SourceError: `source_missing`, there is nothing below it.
        """
        objects = self.store.objects(self.key)
        if not objects:
            raise SourceError(
                f"there is no folder {self.name}",
                code="source_missing",
                hint="Check its name; a storage has no folders but those that files lie in.",
            )
        return self._right_here(objects)

    @contextmanager
    def opened(self, key: str) -> Iterator[BinaryIO]:
        """A file at or below the folder, whose bytes are fetched as they are read.

        Raises:
            SourceError: `source_missing`; `source_changing`, it is replaced meanwhile.
        """
        with opened_object(self.store, self._facts(key)) as stream:
            yield stream

    def append(
        self, key: str, size_bytes: int, sha256: str, target: BinaryIO, offset: int | None = None
    ) -> None:
        """Copy a file, or a part of it, to the end of another one, if it is what it should be.

        Raises:
            SourceError: `asset_damaged`, `source_missing`.
        """
        with self.opened(key) as stream:
            append_known(stream, (size_bytes, sha256), target, f"{key} in {self.name}", offset)

    def file(self, name: str) -> Path:
        """Bring a file to this machine, once.

        Raises:
            SourceError: `source_missing`, `source_changing`.
            Transient: `storage_damaged`.
        """
        target = self.into / f"{_mark(self._facts(name)):x}" / name
        if not target.exists():
            self.store.get_file(f"{self.key}/{name}", target)
        return target

    def remove(self, known: Iterable[FoundFile]) -> dict[str, str]:
        """Delete files right in the folder that are still what they were.

        Returns:
            The names of those that are left, and why; one that is not there any more is not left.
        """
        # None may be there: another attempt has deleted them.
        there = self._right_here(self.store.objects(self.key))
        now, left = {file.name: file for file in there}, dict[str, str]()
        for file in known:
            if file.name in now and now[file.name] != file:
                left[file.name] = "it was changed meanwhile"
            else:
                self.store.delete([f"{self.key}/{file.name}"])
        return left

    def _right_here(self, objects: Iterable[Stored]) -> list[FoundFile]:
        found = []
        for one in objects:
            folder, _, last = one.key.rpartition("/")
            if folder == self.key and not last.startswith("."):
                found.append(FoundFile(last, one.size_bytes, _mark(one)))
        return sorted(found, key=lambda file: file.name)

    def _facts(self, key: str) -> Stored:
        try:
            return self.store.facts(f"{self.key}/{key}")
        except SourceError as error:
            raise SourceError(
                f"{key} in {self.name} cannot be read: it is not there",
                code="source_missing",
                hint="Check the folder; somebody may have removed it meanwhile.",
            ) from error


def _mark(one: Stored) -> int:
    """A number for what the service calls this state of an object."""
    return int.from_bytes(hashlib.sha256(one.etag.encode()).digest()[:6])
