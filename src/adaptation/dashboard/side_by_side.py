"""Single pictures of a rendition and of its source, drawn by FFmpeg when somebody asks for them."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from adaptation.adapters import ffmpeg
from adaptation.adapters.process import Limits
from adaptation.adapters.tools import Tools
from adaptation.api.problems import Problem
from adaptation.engine.model import Job
from adaptation.media.asset import Asset
from adaptation.media.chunk import cut_window, is_indexed
from adaptation.media.index import Track
from adaptation.media.stills import Excerpt, frame_command, rendition_command
from adaptation.media.vmaf import frame_bounds
from adaptation.wiring import Deployment
from adaptation.workflows.material import Material, read_material
from adaptation.workflows.measured import Shelf, folder_of
from adaptation.workflows.measuring import frame_rate
from adaptation.workflows.track_parts import init_part, segment_part

SOURCE = "source"
"""What is asked for when it is not the rendition's own picture."""
DRAW_SECONDS = 20.0
"""One picture takes one; where a source cannot be sought, longer."""
WAIT_SECONDS = 30.0
"""How long a visitor's second picture waits for the first one."""
KEPT = 64
"""Pictures that are kept in memory: at most some 100 MB."""
AT_ONCE = threading.BoundedSemaphore(2)
"""Over all visitors, for there are jobs to be run."""

_each: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_drawn: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
_guard = threading.Lock()


def still(  # noqa: PLR0913 - which picture, for whom
    engine: Deployment, job: Job, visitor: str, rendition: str, seconds: float, *, of: str = ""
) -> bytes:
    """A picture as JPEG: that of a rendition at a time, or the source's that it was made of.

    Args:
        engine: where the asset is known.
        job: has made or measured it.
        visitor: who asks; each is drawn one picture at a time.
        rendition: its name.
        seconds: from the first frame.
        of: `SOURCE`: the source's.

    Raises:
        Problem: 404, there is no such asset, rendition, picture or source here; 429, too many ask.
        ToolError: it cannot be drawn.
    """
    folder = folder_of(job)
    if folder is None or not job.succeeded:
        raise _nothing("The job has made no asset.")
    shelf = Shelf(engine.settings.assets_root, engine.storage)
    with shelf.opened(folder) as place:
        asset = Asset.from_json(place.record())
        asset.need_clear()
        track = next((one for one in asset.tracks if one.name == rendition), None)
        if track is None or track.kind != "video":
            raise _nothing(f"The asset has no rendition {rendition!r:.60}.")
        number, frame = _place(track, seconds)
        tools, key = engine.resources.tools, (job.id, asset.asset_id, rendition, number, frame, of)
        if of != SOURCE:
            parts = [init_part(track), segment_part(track, track.segments[number])]
            return _kept(
                key,
                visitor,
                lambda path: _of_rendition(place.contents(parts), track, frame, path, tools),
            )
    whole = frame_bounds(track)
    path, rate = _source(job), frame_rate(asset.record)
    return _kept(
        key,
        visitor,
        lambda target: _of_source(path, rate, whole[number] + frame, whole[-1], target, tools),
    )


def _place(track: Track, seconds: float) -> tuple[int, int]:
    """Number of the segment that is played at a time, and of the picture in it."""
    starts = [segment.start / track.timescale for segment in track.segments]
    number = max(0, bisect_right(starts, seconds + 1e-6) - 1)
    segment = track.segments[number]
    into = (seconds - starts[number]) * track.timescale / segment.duration
    if into > 1 + 1e-6:
        raise _nothing("The asset ends before that.")
    frame = int(max(0.0, into) * segment.sample_count + 1e-3)
    return number, min(frame, segment.sample_count - 1)


def _kept(key: tuple[object, ...], visitor: str, draw: Callable[[Path], None]) -> bytes:
    with _guard:
        lock = _each[visitor]
    if not lock.acquire(timeout=WAIT_SECONDS):
        raise _busy()
    try:
        if key in _drawn:
            return _drawn[key]
        if not AT_ONCE.acquire(timeout=WAIT_SECONDS):
            raise _busy()
        try:
            with TemporaryDirectory(prefix="adaptation-still-") as folder:
                path = Path(folder, "picture.jpg")
                draw(path)
                content = path.read_bytes()
        finally:
            AT_ONCE.release()
    finally:
        lock.release()
    with _guard:
        _drawn[key] = content
        while len(_drawn) > KEPT:
            _drawn.popitem(last=False)
    return content


def _of_rendition(
    pieces: list[bytes], track: Track, frame: int, target: Path, tools: Tools
) -> None:
    film = target.with_name("picture.mp4")
    film.write_bytes(b"".join(pieces))
    _draw(rendition_command(film, (track.width, track.height), frame, target), tools)


def _of_source(  # noqa: PLR0913, PLR0917 - which picture of what
    path: Path, rate: float | None, frame: int, frames: int, target: Path, tools: Tools
) -> None:
    facts = path.stat()
    material = _material(path, facts.st_size, facts.st_mtime_ns, rate, tools)
    if len(material.timeline) != frames:
        raise _nothing("The source is not the one any more that the asset was made of.")
    window = cut_window(
        material.timeline,
        material.seek_points,
        frame,
        frame + 1,
        is_indexed=is_indexed(material.source.format_name),
    )
    excerpt = Excerpt(material.picture, material.timeline, window, path)
    _draw(frame_command(excerpt, "jpeg", target), tools)


@lru_cache(maxsize=4)
def _material(
    path: Path,
    size_bytes: int,  # noqa: ARG001 - it is another source when it has another
    changed_ns: int,  # noqa: ARG001 - the same
    rate: float | None,
    tools: Tools,
) -> Material:
    return read_material(path, tools, rate)


def _draw(arguments: list[str], tools: Tools) -> None:
    limits = Limits(timeout_seconds=DRAW_SECONDS)
    ffmpeg.encode(arguments, tools, expected_seconds=0.0, limits=limits)


def _source(job: Job) -> Path:
    url = job.parameters.get("url")
    path = Path(url) if isinstance(url, str) and "://" not in url else None
    if path is None or not path.is_file():
        raise _nothing("The source is not on this machine.")
    return path


def _nothing(sentence: str) -> Problem:
    return Problem(404, sentence, hint="Look at the page of the job for what there is.")


def _busy() -> Problem:
    return Problem(429, "Other pictures are drawn first.", hint="Ask again in a moment.")
