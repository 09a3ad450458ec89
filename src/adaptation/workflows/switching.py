"""Switches an asset between its clear tracks and encrypted copies of them."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from adaptation.adapters.asset_place import AssetPlace
from adaptation.adapters.object_publish import LEADING
from adaptation.context import Context
from adaptation.errors import ParameterError
from adaptation.media import hls
from adaptation.media.asset import Asset, media_files
from adaptation.media.asset_record import ASSET_NAME
from adaptation.media.cpix import Document
from adaptation.media.encrypted import protected_init
from adaptation.media.encrypted_track import EncryptedTrack, encrypted_track
from adaptation.media.index import Track
from adaptation.media.one_file import file_head, head_bytes
from adaptation.media.protection import Scheme, SystemName
from adaptation.workflows.content_keys import document_of
from adaptation.workflows.drm_parameters import (
    SECRET,
    copies_of,
    old_spellings,
    shows_protected,
    wanted_systems,
)
from adaptation.workflows.protecting import SEGMENTS, Seal, Work, encrypt_track, seal_of
from adaptation.workflows.renewing import Renewal, opened_place, renew
from adaptation.workflows.report import PUBLISHED, published
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.telling import Telling, key_uri_of
from adaptation.workflows.track_parts import init_part, segment_of

MADE = "asset"
"""Folder in scratch that stands for the asset: what is new of it."""


@step("package", more_tries="retries")
def switch_drm(context: Context, run: Run) -> Context:
    """Make what is missing, and switch the manifests of an asset in one moment."""
    context = context.extended(job_id=run.claim.job_id, main_task_id=run.claim.main_task_id)
    for line in old_spellings(context):
        run.log(line, logging.WARNING)
    folder = context["folder"]
    with opened_place(folder, run) as place:
        present = place.names()
        asset = _read(place, present)
        wanted = _switched(asset, place, context, run)
        leading = LEADING & (present | {ASSET_NAME, *asset.document()["manifests"].values()})
        names = sorted(leading | {asset.place(name) if "/" in name else name for name in present})
        if wanted.document() != asset.document():
            names = renew(place, _renewal(asset, wanted, present, run), folder, run)
    run.log(f"{place.name} is {wanted.active}, for players of {', '.join(wanted.systems) or 'all'}")
    if not wanted.has_dash:
        run.log("there is no manifest.mpd: DASH has no scheme for AES-128", logging.WARNING)
    told = published(names, float(asset.record["duration_seconds"]))
    kept = {name: value for name, value in context.items() if name not in SECRET}
    return Context(kept).extended(**{PUBLISHED: told, "output_folder": folder})


def _read(place: AssetPlace, present: set[str]) -> Asset:
    """The asset with those of its copies that are whole."""
    asset = Asset.from_json(place.record())
    if not all(media_files(track) <= present for track in asset.tracks):
        raise _no_asset(place)
    return asset.with_whole_copies(present)


def _no_asset(place: AssetPlace) -> ParameterError:
    return ParameterError(
        f"there is no asset in {place.name}",
        code="asset_missing",
        hint="Name the folder of an asset that this engine has made and that is whole.",
    )


def _switched(asset: Asset, place: AssetPlace, context: Context, run: Run) -> Asset:
    """The asset as it is to be; what is new of it lies in scratch."""
    wanted = copies_of(wanted_systems(context["drm"]))
    if not wanted:
        return asset.cleared()
    document = document_of(context, asset, run)
    # A document says all that is to be told; without one, what an earlier one said stays.
    told = document.systems if document is not None and document.is_told else None
    switched, shown, uri = asset.apart(), list[SystemName](), key_uri_of(context, asset)
    for scheme, systems in wanted.items():
        made = _copies(asset, scheme, document, Telling(systems, told, uri), place, run)
        shown += systems
        switched = switched.with_copy(made, shown)
    return switched if shows_protected(context) else switched.cleared()


def _copies(  # noqa: PLR0913, PLR0917 - what, by what, where
    asset: Asset,
    scheme: Scheme,
    document: Document | None,
    telling: Telling,
    place: AssetPlace,
    run: Run,
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
    return [
        _copy(work, track, _wanted(work, track, scheme, document, there.get(track.name)), telling)
        for track in asset.tracks
    ]


def _wanted(
    work: Work,
    track: Track,
    scheme: Scheme,
    document: Document | None,
    known: EncryptedTrack | None,
) -> Seal | EncryptedTrack:
    """How a track is to be encrypted, or the track of the copy that is so already."""
    if document is None:
        if known is None:
            raise ParameterError(
                f"there are no keys to encrypt track {track.name} with",
                code="content_key_missing",
                hint="Set content_keys or key_server in the client's defaults, or give cpix and"
                " download_cpix.",
            )
        return known
    seal = seal_of(work.asset_id, scheme, document.key_of(track))
    if known is not None and known.protection.is_by(seal.protection):
        return known
    work.run.log(f"{track.name} is encrypted by {scheme}")
    return seal


def _copy(work: Work, clear: Track, how: Seal | EncryptedTrack, to: Telling) -> EncryptedTrack:
    """A track of a copy, whose init segment and playlist tell the systems' players of the key."""
    protection = to.of(how.protection)
    (init,) = work.asset.contents([init_part(clear)])
    content = init if protection.scheme == "aes128" else protected_init(init, protection)
    facts = (len(content), hashlib.sha256(content).hexdigest())
    room = head_bytes(len(content), len(clear.segments))
    digests = encrypt_track(work, clear, how, room) if isinstance(how, Seal) else how.digests
    made = encrypted_track(clear, protection, facts, digests)
    folder = work.target / made.track.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not clear.is_one_file:
        (folder / clear.init_name).write_bytes(content)
    elif isinstance(how, Seal):
        _fill_in_front(content, made.track, folder)
    elif made.track != how.track:
        _write_anew(content, how.track, made.track, work.asset, folder)
    playlist = hls.media_playlist(made.track, keys=protection.key_lines)
    (folder / hls.PLAYLIST_NAME).write_text(playlist, encoding="utf-8")
    return made


def _fill_in_front(init: bytes, made: Track, folder: Path) -> None:
    """Let the file of segments encrypted now be that of the track."""
    with (folder / SEGMENTS).open("r+b") as file:
        file.write(file_head(made, init))
    (folder / SEGMENTS).rename(folder / made.init_name)


def _write_anew(init: bytes, copy: Track, made: Track, place: AssetPlace, folder: Path) -> None:
    """Write the file of a track whose segments an earlier job encrypted: others stand in front."""
    with (folder / made.init_name).open("wb") as target:
        target.write(file_head(made, init))
        target.writelines(segment_of(place, copy, segment) for segment in copy.segments)


def _renewal(asset: Asset, wanted: Asset, present: set[str], run: Run) -> Renewal:
    """The asset as it is to be: what of it lies where now, and what is new."""
    moved = dict(zip(asset.clear_folders, wanted.clear_folders, strict=True))
    target = run.scratch / MADE
    made = {
        path.relative_to(target).as_posix(): path for path in target.rglob("*") if path.is_file()
    }
    kept, spent = dict[str, str](), _copied_files(asset) - _copied_files(wanted)
    for name in sorted(present - LEADING - spent):
        folder, slash, file = name.rpartition("/")
        is_now = f"{moved.get(folder, folder)}{slash}{file}"
        if is_now not in made:
            kept[is_now] = name
    return Renewal(wanted, kept, made)


def _copied_files(asset: Asset) -> set[str]:
    """The files of all copies that hold media."""
    copies = (asset.copies or {}).values()
    return {name for copy in copies for one in copy.values() for name in media_files(one.track)}
