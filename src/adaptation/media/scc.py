"""Reads Scenarist closed captions (`.scc`): lines of a time code and pairs of bytes in hex."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from adaptation.media.caption_style import Piece, marked, percent
from adaptation.media.caption_text import invalid
from adaptation.media.cea608 import COLUMNS, ROWS, Decoder, Screen, lines
from adaptation.media.subtitles import MAX_TEXT_BYTES, Cue
from adaptation.media.timecode import NTSC_RATE, seconds_of

HEAD = "Scenarist_SCC V1.0"
FRAMES_A_SECOND = 30
LAST_SECONDS = 10
"""How long the last caption stands when nothing takes it off."""
SAFE_PERCENT = 10
"""Of the picture, on each side of the area of captions."""
TYPING_SECONDS = Fraction(1, 10)
"""The most that each letter may take of text that is written letter by letter."""
_State = tuple[Fraction, Screen]
"""What is shown from a moment on."""
_LINE = re.compile(r"(\d\d):([0-5]\d):([0-5]\d)([:;.,])(\d\d)\s+((?:[0-9a-fA-F]{4}\s*)+)")
_BOTTOM_ROW = 13
"""Text that ends here or below stands where players put it anyway."""
_NEAR_COLUMNS = 3


def read_scc(text: str) -> tuple[list[Cue], list[str]]:
    """The cues of a file, and notes for the log.

    Raises:
        SourceError: `captions_invalid`, with the line.
    """
    decoder, states = Decoder(), list[_State]()
    shown, size = Screen(), 0
    for seconds, first, second in _pairs(text):
        decoder.take(first, second)
        if decoder.shown != shown:
            shown = dict(decoder.shown)
            size += len(shown)
            if size > MAX_TEXT_BYTES:
                raise invalid("its text is too much")
            _put(states, (seconds, shown), is_typed=decoder.is_typed)
    notes = ["only its first service, CC1, is read"] if decoder.other_services else []
    return list(_cues(states)), notes


def _put(states: list[_State], state: _State, *, is_typed: bool) -> None:
    """Put a screen behind the others; letters that follow one another at once come as one."""
    if states and is_typed:
        begin, before = states[-1]
        is_soon = state[0] - begin <= TYPING_SECONDS * max(1, len(before))
        if before and is_soon and before.items() <= state[1].items():
            states[-1] = (begin, state[1])
            return
    states.append(state)


def _pairs(text: str) -> Iterator[tuple[Fraction, int, int]]:
    """Each pair with the moment of its frame, one after the other from the line's time code."""
    listed = text.splitlines()
    if not listed or listed[0].strip() != HEAD:
        raise invalid(f"it does not begin with {HEAD}", 1)
    for number, line in enumerate(listed[1:], start=2):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or int(match[5]) >= FRAMES_A_SECOND:
            raise invalid(f"{line.strip()[:40]!r} is no time code with pairs of bytes", number)
        time = (int(match[1]), int(match[2]), int(match[3]), int(match[5]))
        # Drop-frame time codes have a semicolon, or what some write for it.
        start = seconds_of(time, FRAMES_A_SECOND, NTSC_RATE, drops=match[4] != ":")
        for frame, word in enumerate(match[6].split()):
            pair = int(word, 16) & 0x7F7F
            yield start + frame / NTSC_RATE, pair >> 8, pair & 0xFF


def _cues(states: list[_State]) -> Iterator[Cue]:
    """A cue for each block of rows of each screen, as long as it stands."""
    if not states:
        return
    end = (states[-1][0] + LAST_SECONDS, Screen())
    for (begin, screen), (until, _) in pairwise([*states, end]):
        for text, settings in _blocks(screen):
            yield Cue(_milliseconds(begin), _milliseconds(until), text, settings)


def _blocks(screen: Screen) -> Iterator[tuple[str, str]]:
    """Text and cue settings of neighbouring rows."""
    block = list[tuple[int, int, list[Piece]]]()
    for row, column, cells in lines(screen):
        if block and row > block[-1][0] + 1:
            yield _block(block)
            block = []
        block.append((row, column, [Piece(*cell) for cell in cells]))
    if block:
        yield _block(block)


def _block(rows: list[tuple[int, int, list[Piece]]]) -> tuple[str, str]:
    pieces = [piece for _, _, row in rows for piece in (*row, Piece("\n"))]
    top, bottom = rows[0][0], rows[-1][0]
    left = min(column for _, column, _ in rows)
    right = max(column + len(cells) for _, column, cells in rows)
    line = "" if bottom >= _BOTTOM_ROW else f"line:{percent(_share(top - 1, ROWS))}"
    is_middle = abs(left + right - COLUMNS) <= _NEAR_COLUMNS
    column = "" if is_middle else f"position:{percent(_share(left, COLUMNS))} align:left"
    return marked(pieces), " ".join(filter(None, (line, column)))


def _share(place: int, count: int) -> float:
    return SAFE_PERCENT + (100 - 2 * SAFE_PERCENT) * place / count


def _milliseconds(seconds: Fraction) -> Fraction:
    return Fraction(round(seconds * 1000), 1000)
