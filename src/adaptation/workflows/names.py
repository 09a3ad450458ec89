"""Names and keys that come from clients: what may be one, and that none leaves its folder."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from adaptation.errors import ParameterError

MOST_NAME_BYTES = 200
MOST_KEY_LETTERS = 1_000
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Devices of Windows, whatever ends their names."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')


def safe_key(words: str, parameter: str) -> str:
    """A relative path of a client's, normalised (NFC), that stays below the folder it lies in.

    Args:
        words: as given, with `/` between the names.
        parameter: named in the error.

    Raises:
        ParameterError: `path_outside`, or `parameter_invalid` for a name that some system cannot
            have.
    """
    key = unicodedata.normalize("NFC", words)
    names = key.split("/")
    if key.startswith("/") or ".." in names or re.match(r"[A-Za-z]:|\\\\", key):
        raise ParameterError(
            f"{parameter} {words!r:.100} leaves its folder",
            code="path_outside",
            hint="Give a relative path without `..`, such as films/2026/42.",
        )
    kept = [name for name in names if name not in {"", "."}]
    if not kept or len(key) > MOST_KEY_LETTERS or not all(map(_is_name, kept)):
        raise ParameterError(
            f"{parameter} {words!r:.100} cannot be a path",
            hint=f"Each name has 1 to {MOST_NAME_BYTES} bytes, does not begin with - or end with a"
            ' dot or blank, and holds none of < > : " | ? * \\ or control characters.',
        )
    return str(PurePosixPath(*kept))


def _is_name(name: str) -> bool:
    return (
        len(name.encode()) <= MOST_NAME_BYTES
        and not name.startswith("-")
        and not name.endswith((".", " "))
        and _FORBIDDEN.search(name) is None
        and _RESERVED.fullmatch(name) is None
    )
