"""Reads the boxes of CMAF init and media segments, ISO/IEC 14496-12 and 23000-19."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from adaptation.errors import ToolError

PICTURES = frozenset({b"avc1", b"avc3", b"hvc1", b"hev1"})
"""Sample entries of video, ISO/IEC 14496-15."""

# Flags of `tfhd` and `trun`, ISO/IEC 14496-12 §8.8.7 and §8.8.8.
TFHD_BASE_OFFSET, TFHD_DESCRIPTION, TFHD_DURATION, TFHD_SIZE, TFHD_FLAGS = 1, 2, 8, 16, 32
TRUN_DATA_OFFSET, TRUN_FIRST_FLAGS = 0x1, 0x4
TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_OFFSET = 0x100, 0x200, 0x400, 0x800
NOT_SYNC = 0x10000
"""Sample flag: decoding cannot start here."""


@dataclass(frozen=True)
class Init:
    """What an init segment says of its track."""

    timescale: int
    """Ticks per second."""
    codec: str
    """RFC 6381 name, such as `avc1.640028`."""
    media_time: int
    """Ticks at the start of the media that an edit list skips."""
    width: int
    """Pixels; 0 for sound."""
    height: int
    """Pixels; 0 for sound."""
    channels: int
    """0 for pictures."""
    sample_rate: int
    """Hertz; 0 for pictures."""
    default_duration: int
    """Ticks of a sample that does not say its own (`trex`)."""
    default_flags: int
    """Flags of a sample that does not say its own (`trex`)."""


@dataclass(frozen=True)
class Fragment:
    """What a media segment says of its samples, in ticks before any edit list."""

    decode_time: int
    """`tfdt` of the first sample."""
    duration: int
    """Sum of all samples' durations."""
    earliest: int
    """The first presentation time."""
    latest: int
    """The last presentation time."""
    latest_end: int
    """The time at which the last sample to be shown ends."""
    sample_count: int
    """Samples in all runs."""
    starts_with_sync: bool
    """Whether decoding can start with the first sample."""
    sync_count: int
    """Samples at which decoding can start."""


@dataclass(frozen=True)
class _Defaults:
    """Values of samples that do not say their own."""

    duration: int
    size: int
    flags: int


class _Reader:
    """Takes big-endian numbers off the front of a box's body."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self.body):
            raise _broken("a box ends too early")
        return self.body[self.at - length : self.at]

    def number(self, length: int = 4) -> int:
        return int.from_bytes(self.take(length), "big")

    def signed(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def version_and_flags(self) -> tuple[int, int]:
        return self.number(1), self.number(3)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and body of each box, in order.

    Raises:
        ToolError: `output_broken`, a box does not fit.
    """
    reader = _Reader(data)
    while reader.at < len(data):
        start = reader.at
        length, kind = reader.number(), reader.take(4)
        if length == 1:
            length = reader.number(8)
        header = reader.at - start
        if length < header:
            raise _broken(f"box {kind!r} is shorter than its header")
        yield kind, reader.take(length - header)


def read_init(data: bytes) -> Init:
    """Read an init segment with one track.

    Raises:
        ToolError: `output_broken`, a box is missing, damaged or of an unknown codec.
    """
    moov = _need(data, b"moov")
    track = _need(moov, b"trak")
    media = _need(track, b"mdia")
    kind, entry = _sample_entry(media)
    default_duration, default_flags = _track_defaults(moov)
    is_picture = kind in PICTURES
    return Init(
        timescale=_timescale(_need(media, b"mdhd")),
        codec=_picture_codec(kind, entry) if is_picture else _sound_codec(kind, entry),
        media_time=_media_time(track),
        width=int.from_bytes(entry[24:26], "big") if is_picture else 0,
        height=int.from_bytes(entry[26:28], "big") if is_picture else 0,
        channels=0 if is_picture else int.from_bytes(entry[16:18], "big"),
        sample_rate=0 if is_picture else int.from_bytes(entry[24:26], "big"),
        default_duration=default_duration,
        default_flags=default_flags,
    )


def read_fragment(data: bytes, init: Init) -> Fragment:
    """Read a media segment: all its `moof` boxes, which must be followed by their media.

    Raises:
        ToolError: `output_broken`, a box or a sample is missing or damaged.
    """
    samples = list[tuple[int, int, int, bool]]()
    decode_times = list[int]()
    kinds = dict.fromkeys(kind for kind, _ in boxes(data))
    for kind, body in boxes(data):
        if kind == b"moof":
            traf = _need(body, b"traf")
            decode_times.append(_decode_time(_need(traf, b"tfdt")))
            samples += _samples(traf, init)
    if not samples or b"mdat" not in kinds:
        raise _broken("a segment has no samples")
    _check_media_size(data, sum(size for _, size, _, _ in samples))
    durations = [duration for duration, _, _, _ in samples]
    starts = list(accumulate(durations[:-1], initial=decode_times[0]))
    shown = [start + sample[2] for start, sample in zip(starts, samples, strict=True)]
    return Fragment(
        decode_time=decode_times[0],
        duration=sum(durations),
        earliest=min(shown),
        latest=max(shown),
        latest_end=max(time + d for time, d in zip(shown, durations, strict=True)),
        sample_count=len(samples),
        starts_with_sync=samples[0][3],
        sync_count=sum(is_sync for *_, is_sync in samples),
    )


def _find(data: bytes, kind: bytes) -> bytes | None:
    return next((body for found, body in boxes(data) if found == kind), None)


