"""Tells a whole file from a cut one by the sizes its container announces."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from adaptation.errors import SourceError

MP4_FIRST_BOXES = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"}
)
"""What an ISO/IEC 14496-12 or QuickTime file begins with."""
EBML_ID = b"\x1a\x45\xdf\xa3"
"""First element of Matroska and WebM, RFC 8794 §11.2."""
SEGMENT_ID = 0x18538067
"""The element that holds all media of Matroska, RFC 9559 §5.1."""
TS_PACKET_BYTES = 188
"""A transport stream is nothing but packets of this size, ISO/IEC 13818-1 §2.4.3.2."""
TS_SYNC = b"G"
"""How each of them begins."""
LEADING_BYTES = 4096
"""How much of the beginning is looked at to tell text from media."""
MAX_PADDING_BYTES = 1024
"""The most zeros that may follow the last box."""
MAX_INDEX_BYTES = 1 << 26
"""How much of an index is searched for signs of encryption; those of day-long films are smaller."""
PROTECTED = re.compile(rb"schm\0\0\0[\0\1]\w{4}")
"""The box that names how samples are encrypted, ISO/IEC 14496-12 §8.12.5; readers that have no key
show noise and call it a picture."""
MAX_BOXES = 1_000_000
"""A file with more top-level boxes than this is an attack, not a film."""


def check_complete(stream: BinaryIO) -> None:
    """Refuse a file that is empty, text, or shorter than its container says.

    Args:
        stream: seekable; only headers are read.

    Raises:
        SourceError: `source_empty`, `source_not_media`, `source_truncated`, `source_encrypted`.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(LEADING_BYTES)
    if not head:
        raise SourceError(
            "the source is empty (0 bytes)",
            code="source_empty",
            hint="Upload the file again; its copy never got any content.",
        )
    if _is_text(head):
        raise SourceError(
            "the source is text, not a media file",
            code="source_not_media",
            hint="A web page or a playlist was saved instead of the video: fetch the video itself.",
        )
    if head[4:8] in MP4_FIRST_BOXES:
        _check_mp4(stream, size)
    elif head.startswith(EBML_ID):
        _check_matroska(stream, size)
    elif head.startswith(b"RIFF"):
        _check_riff(head, size)


def check_last_packet(stream: BinaryIO) -> None:
    """Refuse an MPEG-TS that ends inside a packet, where nothing else tells of its end.

    Not for all sources: a recorder that is switched off leaves half a packet, too.

    Args:
        stream: seekable.

    Raises:
        SourceError: `source_truncated`.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(2 * TS_PACKET_BYTES + 1)
    rest = size % TS_PACKET_BYTES
    if rest and head[::TS_PACKET_BYTES] == TS_SYNC * 3:
        raise truncated(f"{rest} of {TS_PACKET_BYTES} bytes of its last packet are there")


def truncated(what: str) -> SourceError:
    """The error for a source of which a part is missing; `what` says how that shows."""
    return SourceError(
        f"the source is cut short: {what}",
        code="source_truncated",
        hint="Copy or download the file again and compare its size with the original's.",
    )


def _is_text(head: bytes) -> bool:
    """Whether this reads as text: media have control characters within a few bytes."""
    body = head.removeprefix(b"\xef\xbb\xbf")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        body = body.decode("utf-16", errors="ignore").encode()
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in body)


def _check_mp4(stream: BinaryIO, size: int) -> None:
    """Each top-level box must end inside the file, and index and media must both be there."""
    kinds = list(islice(_mp4_boxes(stream, size), MAX_BOXES))
    if b"moov" not in kinds:
        raise truncated("it has no index (`moov` box)")
    if b"mdat" not in kinds or kinds[-1] == b"moof":
        raise truncated("it has no media after its index")


def _mp4_boxes(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The types of the top-level boxes, ISO/IEC 14496-12 §4.2."""
    offset = 0
    while offset < size:
        stream.seek(offset)
        header = stream.read(16)
        # QuickTime may end with a zero word, and some cameras pad with a few more. A long tail
        # of zeros is a download whose room was reserved but never filled.
        if len(header) >= 4 and not any(header):
            if size - offset > MAX_PADDING_BYTES:
                raise truncated(f"its last {size - offset} bytes were never written")
            return
        end = offset + _box_length(header, size - offset)
        kind = header[4:8]
        if end > size:
            name = kind.decode("latin-1")
            raise truncated(f"{end - size} of {end} bytes are missing in box {name!r}")
        if kind == b"moov":
            _refuse_encryption(stream, offset, end)
        yield kind
        offset = end


def _refuse_encryption(stream: BinaryIO, offset: int, end: int) -> None:
    stream.seek(offset)
    if PROTECTED.search(stream.read(min(end - offset, MAX_INDEX_BYTES))):
        raise SourceError(
            "the source is encrypted",
            code="source_encrypted",
            hint="Give the film as it was before its encryption; no key is taken for a source.",
        )


def _box_length(header: bytes, rest: int) -> int:
    """Length of a box with its header; 0 in the file means up to its end."""
    length = int.from_bytes(header[:4], "big")
    if len(header) < (16 if length == 1 else 8):
        raise truncated("its last box has no whole header")
    if length == 1:
        length = int.from_bytes(header[8:16], "big")
    return max(length, 8) if length else rest


def _check_matroska(stream: BinaryIO, size: int) -> None:
    """Compare the announced end of the Segment with the file's, RFC 8794 §6."""
    offset = 0
    while offset < size:
        stream.seek(offset)
        header = stream.read(16)
        element, id_length = _vint(header, keep_marker=True)
        length, size_length = _vint(header[id_length:], keep_marker=False)
        body = offset + id_length + size_length
        if not size_length:
            break
        is_unknown = length == (1 << 7 * size_length) - 1
        if element == SEGMENT_ID:
            if not is_unknown and body + length > size:
                missing = body + length - size
                raise truncated(f"{missing} of {body + length} bytes are missing")
            return
        if is_unknown:
            break
        offset = body + length
    raise truncated("it has a header but no media")


def _check_riff(head: bytes, size: int) -> None:
    """Compare the size of the first RIFF chunk (AVI, WAV); live writers leave 0 or the maximum."""
    announced = int.from_bytes(head[4:8], "little")
    if 0 < announced < 0xFFFFFFFF and announced + 8 > size:
        raise truncated(f"{announced + 8 - size} of {announced + 8} bytes are missing")


def _vint(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """A variable-size integer and its length in bytes, RFC 8794 §4; (0, 0) when it is none."""
    if not data or data[0] == 0:
        return 0, 0
    length = 9 - data[0].bit_length()
    if len(data) < length:
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), length
