"""Reads DASH manifests as sources, ISO/IEC 23009-1: which tracks, and which bytes make them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from lxml import etree

from adaptation.media.playlist_source import (
    BEST,
    MAX_PIECES,
    GatherPlan,
    Piece,
    Preference,
    TrackPlan,
    checked,
    encrypted,
    invalid,
    live,
    resolved,
    unsupported,
)
from adaptation.media.probe import UNKNOWN_LANGUAGE

_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,4})D)?(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,7})M)?"
    r"(?:(?P<seconds>\d{1,9}(?:\.\d{1,9})?)S)?)?"
)
_FIELD = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0(\d{1,2})d)?)?\$")
DOUBTFUL_SECONDS = Fraction(1, 5)
"""How much sooner than its period a track may end without a word."""
_ADDRESSING = ("SegmentTemplate", "SegmentList", "SegmentBase")


@dataclass(frozen=True)
class _Stream:
    """A representation, and all that stands around it."""

    levels: tuple[etree._Element, ...]
    """Period, adaptation set, representation."""
    base: str
    """What its addresses are relative to."""
    duration_seconds: Fraction
    """Of the period."""

    @property
    def element(self) -> etree._Element:
        """The representation."""
        return self.levels[-1]

    @property
    def bandwidth(self) -> int:
        """Bits per second."""
        return _whole(self.element.get("bandwidth", "0"))

    @property
    def width(self) -> int:
        """Pixels; 0 when it does not say."""
        told = [level.get("width", "") for level in reversed(self.levels[1:])]
        return next((int(one) for one in told if re.fullmatch("[0-9]{1,6}", one)), 0)

    def parts(self, name: str) -> list[etree._Element]:
        """The elements of that name, from the outermost level inwards."""
        return [part for level in self.levels for part in _within(level, name)]


def gather_plan(content: bytes, base: str, preference: Preference = BEST) -> GatherPlan:
    """The pieces of the best picture of a manifest, and of its sounds.

    Args:
        content: of the manifest.
        base: its address.
        preference: which picture instead of the best, and whether sound is taken.

    Raises:
        SourceError: `source_is_live`, `source_encrypted`, `source_child_forbidden`,
            `source_playlist_unsupported`, `source_playlist_invalid`.
    """
    root = _root(content)
    if root.get("type", "static") != "static":
        raise live("its manifest is dynamic")
    periods = _within(root, "Period")
    if len(periods) != 1:
        raise unsupported(f"it has {len(periods)} periods")
    length = _seconds(periods[0].get("duration") or root.get("mediaPresentationDuration") or "PT0S")
    outer = _based(_based(base, root), periods[0])
    pictures, sounds = list[_Stream](), list[_Stream]()
    for found in _within(periods[0], "AdaptationSet"):
        streams = [
            _Stream((periods[0], found, one), _based(_based(outer, found), one), length)
            for one in _within(found, "Representation")
        ]
        if streams and not _is_trick(found):
            kind = _kind(streams[0])
            pictures += streams if kind == "video" else []
            sounds += [max(streams, key=lambda one: one.bandwidth)] if kind == "audio" else []
    if not pictures:
        raise invalid("it has no picture")
    best = preference.pick(pictures, lambda one: one.bandwidth, lambda one: one.width)
    wanted = sounds if preference.with_sound else []
    return checked([_track(best), *(_track(sound) for sound in wanted)])


def _root(content: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise invalid("it is no well-formed XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise invalid("it declares a document type, which a manifest has no use for")
    if _name(root) != "MPD":
        raise invalid("its root is no MPD")
    if any(str(key).endswith("}href") for element in root.iter() for key in element.attrib):
        raise unsupported("parts of it lie elsewhere (xlink:href)")
    return root


def _track(stream: _Stream) -> TrackPlan:
    if stream.parts("ContentProtection"):
        raise encrypted("it has the element ContentProtection")
    kind = "video" if _kind(stream) == "video" else "audio"
    pieces = tuple(_pieces(stream))
    if len(pieces) > MAX_PIECES:
        raise unsupported(f"it has more than {MAX_PIECES:,} segments")
    if not any(not piece.is_init for piece in pieces):
        raise invalid("a track has no segment")
    language = stream.levels[1].get("lang", UNKNOWN_LANGUAGE)
    parts = [part for name in _ADDRESSING for part in stream.parts(name)]
    late = Fraction(_whole(_told(parts, "presentationTimeOffset", "0")), _timescale(parts))
    seconds = float(stream.duration_seconds)
    return TrackPlan("video" if kind == "video" else "audio", pieces, language, -late, seconds)


def _pieces(stream: _Stream) -> Iterator[Piece]:
    for name in _ADDRESSING:
        if parts := stream.parts(name):
            read = {"SegmentTemplate": _template, "SegmentList": _list, "SegmentBase": _whole_file}
            yield from read[name](stream, parts)
            return
    yield from _whole_file(stream, [])


def _whole_file(stream: _Stream, _parts: Sequence[etree._Element]) -> Iterator[Piece]:
    """One file with an index inside, ISO/IEC 23009-1 §5.3.9.2."""
    yield Piece(stream.base)


def _list(stream: _Stream, parts: Sequence[etree._Element]) -> Iterator[Piece]:
    """Each segment by its address or range, ISO/IEC 23009-1 §5.3.9.3."""
    yield from _init_of(stream, parts)
    named = [_within(part, "SegmentURL") for part in parts]
    for segment in next((found for found in reversed(named) if found), []):
        address = resolved(stream.base, segment.get("media") or "")
        yield _ranged(address, segment.get("mediaRange"))


def _template(stream: _Stream, parts: Sequence[etree._Element]) -> Iterator[Piece]:
    """Addresses by number or time, ISO/IEC 23009-1 §5.3.9.4."""
    if pattern := _told(parts, "initialization", ""):
        yield Piece(resolved(stream.base, _filled(pattern, stream)), is_init=True)
    else:
        yield from _init_of(stream, parts)
    media = _told(parts, "media", "")
    if not media:
        raise invalid("a template has no addresses")
    first = _whole(_told(parts, "startNumber", "1"))
    times = list(_times(stream, parts))
    doubtful = len(times) - 1 if _ends_in_doubt(stream, parts) else None
    for place, time in enumerate(times):
        address = resolved(stream.base, _filled(media, stream, first + place, time))
        yield Piece(address, may_be_absent=place == doubtful)


def _init_of(stream: _Stream, parts: Sequence[etree._Element]) -> Iterator[Piece]:
    for found in [part for level in parts for part in _within(level, "Initialization")][-1:]:
        address = resolved(stream.base, found.get("sourceURL") or "")
        yield _ranged(address, found.get("range"), is_init=True)


def _ranged(address: str, text: str | None, *, is_init: bool = False) -> Piece:
    """A piece by its range, as in RFC 9110 §14.1.2 without the unit."""
    if text is None:
        return Piece(address, is_init=is_init)
    match = re.fullmatch(r"(\d{1,15})-(\d{1,15})", text.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise invalid("a byte range is no range")
    first, last = int(match[1]), int(match[2])
    return Piece(address, first, last - first + 1, is_init=is_init)


def _times(stream: _Stream, parts: Sequence[etree._Element]) -> Iterator[int]:
    """When each segment starts, in ticks; one more than is allowed at most."""
    timelines = [one for part in parts for one in _within(part, "SegmentTimeline")]
    timescale = _timescale(parts)
    if timelines:
        end = ceil(stream.duration_seconds * timescale)
        yield from _listed_times(_within(timelines[-1], "S"), end)
        return
    step = _whole(_told(parts, "duration", "0"))
    if step <= 0:
        raise invalid("a template tells no duration")
    count = ceil(stream.duration_seconds * timescale / step)
    if last := _told(parts, "endNumber", ""):
        count = _whole(last) - _whole(_told(parts, "startNumber", "1")) + 1
    yield from (place * step for place in range(min(max(count, 0), MAX_PIECES + 1)))


def _ends_in_doubt(stream: _Stream, parts: Sequence[etree._Element]) -> bool:
    """Whether the last segment follows only from the length of the period.

    That is the length of the longest track: another one may end a moment, so a segment, before it.
    """
    step = _whole(_told(parts, "duration", "0"))
    if not step or _told(parts, "endNumber", ""):
        return False
    rest = stream.duration_seconds % Fraction(step, _timescale(parts))
    return 0 < rest <= DOUBTFUL_SECONDS


def _listed_times(rows: Sequence[etree._Element], end: int) -> Iterator[int]:
    time, count = 0, 0
    for place, row in enumerate(rows):
        time = _whole(row.get("t", str(time)))
        step, repeats = _whole(row.get("d", "0")), int(_signed(row.get("r", "0")))
        if step <= 0:
            raise invalid("a segment lasts no time")
        if repeats < 0:  # to the next row, or to the end
            until = end
            if place + 1 < len(rows):
                until = _whole(rows[place + 1].get("t", str(end)))
            repeats = ceil(Fraction(until - time, step)) - 1
        for _ in range(repeats + 1):
            yield time
            time, count = time + step, count + 1
            if count > MAX_PIECES:
                return


def _filled(pattern: str, stream: _Stream, number: int = 0, time: int = 0) -> str:
    """A template with its values, ISO/IEC 23009-1 table 16."""
    values = {
        "RepresentationID": stream.element.get("id", ""),
        "Bandwidth": str(stream.bandwidth),
        "Number": str(number),
        "Time": str(time),
    }

    def value(match: re.Match[str]) -> str:
        return values[match[1]].zfill(int(match[2] or 1)) if match[1] else "$"

    return _FIELD.sub(value, pattern)


def _kind(stream: _Stream) -> str:
    """`video`, `audio` or something else."""
    for level in reversed(stream.levels[1:]):
        told = level.get("contentType") or level.get("mimeType", "").partition("/")[0]
        if told:
            return told
    return "unknown"


def _is_trick(adaptation_set: etree._Element) -> bool:
    """Whether it is only for searching at speed, ISO/IEC 23009-1 §5.8.5.11."""
    told = [*_within(adaptation_set, "EssentialProperty")]
    return any("trickmode" in element.get("schemeIdUri", "") for element in told)


def _based(base: str, element: etree._Element) -> str:
    """What addresses within an element are relative to."""
    for found in _within(element, "BaseURL")[:1]:
        return resolved(base, found.text or "")
    return base


def _told(parts: Sequence[etree._Element], name: str, otherwise: str) -> str:
    """An attribute: of the innermost level that tells it."""
    return next((part.get(name, "") for part in reversed(parts) if part.get(name)), otherwise)


def _timescale(parts: Sequence[etree._Element]) -> int:
    return _whole(_told(parts, "timescale", "1")) or 1


def _within(element: etree._Element, name: str) -> list[etree._Element]:
    """The children of that name, in whatever namespace."""
    return [child for child in element if _name(child) == name]


def _name(element: etree._Element) -> str:
    # An entity that was not resolved stands among the children, too, and has no name.
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text.strip()):
        raise invalid(f"{text:.40} is no number")
    return int(text)


def _signed(text: str) -> int:
    return -_whole(text[1:]) if text.startswith("-") else _whole(text)


def _seconds(text: str) -> Fraction:
    """A duration of XML Schema part 2, §3.2.6, in seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise invalid(f"{text:.40} is no duration")
    days, hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
