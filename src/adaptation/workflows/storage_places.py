"""Places in storages other than the machines' own folders, as one text that names both parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from adaptation.adapters.containment import safe_key
from adaptation.adapters.storage_config import LOCAL, NAME, storage_unknown
from adaptation.errors import ParameterError

SIGN = "storage://"
Known = Callable[[str], bool]
"""Whether a storage of this name is configured, besides `local`."""


@dataclass(frozen=True)
class Place:
    """A file or folder of a storage."""

    storage: str
    """Name of the storage, not `local`."""
    key: str
    """Relative POSIX path in it."""

    def __str__(self) -> str:
        """As parameters, contexts and callbacks have it: `storage://films/ann/42`."""
        return f"{SIGN}{self.storage}/{self.key}"


def none_known(name: str) -> bool:  # noqa: ARG001 - as `Known`
    """For workflows that work with local files alone."""
    return False


def storage_place(words: str) -> Place | None:
    """The place that a text names; None: it names something else."""
    if not words.startswith(SIGN):
        return None
    storage, _, key = words.removeprefix(SIGN).partition("/")
    return Place(storage, key)


def placed(words: str, storage: str | None, parameter: str, known: Known) -> str | None:
    """A source or folder as a place of a storage, checked; None: it is none of a storage.

    Args:
        words: a key, or a whole place.
        storage: name of the storage that a key is one of; None or `local`: a key is a path.
        parameter: named in errors.
        known: which storages there are.

    Raises:
        ParameterError: `storage_unknown`, `path_outside`, `parameter_invalid`.
    """
    place = storage_place(words)
    if place is None:
        if storage in (None, LOCAL):
            return None
        place = Place(str(storage), words)
    check_storage(place.storage, known)
    return str(Place(place.storage, safe_key(place.key, parameter)))


def placed_below(
    words: str, storage: str | None, output_root: str | None, parameter: str, known: Known
) -> str | None:
    """A folder or file that lies below `output_root`, as a place of a storage; None: of none.

    Args:
        words: a key below `output_root`, or a whole place, as callbacks tell it.
        storage, parameter, known: as for `placed`.
        output_root: a folder of the storage.

    Raises:
        ParameterError: `storage_unknown`, `path_outside`, `parameter_invalid`.
    """
    if storage_place(words) is None and storage not in (None, LOCAL) and output_root:
        words = f"{safe_key(output_root, 'output_root')}/{safe_key(words, parameter)}"
    return placed(words, storage, parameter, known)


def check_storage(name: str | None, known: Known) -> None:
    """Refuse the name of no storage.

    Raises:
        ParameterError: `storage_unknown`.
    """
    if name in (None, LOCAL):
        return
    if not NAME.fullmatch(str(name)) or not known(str(name)):
        raise storage_unknown(str(name))


def destination(given: Mapping[str, Any]) -> str | None:
    """Name of the storage that a job's results go to; None: local."""
    return given.get("destination_storage") or given.get("source_storage")


def joined(place: str, name: str) -> str:
    """What has a name in a folder, which is a place of a storage or a path."""
    return f"{place}/{name}" if storage_place(place) else str(Path(place, name))


def into_source(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with `source_folder` as `output_folder` if none is given and a storage has it."""
    known, words = dict(given), given.get("source_folder")
    if known.get("output_folder") is not None or not isinstance(words, str):
        return known
    if storage_place(words) is None and destination(given) in (None, LOCAL):
        return known
    return known | {"output_folder": words}


def confined_folder(given: Mapping[str, Any], within: str, parameter: str) -> str | None:
    """A folder of sources that a client names in a storage; None: it is none of a storage.

    Args:
        given: the parameters.
        within: the client's own folder.
        parameter: which of them names the folder: relative to `output_root`, or a whole place.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    if place := confined_words(given[parameter], within, parameter):
        return place
    if given.get("source_storage") in (None, LOCAL):
        return None
    return safe_key(given[parameter], parameter)


def confined_words(words: str, within: str, parameter: str) -> str | None:
    """A whole place that a client names, which must lie below its own folder; None: it is none.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    place = storage_place(words)
    if place is None:
        return None
    return str(Place(place.storage, below(place.key, within, parameter)))


def below(key: object, within: str, parameter: str) -> str:
    """A client's key, which must lie below its own folder.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    found = safe_key(str(key), parameter)
    if within and within not in map(str, PurePosixPath(found).parents):
        raise ParameterError(
            f"{parameter} {found!r:.100} is not below {within}",
            code="path_outside",
            hint="In a storage a client reads and writes below its own folder.",
        )
    return found
