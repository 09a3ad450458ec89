"""A published asset as it lies in its folder: read whole, and where no link leads elsewhere."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from adaptation.adapters.asset_place import Part, base_of
from adaptation.adapters.containment import held, led_out, names_below
from adaptation.adapters.publish import RECORD
from adaptation.adapters.storage import checked_key
from adaptation.errors import AdaptationError, SourceError

_PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""No link is followed, and no pipe is waited for."""
_MOST_RECORD_BYTES = 256 * 1024 * 1024
"""Of a day of film in 64 renditions."""


@dataclass(frozen=True)
class AssetFolder:
    """An asset's folder, which stays the same one as long as it is open."""

    place: Path
    """The folder itself."""
    name: str
    """What it is called in errors."""

    def record(self) -> Any:
        """The JSON of `asset.json`.

        Raises:
            SourceError: `asset_missing`, there is none or it is none.
        """
        try:
            with self.reading(RECORD) as file:
                found = json.loads(file.read(_MOST_RECORD_BYTES))
        except ValueError as error:
            raise missing_asset(self.name) from error
        if not isinstance(found, dict):
            raise missing_asset(self.name)
        return found

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """Open a file of the asset to read it.

        Args:
            name: relative to the folder, with `/`.

        Raises:
            SourceError: `asset_missing` for the record, `asset_damaged` for any other file that
                is not there, or is no file.
            ParameterError: `path_outside`, `parameter_invalid`: a link, or no name of a file.
        """
        *folders, last = checked_key(self._true(name)).split("/")
        with ExitStack() as opened:
            try:
                folder = opened.enter_context(held(self.place, folders))
                descriptor = os.open(folder / last, _PLAIN)
            except OSError as error:
                raise self._gone(name) from error
            opened.callback(os.close, descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise self._gone(name)
            yield opened.enter_context(os.fdopen(descriptor, "rb", closefd=False))

    def contents(self, parts: Sequence[Part]) -> list[bytes]:
        """The bytes of some files or of parts of them, in their order; raises as `reading`."""
        found = []
        for part in parts:
            with self.reading(part.name) as file:
                file.seek(part.offset)
                found.append(file.read(-1 if part.size_bytes is None else part.size_bytes))
        return found

    def names(self) -> set[str]:
        """Every file that is part of it.

        Raises:
            ParameterError: `path_outside`, there is a symbolic link.
        """
        with self.files(refuse_links=True) as found:
            return {name for _, name in found}

    @contextmanager
    def files(self, *, refuse_links: bool = False) -> Iterator[list[tuple[Path, str]]]:
        """Every file in it, as a path that stays this file within the block, and its name.

        Names are as `AssetPlace` has them; what lies in other folders than the base is left out.
        Names that begin with a dot are nobody's business, and links are no files.
        """
        base = f"{self.base}/" if self.base else ""
        with ExitStack() as opened:
            found, pending = list[tuple[Path, str]](), [tuple[str, ...]()]
            while pending:
                names = pending.pop()
                folder = opened.enter_context(held(self.place, names))
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if refuse_links and entry.is_symlink():
                            raise led_out(entry.name)
                        inner = (*names, entry.name)
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(inner)
                        elif entry.is_file(follow_symlinks=False):
                            found.append((folder / entry.name, "/".join(inner)))
            if base:
                found = [
                    (path, name.removeprefix(base))
                    for path, name in found
                    if name.startswith(base) or "/" not in name
                ]
            yield found

    @cached_property
    def base(self) -> str:
        """The folder of it that all folders of tracks lie in; empty: the asset's own."""
        return base_of(self.record())

    def _true(self, name: str) -> str:
        return f"{self.base}/{name}" if "/" in name and self.base else name

    def _gone(self, name: str) -> AdaptationError:
        if name == RECORD:
            return missing_asset(self.name)
        return SourceError(
            f"{self.name}/{name} cannot be read",
            code="asset_damaged",
            hint="Somebody removed it: encode the asset again.",
        )


@contextmanager
def opened_asset(folder: Path, root: Path | None) -> Iterator[AssetFolder]:
    """An asset's folder, held for the length of a block.

    Args:
        folder: where it is, links resolved.
        root: a folder below which symbolic links are not followed, whoever puts one there.

    Raises:
        SourceError: `asset_missing`, there is no such folder.
        ParameterError: `path_outside`, a symbolic link below `root`.
    """
    names = None if root is None else names_below(root, folder)
    with ExitStack() as opened:
        try:
            if root is None or names is None:
                place = opened.enter_context(held(folder))
            else:
                place = opened.enter_context(held(root, names))
        except OSError as error:
            raise missing_asset(folder.name) from error
        yield AssetFolder(place, folder.name)


def missing_asset(name: str) -> SourceError:
    """The error for a place that holds no asset."""
    return SourceError(
        f"{name} holds no asset: there is no {RECORD} in it",
        code="asset_missing",
        hint="Name the folder of an asset that was made here, as its callback said.",
    )
