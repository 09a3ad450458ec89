"""Encodes tracks and cuts them into segments at the same time: nothing is left to do afterwards."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adaptation.adapters import ffmpeg
from adaptation.adapters.follower import Follower, Following, Segmenter
from adaptation.adapters.process import Limits
from adaptation.adapters.progress import Progress
from adaptation.media.boxes import Init, read_init
from adaptation.media.index import INIT_NAME, SegmentFile, measure
from adaptation.workflows.resources import Run, get_file, get_json, put_file, put_json
from adaptation.workflows.watching import GrowingAsset

PART_NAME = "part.json"
"""File that lists the segments of one track that one task has cut."""


@dataclass
class Cut:
    """One encoded file and the segments that come of it."""

    name: str
    """Of the track, and of its folder."""
    encoded: Path
    """What FFmpeg writes."""
    segmenter: Segmenter
    _header: Init | None = None
    _files: list[SegmentFile] = field(default_factory=list)

    def follower(self, run: Run) -> Follower:
        """Cuts the file in this attempt's scratch."""
        return Follower(self.encoded, run.scratch / "segments" / self.name, self.segmenter)

    @property
    def has_begun(self) -> bool:
        """Whether a segment is there."""
        return bool(self._files)

    def take(self, path: Path, run: Run) -> Path:
        """Measure a file that was cut and put it into the work area; returns where it is now."""
        content = path.read_bytes()
        if path.name == INIT_NAME:
            self._header = read_init(content)
        elif self._header is not None:
            self._files.append(measure(path.name, content, self._header))
        return get_file(run, put_file(run, path, f"{self.name}/{path.name}"))

    def store(self, run: Run) -> str:
        """Put the list of segments beside them; returns its key."""
        files = [file.to_json() for file in self._files]
        return put_json(run, f"{self.name}/{PART_NAME}", files)


@dataclass(frozen=True)
class Part:
    """A piece of a track as the task that cut it left it in the work area."""

    folder: str
    """Key prefix of its files."""
    init: bytes
    """Its init segment."""
    files: tuple[SegmentFile, ...]
    """Its media segments in order."""

    @classmethod
    def read(cls, run: Run, key: str) -> Part:
        """Read what `Cut.store` has put under `key`."""
        folder = key.rpartition("/")[0]
        files = tuple(SegmentFile.from_json(file) for file in get_json(run, key))
        return cls(folder, get_file(run, f"{folder}/{INIT_NAME}").read_bytes(), files)


@dataclass(frozen=True)
class _Either:
    """Set when one of two events is."""

    one: threading.Event
    other: threading.Event

    def is_set(self) -> bool:
        return self.one.is_set() or self.other.is_set()


@dataclass(frozen=True)
class Encoding:
    """A run of FFmpeg."""

    arguments: Sequence[str]
    """Without the program."""
    cuts: Sequence[Cut]
    """Its outputs."""
    seconds: float
    """Media time of the outputs."""
    is_awaited: bool = False
    """Whether nothing can be watched before its first segments are there: until then it does not
    give way to others on its machine."""
    deed: str = "encoded"
    """What the log says was done."""


def encode_and_cut(encoding: Encoding, run: Run, asset: GrowingAsset | None) -> dict[str, str]:
    """Run FFmpeg, cut what it writes while it writes it, and show it in the growing asset.

    Args:
        encoding: the run.
        run: of the task.
        asset: what can be watched while it grows; none: nothing.

    Returns:
        The key of each track's part.

    Raises:
        ToolError: `output_mismatch`, what comes is not as planned: FFmpeg is stopped at once.
        Transient, Cancelled: as `ffmpeg.encode`.
    """
    cuts = encoding.cuts
    by_folder = {run.scratch / "segments" / cut.name: cut for cut in cuts}
    misfit, yields = threading.Event(), threading.Event()
    if not encoding.is_awaited:
        yields.set()

    def take(path: Path) -> None:
        cut = by_folder[path.parent]
        file = cut.take(path, run)
        if asset:
            asset.add(cut.name, file)
        if all(cut.has_begun for cut in cuts):
            yields.set()

    def refresh() -> None:
        if asset:
            asset.refresh()

    followers = [cut.follower(run) for cut in cuts]
    with Following(followers, on_written=take, on_round=refresh, on_failure=misfit.set):
        _encode(encoding, run, Limits(_Either(run.cancelled, misfit), yields=yields))
    if asset:
        asset.refresh(at_once=True)
    return {cut.name: cut.store(run) for cut in cuts}


def _encode(encoding: Encoding, run: Run, limits: Limits) -> None:
    def report(progress: Progress) -> None:
        left = encoding.seconds - progress.out_seconds
        run.fraction = progress.fraction
        run.detail = {
            "fps": round(progress.fps, 1),
            "speed": round(progress.speed, 2),
            "eta_seconds": round(left / progress.speed, 1) if progress.speed else None,
        }

    command = ffmpeg.encode(
        encoding.arguments,
        run.resources.tools,
        expected_seconds=encoding.seconds,
        on_progress=report,
        limits=limits,
    )
    run.log(f"{encoding.deed} in {command.wall_seconds:.1f} s, {command.cpu_seconds:.1f} CPU s")
