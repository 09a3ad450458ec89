"""How good an asset's renditions are: `quality.json`, and which of its segments are the worst."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from adaptation.errors import SourceError
from adaptation.media.index import Track
from adaptation.media.vmaf import frame_bounds, harmonic_mean, mean

QUALITY_NAME = "quality.json"
"""File at the root of the asset."""
FORMAT = 1
"""Version of the document."""


@dataclass(frozen=True)
class SegmentQuality:
    """One segment of a rendition."""

    name: str
    """Its file; of a track in one file with `@` and the bytes in front of it."""
    start: float
    """Seconds from the first frame of the asset."""
    duration: float
    """Seconds."""
    bitrate: int
    """Bits per second, over its own length."""
    vmaf: float
    """Arithmetic mean of its pictures, 0 to 100."""
    vmaf_harmonic: float
    """Harmonic mean of its pictures."""
    vmaf_min: float
    """Its worst picture."""
    begins_chunk: bool
    """Whether a chunk of the source that was encoded apart begins with it."""


@dataclass(frozen=True)
class RenditionQuality:
    """A rendition with its segments."""

    name: str
    """As in `asset.json`."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    codec: str
    """RFC 6381 name."""
    bitrate: int
    """Average, bits per second."""
    vmaf: float
    """Arithmetic mean of all its pictures, 0 to 100."""
    vmaf_harmonic: float
    """Harmonic mean of all its pictures."""
    vmaf_min: float
    """Its worst picture."""
    segments: tuple[SegmentQuality, ...]
    """In the order they are played."""


@dataclass(frozen=True)
class Quality:
    """What was measured of an asset."""

    asset_id: str
    """Of the asset that was measured; one that came in its place has another."""
    measured_at: str
    """RFC 3339 time in UTC."""
    model: str
    """libvmaf's name of its model."""
    width: int
    """Pixels of the pictures that were compared: the largest rendition's."""
    height: int
    """The same."""
    ffmpeg: str
    """Version of FFmpeg."""
    renditions: tuple[RenditionQuality, ...]
    """Largest first."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> Quality:
        """Read what `to_json` wrote.

        Raises:
            SourceError: `quality_unreadable`.
        """
        try:
            facts = {name: document[name] for name in cls.__dataclass_fields__}
            renditions = tuple(map(_rendition, facts["renditions"]))
            found = cls(**{**facts, "renditions": renditions})
            # Anybody may have written it: pages and tables add these up.
            _ = [one.vmaf + one.start + one.bitrate for r in renditions for one in r.segments]
            is_whole = all(one.segments and one.vmaf + one.bitrate > 0 for one in renditions)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unreadable() from error
        if not (renditions and is_whole):
            raise _unreadable()
        return found


@dataclass(frozen=True)
class Bad:
    """A segment with how far it lies below its rendition."""

    rendition: str
    segment: SegmentQuality
    below: float
    """Points of VMAF below the mean of its rendition; negative: it is above."""


def rendition_quality(
    track: Track, scores: Sequence[float], chunks: Collection[int]
) -> RenditionQuality:
    """Add up what was measured of the pictures of a rendition.

    Args:
        track: from the asset's record.
        scores: VMAF of each picture of it.
        chunks: frames that began a chunk.
    """
    bounds = frame_bounds(track)
    found = []
    for segment, (first, end) in zip(track.segments, pairwise(bounds), strict=True):
        own = scores[first:end]
        seconds = segment.duration / track.timescale
        found.append(
            SegmentQuality(
                name=segment.label,
                start=round(segment.start / track.timescale, 6),
                duration=round(seconds, 6),
                bitrate=round(8 * segment.size_bytes / seconds),
                vmaf=round(mean(own), 3),
                vmaf_harmonic=round(harmonic_mean(own), 3),
                vmaf_min=round(min(own), 3),
                begins_chunk=first in chunks,
            )
        )
    return RenditionQuality(
        name=track.name,
        width=track.width,
        height=track.height,
        codec=track.codec,
        bitrate=track.average_bandwidth,
        vmaf=round(mean(scores), 3),
        vmaf_harmonic=round(harmonic_mean(scores), 3),
        vmaf_min=round(min(scores), 3),
        segments=tuple(found),
    )


def worst_first(renditions: Iterable[RenditionQuality]) -> list[Bad]:
    """All segments, those first that lie furthest below the mean of their own rendition.

    A small rendition is worse than a large one all along, which is no news: what stands out is a
    segment that is worse than those around it.
    """
    found = [
        Bad(rendition.name, segment, round(rendition.vmaf - segment.vmaf, 3))
        for rendition in renditions
        for segment in rendition.segments
    ]
    return sorted(found, key=lambda bad: (-bad.below, bad.segment.start, bad.rendition))


def _rendition(document: Mapping[str, Any]) -> RenditionQuality:
    facts = {name: document[name] for name in RenditionQuality.__dataclass_fields__}
    names = SegmentQuality.__dataclass_fields__
    segments = (SegmentQuality(**{name: one[name] for name in names}) for one in facts["segments"])
    return RenditionQuality(**{**facts, "segments": tuple(segments)})


def _unreadable() -> SourceError:
    return SourceError(
        f"{QUALITY_NAME} cannot be read",
        code="quality_unreadable",
        hint="Measure the asset once more.",
    )
