"""Copies the tracks of a folder into one file: of an asset its segments, else its media files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adaptation.adapters import ffmpeg
from adaptation.adapters.containment import names_below, safe_key
from adaptation.adapters.contents import read_packets, streams
from adaptation.adapters.process import Limits
from adaptation.adapters.scratch import naming_a_full_disk
from adaptation.adapters.source_folder import FoundFile
from adaptation.adapters.source_place import SourcePlace
from adaptation.adapters.storage import LocalStorage
from adaptation.errors import OutputError, SourceError, Transient
from adaptation.media.asset_record import base_of
from adaptation.media.container import check_complete
from adaptation.media.index import Track
from adaptation.media.mp4 import (
    Copied,
    Extents,
    asset_tracks,
    check_copy,
    check_times,
    chosen,
    copy_command,
    file_tracks,
)
from adaptation.workflows.resources import Run
from adaptation.workflows.storage_places import storage_place
from adaptation.workflows.storing import put_files

GATHERED, COPIED = 0.5, 0.9
"""Parts of the work that are done when the tracks are here, and when they are copied."""


@dataclass(frozen=True)
class Piece:
    """One file that is looked at."""

    name: str
    """Of the track, or of the file."""
    size_bytes: int


@dataclass(frozen=True)
class Remux:
    """What is to be copied."""

    folder: SourcePlace
    files: tuple[Piece, ...]
    """All that is looked at."""
    state: list[list[Any]]
    """Name, size and time of change of what tells the source from another."""
    mezzanine: bool
    """Whether all pictures are copied."""
    tracks: tuple[Track, ...] = ()
    """Of an asset: those that are copied; empty: it is none."""
    base: str = ""
    """Of an asset: the folder in it that all folders of tracks lie in; empty: its own."""

    @property
    def is_asset(self) -> bool:
        """Whether it is an asset of ours."""
        return bool(self.tracks)

    @property
    def size_bytes(self) -> int:
        """Of all that is looked at."""
        return sum(piece.size_bytes for piece in self.files)

    @classmethod
    def of_asset(
        cls, folder: SourcePlace, record_file: FoundFile, record: object, *, mezzanine: bool
    ) -> Remux:
        """The tracks of an asset.

        Args:
            folder: of the asset.
            record_file: its `asset.json`.
            record: what is in it.
            mezzanine: whether all pictures are copied.

        Raises:
            SourceError: `asset_damaged`, `source_no_video`.
        """
        tracks = tuple(asset_tracks(record, mezzanine=mezzanine))
        pieces = tuple(Piece(track.name, track.size_bytes) for track in tracks)
        base = base_of(record) if isinstance(record, Mapping) else ""
        return cls(folder, pieces, _state([record_file]), mezzanine, tracks, base)

    @classmethod
    def of_files(cls, folder: SourcePlace, files: Sequence[FoundFile], *, mezzanine: bool) -> Remux:
        """The media files of a folder."""
        pieces = tuple(Piece(file.name, file.size_bytes) for file in files)
        return cls(folder, pieces, _state(files), mezzanine)


def join(remux: Remux, made: Path, run: Run) -> float:
    """Copy the tracks into one MP4, and prove it.

    Args:
        remux: what is copied.
        made: where the MP4 is to be, in scratch.
        run: its progress is told.

    Returns:
        Seconds of its picture.

    Raises:
        SourceError: a source cannot be read or copied.
        ToolError: `output_mismatch`, `output_broken`.
    """
    tools = run.resources.tools
    tracks = _gathered(remux, run) if remux.is_asset else _found(remux, run)
    seconds = max(track.extent.seconds for track in tracks)
    ffmpeg.encode(
        copy_command(tracks, made, same_clock=remux.is_asset),
        tools,
        expected_seconds=seconds,
        on_progress=lambda at: run.progress(GATHERED + at.fraction * (COPIED - GATHERED)),
        limits=Limits(run.cancelled, file_bytes=2 * remux.size_bytes + ffmpeg.LEAST_FILE_BYTES),
    )
    run.progress(COPIED)
    check_copy(tracks, _measured(made, run), same_clock=remux.is_asset)
    if remux.is_asset:
        # Plain files may have flaws of their own, which are copied with all the rest.
        ffmpeg.decode(made, tools, duration_seconds=seconds, cancelled=run.cancelled)
    return round(tracks[0].extent.seconds, 6)


def put_into(made: Path, place: str, name: str, run: Run) -> None:
    """Move a finished file into a folder, where it appears whole, in place of what had its name.

    Args:
        made: the file, in scratch.
        place: a folder, absolute and made if it is not there; or one of a storage.
        name: of the file there.
        run: tells the folder of outputs, below which no link is followed.

    Raises:
        OutputError: `output_full`, `output_unwritable`.
        ParameterError: `path_outside`.
        AdaptationError: as `put_files`.
    """
    if stored := storage_place(place):
        put_files(stored, run, [(made, name)])
        return
    folder, root = Path(place), run.resources.assets_root
    names = names_below(root, folder) if root else None
    storage, key = (
        (LocalStorage(root), "/".join((*names, name)))
        if root and names
        else (LocalStorage(folder), name)
    )
    try:
        storage.put_file(made, key)
    except Transient as error:
        raise OutputError(
            f"No space left for {folder / name}",
            code="output_full",
            hint="Free some space there, or name a folder on a larger disk.",
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder / name} cannot be written: {error.strerror}",
            code="output_unwritable",
            hint="Name a folder inside one that the engine may write to.",
        ) from error


def _gathered(remux: Remux, run: Run) -> list[Copied]:
    """Each track of an asset as one file in scratch, with the packets that its record tells of."""
    whole = remux.size_bytes
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        run.progress(GATHERED * done / max(1, whole))

    found = []
    for number, track in enumerate(remux.tracks):
        path = run.scratch / f"track{number}.mp4"
        with naming_a_full_disk(run.scratch, "scratch_full"):
            _put_together(remux, track, path, on_bytes)
        document = _streams(path, run)
        extent = _measured(path, run).of(0)
        (copied,) = file_tracks(path, document)
        if extent.packets != track.sample_count:
            raise SourceError(
                f"track {track.name} holds {extent.packets} samples instead of"
                f" {track.sample_count}",
                code="asset_damaged",
                hint="Make the asset anew.",
            )
        found.append(replace(copied, extent=extent, language=track.language, title=track.title))
    return found


def _put_together(remux: Remux, track: Track, path: Path, on_bytes: Callable[[int], None]) -> None:
    """Write a track's init segment and its segments one after the other."""
    first = 0 if track.is_one_file else None
    parts = [(track.init_name, first, track.init_size_bytes, track.init_sha256)]
    parts += [(one.name, one.offset, one.size_bytes, one.sha256) for one in track.segments]
    with path.open("wb") as target:
        for name, offset, size_bytes, sha256 in parts:
            # The record is a file like any other: somebody may have changed it.
            key = safe_key(f"{remux.base}/{track.folder}/{name}".lstrip("/"), "asset.json")
            remux.folder.append(key, size_bytes, sha256, target, offset)
            on_bytes(size_bytes)


