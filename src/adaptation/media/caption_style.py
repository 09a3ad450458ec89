"""How captions look, in the words of WebVTT: slant, weight, colours and places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

COLOURS = {
    "white": (255, 255, 255),
    "lime": (0, 255, 0),
    "cyan": (0, 255, 255),
    "red": (255, 0, 0),
    "yellow": (255, 255, 0),
    "magenta": (255, 0, 255),
    "blue": (0, 0, 255),
    "black": (0, 0, 0),
}
"""The colours that WebVTT has classes for without a style sheet, W3C WebVTT §5.1."""
USUAL_COLOUR = "white"
BOTTOM_PERCENT = 80
"""Text that ends below this much of the picture's height stands where players put it anyway."""
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True)
class Look:
    """How a piece of text is shown."""

    italic: bool = False
    bold: bool = False
    underline: bool = False
    colour: str = ""
    """One of `COLOURS`; empty: the usual one."""


PLAIN = Look()


@dataclass(frozen=True)
class Piece:
    """Text of one look; line ends are line ends."""

    text: str
    look: Look = PLAIN


def marked(pieces: Sequence[Piece]) -> str:
    """Pieces as WebVTT cue text; lines without anything to see are left out."""
    lines: list[list[Piece]] = [[]]
    for piece in pieces:
        first, *more = piece.text.split("\n")
        lines[-1].append(Piece(first, piece.look))
        lines += [[Piece(text, piece.look)] for text in more]
    return "\n".join(filter(None, map(_line, lines)))


def colour_name(red: int, green: int, blue: int) -> str:
    """The colour of WebVTT that is nearest, empty for what is nearly the usual one."""

    def distance(name: str) -> int:
        return sum(abs(a - b) for a, b in zip(COLOURS[name], (red, green, blue), strict=True))

    nearest = min(COLOURS, key=distance)
    return "" if nearest == USUAL_COLOUR else nearest


def hex_colour(text: str) -> str | None:
    """The colour of WebVTT for `#rrggbb` or `#rrggbbaa`; None: it is no such colour."""
    digits = text.strip().removeprefix("#")
    if text.strip()[:1] != "#" or len(digits) not in (6, 8):
        return None
    try:
        return colour_name(*bytes.fromhex(digits)[:3])
    except ValueError:
        return None


def percent(value: float) -> str:
    """A percentage within the picture, as cue settings write it."""
    return f"{min(100.0, max(0.0, value)):.2f}".rstrip("0").rstrip(".") + "%"


def _line(pieces: Sequence[Piece]) -> str:
    """One line, without space around it."""
    whole = "".join(piece.text for piece in pieces)
    first, after = len(whole) - len(whole.lstrip()), len(whole.rstrip())
    parts, at = list[str](), 0
    for look, same in groupby(pieces, key=lambda piece: piece.look):
        text = "".join(piece.text for piece in same)
        kept = text[max(0, first - at) : max(0, after - at)].translate(_ENTITIES)
        at += len(text)
        parts.append(_dressed(kept, look) if kept.strip() else kept)
    return "".join(parts)


def _dressed(text: str, look: Look) -> str:
    turned_on = {"u": look.underline, "b": look.bold, "i": look.italic}
    for tag in [tag for tag, is_on in turned_on.items() if is_on]:
        text = f"<{tag}>{text}</{tag}>"
    return f"<c.{look.colour}>{text}</c>" if look.colour else text
