"""What others name to be deleted: whether it is there, and its end, with no link followed."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from adaptation.adapters.containment import held, led_out, names_below
from adaptation.adapters.storage import sync
from adaptation.errors import OutputError

AWAY = (FileNotFoundError, NotADirectoryError)
"""How the system says that something, or a folder above it, is not there."""


def is_folder(path: Path, root: Path) -> bool:
    """Whether there is a folder at a place below `root`.

    Raises:
        OutputError: `output_is_file`.
        ParameterError: `path_outside`, a symbolic link, or not below `root`.
    """
    mode = _mode(path, root)
    if mode and not stat.S_ISDIR(mode):
        raise OutputError(
            f"{path} is a file", code="output_is_file", hint="Name the folder that it lies in."
        )
    return bool(mode)


def is_file(path: Path, root: Path) -> bool:
    """Whether there is a file at a place below `root`.

    Raises:
        OutputError: `output_is_folder`.
        ParameterError: `path_outside`, a symbolic link, or not below `root`.
    """
    mode = _mode(path, root)
    if stat.S_ISDIR(mode):
        raise OutputError(
            f"{path} is a folder",
            code="output_is_folder",
            hint="Name its files one by one, or delete all of it with voddelete.",
        )
    return bool(mode)


def remove_files(paths: Iterable[Path], root: Path, on_each: Callable[[Path], None]) -> None:
    """Delete files below `root`, durably; one that is not there is none that could be deleted.

    Args:
        paths: those of one folder after each other are deleted together.
        root: links on the way to it are its owner's.
        on_each: called after each file; what it raises stops the work.

    Raises:
        ParameterError: `path_outside`.
        OutputError: `output_unwritable`.
    """
    for parent, names in groupby(paths, key=lambda path: path.parent):
        with suppress(*AWAY), held(root, _names(parent / "file", root)[:-1]) as folder:
            for path in names:
                _unlink(folder / path.name, path)
                on_each(path)
            sync(folder)


def _unlink(place: Path, shown: Path) -> None:
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{shown} cannot be deleted: {error.strerror}",
            code="output_unwritable",
            hint="The engine must be able to write to the folder that it lies in.",
        ) from error


def _mode(path: Path, root: Path) -> int:
    """Kind and permissions of what is at a place; 0: nothing is."""
    *names, last = _names(path, root)
    with suppress(*AWAY), held(root, names) as folder:
        mode = (folder / last).lstat().st_mode
        if stat.S_ISLNK(mode):
            raise led_out(path.name)
        return mode
    return 0


def _names(path: Path, root: Path) -> Sequence[str]:
    names = names_below(root, path)
    if names is None:
        raise led_out(path.name)
    return names
