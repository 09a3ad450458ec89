"""One rung of a ladder: what is asked for, and the size it comes to for a given source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from adaptation.errors import ParameterError
from adaptation.media.coding import CODECS

MIN_HEIGHT = 16
"""Smaller pictures cannot be encoded by every encoder."""
MAX_HEIGHT = 4320
"""8K; more is a typing error."""
MIN_KILOBITS, MAX_KILOBITS = 16, 200_000
"""Range of a bit rate in kbit/s: outside of it the unit was mistaken."""
MAX_RENDITIONS = 64
"""More rungs than this is an attack, not a ladder."""
SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""Names become folders and parts of Packager's descriptors, where a comma starts a new option."""
RESERVED_NAME = re.compile(r"(audio|text)(_.*)?|con|prn|aux|nul|com[0-9]|lpt[0-9]")
"""Folders of sound and subtitle tracks, and what is a device on Windows."""
FIELDS = frozenset({"name", "height", "bitrate", "codec"})
"""What a rendition may say."""


@dataclass(frozen=True)
class Rendition:
    """A video track to make."""

    name: str
    """Folder and id, `[a-z0-9_-]`."""
    height: int
    """Pixels; even. The width follows from the source's shape."""
    bitrate: int
    """Bits per second that are not exceeded for long."""
    codec: str = "h264"
    """`h264`, `hevc` or `av1`."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Rendition:
        """Read what `to_json` wrote."""
        return cls(**document)


def target_size(source_width: int, source_height: int, target_height: int) -> tuple[int, int]:
    """Scale a picture to `target_height`, keeping its shape and never enlarging it.

    Args:
        source_width: pixels, after rotation and sample aspect ratio.
        source_height: pixels, after rotation.
        target_height: pixels; a larger one than the source's gives the source's.

    Returns:
        Even width and height, at least 2 each, at most the source's (rounded down to even).

    Raises:
        ValueError: a side is not positive, or `target_height` is odd.
    """
    if source_width <= 0 or source_height <= 0 or target_height <= 0:
        raise ValueError("all sides must be positive")
    if target_height % 2:
        raise ValueError(f"the target height {target_height} is odd")
    height = min(target_height, _even(source_height))
    # Twice the nearest half: an even width differs by at most one pixel from the exact one.
    width = 2 * round(source_width * height / source_height / 2)
    return max(2, min(width, _even(source_width))), height


def parse_renditions(
    items: Sequence[Mapping[str, Any]], main_codec: str = "h264"
) -> tuple[Rendition, ...]:
    """Read the renditions of a request.

    Args:
        items: each with `height` in pixels, `bitrate` in kbit/s, and optionally `name`
            (default: the height with a `p`, and the codec if it is not the main one) and
            `codec` (default: the main one).
        main_codec: of renditions that do not say theirs.

    Raises:
        ParameterError: `rendition_invalid`; names the field, its value and the remedy.
    """
    if isinstance(items, str | Mapping) or not isinstance(items, Sequence):
        raise _invalid("renditions", items, "give a list of renditions")
    if not 1 <= len(items) <= MAX_RENDITIONS:
        raise _invalid("renditions", f"{len(items)} entries", f"give 1 to {MAX_RENDITIONS}")
    renditions = tuple(_parse(f"renditions[{n}]", item, main_codec) for n, item in enumerate(items))
    seen = set[str]()
    for number, rendition in enumerate(renditions):
        if rendition.name in seen:
            field = f"renditions[{number}].name"
            raise _invalid(field, rendition.name, "give each rendition a name of its own")
        seen.add(rendition.name)
    return renditions


def _parse(where: str, item: object, main_codec: str) -> Rendition:
    if not isinstance(item, Mapping):
        raise _invalid(where, item, "give an object with height and bitrate")
    if unknown := sorted(set(map(str, item)) - FIELDS):
        raise _invalid(where, ", ".join(unknown), f"known fields are {', '.join(sorted(FIELDS))}")
    height = _whole(f"{where}.height", item.get("height"), MIN_HEIGHT, MAX_HEIGHT)
    if height % 2:
        raise _invalid(f"{where}.height", height, f"give an even height, such as {height - 1}")
    kilobits = _whole(f"{where}.bitrate", item.get("bitrate"), MIN_KILOBITS, MAX_KILOBITS)
    codec = item.get("codec") or main_codec
    if codec not in CODECS:
        raise _invalid(f"{where}.codec", codec, f"choose one of {', '.join(CODECS)}")
    usual_name = f"{height}p" if codec == main_codec else f"{height}p_{codec}"
    name = _name(f"{where}.name", item.get("name"), usual_name)
    return Rendition(name, height, kilobits * 1000, str(codec))


def _name(where: str, value: object, default: str) -> str:
    if value is None or value == "":
        return default
    if not isinstance(value, str) or not SAFE_NAME.fullmatch(value):
        raise _invalid(where, value, "use 1 to 63 of a-z, 0-9, _ and -, beginning with a-z or 0-9")
    if RESERVED_NAME.fullmatch(value):
        raise _invalid(where, value, "sound, subtitles or devices have names like this")
    return value


def _whole(where: str, value: object, least: int, most: int) -> int:
    """A whole number in range; digits in a string count, for command lines have no others."""
    remedy = f"give a whole number from {least} to {most}"
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise _invalid(where, value, remedy)
    # Measured by length first: converting millions of digits takes minutes.
    if len(text) > 12 or not least <= int(text) <= most:
        raise _invalid(where, value, remedy)
    return int(text)


def _invalid(where: str, value: object, remedy: str) -> ParameterError:
    shown = repr(value)
    if len(shown) > 80:
        shown = f"{shown[:77]}…"
    return ParameterError(
        f"{where}: {shown} is not valid; {remedy}",
        code="rendition_invalid",
        hint=f"Change {where}: {remedy}.",
    )


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)
