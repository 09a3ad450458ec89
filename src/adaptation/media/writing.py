"""Writes the boxes of CMAF init and media segments, ISO/IEC 14496-12 and 23000-19."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adaptation.media.boxes import (
    PICTURES,
    TFHD_DURATION,
    TFHD_FLAGS,
    TRUN_DATA_OFFSET,
    TRUN_DURATION,
    TRUN_FIRST_FLAGS,
    TRUN_FLAGS,
    TRUN_OFFSET,
    TRUN_SIZE,
    Samples,
    boxes,
    need,
)

BOX_HEADER_BYTES = 8
TRACK_ID = 1
"""Of the only track in a file."""
INIT_BRANDS = (b"cmfc", b"iso6", b"dash")
"""A CMAF header, of a file whose offsets count from each `moof`, that DASH players may read."""
SEGMENT_BRANDS = (b"cmfs", b"msdh", b"msix")
"""A CMAF segment that DASH players may read, with an index."""
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""Pictures are shown as they are stored."""
TFHD_BASE_IS_MOOF = 0x020000
KEY_FLAGS, OTHER_FLAGS = 0x02000000, 0x01010000
"""Flags of a sample that needs no other one, and of one that does, §8.8.3.1."""
STARTS_WITH_KEY = 0x90000000
"""`sidx`: decoding starts with the first sample, which is the first one shown (SAP type 1)."""
PICTURE_ENTRY_BYTES, SOUND_ENTRY_BYTES = 78, 28
"""Length of a sample entry's fields, before the boxes inside it."""
ENCODER_NAME = slice(42, 74)
"""Where a picture's sample entry names the encoder."""
INDEX_BYTES, REFERENCE_BYTES = 40, 12
"""Length of a `sidx` without segments, and what each adds to it."""
RATE_BOX = b"btrt"
"""Rates that an encoder was asked for: the manifests tell the true ones."""


@dataclass(frozen=True)
class Span:
    """Where a segment lies on the asset's clock."""

    number: int
    """Counted from 1."""
    timescale: int
    """Ticks per second."""
    start: int
    """Ticks at which its first sample is shown."""
    duration: int
    """Ticks up to the next segment."""


class _Described(NamedTuple):
    """The boxes that tell a track of one kind from one of another."""

    header: bytes
    """`tkhd`."""
    handler: bytes
    """Four letters of `hdlr`."""
    kind_header: bytes
    """`vmhd`, `smhd` or `nmhd`."""
    entry: bytes
    """The sample entry."""


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box with the given content."""
    return box_header(kind, sum(map(len, parts))) + b"".join(parts)


def box_header(kind: bytes, size_bytes: int) -> bytes:
    """What stands in front of so many bytes, to make them a box."""
    return struct.pack(">I4s", BOX_HEADER_BYTES + size_bytes, kind)


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def init_segment(encoded: bytes, media_time: int) -> bytes:
    """The init segment of a track that FFmpeg wrote: what players need and nothing else.

    No times of day, names of tools or tags: equal tracks get equal bytes.

    Args:
        encoded: the boxes in front of the first fragment, with one track.
        media_time: ticks at the start of the media that are skipped: one edit list says so.

    Raises:
        ToolError: `output_broken`, a box is missing or damaged.
    """
    track = need(need(encoded, b"moov"), b"trak")
    media = need(track, b"mdia")
    kind, entry = next(boxes(need(need(need(media, b"minf"), b"stbl"), b"stsd")[8:]))
    is_picture = kind in PICTURES
    timescale, language = _clock_and_language(need(media, b"mdhd"))
    described = _Described(
        # Width and height in which it is shown end the box in every version.
        _track_header(need(track, b"tkhd")[-8:], is_heard=not is_picture),
        b"vide" if is_picture else b"soun",
        full_box(b"vmhd", 0, 1, bytes(8)) if is_picture else full_box(b"smhd", 0, 0, bytes(4)),
        _plain_entry(kind, entry),
    )
    return _header(described, timescale, language, media_time)


def text_init_segment(entry: bytes, timescale: int, language: str) -> bytes:
    """The init segment of a track of text, ISO/IEC 14496-30 §4 and ISO/IEC 23000-19 §11.

    Args:
        entry: the sample entry.
        timescale: ticks per second.
        language: three letters, ISO 639-2.
    """
    packed = sum((ord(letter) - 0x60) << 5 * (2 - n) for n, letter in enumerate(language))
    header = _track_header(bytes(8), is_heard=False)
    described = _Described(header, b"text", full_box(b"nmhd", 0, 0), entry)
    return _header(described, timescale, packed)


def _header(track: _Described, timescale: int, language: int, media_time: int = 0) -> bytes:
    edit = full_box(b"elst", 0, 0, struct.pack(">IIiI", 1, 0, media_time, 0x10000))
    return _brands(b"ftyp", INIT_BRANDS) + box(
        b"moov",
        _movie_header(timescale),
        box(
            b"trak",
            track.header,
            box(b"edts", edit) if media_time else b"",
            box(
                b"mdia",
                full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, language, 0)),
                full_box(b"hdlr", 0, 0, bytes(4), track.handler, bytes(13)),
                _media_information(track.kind_header, track.entry),
            ),
        ),
        box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", TRACK_ID, 1, 0, 0, 0))),
    )


def media_segment(
    span: Span, samples: Samples, media: Sequence[bytes], *, is_picture: bool
) -> bytes:
    """A media segment: its index, one fragment and the media.

    Args:
        span: where it lies.
        samples: offsets must not be negative; the first sample must need no other one.
        media: the samples' bytes, in any pieces.
        is_picture: whether samples need others, unless they are marked.
    """
    size_bytes = 8 + sum(map(len, media))
    head = struct.pack(">I4s", size_bytes, b"mdat")
    fragment = _fragment(span.number, samples, is_picture=is_picture)
    index = _index(span, len(fragment) + size_bytes)
    # Joined once: the media is nearly all there is to copy.
    return b"".join((_brands(b"styp", SEGMENT_BRANDS), index, fragment, head, *media))


def track_index(timescale: int, start: int, segments: Sequence[tuple[int, int]]) -> bytes:
    """`sidx` of all segments of a track, right in front of the first one, §8.16.3.

    Args:
        timescale: ticks per second.
        start: ticks at which the first sample is shown.
        segments: size in bytes and duration in ticks of each; at most 65,535.
    """
    times = struct.pack(">IIQQHH", TRACK_ID, timescale, start, 0, 0, len(segments))
    entries = (struct.pack(">III", size, lasts, STARTS_WITH_KEY) for size, lasts in segments)
    return full_box(b"sidx", 1, 0, times, *entries)


def _brands(kind: bytes, brands: Sequence[bytes]) -> bytes:
    return box(kind, brands[0], bytes(4), *brands)


def _clock_and_language(mdhd: bytes) -> tuple[int, int]:
    """Ticks per second, and the language as MP4 packs it."""
    at = 20 if mdhd[0] == 1 else 12
    timescale, language = struct.unpack_from(">I", mdhd, at)[0], int.from_bytes(mdhd[-4:-2], "big")
    return timescale, language


def _movie_header(timescale: int) -> bytes:
    fields = struct.pack(">IIIIIH10x", 0, 0, timescale, 0, 0x10000, 0x100)
    return full_box(b"mvhd", 0, 0, fields, MATRIX, bytes(24), struct.pack(">I", TRACK_ID + 1))


def _track_header(size: bytes, *, is_heard: bool) -> bytes:
    # Flags: the track is enabled and shown.
    fields = struct.pack(">IIIII8xHHHH", 0, 0, TRACK_ID, 0, 0, 0, 0, 0x100 if is_heard else 0, 0)
    return full_box(b"tkhd", 0, 3, fields, MATRIX, size)


def _media_information(header: bytes, entry: bytes) -> bytes:
    # Flag: the media lies in this file.
    source = full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
    described = full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry)
    # All samples lie in fragments: the tables of the header are empty.
    tables = (full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc", b"stco"))
    sizes = full_box(b"stsz", 0, 0, bytes(8))
    return box(b"minf", header, box(b"dinf", source), box(b"stbl", described, *tables, sizes))


def _plain_entry(kind: bytes, entry: bytes) -> bytes:
    """A sample entry without the encoder's name and without the rates it was asked for."""
    length = PICTURE_ENTRY_BYTES if kind in PICTURES else SOUND_ENTRY_BYTES
    fields = bytearray(entry[:length])
    if kind in PICTURES:
        fields[ENCODER_NAME] = bytes(32)
    children = (box(*child) for child in boxes(entry[length:]) if child[0] != RATE_BOX)
    return box(kind, bytes(fields), *children)


