"""What tasks work from: the source on this machine, and what was read of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from adaptation.context import Context
from adaptation.errors import SourceError
from adaptation.media.encode import keyframes
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.timeline import SeekPoint, Timeline
from adaptation.workflows.resources import Run, get_file, get_json, put_json


@dataclass(frozen=True)
class Material:
    """A probed source: everything a plan is made of."""

    source: Source
    """Its tracks and facts; it has a picture."""
    timeline: Timeline
    """When each frame is shown."""
    seek_points: tuple[SeekPoint, ...]
    """Where decoding can start."""

    @property
    def picture(self) -> VideoTrack:
        """The video track.

        Raises:
            SourceError: `source_no_video`.
        """
        if self.source.video is None:
            raise SourceError("the source has no picture", code="source_no_video")
        return self.source.video

    @property
    def shown(self) -> VideoTrack:
        """The video track at the frame rate that is encoded."""
        rate = self.picture.frame_rate / self.timeline.thinning
        return replace(self.picture, frame_rate=rate)

    def starts(self, context: Context) -> tuple[int, ...]:
        """Numbers of the frames that start a segment."""
        return keyframes(self.timeline, context["segment_seconds"])

    def store(self, run: Run) -> str:
        """Put it into the work area; returns its key."""
        document = {
            "source": self.source.to_json(),
            "timeline": self.timeline.to_json(),
            "seek_points": [point.to_json() for point in self.seek_points],
        }
        return put_json(run, "material.json", document)


def material_of(context: Context, run: Run) -> Material:
    """What `get_video_size` has read of the job's source."""
    document = get_json(run, context["material_key"])
    return Material(
        Source.from_json(document["source"]),
        Timeline.from_json(document["timeline"]),
        tuple(SeekPoint.from_json(point) for point in document["seek_points"]),
    )


def source_path(context: Context, run: Run) -> Path:
    """The source on this machine, unchanged since the job began.

    Raises:
        SourceError: `source_changed`, `source_missing`.
    """
    if "source_key" in context:
        return get_file(run, context["source_key"])
    if file_state(context) != context["source_state"]:
        raise SourceError(
            f"{context['url']} was changed while the job ran",
            code="source_changed",
            hint="Wait until the file is complete, then submit it again.",
        )
    return Path(context["source_path"])


def file_state(context: Context) -> list[int]:
    """Size in bytes and time of the last change, in nanoseconds, of a local source.

    Raises:
        SourceError: `source_missing`.
    """
    try:
        facts = Path(context["url"]).stat()
    except OSError as error:
        raise SourceError(
            f"{context['url']} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the path; every worker must be able to read it.",
        ) from error
    return [facts.st_size, facts.st_mtime_ns]
