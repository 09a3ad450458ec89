"""Switches an asset between its clear tracks and encrypted copies of them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from adaptation.adapters.containment import held, led_out, names_below
from adaptation.adapters.publish import publish
from adaptation.context import Context
from adaptation.errors import ParameterError
from adaptation.media import dash, hls
from adaptation.media.asset import Active, Asset, media_files
from adaptation.media.asset_record import ASSET_NAME, CLEAR
from adaptation.media.cpix import Document, DrmSystem
from adaptation.media.encrypted import protected_init
from adaptation.media.encrypted_track import EncryptedTrack, encrypted_track
from adaptation.media.index import Track
from adaptation.media.protection import SYSTEMS, Scheme, SystemName
from adaptation.workflows.content_keys import document_of
from adaptation.workflows.drm_parameters import (
    SECRET,
    old_spellings,
    shows_protected,
    wanted_systems,
)
from adaptation.workflows.protecting import Work, encrypt_track, seal_of
from adaptation.workflows.report import PUBLISHED, published
from adaptation.workflows.resources import Run, publish_token
from adaptation.workflows.step import step

ACTIVE_FILES = frozenset({hls.MASTER_NAME, dash.MANIFEST_NAME, ASSET_NAME})
"""What is written anew by every switch."""
MADE = "asset"
"""Folder in scratch that stands for the asset: what is new of it."""


def scheme_of(systems: Sequence[str]) -> Active:
    """How tracks are encrypted for the players of these systems."""
    # Apple's players know this scheme alone; the others' know both.
    return "cbcs" if "fairplay" in systems else "cenc" if systems else CLEAR


@step("package", more_tries="retries")
def switch_drm(context: Context, run: Run) -> Context:
    """Make what is missing, and switch the manifests of an asset in one moment."""
    context = context.extended(job_id=run.claim.job_id, main_task_id=run.claim.main_task_id)
    for line in old_spellings(context):
        run.log(line, logging.WARNING)
    folder = Path(context["folder"])
    with _asset(folder, run.resources.assets_root) as place:
        present = _files(place)
        asset = _read(place, folder, present)
        wanted = _switched(asset, place, context, run)
        names = sorted(present)
        if wanted.document() != asset.document():
            files = _arranged(asset, wanted, place, present, run.scratch / MADE)
            names = [name for _, name in files]
            run.check_now()
            publish(
                files,
                folder,
                asset_id=asset.asset_id,
                token=publish_token(run.claim.job_id),
                overwrite=False,
                root=run.resources.assets_root,
                renew=True,
            )
    run.log(
        f"{folder.name} is {wanted.active}, for players of {', '.join(wanted.systems) or 'all'}"
    )
    told = published(names, float(asset.record["duration_seconds"]))
    kept = {name: value for name, value in context.items() if name not in SECRET}
    return Context(kept).extended(**{PUBLISHED: told, "output_folder": str(folder)})


@contextmanager
def _asset(folder: Path, root: Path | None) -> Iterator[Path]:
    """The folder of an asset as a path that stays this very folder."""
    names = None if root is None else names_below(root, folder)
    with ExitStack() as stack:
        try:
            place = stack.enter_context(held(root, names) if root and names else held(folder))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _no_asset(folder) from error
        yield place


def _read(place: Path, folder: Path, present: set[str]) -> Asset:
    """The asset with those of its copies that are whole."""
    try:
        asset = Asset.from_json(json.loads((place / ASSET_NAME).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_asset(folder) from error
    if not all(media_files(track) <= present for track in asset.tracks):
        raise _no_asset(folder)
    return asset.with_whole_copies(present)


def _no_asset(folder: Path) -> ParameterError:
    return ParameterError(
        f"there is no asset in {folder}",
        code="asset_missing",
        hint="Name the folder of an asset that this engine has made and that is whole.",
    )


def _files(place: Path) -> set[str]:
    """The files of an asset, by their names in it."""
    found = set[str]()
    for path in place.rglob("*"):
        if path.is_symlink():
            raise led_out(path.name)
        if path.is_file():
            found.add(path.relative_to(place).as_posix())
    return found


def _switched(asset: Asset, place: Path, context: Context, run: Run) -> Asset:
    """The asset as it is to be; what is new of it lies in scratch."""
    named = wanted_systems(context["drm"])
    scheme = scheme_of(named)
    if scheme == CLEAR:
        return asset.cleared()
    document = document_of(context, run)
    systems: list[SystemName] = [name for name in SYSTEMS if name in named]
    # A document says all that is to be told; without one, what an earlier one said stays.
    told = document.systems if document is not None and context["cpix"] else None
    copies = _copies(asset, scheme, document, place, run)
    made = [
        _announced(one, track, (systems, told), place, run.scratch / MADE)
        for one, track in zip(copies, asset.tracks, strict=True)
    ]
    protected = asset.apart().with_copy(made, systems)
    return protected if shows_protected(context) else protected.cleared()


def _copies(
    asset: Asset, scheme: Scheme, document: Document | None, place: Path, run: Run
) -> list[EncryptedTrack]:
    """All tracks of a copy; those that are missing, or have other keys, are made."""
    there = (asset.copies or {}).get(scheme, {})
    total = sum(segment.size_bytes for track in asset.tracks for segment in track.segments)
    done = 0

    def tell(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        run.progress(done / total, bytes=done)

    work = Work(run, asset.asset_id, place, run.scratch / MADE, tell)
    return [_copy(work, track, scheme, document, there.get(track.name)) for track in asset.tracks]


def _copy(
    work: Work,
    track: Track,
    scheme: Scheme,
    document: Document | None,
    known: EncryptedTrack | None,
) -> EncryptedTrack:
    if document is None:
        if known is None:
            raise ParameterError(
                f"there are no keys to encrypt track {track.name} with",
                code="content_key_missing",
                hint="Set content_keys in the client's defaults, or give cpix and download_cpix.",
            )
        return known
    seal = seal_of(work.asset_id, scheme, document.key_of(track))
    wanted = (seal.protection.key_id, seal.protection.iv)
    if known is not None and (known.protection.key_id, known.protection.iv) == wanted:
        return known
    work.run.log(f"{track.name} is encrypted by {scheme}")
    return encrypt_track(work, track, seal)


def _announced(
    copy: EncryptedTrack,
    clear: Track,
    to: tuple[Sequence[SystemName], Sequence[DrmSystem] | None],
    place: Path,
    target: Path,
) -> EncryptedTrack:
    """A copy with its init segment and playlist, which tell the systems' players of the key."""
    systems, told = to
    before = copy.protection if told is None else replace(copy.protection, signals=())
    protection = before.for_systems(systems, told or ())
    init = (place / clear.folder / clear.init_name).read_bytes()
    content = protected_init(init, protection)
    facts = (len(content), hashlib.sha256(content).hexdigest())
    segments = [(segment.size_bytes, segment.sha256) for segment in copy.track.segments]
    made = encrypted_track(clear, protection, [facts, *segments])
    folder = target / made.track.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / clear.init_name).write_bytes(content)
    playlist = hls.media_playlist(made.track, keys=protection.key_lines)
    (folder / hls.PLAYLIST_NAME).write_text(playlist, encoding="utf-8")
    return made


def _arranged(
    asset: Asset, wanted: Asset, place: Path, present: set[str], made: Path
) -> list[tuple[Path, str]]:
    """All files of the asset as it is to be: where each lies now, and its name there."""
    made.mkdir(exist_ok=True)
    (made / hls.MASTER_NAME).write_text(wanted.master_playlist(), encoding="utf-8")
    (made / dash.MANIFEST_NAME).write_text(wanted.manifest(), encoding="utf-8")
    (made / ASSET_NAME).write_text(wanted.text(), encoding="utf-8")
    moved = dict(zip(asset.clear_folders, wanted.clear_folders, strict=True))
    files = dict[str, Path]()
    for name in present - ACTIVE_FILES:
        folder, slash, file = name.rpartition("/")
        files[f"{moved.get(folder, folder)}{slash}{file}"] = place / name
    for name in _files(made):
        files[name] = made / name
    return [(path, name) for name, path in sorted(files.items())]
