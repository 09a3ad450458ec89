"""Reads the boxes of CMAF init and media segments, ISO/IEC 14496-12 and 23000-19."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from adaptation.errors import ToolError
from adaptation.media.codec_names import Child, picture_codec, sound_channels, sound_codec

Data = TypeVar("Data", bytes, memoryview)
"""What boxes lie in: their bodies are copies of it, or views."""
PICTURES = frozenset({b"avc1", b"avc3", b"hvc1", b"hev1", b"av01"})
"""Sample entries of video, ISO/IEC 14496-15 and the AV1 file format."""

# Flags of `tfhd` and `trun`, ISO/IEC 14496-12 §8.8.7 and §8.8.8.
TFHD_BASE_OFFSET, TFHD_DESCRIPTION, TFHD_DURATION, TFHD_SIZE, TFHD_FLAGS = 1, 2, 8, 16, 32
TRUN_DATA_OFFSET, TRUN_FIRST_FLAGS = 0x1, 0x4
TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_OFFSET = 0x100, 0x200, 0x400, 0x800
PICTURE_FIELDS_BYTES = 78
"""Length of a VisualSampleEntry in front of its boxes, ISO/IEC 14496-12 §12.1.3."""
SPAN_BYTES = 128
"""How much of a segment of ours holds its `styp` and its `sidx`."""
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
    transfer: int = 0
    """TransferCharacteristics of a picture, ISO/IEC 23091-2; 0: nothing is said, and of sound."""


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
class Samples:
    """The samples of one `moof` in the order they are stored; all columns are equally long."""

    decode_time: int
    """`tfdt`: ticks of the first sample."""
    durations: Sequence[int]
    """Ticks up to the next sample's decoding."""
    sizes: Sequence[int]
    """Bytes."""
    offsets: Sequence[int]
    """Ticks from decoding to showing."""
    syncs: Sequence[bool]
    """Whether decoding can start here."""

    def __len__(self) -> int:
        return len(self.sizes)

    def shown(self) -> list[int]:
        """Presentation time of each sample in ticks, before any edit list."""
        starts = accumulate(self.durations, initial=self.decode_time)
        return [start + offset for start, offset in zip(starts, self.offsets, strict=False)]


@dataclass(frozen=True)
class _Defaults:
    """Values of samples that do not say their own."""

    duration: int
    size: int
    flags: int


class _Reader(Generic[Data]):
    """Takes big-endian numbers off the front of a box's body."""

    def __init__(self, body: Data) -> None:
        self.body: Data = body
        self.at = 0

    def take(self, length: int) -> Data:
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


def boxes(data: Data) -> Iterator[tuple[bytes, Data]]:
    """Type and body of each box, in order.

    Raises:
        ToolError: `output_broken`, a box does not fit.
    """
    reader = _Reader(data)
    while reader.at < len(data):
        start = reader.at
        length, kind = reader.number(), bytes(reader.take(4))
        if length == 1:
            length = reader.number(8)
        header = reader.at - start
        if length < header:
            raise _broken(f"box {kind!r} is shorter than its header")
        yield kind, reader.take(length - header)


def need(data: Data, kind: bytes) -> Data:
    """The body of the first box of a kind.

    Raises:
        ToolError: `output_broken`, there is none.
    """
    body = _find(data, kind)
    if body is None:
        raise _broken(f"box {kind.decode('latin-1')!r} is missing")
    return body


def read_init(data: bytes) -> Init:
    """Read an init segment with one track.

    Raises:
        ToolError: `output_broken`, a box is missing, damaged or of an unknown codec.
    """
    moov = need(data, b"moov")
    track = need(moov, b"trak")
    media = need(track, b"mdia")
    kind, entry = _sample_entry(media)
    default_duration, default_flags = _track_defaults(moov)
    is_picture = kind in PICTURES
    codec, channels = _codec_and_channels(kind, entry)
    return Init(
        timescale=_timescale(need(media, b"mdhd")),
        codec=codec,
        media_time=_media_time(track),
        width=int.from_bytes(entry[24:26], "big") if is_picture else 0,
        height=int.from_bytes(entry[26:28], "big") if is_picture else 0,
        channels=channels,
        sample_rate=0 if is_picture else int.from_bytes(entry[24:26], "big"),
        default_duration=default_duration,
        default_flags=default_flags,
        transfer=_transfer(entry) if is_picture else 0,
    )


def read_fragment(data: bytes, init: Init) -> Fragment:
    """Read a media segment: all its `moof` boxes, which must be followed by their media.

    Raises:
        ToolError: `output_broken`, a box or a sample is missing or damaged.
    """
    runs = list[Samples]()
    media_bytes: int | None = None
    for kind, body in boxes(data):
        if kind == b"moof":
            runs.append(read_samples(body, init))
        elif kind == b"mdat":
            media_bytes = (media_bytes or 0) + len(body)
    if media_bytes is None or not any(map(len, runs)):
        raise _broken("a segment has no samples")
    _check_media_size(media_bytes, sum(sum(run.sizes) for run in runs))
    return _fragment(runs)


def read_span(head: bytes) -> tuple[int, int]:
    """When a media segment starts and how long it lasts, from the `sidx` in front of it.

    Args:
        head: the segment's first bytes, at least `SPAN_BYTES` of a segment of our own.

    Returns:
        Ticks of the presentation's clock, ISO/IEC 14496-12 §8.16.3.

    Raises:
        ToolError: `output_broken`.
    """
    reader = _Reader(need(head[:SPAN_BYTES], b"sidx"))
    version, _ = reader.version_and_flags()
    reader.take(8)
    length = 8 if version == 1 else 4
    start = reader.number(length)
    reader.take(length + 8)
    return start, reader.number()


