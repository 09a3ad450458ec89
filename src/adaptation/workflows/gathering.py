"""Makes one file of a source that is a playlist: its tracks are gathered here and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from adaptation.adapters import ffmpeg
from adaptation.adapters.children import Children, FolderChildren, WebChildren
from adaptation.adapters.gather import Gathering
from adaptation.adapters.process import Limits
from adaptation.errors import SourceError, ToolError
from adaptation.media import dash_source
from adaptation.media.hls_source import Rendition, is_master, renditions, track_plan
from adaptation.media.joining import join_command
from adaptation.media.playlist_source import (
    BEST,
    HEAD_BYTES,
    MAX_PLAYLIST_BYTES,
    GatherPlan,
    Preference,
    checked,
    invalid,
    playlist_kind,
)
from adaptation.workflows.resources import Run

FETCH_PART = 0.9
"""Part of the work that fetching is; the rest is joining."""
JOINED_SPARE_BYTES = 64 * 1024 * 1024
"""What joining may write beside twice what it reads: an index, and never much."""
PREFERENCE = "preference"
"""What the context calls the fields of the `Preference` of a workflow that has one."""
PROGRAMME_START = "programme_start"
"""What the context calls the time of ISO 8601 when a gathered source was on air, if it says so."""
GATHERED_SECONDS = "gathered_seconds"
"""What the context calls the least length of a source that was gathered."""
UNREADABLE = frozenset({"tool_failed", "source_unreadable"})
"""How a tool ends with what is no media."""


@dataclass(frozen=True)
class Gathered:
    """What came of a playlist."""

    path: Path
    """A file with a picture and sounds, to be taken away."""
    least_seconds: float
    """How long it should be."""
    programme_start: datetime | None = None
    """When its first picture was on air; None: the playlist does not say."""


def is_playlist(path: Path) -> bool:
    """Whether a file is an HLS playlist or a DASH manifest, whatever it is called.

    Raises:
        SourceError: `source_missing`.
    """
    return playlist_kind(_head(path)) is not None


def gather(  # noqa: PLR0913 - what it is, where it came from, and on which terms
    path: Path,
    address: str,
    run: Run,
    most_bytes: int | None = None,
    preference: Preference = BEST,
    *,
    children: Children | None = None,
) -> Gathered:
    """Fetch all that a playlist names, and make one file of it.

    Args:
        path: of the playlist itself, here.
        address: where it came from: `http`, `https` or `file`.
        run: the task; its progress is told.
        most_bytes: that all it names may have together; None: any number.
        preference: what is taken where there is a choice.
        children: brings what it names; None: by its address, from the web or its folder.

    Raises:
        SourceError: as `playlist_source` and `Gathering` say.
        Transient, Cancelled: as a fetch.
    """
    folder = run.resources.download_folder(run.claim.job_id)
    if children is None:
        is_local = urlsplit(address).scheme == "file"
        children = FolderChildren(path.parent) if is_local else _web(run)
    gathering = Gathering(
        children,
        folder / "children",
        cancelled=run.cancelled,
        most_bytes=most_bytes,
        on_progress=lambda part: run.progress(FETCH_PART * part),
    )
    plan = _plan(path, address, gathering, preference)
    pieces = [track.pieces for track in plan.tracks]
    run.log(f"a playlist: {len(pieces)} tracks in {sum(map(len, pieces))} segments are gathered")
    gathering.fetch(pieces)
    tracks = [folder / f"track{number}" for number in range(len(pieces))]
    for track, target in zip(pieces, tracks, strict=True):
        gathering.put_together(track, target)
    gathering.forget()
    joined = _joined(plan, tracks, folder / "joined", run)
    return Gathered(joined, plan.least_seconds, plan.tracks[0].programme_start)


def _web(run: Run) -> WebChildren:
    resources = run.resources
    return WebChildren(resources.policy.granting(run.claim.limits), resources.fetch_seconds)


def _plan(path: Path, address: str, gathering: Gathering, preference: Preference) -> GatherPlan:
    if path.stat().st_size > MAX_PLAYLIST_BYTES:
        raise invalid(f"it has more than {MAX_PLAYLIST_BYTES:,} bytes")
    content = path.read_bytes()
    if playlist_kind(content[:HEAD_BYTES]) == "dash":
        return dash_source.gather_plan(content, address, preference)
    text = _text(content)
    if not is_master(text):
        kind: Literal["all", "video"] = "all" if preference.with_sound else "video"
        return checked([track_plan(text, address, Rendition(address, kind))])
    tracks = []
    for rendition in renditions(text, address, preference):
        body, base = gathering.text(rendition.address, MAX_PLAYLIST_BYTES)
        if playlist_kind(body[:HEAD_BYTES]) != "hls":
            raise invalid("what it names as a playlist is none")
        tracks.append(track_plan(_text(body), base, rendition))
    return checked(tracks)


def _joined(plan: GatherPlan, tracks: Sequence[Path], output: Path, run: Run) -> Path:
    heads = [_head(track) for track in tracks]
    command = join_command(plan.tracks, heads, tracks, output)
    try:
        sizes = sum(track.stat().st_size for track in tracks)
        limits = Limits(run.cancelled, file_bytes=JOINED_SPARE_BYTES + 2 * sizes)
        ffmpeg.encode(command, run.resources.tools, expected_seconds=0, limits=limits)
    except (ToolError, SourceError) as error:
        if error.code not in UNREADABLE:
            raise
        said = error.stderr_tail.strip() if isinstance(error, ToolError) else ""
        raise SourceError(
            "what the playlist names cannot be read as media:"
            f" {said.rpartition(chr(10))[2] or error.message}",
            code="source_unreadable",
            hint="Check that the playlist plays; segments are MPEG-TS, MP4, WebM or packed sound.",
        ) from error
    for track in tracks:
        track.unlink()
    return output


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid("it is not in UTF-8") from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the path; every worker must be able to read it.",
        ) from error
