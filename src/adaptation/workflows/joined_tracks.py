"""Lets a finished asset have one file a track: what was cut into segments is put together again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from adaptation.media import hls
from adaptation.media.asset import Asset, media_files
from adaptation.media.asset_record import ASSET_NAME, damaged_asset
from adaptation.media.index import Track
from adaptation.media.one_file import file_head
from adaptation.workflows.manifests import leading_files
from adaptation.workflows.resources import Run

JOINED = "joined"
"""Folder of this attempt in the work area: what is written here of the asset."""


def with_joined_tracks(files: Sequence[tuple[Path, str]], run: Run) -> list[tuple[Path, str]]:
    """The same asset with the segments of each picture and each sound in one file.

    Args:
        files: all that it holds: path and name inside it. It is clear.
        run: the task; its progress is told.

    Returns:
        All that it holds then. Subtitles stay as they are.

    Raises:
        SourceError: `asset_damaged`, a segment is not what the record says.
        Cancelled: the work should stop.
    """
    there = {name: path for path, name in files}
    cut = Asset.from_json(json.loads(there[ASSET_NAME].read_bytes()))
    joined = cut.in_one_file_each()
    # In the work area, where files are linked to and need no room twice.
    folder = run.resources.work.new_folder(f"{run.area}/{JOINED}")
    left = dict(there)
    for number, (before, track) in enumerate(zip(cut.tracks, joined.tracks, strict=True)):
        run.progress(number / len(cut.tracks))
        if not track.is_one_file:
            continue
        for name in media_files(before):
            del left[name]
        target = folder / track.folder
        target.mkdir(parents=True, exist_ok=True)
        _join(before, track, there, target / track.init_name, run)
        (target / hls.PLAYLIST_NAME).write_text(hls.media_playlist(track), encoding="utf-8")
        for name in (track.init_name, hls.PLAYLIST_NAME):
            left[f"{track.folder}/{name}"] = target / name
    left |= {name: path for path, name in leading_files(joined, folder)}
    return [(path, name) for name, path in left.items()]


def _join(before: Track, track: Track, there: Mapping[str, Path], path: Path, run: Run) -> None:
    """Write the file of a track, of segments that are what the record says."""
    init = _known(before, before.init_name, before.init_sha256, there)
    with path.open("wb") as file:
        file.write(file_head(track, init))
        for segment in before.segments:
            run.check()
            file.write(_known(before, segment.name, segment.sha256, there))


def _known(track: Track, name: str, sha256: str, there: Mapping[str, Path]) -> bytes:
    content = there[f"{track.folder}/{name}"].read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged_asset(f"{track.folder}/{name} is not what its record says")
    return content
