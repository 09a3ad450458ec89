"""Publishing: a finished asset appears in its output folder whole, by one switch, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from uuid import uuid4

from adaptation.adapters.containment import held
from adaptation.adapters.exchange import swap
from adaptation.adapters.output_place import (
    naming_the_output,
    opened,
    real,
    refuse_mount,
    standing,
)
from adaptation.adapters.storage import checked_key, sync
from adaptation.errors import AdaptationError, OutputError, ParameterError

RECORD = "asset.json"
"""The file that names the asset in a folder; its `asset_id` tells one asset from another."""
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST})
_TEXT = frozenset({".m3u8", ".mpd", ".json", ".vtt"})
_COPIED_BYTES = 1 << 20


@dataclass(frozen=True)
class _Piece:
    """One file of the asset on its way."""

    source: Path
    """Where it lies now."""
    name: str
    """Where it goes, relative to the output folder."""
    size_bytes: int
    """Its size at the source."""

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders in each other that it goes to, inside the output folder."""
        return PurePosixPath(self.name).parts[:-1]


def check_output(output: Path, *, overwrite: bool, asset_id: str | None = None) -> None:
    """Tell before any work is done whether an asset could be published at `output`.

    Args:
        output: the folder that is to hold the asset; absent and empty are both fine.
        overwrite: whether another asset there may be replaced. Nothing but an asset ever is.
        asset_id: an asset that may be there already; None when none may.

    Raises:
        OutputError: `output_exists`, `output_is_file`, `output_is_mount`, `output_unwritable`,
            `output_full`.
    """
    output = real(output)
    with naming_the_output(output):
        if os.path.lexists(output):
            _check_what_is_there(output, overwrite=overwrite, asset_id=asset_id)
        _try_to_write(output.parent)


