"""Reads TTML and IMSC documents of text (W3C TTML2, IMSC 1.2; `.ttml`, `.dfxp`, `.xml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from lxml import etree

from adaptation.errors import SourceError
from adaptation.media.caption_style import Look, Piece, marked
from adaptation.media.caption_text import invalid
from adaptation.media.subtitles import MAX_TEXT_BYTES, Cue
from adaptation.media.ttml_style import (
    INHERITED,
    Styles,
    attributes_of,
    local_name,
    look_of,
    settings_of,
)
from adaptation.media.ttml_time import Clock

NAMESPACES = (
    "http://www.w3.org/ns/ttml",
    "http://www.w3.org/2006/10/ttaf1",
    "http://www.w3.org/2006/04/ttaf1",
)
"""Of the editions of the language."""
FOREVER = Fraction(360_000_000)
"""Seconds at which ends what is never said to end."""
RUBY_TEXT = frozenset({"text", "textContainer", "delimiter"})
"""Values of `tts:ruby` on what tells how the base is pronounced; WebVTT's players drop it badly."""
_SPACE = re.compile(r"[ \t\r\n]+")


def read_ttml(content: bytes) -> tuple[list[Cue], list[str]]:
    """The cues of a document, and notes for the log.

    Raises:
        SourceError: `captions_invalid`.
    """
    root = _root(content)
    head = root.find("{*}head")
    listed = [] if head is None else [*head.iter("{*}style", "{*}region")]
    document = _Document(attributes_of(root), Styles(listed))
    body = root.find("{*}body")
    if body is not None:
        document.walk(body, _Place(Fraction(0), FOREVER))
    if document.has_images:
        document.notes.append("its pictures are left out: only text is read")
    return document.cues, document.notes


def _root(content: bytes) -> etree._Element:
    # Nothing outside is fetched, and no entity is spelled out, however often it is named.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, etree.XMLSyntaxError) else 0
        raise invalid(f"it is no XML: {str(error)[:100]}", line or 0) from error
    if etree.ElementTree(root).docinfo.internalDTD is not None:
        raise invalid("it declares a document type, which captions have no need of")
    if root.tag not in [f"{{{namespace}}}tt" for namespace in NAMESPACES]:
        raise invalid(f"its root is {str(root.tag)[:80]}, which is no TTML", 1)
    return root


@dataclass(frozen=True)
class _Place:
    """What an element takes over from what it is in."""

    begin: Fraction
    end: Fraction
    properties: Mapping[str, str] = field(default_factory=dict)
    region: str = ""
    keeps_space: bool = False


@dataclass(frozen=True)
class _Leaf:
    """A run of text in a paragraph."""

    text: str
    begin: Fraction
    end: Fraction
    look: Look