def _need(data: bytes, kind: bytes) -> bytes:
    body = _find(data, kind)
    if body is None:
        raise _broken(f"box {kind.decode('latin-1')!r} is missing")
    return body


def _timescale(mdhd: bytes) -> int:
    reader = _Reader(mdhd)
    version, _ = reader.version_and_flags()
    reader.take(16 if version == 1 else 8)
    return reader.number()


def _media_time(track: bytes) -> int:
    """Start of the one edit that plays media; 0 without an edit list."""
    edits = _find(track, b"edts")
    if edits is None:
        return 0
    reader = _Reader(_need(edits, b"elst"))
    version, _ = reader.version_and_flags()
    length = 8 if version == 1 else 4
    count = reader.number()
    reader.take(length)
    if count != 1:
        raise _broken(f"the edit list has {count} entries, one is understood")
    return max(0, int.from_bytes(reader.take(length), "big", signed=True))


def _track_defaults(moov: bytes) -> tuple[int, int]:
    """Default duration and flags of samples, from `trex`."""
    reader = _Reader(_need(_need(moov, b"mvex"), b"trex"))
    reader.take(12)
    duration = reader.number()
    reader.take(4)
    return duration, reader.number()


def _sample_entry(media: bytes) -> tuple[bytes, bytes]:
    """Type and body of the first sample entry."""
    table = _need(_need(media, b"minf"), b"stbl")
    return next(boxes(_need(table, b"stsd")[8:]))


def _picture_codec(kind: bytes, entry: bytes) -> str:
    """RFC 6381 §3.3 for AVC, ISO/IEC 14496-15 Annex E for HEVC."""
    children = entry[78:]
    if kind in (b"avc1", b"avc3"):
        return f"{kind.decode()}.{_need(children, b'avcC')[1:4].hex()}"
    reader = _Reader(_need(children, b"hvcC"))
    reader.take(1)
    profile = reader.number(1)
    compatible = int(f"{reader.number():032b}"[::-1], 2)
    constraints = reader.take(6).rstrip(b"\0")
    level = reader.number(1)
    space = ("", "A", "B", "C")[profile >> 6]
    tier = "H" if profile & 0x20 else "L"
    parts = [kind.decode(), f"{space}{profile & 0x1F}", f"{compatible:X}", f"{tier}{level}"]
    return ".".join([*parts, *(f"{byte:X}" for byte in constraints)])


def _sound_codec(kind: bytes, entry: bytes) -> str:
    """RFC 6381 §3.3: the object type and, for MPEG-4 audio, the audio object type."""
    if kind != b"mp4a":
        raise _broken(f"codec {kind.decode('latin-1')!r} is not known")
    reader = _Reader(_need(entry[28:], b"esds"))
    reader.version_and_flags()
    _descriptor(reader)  # ES_Descriptor
    reader.take(3)
    _descriptor(reader)  # DecoderConfigDescriptor
    object_type = reader.number(1)
    reader.take(12)
    _descriptor(reader)  # DecoderSpecificInfo
    return f"mp4a.{object_type:x}.{reader.number(1) >> 3}"


def _descriptor(reader: _Reader) -> None:
    """Skip a descriptor's tag and its length of up to four bytes, ISO/IEC 14496-1 §8.3.3."""
    reader.take(1)
    while reader.number(1) & 0x80:
        pass


def _decode_time(tfdt: bytes) -> int:
    reader = _Reader(tfdt)
    version, _ = reader.version_and_flags()
    return reader.number(8 if version == 1 else 4)


def _samples(traf: bytes, init: Init) -> Iterator[tuple[int, int, int, bool]]:
    """Duration, size, presentation offset and sync flag of each sample."""
    defaults = _fragment_defaults(_need(traf, b"tfhd"), init)
    for kind, body in boxes(traf):
        if kind == b"trun":
            yield from _run(body, defaults)


def _fragment_defaults(tfhd: bytes, init: Init) -> _Defaults:
    reader = _Reader(tfhd)
    _, flags = reader.version_and_flags()
    reader.take(4)
    reader.take(8 if flags & TFHD_BASE_OFFSET else 0)
    reader.take(4 if flags & TFHD_DESCRIPTION else 0)
    return _Defaults(
        duration=reader.number() if flags & TFHD_DURATION else init.default_duration,
        size=reader.number() if flags & TFHD_SIZE else 0,
        flags=reader.number() if flags & TFHD_FLAGS else init.default_flags,
    )


def _run(trun: bytes, defaults: _Defaults) -> Iterator[tuple[int, int, int, bool]]:
    reader = _Reader(trun)
    version, flags = reader.version_and_flags()
    count = reader.number()
    reader.take(4 if flags & TRUN_DATA_OFFSET else 0)
    first_flags = reader.number() if flags & TRUN_FIRST_FLAGS else defaults.flags
    for number in range(count):
        duration = reader.number() if flags & TRUN_DURATION else defaults.duration
        size = reader.number() if flags & TRUN_SIZE else defaults.size
        sample_flags = first_flags if number == 0 else defaults.flags
        if flags & TRUN_FLAGS:
            sample_flags = reader.number()
        offset = 0
        if flags & TRUN_OFFSET:
            offset = reader.signed() if version else reader.number()
        yield duration, size, offset, not sample_flags & NOT_SYNC


def _check_media_size(data: bytes, expected: int) -> None:
    found = sum(len(body) for kind, body in boxes(data) if kind == b"mdat")
    if found != expected:
        raise _broken(f"a segment holds {found} bytes of media instead of {expected}")


def _broken(what: str) -> ToolError:
    return ToolError(f"a written MP4 is broken: {what}", code="output_broken")
