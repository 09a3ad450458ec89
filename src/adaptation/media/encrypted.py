"""Segments that are encrypted sample by sample (ISO/IEC 23001-7), cut exactly like the clear ones.

Packager encrypts, and cuts as it likes. What it made of each sample is put into the frame of the
clear segment, so that numbers, times and sizes of samples stay what manifests say of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from adaptation.errors import ToolError
from adaptation.media.boxes import PICTURES, TRUN_DATA_OFFSET, Init, boxes, need, read_samples
from adaptation.media.protection import Protection
from adaptation.media.writing import BOX_HEADER_BYTES, box, box_header, full_box

_ENTRY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
"""The way to the sample entry."""
_HAS_TYPE = 1
"""Flag of `saiz`."""
PATTERN = 0x19
"""Of pictures in `cbcs`: one block of ten is encrypted."""


@dataclass(frozen=True)
class Sealed:
    """One sample as it lies in an encrypted file."""

    media: bytes | memoryview
    """Its bytes."""
    auxiliary: bytes = b""
    """Its entry in `senc`: IV and subsamples, what there is of it."""
    flags: int = 0
    """Of `senc`."""


def protected_init(clear: bytes, protection: Protection) -> bytes:
    """The init segment of an encrypted track, from that of the clear one.

    Raises:
        ToolError: `output_broken`.
    """

    def sealed(entries: bytes) -> bytes:
        kind, body = next(boxes(entries[8:]))
        is_picture = kind in PICTURES
        about = box(
            b"sinf",
            box(b"frma", kind),
            full_box(b"schm", 0, 0, protection.scheme.encode(), struct.pack(">I", 0x10000)),
            box(b"schi", _track_encryption(protection, is_picture=is_picture)),
        )
        return entries[:8] + box(b"encv" if is_picture else b"enca", body, about)

    with_entry = _edited(clear, _ENTRY, sealed)
    return _edited(with_entry, (b"moov",), lambda moov: moov + protection.pssh)


def sealed_samples(content: bytes, header: Init) -> Iterator[Sealed]:
    """The samples of a media segment, encrypted or not.

    Args:
        content: of the segment; the media of the samples are views of it.
        header: what the clear init segment says.

    Raises:
        ToolError: `output_broken`.
    """
    pending = list[tuple[int, bytes, int]]()
    for kind, body in boxes(memoryview(content)):
        if kind == b"moof":
            moof = bytes(body)
            sizes = read_samples(moof, header).sizes
            flags, entries = _auxiliary(need(moof, b"traf"), len(sizes))
            pending += [(size, one, flags) for size, one in zip(sizes, entries, strict=True)]
        elif kind == b"mdat":
            at = 0
            for size, one, flags in pending:
                yield Sealed(body[at : at + size], one, flags)
                at += size
            if at != len(body):
                raise _mismatch(f"{len(body)} bytes of media stand for {at}")
            pending.clear()


def protected_segment(clear: bytes, header: Init, samples: Sequence[Sealed]) -> bytes:
    """A media segment with its samples encrypted.

    Args:
        clear: the segment as it is: an index, one fragment and the media.
        header: what the clear init segment says.
        samples: of this segment.

    Raises:
        ToolError: `output_mismatch`, they are not the samples of this segment.
    """
    parts = dict(boxes(memoryview(clear)))
    if list(parts) != [b"styp", b"sidx", b"moof", b"mdat"]:
        raise _mismatch("a segment is not put together as ours are")
    moof = bytes(parts[b"moof"])
    own = read_samples(moof, header).sizes
    if list(own) != [len(one.media) for one in samples] or sum(own) != len(parts[b"mdat"]):
        raise _mismatch("the encrypted samples are not those of the segment")
    fragment, media = _sealed_fragment(moof, samples), [one.media for one in samples]
    size_bytes = sum(map(len, media))
    index = _resized(bytes(parts[b"sidx"]), len(fragment) + BOX_HEADER_BYTES + size_bytes)
    begin = [box(b"styp", bytes(parts[b"styp"])), index, fragment, box_header(b"mdat", size_bytes)]
    # Once: a segment may be many megabytes.
    return b"".join([*begin, *media])


def _edited(data: bytes, way: Sequence[bytes], edit: Callable[[bytes], bytes]) -> bytes:
    """Boxes with the body of one of them changed, which lies at the end of a way."""

    def turned(kind: bytes, body: bytes) -> bytes:
        if kind != way[0]:
            return body
        return edit(body) if len(way) == 1 else _edited(body, way[1:], edit)

    return b"".join(box(kind, turned(kind, body)) for kind, body in boxes(data))


def _track_encryption(protection: Protection, *, is_picture: bool) -> bytes:
    """`tenc`, ISO/IEC 23001-7 §8.2: version 1 says a pattern, and may give one IV for all."""
    if protection.scheme == "cenc":
        return full_box(b"tenc", 0, 0, bytes((0, 0, 1, 8)), protection.key_id)
    pattern = PATTERN if is_picture else 0
    iv = bytes((len(protection.iv),)) + protection.iv
    return full_box(b"tenc", 1, 0, bytes((0, pattern, 1, 0)), protection.key_id, iv)


def _auxiliary(traf: bytes, count: int) -> tuple[int, Iterable[bytes]]:
    """Flags of `senc`, and its entry for each sample."""
    found = dict(boxes(traf))
    if b"saiz" not in found:
        # One IV for all, and no subsamples: there is nothing to say of any sample.
        return 0, [b""] * count
    sizes = found[b"saiz"]
    at = 12 if sizes[3] & _HAS_TYPE else 4
    usual = sizes[at]
    lengths = [usual] * count if usual else list(sizes[at + 5 : at + 5 + count])
    entries, place = list[bytes](), 8
    for length in lengths:
        entries.append(found[b"senc"][place : place + length])
        place += length
    if place != len(found[b"senc"]) or len(entries) != count:
        raise _mismatch("the entries of encrypted samples do not fit")
    return found[b"senc"][3], entries


def _sealed_fragment(moof: bytes, samples: Sequence[Sealed]) -> bytes:
    """`moof` with `saiz`, `saio` and `senc` behind the other boxes of its track."""
    header, traf = need(moof, b"mfhd"), list(boxes(need(moof, b"traf")))
    lengths = [len(one.auxiliary) for one in samples]
    added = b""
    if any(lengths):
        before = 8 + 8 + len(header) + 8 + sum(8 + len(body) for _, body in traf)
        added = _auxiliary_boxes(samples, lengths, before)
    track = b"".join(box(kind, _moved(kind, body, len(added))) for kind, body in traf)
    return box(b"moof", box(b"mfhd", header), box(b"traf", track, added))


def _auxiliary_boxes(samples: Sequence[Sealed], lengths: Sequence[int], before: int) -> bytes:
    """ISO/IEC 14496-12 §8.7.8 and 23001-7 §7.2; offsets count from the start of `moof`."""
    is_even = len(set(lengths)) == 1
    table = b"" if is_even else bytes(lengths)
    count = struct.pack(">I", len(samples))
    sizes = full_box(b"saiz", 0, 0, bytes((lengths[0] if is_even else 0,)), count, table)
    # Behind the header, version, flags and count of `senc`.
    first = before + len(sizes) + 20 + 16
    places = full_box(b"saio", 0, 0, struct.pack(">II", 1, first))
    entries = b"".join(one.auxiliary for one in samples)
    return sizes + places + full_box(b"senc", 0, samples[0].flags, count, entries)


def _moved(kind: bytes, body: bytes, by: int) -> bytes:
    """A run whose media lies further behind; any other box as it is."""
    if kind != b"trun" or not int.from_bytes(body[1:4], "big") & TRUN_DATA_OFFSET:
        return body
    offset = struct.unpack_from(">i", body, 8)[0] + by
    return body[:8] + struct.pack(">i", offset) + body[12:]


def _resized(sidx: bytes, size_bytes: int) -> bytes:
    """An index of one segment that has another size."""
    at = 32 if sidx[0] else 24
    return box(b"sidx", sidx[:at] + struct.pack(">I", size_bytes) + sidx[at + 4 :])


def _mismatch(what: str) -> ToolError:
    return ToolError(f"the encrypted copy is not what it should be: {what}", code="output_mismatch")
