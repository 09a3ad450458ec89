"""Where an output stands: its folder, opened so that no link can exchange it, and its errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adaptation.adapters.containment import held, led_out, names_below
from adaptation.adapters.scratch import FULL
from adaptation.errors import AdaptationError, OutputError, Transient

_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def standing(output: Path, root: Path | None, *, make: bool) -> Iterator[Path]:
    """`output` as a path whose folder stays the same one, whatever links appear on its way."""
    names = None if root is None else names_below(root, output)
    if root is None or names is None:
        yield real(output)
        return
    if make:
        root.mkdir(parents=True, exist_ok=True)
    with held(root, names[:-1], make=make) as folder:
        place = folder / names[-1]
        if place.is_symlink():
            raise led_out(names[-1])
        yield place


@contextmanager
def opened(folder: Path, root: Path | None) -> Iterator[Path]:
    """A folder that is made where it is missing, as a path that stays this very folder."""
    names = None if root is None else names_below(root, folder)
    base = folder if root is None or names is None else root
    base.mkdir(parents=True, exist_ok=True)
    with held(base, names or (), make=True) as place:
        yield place


def real(output: Path) -> Path:
    """Follow symbolic links: the folder they lead to is what is switched, the link stays."""
    return Path(os.path.realpath(output))


@contextmanager
def naming_the_output(output: Path) -> Iterator[None]:
    """Turn what the system says into an error that names the output.

    Raises:
        OutputError: `output_full`, `output_unwritable`, `output_is_file`, `output_invalid`.
        Transient: `publish_superseded`.
    """
    try:
        yield
    except OSError as error:
        raise _explained(error, output) from error


def _explained(error: OSError, output: Path) -> AdaptationError:
    if error.errno in FULL:
        return OutputError(
            f"No space left for {output}",
            code="output_full",
            hint="Free some space there, or name a folder on a larger disk.",
        )
    if error.errno in _FORBIDDEN:
        return OutputError(
            f"Cannot write beside {output}: {error.strerror}",
            code="output_unwritable",
            hint="Name a folder inside one that you may write to.",
        )
    if error.errno == errno.ENOTDIR:
        return OutputError(
            f"{output}, or something above it, is a file",
            code="output_is_file",
            hint="Name a folder; it is made when it does not exist.",
        )
    if error.errno == errno.ENOENT:
        return Transient(
            f"Another try is publishing {output}",
            code="publish_superseded",
            hint="Nothing to do: the other try publishes the same asset.",
        )
    return OutputError(
        f"Cannot publish {output}: {error}",
        hint="Name a folder on another disk.",
    )


def refuse_mount(place: Path, shown: Path) -> None:
    """Refuse a folder that cannot be renamed.

    Raises:
        OutputError: `output_is_mount`.
    """
    if place.is_mount():
        raise OutputError(
            f"{shown} is a mount point and cannot be switched in one moment",
            code="output_is_mount",
            hint=f"Name a folder inside it, such as {shown / 'asset'}.",
        )
