"""The tasks of `trickplay`: find key frames, draw thumbnails, publish with new manifests."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from fractions import Fraction
from io import SEEK_END
from pathlib import Path, PurePath

from adaptation.adapters import ffmpeg
from adaptation.adapters.asset_place import AssetPlace
from adaptation.adapters.object_publish import LEADING
from adaptation.adapters.process import Limits
from adaptation.context import Context
from adaptation.errors import SourceError, ToolError
from adaptation.media import hls
from adaptation.media.asset import Asset, media_files
from adaptation.media.asset_record import damaged_asset
from adaptation.media.boxes import read_init
from adaptation.media.index import Segment, Track, picture_seconds
from adaptation.media.one_file import file_head
from adaptation.media.tiles import TILE_FILES, TilePlan, image_track, plan_tiles, tile_command
from adaptation.media.trickplay import (
    IFRAMES_NAME,
    ByteRange,
    ImageTrack,
    TrickPlay,
    added_folder,
    first_picture,
    picture_segment,
    smallest,
    trick_track,
)
from adaptation.media.writing import Span
from adaptation.workflows.renewing import Renewal, check_renewable, opened_place, renew
from adaptation.workflows.report import PUBLISHED, published
from adaptation.workflows.resources import (
    Run,
    get_file,
    get_json,
    put_file,
    put_json,
)
from adaptation.workflows.step import step
from adaptation.workflows.track_parts import init_of, segment_of

KEY_FRAMES, IMAGES = "key_frames_key", "images_key"
"""Fields of the context: keys in the work area, of what was found and of what was made."""
MEDIA = "media_digest"
"""Field of the context: what the asset must still be when the job ends."""


@step("probe")
def find_key_frames(context: Context, run: Run) -> Context:
    """Read the asset's record, and find the first picture of each segment."""
    with _source(context, run) as folder:
        asset = _clear_asset(folder)
        check_renewable(context.folder_out, asset.asset_id, run)
        pictures = [track for track in asset.tracks if track.kind == "video"]
        found = {}
        for number, track in enumerate(pictures):
            run.progress(number / len(pictures))
            found[track.name] = _key_frames(folder, track)
        least = smallest(pictures)
        alone = trick_track(
            least,
            f"{added_folder(asset.tracks)}/{least.name}",
            _single_pictures(folder, least, found[least.name], run),
        )
    run.log(f"{sum(map(len, found.values()))} key frames in {len(pictures)} renditions")
    document = TrickPlay(found, alone, None).to_json()
    return context.extended(
        **{KEY_FRAMES: put_json(run, "key_frames.json", document), MEDIA: _digest(asset)}
    )


@step("transcode")
def make_thumbnails(context: Context, run: Run) -> Context:
    """Make the JPEG tiles of the smallest rendition that is large enough, in one FFmpeg."""
    if not context["trickplay_thumbnails"]:
        return context
    with _source(context, run) as folder:
        asset = _same_asset(context, folder)
        plan = plan_tiles(
            asset.tracks,
            context["trickplay_thumbnail_size"],
            Fraction(round(1000 * context["trickplay_thumbnail_interval"]), 1000),
        )
        picture = put_together(folder, plan.track, plan.segments, run)
    tiles = _tiles(context, plan, picture, run)
    images = image_track(plan, added_folder(asset.tracks), (path.read_bytes() for path in tiles))
    run.log(
        f"{plan.count} thumbnails of {plan.size.width}x{plan.size.height} from"
        f" {plan.track.name} in {len(tiles)} tiles"
    )
    keys = [put_file(run, path, f"tiles/{path.name}") for path in tiles]
    document = {"images": images.to_json(), "keys": keys}
    return context.extended(**{IMAGES: put_json(run, "images.json", document)})


@step("publish")
def publish_trickplay(context: Context, run: Run) -> Context:
    """Make the asset appear with what was added and new manifests, whole, by one switch."""
    with _source(context, run) as folder:
        asset = _same_asset(context, folder)
        made, searched = _made(context, run, asset, folder)
        # What an earlier run had made is replaced; all else that lies there stays.
        earlier = _names(asset, asset.trick) if asset.trick else set[str]()
        kept = folder.names() - earlier - made.keys() - LEADING
        renewal = Renewal(searched, {name: name for name in sorted(kept)}, made)
        names = renew(folder, renewal, context.folder_out, run)
    seconds = float(picture_seconds(asset.tracks))
    playlists = sum(PurePath(name).name == IFRAMES_NAME for name in names)
    run.log(f"{Path(context.folder_out).name} has {playlists} I-frame playlists now")
    return context.extended(**{PUBLISHED: published(names, seconds)})


TASKS = (find_key_frames, make_thumbnails, publish_trickplay)


def _source(context: Context, run: Run) -> AbstractContextManager[AssetPlace]:
    return opened_place(context["source_folder"], run)


def _key_frames(folder: AssetPlace, track: Track) -> tuple[ByteRange, ...]:
    """Where each segment of a rendition has its first picture."""
    try:
        header = read_init(init_of(folder, track))
        found = []
        for segment in track.segments:
            name = f"{track.folder}/{segment.name}"
            with folder.reading(name) as file:
                one = first_picture(file, header, segment.offset or 0)
                size_bytes = file.seek(0, SEEK_END)
            known_bytes = track.size_bytes if track.is_one_file else segment.size_bytes
            if size_bytes != known_bytes or one.offset + one.length > segment.size_bytes:
                raise damaged_asset(f"{name} has another size than its record says")
            found.append(one)
    except (ToolError, struct.error) as error:
        raise damaged_asset(f"{track.name} is damaged: {error}") from error
    return tuple(found)


