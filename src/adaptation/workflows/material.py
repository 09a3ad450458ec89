"""What tasks work from: the source on this machine, and what was read of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from adaptation.adapters import ffmpeg
from adaptation.adapters.containment import names_below
from adaptation.adapters.tools import Tools
from adaptation.context import Context
from adaptation.errors import SourceError
from adaptation.media.container import check_last_packet
from adaptation.media.encode import keyframes
from adaptation.media.inspection import Inspection
from adaptation.media.passthrough import Candidate
from adaptation.media.plan import EncodingPlan, encoding_plan, planned_ladder
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.profile import Profile
from adaptation.media.rendition import Rendition, parse_renditions
from adaptation.media.stored import StoredPicture
from adaptation.media.timeline import SeekPoint, Timeline
from adaptation.workflows.profiles import profile_of
from adaptation.workflows.resources import Run, get_file, get_json, put_json

COPIED = "copied"
"""What the context calls the name of the rendition that is copied from the source, if any: the
segments of all tracks then start at its key frames."""

PICTURE = "picture_key"
"""What the context of a branch calls what was read of its own picture, where there are several."""


@dataclass(frozen=True)
class Material:
    """A probed source: everything a plan is made of."""

    source: Source
    """Its tracks and facts; it has a picture."""
    timeline: Timeline
    """When each frame is shown."""
    seek_points: tuple[SeekPoint, ...]
    """Where decoding can start."""
    stored: StoredPicture
    """How the picture is stored."""
    grid: tuple[int, ...] = ()
    """Frames that start a segment where that is decided for several sources together."""

    @property
    def picture(self) -> VideoTrack:
        """The video track.

        Raises:
            SourceError: `source_no_video`.
        """
        if self.source.video is None:
            raise SourceError("the source has no picture", code="source_no_video")
        return self.source.video

    def starts(self, context: Context) -> tuple[int, ...]:
        """Numbers of the frames that start a segment: of a copied picture, key frames of it."""
        if self.grid:
            return self.grid
        if context.get(COPIED):
            return self.candidate(context).starts
        return keyframes(self.timeline, context["segment_seconds"])

    def candidate(self, context: Context) -> Candidate:
        """The picture as one that may be copied into the ladder of a job.

        Raises:
            SourceError: `source_no_video`.
            ParameterError: `rendition_invalid`.
        """
        profile = profile_of(context)
        wanted = _renditions(context, profile)
        ladder = planned_ladder(self.picture, self.timeline, profile, wanted)
        return Candidate(
            source=self.source,
            timeline=self.timeline,
            seek_points=self.seek_points,
            stored=self.stored,
            ladder=ladder.renditions,
            segment_seconds=context["segment_seconds"],
        )

    def plan(self, context: Context, parallel_chunks: int) -> EncodingPlan:
        """What is made of it for a job's parameters.

        Raises:
            SourceError: `source_no_video`.
            ParameterError: `rendition_invalid`.
        """
        profile = profile_of(context)
        return encoding_plan(
            replace(self.source, video=self.picture),
            self.timeline,
            self.seek_points,
            self.starts(context),
            profile=profile,
            renditions=_renditions(context, profile),
            surround=context["surround"],
            parallel_chunks=parallel_chunks,
            copied=self._copied(context),
        )

    def _copied(self, context: Context) -> Rendition | None:
        """The rendition that a job copies, with the bit rate that the picture really has."""
        candidate = self.candidate(context)
        if candidate.rung is None or candidate.rung.name != context.get(COPIED):
            return None
        return replace(candidate.rung, bitrate=candidate.peak_bitrate)

    def moments(self, context: Context) -> list[Fraction]:
        """Seconds from the first frame to each of those."""
        return [self.timeline.since_start(frame) for frame in self.starts(context)]

    def store(self, run: Run, name: str = "material.json") -> str:
        """Put it into the work area under a name; returns its key."""
        document = {
            "source": self.source.to_json(),
            "timeline": self.timeline.to_json(),
            "seek_points": [point.to_json() for point in self.seek_points],
            "stored": self.stored.to_json(),
            "grid": self.grid,
        }
        return put_json(run, name, document)


def read_material(path: Path, tools: Tools, max_frame_rate: float | None = None) -> Material:
    """Read all packets of a source.

    Args:
        path: a local file.
        tools: where ffprobe and FFmpeg are.
        max_frame_rate: see `Timeline.limited`; none: all frames are kept.

    Raises:
        SourceError: it cannot be read, is cut short, or has no picture.
    """
    inspection = Inspection()
    source, timeline = ffmpeg.inspect(path, tools, inspection)
    if max_frame_rate is not None:
        timeline = timeline.limited(max_frame_rate)
    return Material(source, timeline, inspection.seek_points(), inspection.stored())


def check_end(path: Path, length_known: bool) -> None:
    """Look harder at what was fetched when its server told neither a length nor an end.

    Raises:
        SourceError: `source_truncated`.
    """
    if not length_known:
        with path.open("rb") as stream:
            check_last_packet(stream)


def material_of(context: Context, run: Run) -> Material:
    """What was read of the source whose picture gives the asset its clock."""
    return _stored_material(run, context["material_key"])


def picture_of(context: Context, run: Run) -> Material:
    """What was read of the source of this branch's picture: of the one, unless there are more."""
    return _stored_material(run, context.get(PICTURE, context["material_key"]))


def _stored_material(run: Run, key: str) -> Material:
    document = get_json(run, key)
    return Material(
        Source.from_json(document["source"]),
        Timeline.from_json(document["timeline"]),
        tuple(SeekPoint.from_json(point) for point in document["seek_points"]),
        StoredPicture.from_json(document["stored"]),
        tuple(document.get("grid", ())),
    )


def _renditions(context: Context, profile: Profile) -> tuple[Rendition, ...] | None:
    """What the client wants; none: what of the profile's ladder fits the source."""
    requested = context.get("renditions")
    return parse_renditions(requested, profile.main_codec) if requested else None


def source_path(context: Context, run: Run) -> Path:
    """The source on this machine, unchanged since the job began.

    Raises:
        SourceError: `source_changed`, `source_missing`.
    """
    if "source_key" in context:
        return get_file(run, context["source_key"])
    if file_state(context, run) != context["source_state"]:
        raise SourceError(
            f"{context['url']} was changed while the job ran",
            code="source_changed",
            hint="Wait until the file is complete, then submit it again.",
        )
    return Path(context["source_path"])


def file_state(context: Context, run: Run) -> list[int]:
    """Size in bytes and time of the last change, in nanoseconds, of a local source.

    Raises:
        SourceError: `source_missing`; `source_changed`, a client's is a symbolic link by now.
    """
    path, resources = Path(context["url"]), run.resources
    roots = [root for root in (resources.source_root, resources.assets_root) if root is not None]
    if any(names_below(root, path) is not None for root in roots) and path.resolve() != path:
        raise SourceError(
            f"{path.name} leads elsewhere since the job was submitted",
            code="source_changed",
            hint="Put the file itself into the folder of sources, then submit it again.",
        )
    try:
        facts = path.stat()
    except OSError as error:
        raise SourceError(
            f"{context['url']} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the path; every worker must be able to read it.",
        ) from error
    return [facts.st_size, facts.st_mtime_ns]
