"""Decodes closed captions of line 21 (ANSI/CTA-608-E §5 to §7): pairs of bytes into screens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from adaptation.media.caption_style import PLAIN, Look

ROWS, COLUMNS = 15, 32
# By the first byte's three low bits, a row for each half of the second byte, §6.2.
_PAC_ROWS = {1: (1, 2), 2: (3, 4), 5: (5, 6), 6: (7, 8), 7: (9, 10), 0: (11, 11), 3: (12, 13)}
_PAC_ROWS[4] = (14, 15)
_COLOURS = ("", "lime", "blue", "cyan", "red", "yellow", "magenta")
"""The order of colours in codes; what comes after them is slanted white."""
# Characters that are not those of ASCII, §6.4.1; then the special and the two extended sets.
_ODD = dict(zip(b"\x2a\x5c\x5e\x5f\x60\x7b\x7c\x7d\x7e\x7f", "áéíóúç÷Ññ█", strict=True))
_SPECIAL = "®°½¿™¢£♪à\N{NO-BREAK SPACE}èâêîôû"
_SPANISH_FRENCH = "ÁÉÓÚÜü\N{LEFT SINGLE QUOTATION MARK}¡*'—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»"
_PORTUGUESE_GERMAN = "ÃãÍÌìÒòÕõ{}\\^_|~ÄäÖöß¥¤│ÅåØø┌┐└┘"
_POP_ON, _PAINT_ON, _ROLL_UP = "pop-on", "paint-on", "roll-up"

Cell = tuple[str, Look]
"""A character and how it looks."""
Screen = dict[tuple[int, int], Cell]
"""Characters by row, 1 to 15, and column, 0 to 31."""


@dataclass
class _Pen:
    """Where and how the next character is written."""

    row: int = ROWS
    column: int = 0
    look: Look = PLAIN


class Decoder:
    """One service of captions (CC1): takes pairs of bytes, shows a screen after each."""

    def __init__(self) -> None:
        self.shown: Screen = {}
        self.other_services = False
        """Whether there was anything for CC2, which is not decoded."""
        self._hidden: Screen = {}
        self._mode = ""
        self._rows = 2
        self._pen = _Pen()
        self._last = (0, 0)
        self._is_ours = True

    @property
    def is_typed(self) -> bool:
        """Whether text is shown letter by letter, not all at once."""
        return self._mode in (_ROLL_UP, _PAINT_ON)

    def take(self, first: int, second: int) -> None:
        """Take a pair, parity taken off."""
        is_code = 0x10 <= first < 0x20
        # Codes are sent twice, for one may be lost.
        if is_code and (first, second) == self._last:
            self._last = (0, 0)
            return
        self._last = (first, second) if is_code else (0, 0)
        if is_code:
            self._is_ours = not first & 0x08
            self.other_services |= not self._is_ours
            if self._is_ours:
                self._code(first, second)
        elif self._is_ours and first >= 0x20:
            for byte in (first, second):
                if byte >= 0x20:
                    self._write(_ODD.get(byte, chr(byte)))

    def _code(self, first: int, second: int) -> None:
        if second >= 0x40:
            self._address(first, second)
        elif first == 0x11 and 0x20 <= second < 0x30:
            self._mid_row(second)
        elif first == 0x11 and second >= 0x30:
            self._write(_SPECIAL[second - 0x30])
        elif first in (0x12, 0x13) and second >= 0x20:
            # It stands for the plain character before it, which decoders without it show.
            self._pen.column = max(0, self._pen.column - 1)
            extended = _SPANISH_FRENCH if first == 0x12 else _PORTUGUESE_GERMAN
            self._write(extended[second - 0x20])
        elif first == 0x17 and 0x21 <= second <= 0x23:
            self._pen.column = min(COLUMNS - 1, self._pen.column + second - 0x20)
        elif first in (0x14, 0x15) and 0x20 <= second < 0x30:
            self._control(second)

    def _control(self, code: int) -> None:
        if code == 0x20:
            self._mode = _POP_ON
        elif code in (0x25, 0x26, 0x27):
            self._roll_up(code - 0x23)
        elif code == 0x29:
            self._mode = _PAINT_ON
        elif code == 0x2C:
            self.shown = {}
        elif code == 0x2E:
            self._hidden = {}
        elif code == 0x2F:
            self._mode = _POP_ON
            self.shown, self._hidden = self._hidden, self.shown
        else:
            self._edit(code)

    def _edit(self, code: int) -> None:
        """Backspace, delete to the end of the row, carriage return."""
        pen = self._pen
        if code == 0x21:
            pen.column = max(0, pen.column - 1)
            self._screen().pop((pen.row, pen.column), None)
        elif code == 0x24:
            for column in range(pen.column, COLUMNS):
                self._screen().pop((pen.row, column), None)
        elif code == 0x2D and self._mode == _ROLL_UP:
            top = pen.row - self._rows + 1
            self.shown = {
                (row - 1, column): cell
                for (row, column), cell in self.shown.items()
                if top < row <= pen.row
            }
            self._pen = _Pen(pen.row)

    def _roll_up(self, rows: int) -> None:
        if self._mode != _ROLL_UP:
            self.shown, self._hidden = {}, {}
            self._pen = _Pen()
        self._mode, self._rows = _ROLL_UP, rows

    def _address(self, first: int, second: int) -> None:
        """A row, and an indent or a look (PAC)."""
        row = _PAC_ROWS[first & 0x07][second >> 5 & 1]
        if self._mode == _ROLL_UP and row != self._pen.row:
            by = row - self._pen.row
            self.shown = {(at + by, column): cell for (at, column), cell in self.shown.items()}
        attribute = second >> 1 & 0x0F
        column = (attribute - 8) * 4 if attribute >= 8 else 0
        look = _look(attribute if attribute < 8 else 0)
        self._pen = _Pen(row, column, replace(look, underline=bool(second & 1)))

    def _mid_row(self, second: int) -> None:
        """A change of look, which takes the place of a space."""
        attribute = second >> 1 & 0x07
        look = _look(attribute)
        if attribute == 7:
            look = replace(self._pen.look, italic=True)
        self._write(" ")
        self._pen.look = replace(look, underline=bool(second & 1))

    def _write(self, character: str) -> None:
        if not self._mode:
            return
        pen = self._pen
        self._screen()[pen.row, pen.column] = (character, pen.look)
        pen.column = min(COLUMNS - 1, pen.column + 1)

    def _screen(self) -> Screen:
        return self._hidden if self._mode == _POP_ON else self.shown


def lines(screen: Screen) -> Iterator[tuple[int, int, list[Cell]]]:
    """The rows of a screen that hold text: row, first column, and cells without gaps."""
    for row in range(1, ROWS + 1):
        columns = [column for at, column in screen if at == row and screen[row, column][0].strip()]
        if columns:
            span = range(min(columns), max(columns) + 1)
            yield row, span.start, [screen.get((row, column), (" ", PLAIN)) for column in span]


def _look(attribute: int) -> Look:
    return Look(italic=True) if attribute == 7 else Look(colour=_COLOURS[attribute])
