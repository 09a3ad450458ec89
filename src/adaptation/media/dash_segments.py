"""Writes how a DASH manifest leads to the segments of a track, ISO/IEC 23009-1 §5.3.9."""

from __future__ import annotations

from itertools import groupby

from lxml import etree

from adaptation.media.index import SEGMENT_TEMPLATE, Track
from adaptation.media.texttrack import TextMedia


def indexed(representation: etree._Element, track: Track) -> None:
    """One file with an index, which has the times of the segments, ISO/IEC 23009-1 §5.3.9.2."""
    etree.SubElement(representation, "BaseURL").text = f"{track.folder}/{track.init_name}"
    end = track.init_size_bytes
    base = etree.SubElement(
        representation,
        "SegmentBase",
        timescale=str(track.timescale),
        indexRange=f"{end}-{end + track.index_size_bytes - 1}",
        indexRangeExact="true",
    )
    etree.SubElement(base, "Initialization", range=f"0-{end - 1}")


def template(representation: etree._Element, folder: str, media: Track | TextMedia) -> None:
    """A file for each segment, with their exact times, ISO/IEC 23009-1 §5.3.9.4."""
    element = etree.SubElement(
        representation,
        "SegmentTemplate",
        timescale=str(media.timescale),
        initialization=f"{folder}/{media.init_name}",
        media=f"{folder}/{SEGMENT_TEMPLATE}",
        startNumber="1",
    )
    _timeline(element, media)


def _timeline(template: etree._Element, track: Track | TextMedia) -> None:
    """ISO/IEC 23009-1 §5.3.9.6: equal durations are said once, with their repeats."""
    line = etree.SubElement(template, "SegmentTimeline")
    time = track.segments[0].start
    for duration, same in groupby(segment.duration for segment in track.segments):
        entry = etree.SubElement(line, "S", d=str(duration))
        if len(line) == 1:
            entry.set("t", str(time))
        if repeats := len(list(same)) - 1:
            entry.set("r", str(repeats))