def publish(  # noqa: PLR0913 - what, where, and on which terms
    files: Iterable[tuple[Path, str]],
    output: Path,
    *,
    asset_id: str,
    token: str,
    overwrite: bool,
    root: Path | None = None,
    renew: bool = False,
) -> None:
    """Make `output` a folder that holds exactly `files`, in one moment, durably.

    Media files become hard links of their sources where the file system allows it, so nothing is
    copied and a crash leaves the sources whole; moving them would not. Playlists, manifests and
    `asset.json`, which people do edit in place, are always copies.

    Calling it again after a crash, or while another call for the same asset runs, is safe. When
    `output` holds this very asset, nothing happens.

    Args:
        files: source path and name inside the asset; one of them is `asset.json`.
        output: see `check_output`.
        asset_id: what `asset.json` says.
        token: names this publication over all its tries, letters and digits.
        overwrite: whether another asset there is replaced.
        root: a folder below which symbolic links are not followed, whoever puts one there while
            this runs; None, or an output elsewhere: a link's folder is what is switched.
        renew: whether `output` holds this very asset as it was before.

    Raises:
        OutputError: as `check_output`.
        ParameterError: `path_outside`, a symbolic link below `root`.
        Transient: `publish_superseded`, when a later try of the same token took over.
        AdaptationError: `work_missing`, when a source is gone.
    """
    pieces = sorted((_piece(source, name) for source, name in files), key=_turn)
    with naming_the_output(output), standing(output, root, make=True) as place:
        _discard(place, token)
        if not renew and _holds(place, asset_id, pieces):
            return
        staging = _staging(place, token)
        try:
            _fill(staging, pieces)
            _switch(staging, place, asset_id, overwrite=overwrite, shown=output)
            sync(place.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def publish_files(
    files: Sequence[tuple[Path, str]],
    folder: Path,
    *,
    token: str,
    root: Path | None = None,
    further: Iterable[str] = (),
) -> None:
    """Put files into `folder` beside what is there, each whole, durably, in the order given.

    A file of the same name is replaced. Calling it again after a crash is safe.

    Args:
        files: source path and name; names are plain, without folders.
        folder: is made where it does not exist.
        token: names this publication over all its tries, letters and digits.
        root: as in `publish`.
        further: names that an earlier publication of more files went on with; what is there of
            them, up to the first that is not, is deleted.

    Raises:
        OutputError: `output_exists`, a folder has such a name, and as `check_output`.
        ParameterError: `path_outside`, a symbolic link below `root`.
    """
    pieces = [_piece(source, name) for source, name in files]
    with naming_the_output(folder), opened(folder, root) as place:
        first = place / pieces[0].name
        _discard(first, token)
        staging = _staging(first, token)
        try:
            _fill(staging, pieces)
            for piece in pieces:
                if (place / piece.name).is_dir():
                    raise OutputError(
                        f"{folder / piece.name} is a folder",
                        code="output_exists",
                        hint="Give the file another name, or remove the folder.",
                    )
                (staging / piece.name).replace(place / piece.name)
            spare = list(takewhile(Path.is_file, (place / name for name in further)))
            # The last one first: who is killed meanwhile leaves no gap that would hide the rest.
            for path in reversed(spare):
                path.unlink()
            sync(place)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def discard_staging(output: Path, *, token: str, root: Path | None = None) -> None:
    """Remove what killed publications of `token` left beside `output`; `root` as in `publish`."""
    # What lies behind a link that somebody has put there is not ours to remove.
    with (
        suppress(FileNotFoundError, NotADirectoryError, ParameterError),
        standing(output, root, make=False) as place,
    ):
        _discard(place, token)


def withdraw(output: Path, *, token: str, root: Path) -> None:
    """Take a folder away from its readers in one moment, then delete it with all that it holds.

    Calling it again after a crash is safe: what was taken away is deleted then. A folder that is
    not there is no error.

    Args:
        output: below `root`, with all links resolved.
        token, root: as for `publish`.

    Raises:
        OutputError: `output_is_mount`, `output_unwritable`.
        ParameterError: `path_outside`, a symbolic link stands in the way.
    """
    with (
        naming_the_output(output),
        suppress(FileNotFoundError, NotADirectoryError),
        standing(output, root, make=False) as place,
    ):
        # Not `_discard`: what cannot be deleted must be told of.
        for folder in _left_behind(place, token):
            shutil.rmtree(folder)
        refuse_mount(place, output)
        aside = _staging(place, token)
        place.rename(aside)
        sync(place.parent)
        shutil.rmtree(aside)


def _discard(output: Path, token: str) -> None:
    for folder in _left_behind(output, token):
        if folder.suffix == ".old" and not output.exists():
            folder.rename(output)  # killed between the two renames of `swap`
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _left_behind(output: Path, token: str) -> list[Path]:
    """What tries of `token` have put beside `output`."""
    if not output.parent.is_dir():
        return []
    stem = _staging_stem(output, token)
    return [folder for folder in output.parent.iterdir() if folder.name.startswith(stem)]


def asset_id_of(folder: Path) -> str | None:
    """Give the id of the asset in `folder`; None when it holds no asset."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    asset_id = record.get("asset_id") if isinstance(record, dict) else None
    return asset_id if isinstance(asset_id, str) else None


def _check_what_is_there(output: Path, *, overwrite: bool, asset_id: str | None) -> None:
    if not output.is_dir():
        raise OutputError(
            f"{output} is a file",
            code="output_is_file",
            hint="Name a folder; it is made when it does not exist.",
        )
    refuse_mount(output, output)
    if not any(output.iterdir()):
        return
    present = asset_id_of(output)
    if present is None or (present != asset_id and not overwrite):
        raise _taken(output, present)


def _taken(output: Path, present: str | None) -> OutputError:
    if present is None:
        return OutputError(
            f"{output} is not empty, and what it holds is no asset",
            code="output_exists",
            hint="Name another folder; --overwrite replaces nothing but an asset.",
        )
    return OutputError(
        f"{output} holds another asset, {present}",
        code="output_exists",
        hint="Name another folder, or replace that asset with --overwrite.",
    )


def _try_to_write(folder: Path) -> None:
    """Make and remove a folder in the nearest ancestor there is: permission bits do not tell."""
    while not os.path.lexists(folder):
        folder = folder.parent
    probe = folder / f".{uuid4().hex}.partial"
    probe.mkdir()
    probe.rmdir()


def _piece(source: Path, name: str) -> _Piece:
    try:
        size_bytes = source.stat().st_size
    except FileNotFoundError:
        raise AdaptationError(
            f"{name} is gone from the work area: {source}",
            code="work_missing",
            hint="Somebody emptied the work area while the job ran; submit the job again.",
        ) from None
    return _Piece(source, checked_key(name), size_bytes)


def _turn(piece: _Piece) -> tuple[int, str]:
    """Sort media before the playlists that name it, those before the master, the record last."""
    path = PurePosixPath(piece.name)
    if piece.name == RECORD:
        return 3, piece.name
    if path.suffix in {".m3u8", ".mpd"}:
        return (2 if len(path.parts) == 1 else 1), piece.name
    return 0, piece.name


def _holds(output: Path, asset_id: str, pieces: Sequence[_Piece]) -> bool:
    """Tell whether `output` is this very asset, with no file missing or cut."""
    if asset_id_of(output) != asset_id:
        return False
    try:
        return all((output / piece.name).stat().st_size == piece.size_bytes for piece in pieces)
    except OSError:
        return False


def _staging_stem(output: Path, token: str) -> str:
    # Cut, so that a long name stays legal when ours is put around it.
    return f".{output.name[:40]}.{token}."


def _staging(output: Path, token: str) -> Path:
    # Unique beyond the token: a try that lost its lease may still run, and must remove only its
    # own folder when it fails.
    return output.with_name(f"{_staging_stem(output, token)}{uuid4().hex}.partial")


def _fill(staging: Path, pieces: Sequence[_Piece]) -> None:
    staging.mkdir(parents=True)
    with ExitStack() as opened:
        # Sorted: outer folders before those in them.
        folders = {
            names: opened.enter_context(held(staging.parent, (staging.name, *names), make=True))
            for names in sorted({(), *(piece.folders for piece in pieces)})
        }
        targets = [folders[piece.folders] / PurePosixPath(piece.name).name for piece in pieces]
        for piece, target in zip(pieces, targets, strict=True):
            _place(piece, target)
        # Synced after all are written: the first call then carries most of the work of the others.
        for piece, target in zip(pieces, targets, strict=True):
            _prove(target, piece)
        for folder in reversed(folders.values()):
            sync(folder)


def _place(piece: _Piece, target: Path) -> None:
    if target.suffix not in _TEXT:
        # Another file system, one without links, or a link limit: any of them means a copy, and
        # an error that a copy meets, too, is raised by the copy.
        with suppress(OSError):
            os.link(piece.source, target)
            return
    # "x": a link that somebody puts there is not written through.
    with piece.source.open("rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, _COPIED_BYTES)


def _prove(target: Path, piece: _Piece) -> None:
    sync(target)
    size_bytes = target.stat().st_size
    if size_bytes != piece.size_bytes:
        raise OutputError(
            f"{piece.name} has {size_bytes:,} bytes instead of {piece.size_bytes:,}",
            code="output_incomplete",
            hint="The disk or file system of the output lost bytes; check it.",
        )


def _switch(staging: Path, output: Path, asset_id: str, *, overwrite: bool, shown: Path) -> None:
    """Turn the filled staging folder into `output`, which errors call `shown`."""
    if output.is_dir():
        with held(staging.parent, (staging.name,)) as folder:
            # An empty folder its owner made for us.
            folder.chmod(stat.S_IMODE(output.stat().st_mode))
    if os.name == "nt" and output.is_dir():
        with suppress(OSError):  # Windows renames onto nothing, not even onto an empty folder
            output.rmdir()
    try:
        # POSIX: this replaces an empty folder and never a full one, so of two publishers one wins.
        staging.rename(output)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        present = asset_id_of(output)
        if present is None or (present != asset_id and not overwrite):
            raise _taken(shown, present) from None
        swap(staging, output)