def _single_pictures(
    folder: AssetPlace, track: Track, ranges: Sequence[ByteRange], run: Run
) -> Iterator[bytes]:
    """Make a media segment of each first picture."""
    header = read_init(init_of(folder, track))
    for number, (segment, one) in enumerate(zip(track.segments, ranges, strict=True), start=1):
        with folder.reading(f"{track.folder}/{segment.name}") as file:
            file.seek((segment.offset or 0) + one.offset)
            content = file.read(one.length)
        span = Span(number, track.timescale, segment.start, segment.duration)
        yield picture_segment(content, header, span)
        run.check()


def put_together(folder: AssetPlace, track: Track, segments: Iterable[Segment], run: Run) -> Path:
    """Segments that hold a picture which is wanted, behind their init segment, in scratch.

    Raises:
        SourceError: `asset_damaged`.
    """
    target = run.scratch / "picture.mp4"
    with target.open("wb") as file:
        file.write(init_of(folder, track))
        for segment in segments:
            file.write(segment_of(folder, track, segment))
            run.check()
    return target


def _tiles(context: Context, plan: TilePlan, picture: Path, run: Run) -> list[Path]:
    """Draw the tiles, and prove that all are there and can be decoded."""
    output = run.scratch / "tiles"
    output.mkdir()
    quality = context["trickplay_thumbnail_quality"]
    command = tile_command(plan, quality, input_path=picture, output_folder=output)
    seconds = float(plan.track.duration_seconds)
    ffmpeg.encode(
        command,
        run.resources.tools,
        expected_seconds=seconds,
        on_progress=lambda progress: run.progress(progress.fraction),
        limits=Limits(run.cancelled),
    )
    picture.unlink()
    tiles = sorted(output.iterdir())
    if [path.name for path in tiles] != [TILE_FILES % (n + 1) for n in range(plan.tile_count)]:
        raise ToolError(
            f"{len(tiles)} tiles were made instead of {plan.tile_count}", code="output_mismatch"
        )
    together = run.scratch / "tiles.mjpeg"
    with together.open("wb") as file:
        for path in tiles:
            file.write(path.read_bytes())
    ffmpeg.decode(together, run.resources.tools, full=True, cancelled=run.cancelled)
    together.unlink()
    return tiles


def _same_asset(context: Context, folder: AssetPlace) -> Asset:
    """The asset that the job began with.

    Raises:
        SourceError: `source_changed`.
    """
    asset = _clear_asset(folder)
    if _digest(asset) != context[MEDIA]:
        raise SourceError(
            f"{folder.name} was changed while the job ran",
            code="source_changed",
            hint="Submit it again when the other job that writes there has ended.",
        )
    return asset


def _clear_asset(folder: AssetPlace) -> Asset:
    """The asset in a folder, of which pictures may be shown in the clear."""
    asset = Asset.from_json(folder.record())
    asset.need_clear()
    return asset


def _digest(asset: Asset) -> str:
    """Equal for the same media, whatever an earlier run has added."""
    return hashlib.sha256(json.dumps(asset.media, sort_keys=True).encode()).hexdigest()


def _made(
    context: Context, run: Run, asset: Asset, folder: AssetPlace
) -> tuple[dict[str, Path], Asset]:
    """Each file that is new, by its name; and the asset as it is to be."""
    made, images = dict[str, Path](), None
    if IMAGES in context:
        document = get_json(run, context[IMAGES])
        images = ImageTrack.from_json(document["images"])
        for tile, key in zip(images.segments, document["keys"], strict=True):
            made[f"{images.folder}/{tile.name}"] = get_file(run, key)
    trick = replace(TrickPlay.from_json(get_json(run, context[KEY_FRAMES])), images=images)
    for name, content in _contents(run, asset, trick, folder):
        path = run.scratch / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of a track in one file one piece comes after the other.
        with path.open("ab" if name in made else "wb") as file:
            file.write(content)
        made[name] = path
    return made, asset.with_trick(trick)


def _contents(
    run: Run, asset: Asset, trick: TrickPlay, folder: AssetPlace
) -> Iterator[tuple[str, bytes]]:
    """The track of single pictures, and all playlists for searching."""
    least, alone = smallest(asset.tracks), trick.track
    init = init_of(folder, least)
    head = file_head(alone, init) if alone.is_one_file else init
    yield f"{alone.folder}/{alone.init_name}", head
    pictures = _single_pictures(folder, least, trick.key_frames[least.name], run)
    for content, known in zip(pictures, alone.segments, strict=True):
        if hashlib.sha256(content).hexdigest() != known.sha256:
            raise damaged_asset(f"{least.folder} was changed while the job ran")
        yield f"{alone.folder}/{known.name}", content
    for track in asset.tracks:
        if ranges := trick.key_frames.get(track.name):
            yield f"{track.folder}/{IFRAMES_NAME}", hls.iframe_playlist(track, ranges).encode()
    if trick.images:
        playlist = hls.image_playlist(trick.images)
        yield f"{trick.images.folder}/{hls.PLAYLIST_NAME}", playlist.encode()


def _names(asset: Asset, trick: TrickPlay) -> set[str]:
    """The files that were added by the run which left this behind."""
    names = {f"{t.folder}/{IFRAMES_NAME}" for t in asset.tracks if t.name in trick.key_frames}
    names |= media_files(trick.track)
    if trick.images:
        files = [hls.PLAYLIST_NAME, *(tile.name for tile in trick.images.segments)]
        names |= {f"{trick.images.folder}/{name}" for name in files}
    return names
