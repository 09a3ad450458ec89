"""Reads an object of a storage as if it were a file: what is read is fetched, and no more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_CUR, SEEK_END, SEEK_SET
from typing import TYPE_CHECKING, BinaryIO, cast

from adaptation.adapters.object_store import ObjectStore, Stored

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AHEAD_BYTES = 256 * 1024
"""How much is asked for at once of what is read bit by bit: the head of most segments."""


@contextmanager
def opened_object(store: ObjectStore, found: Stored) -> Iterator[BinaryIO]:
    """An object to be read and sought in; it is this very state of it, or an error.

    Args:
        store: where it lies.
        found: as it was listed or looked at.

    Raises:
        SourceError: `storage_not_found`, `source_changing`, also while it is read.
        AdaptationError: as `ObjectStore.read_part`.
    """
    with io.BufferedReader(_Ranged(store, found), AHEAD_BYTES) as stream:
        yield cast("BinaryIO", stream)


class _Ranged(io.RawIOBase):
    """Each read is a request for so many bytes."""

    def __init__(self, store: ObjectStore, found: Stored) -> None:
        super().__init__()
        self._store, self._found = store, found
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        base = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._found.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._at + len(view), self._found.size_bytes)
        content = self._store.read_part(self._found, self._at, end)
        view[: len(content)] = content
        self._at += len(content)
        return len(content)
