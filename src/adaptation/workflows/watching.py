"""Keeps the asset of a running job watchable: what has been cut so far, as HLS and DASH."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from pathlib import Path

from adaptation.adapters.live import LiveArea, write
from adaptation.context import Context
from adaptation.media import dash, hls
from adaptation.media.boxes import SPAN_BYTES, read_span
from adaptation.media.growing import ExpectedTrack, Span, growing_track
from adaptation.media.index import INIT_NAME, Track, nominal_rate, target_duration
from adaptation.media.probe import AudioTrack
from adaptation.media.rendition import Rendition
from adaptation.media.sound import Sound, plan_sounds
from adaptation.workflows.material import COPIED, Material
from adaptation.workflows.profiles import profile_of
from adaptation.workflows.resources import Run

PAUSE_SECONDS = 0.3
"""Least time between two looks: the renditions' segments come nearly at once."""

LADDER = "ladder"
"""What the context calls the renditions that are encoded."""
SOUNDS = "sounds"
"""What the context calls the sound tracks where they come from several sources."""
OVER = (NotADirectoryError, FileNotFoundError)
"""The job ended without this attempt: there is nothing that grows any more."""


@dataclass
class GrowingAsset:
    """One job's asset as one task sees it grow; other workers may add to it at the same time."""

    area: LiveArea
    job_id: int
    expected: Sequence[ExpectedTrack]
    """All tracks there will be; the asset can be watched when each has a segment."""
    longest_segment: Fraction
    """Seconds."""
    duration: Fraction
    """Seconds of the whole asset."""
    _spans: dict[str, list[Span]] = field(default_factory=dict)
    _inits: dict[str, bytes] = field(default_factory=dict)
    _is_open: bool = False
    """Whether the master playlist is there."""
    _has_news: bool = False
    _looked: float = 0.0

    def add(self, track: str, file: Path) -> None:
        """Let a file of the work area appear in a track's folder."""
        with suppress(*OVER):
            self.area.add(self.job_id, file, f"{track}/{file.name}")
            self._has_news = True

    def refresh(self, *, at_once: bool = False) -> None:
        """Rewrite the playlists of what has grown, if anything was added since the last time.

        Args:
            at_once: also when the last time was only just now.
        """
        now = time.monotonic()
        if not self._has_news or (now - self._looked < PAUSE_SECONDS and not at_once):
            return
        self._looked = now
        # Whoever has the lock for long was stopped with it: what there is now is shown later.
        with suppress(*OVER, TimeoutError), self.area.locked(self.job_id) as folder:
            self._has_news = False
            self._write(folder)

    def _write(self, folder: Path) -> None:
        grown = [track.name for track in self.expected if self._look(track.name)]
        there = [track for track in self.expected if self._spans.get(track.name)]
        tracks = {track.name: self._track(track) for track in there}
        target = target_duration(self.longest_segment)
        for name in grown:
            # Sound may go on a little longer than its picture.
            longest = max(target, tracks[name].target_duration)
            playlist = hls.media_playlist(tracks[name], growing_target=longest)
            write(folder / name / hls.PLAYLIST_NAME, playlist)
        if not grown or len(there) < len(self.expected):
            return
        write(folder / dash.MANIFEST_NAME, self._manifest(list(tracks.values())))
        if not self._is_open:
            master = hls.master_playlist(list(tracks.values()))
            write(folder / hls.MASTER_NAME, master)
            self._is_open = True

    def _look(self, name: str) -> bool:
        """Read the times of a track's new segments; whether there are any."""
        folder, spans = self.area.folder(self.job_id) / name, self._spans.setdefault(name, [])
        known = len(spans)
        if name not in self._inits:
            if not (folder / INIT_NAME).exists():
                return False
            self._inits[name] = (folder / INIT_NAME).read_bytes()
        while (path := folder / f"{len(spans) + 1:05d}.m4s").exists():
            with path.open("rb") as file:
                spans.append(read_span(file.read(SPAN_BYTES)))
        return len(spans) > known

    def _track(self, expected: ExpectedTrack) -> Track:
        return growing_track(expected, self._inits[expected.name], self._spans[expected.name])

    def _manifest(self, tracks: Sequence[Track]) -> str:
        now = datetime.now(UTC)
        # Everything listed is available: the clock of a broadcast has nothing to say here.
        since = now - timedelta(seconds=ceil(self.duration))
        growth = dash.Growth(since, now, self.longest_segment)
        return dash.manifest(tracks, growth=growth)


def growing_asset(context: Context, run: Run, material: Material) -> GrowingAsset | None:
    """What the job of this task makes, as far as it can be watched; None: it is not worth it.

    Pictures that are only copied are all there in moments.
    """
    if LADDER not in context:
        return None
    starts = [material.timeline.since_start(frame) for frame in material.starts(context)]
    ends = [*starts[1:], material.timeline.duration_seconds]
    longest = max(end - start for start, end in zip(starts, ends, strict=True))
    return GrowingAsset(
        area=run.resources.live,
        job_id=run.claim.job_id,
        expected=[*_pictures(context, material), *_sounds(context, material)],
        longest_segment=longest,
        duration=material.timeline.duration_seconds,
    )


def _pictures(context: Context, material: Material) -> list[ExpectedTrack]:
    rate = nominal_rate(material.timeline.frame_rate)
    profile = profile_of(context)
    expected = []
    for rung in map(Rendition.from_json, context[LADDER]):
        peak = profile.coding(rung.codec).peak_bitrate(rung.bitrate)
        track = ExpectedTrack(rung.name, "video", peak, rate)
        if rung.name == context.get(COPIED):
            # Its bit rate is the measured peak.
            track = replace(track, bitrate=rung.bitrate, burst=Fraction(1))
        expected.append(track)
    return expected


def _sounds(context: Context, material: Material) -> list[ExpectedTrack]:
    if SOUNDS in context:
        sounds: Sequence[Sound] = [Sound(**sound) for sound in context[SOUNDS]]
    else:
        sounds = planned_sounds(context, material.source.audio)
    return [
        ExpectedTrack(
            sound.name,
            "audio",
            sound.bitrate,
            language=sound.language,
            title=sound.title,
            stereo_name=sound.stereo_name,
        )
        for sound in sounds
    ]


def planned_sounds(context: Context, tracks: Sequence[AudioTrack]) -> Sequence[Sound]:
    """The sound tracks that a job makes of those of its source."""
    bitrates = profile_of(context).audio_bitrates
    return plan_sounds(tracks, surround=context["surround"], bitrates=bitrates)
