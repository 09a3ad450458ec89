"""Styles and regions of TTML and IMSC documents, as far as WebVTT has words for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lxml import etree

from adaptation.media.caption_style import BOTTOM_PERCENT, COLOURS, Look, hex_colour, percent

INHERITED = frozenset(
    {"color", "fontStyle", "fontWeight", "textDecoration", "textAlign", "visibility"}
)
"""Properties that what is inside takes over, TTML2 §10.2."""
_WORDS = {"white": "", "green": "lime", "aqua": "cyan", "fuchsia": "magenta"}
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?:,[^)]*)?\)")
_LENGTH = re.compile(r"([+-]?\d{1,6}(?:\.\d{1,6})?)(%|px|c|rw|rh|vw|vh)")
_NEAR = 2.0
"""Per cent of the picture by which a middle may be off and still be the middle."""
Properties = Mapping[str, str]
"""Values by the local names of attributes such as `tts:fontStyle`."""


def local_name(name: str | bytes | bytearray | etree.QName) -> str:
    """A name without its namespace: it changed with each edition, the names did not."""
    return str(name).rpartition("}")[2]


def attributes_of(element: etree._Element) -> dict[str, str]:
    """Attributes by their local names; `xml:id` and `xml:space` keep their prefix."""
    found = {}
    for name, value in element.attrib.items():
        text = str(name)
        is_xml = text.startswith("{http://www.w3.org/XML/1998/namespace}")
        found[f"xml:{local_name(text)}" if is_xml else local_name(text)] = str(value)
    return found


class Styles:
    """The named styles and regions of a document's head."""

    def __init__(self, elements: Iterable[etree._Element]) -> None:
        self.named = dict[str, dict[str, str]]()
        self.regions = dict[str, dict[str, str]]()
        self._resolved = dict[str, Properties]()
        for element in elements:
            attributes = attributes_of(element)
            name = attributes.get("xml:id", attributes.get("id", ""))
            if local_name(element.tag) == "region":
                nested = [attributes_of(e) for e in element if _is(e, "style")]
                self.regions[name] = {k: v for one in nested for k, v in one.items()} | attributes
            elif not _is(element.getparent(), "region"):
                self.named[name] = attributes

    def own(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """What an element says of itself, by the styles that it names and then by itself."""
        found = dict[str, str]()
        for name in attributes.get("style", "").split()[:16]:
            found.update(self._style(name))
        return {**found, **attributes}

    def region(self, name: str) -> dict[str, str]:
        """What a region says; nothing, when there is no such region."""
        return self.own(self.regions.get(name, {}))

    def _style(self, name: str) -> Properties:
        if name not in self._resolved:
            # A style that refers to itself, over others, says nothing more the second time.
            self._resolved[name] = {}
            self._resolved[name] = self.own(self.named.get(name, {}))
        return self._resolved[name]


def look_of(properties: Properties) -> Look:
    """How text with these properties is shown."""
    colour = properties.get("color", "")
    return Look(
        italic=properties.get("fontStyle") in ("italic", "oblique"),
        bold=properties.get("fontWeight") == "bold",
        underline="underline" in properties.get("textDecoration", "").split(),
        colour=_colour(colour.strip().lower()),
    )


def settings_of(region: Properties, align: str, root: Properties) -> str:
    """Where a region puts its text, as cue settings (W3C WebVTT §3.5).

    Args:
        region: its properties; none: text stands at the bottom, in the middle.
        align: `tts:textAlign` of the text.
        root: attributes of the document's root: its cells, and its size in pixels.
    """
    if not region:
        return {"left": "align:left", "right": "align:right"}.get(align, "")
    left, top = _pair(region.get("origin", ""), root) or (0.0, 0.0)
    width, height = _pair(region.get("extent", ""), root) or (100.0 - left, 100.0 - top)
    line = _line(region.get("displayAlign", "before"), top, height)
    return " ".join(filter(None, (line, _column(align, left, width))))


def _line(display: str, top: float, height: float) -> str:
    if display == "center":
        return f"line:{percent(top + height / 2)},center"
    if display == "after":
        return "" if top + height >= BOTTOM_PERCENT else f"line:{percent(top + height)},end"
    # A region at the bottom that fills from its top still means the bottom.
    return "" if top >= BOTTOM_PERCENT - 10 else f"line:{percent(top)}"


def _column(align: str, left: float, width: float) -> str:
    if align in ("left", "start", ""):
        return f"position:{percent(left)} align:left"
    if align in ("right", "end"):
        return f"position:{percent(left + width)} align:right"
    middle = left + width / 2
    return "" if abs(middle - 50) < _NEAR else f"position:{percent(middle)}"


def _pair(text: str, root: Properties) -> tuple[float, float] | None:
    """Two lengths in per cent of the picture; None: not said, or not in a way that is known."""
    lengths = [_LENGTH.fullmatch(part) for part in text.split()]
    if len(lengths) != 2:
        return None
    found = [
        _share(length[1], length[2], root, axis)
        for axis, length in enumerate(lengths)
        if length is not None
    ]
    across, down = (found[0], found[1]) if len(found) == 2 else (None, None)
    return None if across is None or down is None else (across, down)


def _share(number: str, unit: str, root: Properties, axis: int) -> float | None:
    if unit not in ("px", "c"):
        return float(number)
    whole = root.get("extent" if unit == "px" else "cellResolution", "32 15" if unit == "c" else "")
    sides = re.findall(r"\d{1,6}", whole)
    if len(sides) != 2 or not int(sides[axis]):
        return None
    return 100 * float(number) / int(sides[axis])


def _colour(text: str) -> str:
    if text in _WORDS or text in COLOURS:
        return _WORDS.get(text, text)
    rgb = _RGB.fullmatch(text)
    if rgb:
        text = "#" + "".join(f"{min(255, int(part)):02x}" for part in rgb.groups())
    return hex_colour(text) or ""


def _is(element: etree._Element | None, name: str) -> bool:
    return element is not None and isinstance(element.tag, str) and local_name(element.tag) == name