def _found(remux: Remux, run: Run) -> list[Copied]:
    """The tracks of media files, measured."""
    paths = [remux.folder.file(piece.name) for piece in remux.files]
    tracks = chosen(
        [file_tracks(path, _streams(path, run)) for path in paths], mezzanine=remux.mezzanine
    )
    used = dict.fromkeys(track.path for track in tracks)
    extents = {}
    for number, path in enumerate(used, start=1):
        extents[path] = _measured(path, run)
        run.progress(GATHERED * number / len(used))
    found = [replace(track, extent=extents[track.path].of(track.index)) for track in tracks]
    check_times(found)
    return found


def _streams(path: Path, run: Run) -> Mapping[str, Any]:
    """The headers of a file that is whole.

    Raises:
        SourceError: `source_missing`, `source_truncated`, `source_encrypted`, and others.
    """
    try:
        with path.open("rb") as stream:
            check_complete(stream)
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the path and its permissions.",
        ) from error
    return streams(path, run.resources.tools)


def _measured(path: Path, run: Run) -> Extents:
    found = Extents()

    def read(line: str) -> None:
        run.check()
        found.read(line)

    read_packets(path, run.resources.tools, read)
    return found


def _state(files: Sequence[FoundFile]) -> list[list[Any]]:
    return [[file.name, file.size_bytes, file.changed_ns] for file in files]
