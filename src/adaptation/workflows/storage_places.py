"""Places in storages other than the machines' own folders, as one text that names both parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

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


def check_storage(name: str | None, known: Known) -> None:
    """Refuse the name of no storage.

    Raises:
        ParameterError: `storage_unknown`.
    """
    if name in (None, LOCAL):
        return
    if not NAME.fullmatch(str(name)) or not known(str(name)):
        raise storage_unknown(str(name))


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