def _index(span: Span, size_bytes: int) -> bytes:
    """`sidx` of one segment, right in front of it, §8.16.3."""
    return track_index(span.timescale, span.start, [(size_bytes, span.duration)])


def _fragment(number: int, samples: Samples, *, is_picture: bool) -> bytes:
    header = full_box(b"mfhd", 0, 0, struct.pack(">I", number))
    time = full_box(b"tfdt", 1, 0, struct.pack(">Q", samples.decode_time))
    flags, usual = _defaults(samples, is_picture=is_picture)
    track = full_box(b"tfhd", 0, flags, usual)
    # The run's offset counts from this box on, over all others and the header of the media.
    others = 8 + len(header) + 8 + len(track) + len(time) + 8
    run = _run(samples, others, is_picture=is_picture)
    return box(b"moof", header, box(b"traf", track, time, run))


def _defaults(samples: Samples, *, is_picture: bool) -> tuple[int, bytes]:
    """Flags of `tfhd`, and what most samples have in common."""
    flags = struct.pack(">I", OTHER_FLAGS if is_picture else KEY_FLAGS)
    if not _is_even(samples):
        return TFHD_BASE_IS_MOOF | TFHD_FLAGS, struct.pack(">I", TRACK_ID) + flags
    duration = struct.pack(">II", TRACK_ID, samples.durations[0])
    return TFHD_BASE_IS_MOOF | TFHD_DURATION | TFHD_FLAGS, duration + flags


def _run(samples: Samples, bytes_before: int, *, is_picture: bool) -> bytes:
    """`trun`: of each sample only what differs, §8.8.8; the media follows it."""
    flags, columns = TRUN_DATA_OFFSET | TRUN_SIZE, list[Sequence[int]]()
    if not _is_even(samples):
        flags |= TRUN_DURATION
        columns.append(samples.durations)
    columns.append(samples.sizes)
    first = b""
    if is_picture and sum(samples.syncs) == 1:
        flags |= TRUN_FIRST_FLAGS
        first = struct.pack(">I", KEY_FLAGS)
    elif is_picture:
        flags |= TRUN_FLAGS
        columns.append([KEY_FLAGS if is_key else OTHER_FLAGS for is_key in samples.syncs])
    if any(samples.offsets):
        flags |= TRUN_OFFSET
        columns.append(samples.offsets)
    values = [value for row in zip(*columns, strict=True) for value in row]
    length = 12 + 8 + len(first) + 4 * len(values)
    head = struct.pack(">Ii", len(samples), bytes_before + length) + first
    return full_box(b"trun", 1, flags, head, struct.pack(f">{len(values)}I", *values))


def _is_even(samples: Samples) -> bool:
    return len(set(samples.durations)) == 1