def read_samples(moof: bytes, init: Init) -> Samples:
    """Read what a `moof` says of its samples; `moof` is the box's body.

    Raises:
        ToolError: `output_broken`, a box is missing or damaged.
    """
    traf = need(moof, b"traf")
    defaults = _fragment_defaults(need(traf, b"tfhd"), init)
    durations, sizes, offsets = list[int](), list[int](), list[int]()
    syncs = list[bool]()
    for kind, body in boxes(traf):
        if kind == b"trun":
            columns = _run(body, defaults)
            durations += columns[0]
            sizes += columns[1]
            offsets += columns[2]
            syncs += [not flags & NOT_SYNC for flags in columns[3]]
    return Samples(_decode_time(need(traf, b"tfdt")), durations, sizes, offsets, syncs)


def _fragment(runs: Sequence[Samples]) -> Fragment:
    """All samples on the clock of the first run, each decoded when the one before ends."""
    durations = [duration for run in runs for duration in run.durations]
    offsets = [offset for run in runs for offset in run.offsets]
    syncs = [is_sync for run in runs for is_sync in run.syncs]
    starts = accumulate(durations[:-1], initial=runs[0].decode_time)
    shown = [start + offset for start, offset in zip(starts, offsets, strict=True)]
    return Fragment(
        decode_time=runs[0].decode_time,
        duration=sum(durations),
        earliest=min(shown),
        latest=max(shown),
        latest_end=max(time + d for time, d in zip(shown, durations, strict=True)),
        sample_count=len(durations),
        starts_with_sync=syncs[0],
        sync_count=sum(syncs),
    )


def _find(data: Data, kind: bytes) -> Data | None:
    return next((body for found, body in boxes(data) if found == kind), None)


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
    reader = _Reader(need(edits, b"elst"))
    version, _ = reader.version_and_flags()
    length = 8 if version == 1 else 4
    count = reader.number()
    reader.take(length)
    if count != 1:
        raise _broken(f"the edit list has {count} entries, one is understood")
    return max(0, int.from_bytes(reader.take(length), "big", signed=True))


def _track_defaults(moov: bytes) -> tuple[int, int]:
    """Default duration and flags of samples, from `trex`."""
    reader = _Reader(need(need(moov, b"mvex"), b"trex"))
    reader.take(12)
    duration = reader.number()
    reader.take(4)
    return duration, reader.number()


def _sample_entry(media: bytes) -> tuple[bytes, bytes]:
    """Type and body of the first sample entry."""
    table = need(need(media, b"minf"), b"stbl")
    return next(boxes(need(table, b"stsd")[8:]))


def _codec_and_channels(kind: bytes, entry: bytes) -> tuple[str, int]:
    """Name of the codec, and channels of sound."""
    try:
        if kind in PICTURES:
            return picture_codec(kind, _child(entry, PICTURE_FIELDS_BYTES)), 0
        child = _child(entry, 28)
        codec, channels = sound_codec(kind, child), sound_channels(kind, child)
    except (struct.error, IndexError):
        raise _broken("a box ends too early") from None
    if codec is None:
        raise _broken(f"codec {kind.decode('latin-1')!r} is not known")
    return codec, int.from_bytes(entry[16:18], "big") if channels is None else channels


def _transfer(entry: bytes) -> int:
    """What a `colr` box of type `nclx` says, ISO/IEC 14496-12 §12.1.5."""
    for kind, body in boxes(entry[PICTURE_FIELDS_BYTES:]):
        if kind == b"colr" and body[:4] == b"nclx":
            return int.from_bytes(body[6:8], "big")
    return 0


def _child(entry: bytes, length: int) -> Child:
    """The boxes behind the fields of a sample entry."""
    return lambda kind: need(entry[length:], kind)


def _decode_time(tfdt: bytes) -> int:
    reader = _Reader(tfdt)
    version, _ = reader.version_and_flags()
    return reader.number(8 if version == 1 else 4)


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


def _run(trun: bytes, defaults: _Defaults) -> list[Sequence[int]]:
    """Durations, sizes, presentation offsets and flags of the samples of one run."""
    reader = _Reader(trun)
    version, flags = reader.version_and_flags()
    count = reader.number()
    reader.take(4 if flags & TRUN_DATA_OFFSET else 0)
    first_flags = reader.number() if flags & TRUN_FIRST_FLAGS else defaults.flags
    usual = (defaults.duration, defaults.size, 0, defaults.flags)
    columns: list[Sequence[int]] = [(value,) * count for value in usual]
    if count:
        columns[3] = (first_flags, *columns[3][1:])
    # In the order they are stored: duration, size, flags, offset, each only if it is present.
    order = ((TRUN_DURATION, 0), (TRUN_SIZE, 1), (TRUN_FLAGS, 3), (TRUN_OFFSET, 2))
    present = [column for flag, column in order if flags & flag]
    row = "".join("i" if column == 2 and version else "I" for column in present)
    body = reader.take(4 * len(row) * count)
    values = struct.unpack(f">{row * count}", body)
    for place, column in enumerate(present):
        columns[column] = values[place :: len(present)]
    return columns


def _check_media_size(found: int, expected: int) -> None:
    if found != expected:
        raise _broken(f"a segment holds {found} bytes of media instead of {expected}")


def _broken(what: str) -> ToolError:
    return ToolError(f"a written MP4 is broken: {what}", code="output_broken")
