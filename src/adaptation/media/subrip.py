"""Reads SubRip files (`.srt`): numbered texts with times, slanted and coloured as in HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from adaptation.media.caption_style import COLOURS, PLAIN, Look, Piece, hex_colour, marked
from adaptation.media.caption_text import invalid
from adaptation.media.subtitles import Cue

# Some write a point, leave out hours or write fewer digits; players take it.
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[,.](\d{1,3}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_NUMBER = re.compile(r"\s*\d+\s*")
_TAG = re.compile(r"<(/?)(i|b|u|font)\b([^>]*)>|\{\\([^}]*)\}", re.IGNORECASE)
_COLOUR = re.compile(r"""color\s*=\s*["']?([#\w]+)""", re.IGNORECASE)
_PLACE = re.compile(r"an([1-9])(?![0-9])")
_COLUMNS = {1: "position:0% align:left", 0: "position:100% align:right"}
"""Settings for the left and the right column of a number pad; the middle needs none."""


def read_subrip(text: str) -> list[Cue]:
    """The cues of a file in its order.

    Raises:
        SourceError: `captions_invalid`, with the line.
    """
    return [_cue(timing, number, lines) for timing, number, lines in _blocks(text)]


def _blocks(text: str) -> Iterator[tuple[str, int, list[str]]]:
    """Each line of times with its number and the lines up to the next one.

    An empty line inside a text does not end it: only the next line of times does.
    """
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if "-->" in line]
    if not starts and text.strip():
        raise invalid("there is no line of times: it is no SubRip", 1)
    for at, after in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        body = lines[at + 1 : after]
        # Above the next line of times stands its number.
        if after <= len(lines) - 1 and body and _NUMBER.fullmatch(body[-1]):
            body = body[:-1]
        yield lines[at], at + 1, body


def _cue(timing: str, number: int, lines: list[str]) -> Cue:
    match = _TIMING.fullmatch(timing)
    if match is None:
        raise invalid(f"{timing.strip()[:60]!r} says no times", number)
    times = match.groups()
    text = "\n".join(lines)
    return Cue(_seconds(times[:4]), _seconds(times[4:]), marked(_pieces(text)), _settings(text))


def _seconds(parts: tuple[str | None, ...]) -> Fraction:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    fraction = Fraction(int((parts[3] or "0").ljust(3, "0")), 1000)
    return Fraction((hours * 60 + minutes) * 60 + seconds) + fraction


def _pieces(text: str) -> list[Piece]:
    pieces, open_looks, at = list[Piece](), [("", PLAIN)], 0
    for tag in _TAG.finditer(text):
        pieces.append(Piece(text[at : tag.start()], open_looks[-1][1]))
        at = tag.end()
        if tag[2]:
            _turn(open_looks, tag[2].lower(), tag[3], closes=bool(tag[1]))
    return [*pieces, Piece(text[at:], open_looks[-1][1])]


def _turn(open_looks: list[tuple[str, Look]], name: str, attributes: str, *, closes: bool) -> None:
    """Begin or end what a tag says; the end of what never began says nothing."""
    if not closes:
        open_looks.append((name, _with(open_looks[-1][1], name, attributes)))
    elif name in [found for found, _ in open_looks]:
        while open_looks.pop()[0] != name:
            pass


def _with(look: Look, name: str, attributes: str) -> Look:
    if name == "font":
        found = _COLOUR.search(attributes)
        return replace(look, colour=_colour(found[1])) if found else look
    field = {"i": "italic", "b": "bold", "u": "underline"}[name]
    return replace(look, **{field: True})  # type: ignore[arg-type]  # all three are bool


def _colour(word: str) -> str:
    named = {"white": "", "green": "lime", "aqua": "cyan", "fuchsia": "magenta"}
    name = word.lower()
    if name in named or name in COLOURS:
        return named.get(name, name)
    return hex_colour(word if word.startswith("#") else f"#{word}") or ""


def _settings(text: str) -> str:
    """Where the number pad of a digit behind `an` puts it."""
    found = _PLACE.search("".join(tag[4] or "" for tag in _TAG.finditer(text)))
    if found is None:
        return ""
    place = int(found[1])
    row = "" if place < 4 else "line:50%" if place < 7 else "line:0"
    return " ".join(filter(None, (row, _COLUMNS.get(place % 3, "") if place % 3 != 2 else "")))
