"""The characters of a caption file: which encoding its bytes are in."""

from __future__ import annotations

import codecs

from adaptation.errors import SourceError

FALLBACK = "Windows-1252"
"""What Western European files without a mark and not in UTF-8 are in; Latin-1 is a part of it."""
MOST_ACCENTS = 0.5
"""Of all letters: more of them beyond ASCII than any Western European language has."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks, the longer ones before those that they begin with."""


def invalid(what: str, line: int = 0) -> SourceError:
    """The error for a caption file that cannot be read.

    Args:
        what: the reason.
        line: where in the file, counted from 1; 0: nowhere in particular.
    """
    return SourceError(
        f"line {line}: {what}" if line else what,
        code="captions_invalid",
        hint="Correct the file, or export it again; UTF-8 is the safest encoding.",
    )


def decoded(content: bytes) -> tuple[str, str]:
    """The text of a caption file, and the name of its encoding where that was guessed.

    Raises:
        SourceError: `captions_invalid`, it is in no encoding that can be told.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding), ""
    unmarked = _unmarked_utf16(content)
    if unmarked:
        return _strict(content, unmarked), unmarked.upper()
    try:
        return content.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        return _western(content, error), FALLBACK


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise invalid(f"byte {error.start} is not {encoding.upper()} as its mark says") from error


def _unmarked_utf16(content: bytes) -> str:
    """UTF-16 without a mark: every other byte of digits and arrows is zero."""
    head = content[:64]
    if len(head) < 4:
        return ""
    zeros = (head[0::2].count(0), head[1::2].count(0))
    most = len(head) // 2 * 3 // 4
    return "utf-16-le" if zeros[1] > most else "utf-16-be" if zeros[0] > most else ""


def _western(content: bytes, error: UnicodeDecodeError) -> str:
    line = content.count(b"\n", 0, error.start) + 1
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise invalid(f"it is neither UTF-8, UTF-16 nor {FALLBACK}", line) from error
    letters = [character for character in text if character.isalpha()]
    accents = sum(not letter.isascii() for letter in letters)
    if accents > MOST_ACCENTS * len(letters):
        raise invalid(f"it is neither UTF-8 nor UTF-16, and no {FALLBACK} either", line) from error
    return text
