"""A published asset, wherever it lies: what tasks that add to it or change it may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

BASE = "base"
"""Field of a record: the folder inside the asset that its tracks lie in, if there is one."""


def base_of(record: Mapping[str, Any]) -> str:
    """That folder; empty: the asset's own. Who reads the whole record judges it."""
    base = record.get(BASE, "")
    return base if isinstance(base, str) else ""


@dataclass(frozen=True)
class Part:
    """Bytes of a file of an asset."""

    name: str
    """Of the file, as `AssetPlace` has it."""
    offset: int = 0
    """Bytes of the file in front of it."""
    size_bytes: int | None = None
    """Its length, if the file has so much; None: up to the end of the file."""


class AssetPlace(Protocol):
    """An asset, which stays the same one as long as it is open.

    Names with a folder, such as `720p/00001.m4s`, are those of files below the asset's base (see
    `adaptation.media.asset.Asset.base`) and relative to it; names without one are those of files
    at the asset's root. So the same file has the same name in every place.
    """

    @property
    def name(self) -> str:
        """What it is called in errors."""

    def record(self) -> Any:
        """The JSON of `asset.json`.

        Raises:
            SourceError: `asset_missing`, there is none or it is none.
        """

    def names(self) -> set[str]:
        """Every file that is part of it; neither links nor hidden ones.

        Raises:
            ParameterError: `path_outside`.
        """

    def reading(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to read and to seek in it; of one that lies far away no more is fetched.

        Raises:
            SourceError: `asset_missing` for the record, `asset_damaged` for any other file that
                is not there, or is no file.
            ParameterError: `path_outside`, `parameter_invalid`: a link, or no name of a file.
        """

    def contents(self, parts: Sequence[Part]) -> list[bytes]:
        """The bytes of some files or of parts of them, in their order; raises as `reading`."""
