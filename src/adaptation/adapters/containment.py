"""Paths that others name: what may be one, and that none leads out of its folder, links included.

A path that was checked may lead elsewhere a moment later, when a folder on it is replaced by a
symbolic link. Whoever writes or deletes therefore holds the folder itself, opened name by name.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from adaptation.errors import ParameterError

MOST_NAME_BYTES = 200
MOST_KEY_LETTERS = 1_000
OPEN_FOLDERS = Path("/proc/self/fd")
"""Where Linux has the open folders of this process, by their numbers."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Devices of Windows, whatever ends their names."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_OUTSIDE = re.compile(r"/|[A-Za-z]:|\\\\|(.*/)?\.\.(/|$)", re.DOTALL)
"""An absolute path, a drive, a share, or one with `..`."""
_UNSEEN = frozenset({"Cc", "Cn", "Cs", "Zl", "Zp"})
"""Categories of letters that no name needs: controls, halves of pairs, ends of lines."""
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Letters that show a name in another order than it has."""
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def safe_key(words: str, parameter: str) -> str:
    """A relative path, normalised (NFC), that stays below the folder it lies in on any system.

    Args:
        words: as given, with `/` between the names.
        parameter: named in the error.

    Raises:
        ParameterError: `path_outside`, or `parameter_invalid` for a name that some system cannot
            have.
    """
    key = unicodedata.normalize("NFC", words)
    if _OUTSIDE.match(key):
        raise ParameterError(
            f"{parameter} {words!r:.100} leaves its folder",
            code="path_outside",
            hint="Give a relative path without `..`, such as films/2026/42.",
        )
    kept = [name for name in key.split("/") if name not in {"", "."}]
    if not kept or len(key) > MOST_KEY_LETTERS or not all(map(_is_name, kept)):
        raise ParameterError(
            f"{parameter} {words!r:.100} cannot be a path",
            hint=f"Each name has 1 to {MOST_NAME_BYTES} bytes, does not begin with - or a dot or"
            ' end with a dot or blank, and holds none of < > : " | ? * \\ or control characters.',
        )
    return str(PurePosixPath(*kept))


def inside(root: Path, words: str, parameter: str) -> Path:
    """The place below `root` that somebody names, on the way to which no symbolic link lies.

    It need not exist. Whoever writes there later holds its folder, see `held`.

    Args:
        root: links on the way to it are its owner's.
        words: a relative path, as `safe_key` takes it.
        parameter: named in the error.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    key = safe_key(words, parameter)
    place = root.resolve() / key
    # A link to another place below the root would lead to what is another client's.
    if _resolved(place) != place:
        raise led_out(parameter)
    return place


def contained(root: Path, path: Path, parameter: str) -> Path:
    """A path with all symbolic links resolved, which lies below `root`.

    Args:
        root: as for `inside`.
        path: may have any names, those of files that are there already.
        parameter: named in the error.

    Raises:
        ParameterError: `path_outside`.
    """
    base, place = root.resolve(), _resolved(path)
    if names_below(base, place) is None:
        raise led_out(parameter)
    return place


@contextmanager
def held(root: Path, names: Sequence[str] = (), *, make: bool = False) -> Iterator[Path]:
    """The folder `names` below `root`, as a path that stays this very folder within the block.

    Whatever becomes of the names on its way meanwhile: they are opened one after the other, none
    is a symbolic link, and the path given leads to what was opened. Where the system cannot do
    that, as on Windows, links are looked for once.

    Args:
        root: is followed, links included.
        names: of folders in each other.
        make: whether those that are missing are made.

    Raises:
        ParameterError: `path_outside`, a symbolic link stands in the way.
        OSError: a folder is missing, or is none.
    """
    if not OPEN_FOLDERS.is_dir():
        yield _looked_at(root, names, make=make)
        return
    descriptor = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for name in names:
            inner = _entered(descriptor, name, make=make)
            os.close(descriptor)
            descriptor = inner
        yield OPEN_FOLDERS / str(descriptor)
    finally:
        os.close(descriptor)


def names_below(root: Path, path: Path) -> tuple[str, ...] | None:
    """The names from `root` to a place whose links are resolved; None: it is not below."""
    base = root.resolve()
    return path.relative_to(base).parts if path.is_relative_to(base) and path != base else None


def led_out(what: str) -> ParameterError:
    """The error for a path or a symbolic link that leads elsewhere."""
    return ParameterError(
        f"{what!r:.100} leads out of its folder",
        code="path_outside",
        hint="Give a relative path without `..`, on which no symbolic link lies.",
    )


def _is_name(name: str) -> bool:
    return (
        not any(unicodedata.category(letter) in _UNSEEN or letter in _TURNING for letter in name)
        and len(name.encode()) <= MOST_NAME_BYTES
        and not name.startswith(("-", "."))
        and not name.endswith((".", " "))
        and _FORBIDDEN.search(name) is None
        and _RESERVED.fullmatch(name) is None
    )


def _entered(folder: int, name: str, *, make: bool) -> int:
    """Open a folder in an open one."""
    try:
        try:
            return os.open(name, _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
        return os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP} and _is_link(folder, name):
            raise led_out(name) from error
        raise


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
    except OSError:
        return True  # gone again already: somebody plays with it


def _looked_at(root: Path, names: Sequence[str], *, make: bool) -> Path:
    folder = root.joinpath(*names)
    if _resolved(folder) != root.resolve().joinpath(*names):
        raise led_out(names[-1])
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a NUL
        raise led_out(path.name) from error