class _Document:
    """Walks a body and gathers its cues."""

    def __init__(self, root: Mapping[str, str], styles: Styles) -> None:
        self.root, self.styles, self.clock = root, styles, Clock.of(root)
        self.cues = list[Cue]()
        self.notes = list[str]()
        self.has_images = False
        self.size = 0

    def walk(self, element: etree._Element, around: _Place) -> Fraction:
        """Read `body`, `div` or `p` and what is in it; when it ends."""
        place, attributes = self.placed(element, around)
        if local_name(element.tag) == "p":
            self.paragraph(element, place)
            return place.end
        at = place.begin
        for child in _elements(element):
            if local_name(child.tag) in ("div", "p"):
                begin = at if attributes.get("timeContainer") == "seq" else place.begin
                at = self.walk(child, _within(place, begin))
            elif local_name(child.tag) in ("image", "chunk"):
                self.has_images = True
        self.has_images |= "backgroundImage" in attributes
        return min(place.end, at) if attributes.get("timeContainer") == "seq" else place.end

    def placed(self, element: etree._Element, around: _Place) -> tuple[_Place, Mapping[str, str]]:
        """When and how an element is shown, TTML2 §12.2 and §10.4."""
        attributes = self.styles.own(attributes_of(element))
        try:
            begin = around.begin + self.clock.seconds(attributes.get("begin", "0s"))
            ends = [around.end]
            if "end" in attributes:
                ends.append(around.begin + self.clock.seconds(attributes["end"]))
            if "dur" in attributes:
                ends.append(begin + self.clock.seconds(attributes["dur"]))
        except SourceError as error:
            raise invalid(error.message, _line_of(element)) from error
        region = attributes.get("region", around.region)
        taken = dict(around.properties)
        if region != around.region:
            taken = {k: v for k, v in self.styles.region(region).items() if k in INHERITED} | taken
        taken |= {name: attributes[name] for name in INHERITED & attributes.keys()}
        space = attributes.get("xml:space")
        keeps = around.keeps_space if space is None else space == "preserve"
        return _Place(begin, min(ends), taken, region, keeps), attributes

    def paragraph(self, element: etree._Element, place: _Place) -> None:
        """A cue for each time in which a paragraph's text stays the same."""
        leaves = list(self.leaves(element, place))
        bounds = sorted({time for leaf in leaves for time in (leaf.begin, leaf.end)})
        region = self.styles.region(place.region)
        settings = settings_of(region, place.properties.get("textAlign", ""), self.root)
        # Before anything is put together: what is refused must cost nothing.
        self.size += (len(bounds) - 1) * sum(len(leaf.text) + 1 for leaf in leaves)
        if self.size > MAX_TEXT_BYTES:
            raise invalid("its text is too much", _line_of(element))
        # Fractions are slow to compare, their places among the bounds are not.
        places = {time: number for number, time in enumerate(bounds)}
        spans = [(places[leaf.begin], places[leaf.end], leaf) for leaf in leaves]
        for number, (begin, end) in enumerate(pairwise(bounds)):
            shown = [leaf for first, last, leaf in spans if first <= number < last]
            text = marked([Piece(leaf.text, leaf.look) for leaf in shown])
            if text:
                self.add(Cue(_milliseconds(begin), _milliseconds(end), text, settings))

    def add(self, cue: Cue) -> None:
        """Keep a cue; one that goes on with the same text is made longer."""
        last = self.cues[-1] if self.cues else None
        if last and (last.text, last.settings, last.end_seconds) == (
            cue.text,
            cue.settings,
            cue.start_seconds,
        ):
            cue = Cue(last.start_seconds, cue.end_seconds, cue.text, cue.settings)
            self.cues.pop()
        self.cues.append(cue)

    def leaves(self, element: etree._Element, place: _Place) -> Iterator[_Leaf]:
        """The runs of text of a paragraph or a span, in their order."""
        look = look_of(place.properties)
        is_shown = place.properties.get("visibility") != "hidden"

        def leaf(text: str | None) -> Iterator[_Leaf]:
            if text and is_shown and place.end > place.begin:
                kept = text if place.keeps_space else _SPACE.sub(" ", text)
                yield _Leaf(kept, place.begin, place.end, look)

        yield from leaf(element.text)
        for child in _elements(element):
            name = local_name(child.tag)
            if name == "br":
                yield _Leaf("\n", place.begin, place.end, look)
            elif name == "span":
                inner, attributes = self.placed(child, place)
                is_ruby = attributes.get("ruby") in RUBY_TEXT
                if not is_ruby and attributes.get("display") != "none":
                    yield from self.leaves(child, inner)
            yield from leaf(child.tail)


def _elements(element: etree._Element) -> Iterator[etree._Element]:
    """Children that are elements: an entity that was not spelled out is none."""
    return (child for child in element if isinstance(child.tag, str))


def _line_of(element: etree._Element) -> int:
    # The stubs have no type for it.
    line: int | None = getattr(element, "sourceline", None)
    return line or 0


def _within(place: _Place, begin: Fraction) -> _Place:
    return _Place(begin, place.end, place.properties, place.region, place.keeps_space)


def _milliseconds(seconds: Fraction) -> Fraction:
    return Fraction(round(seconds * 1000), 1000)
