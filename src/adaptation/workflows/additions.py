"""The tasks that add to a staged asset: properties, thumbnail, previews, MP4, trick play, DRM."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from adaptation.adapters.images import prove_image
from adaptation.context import Context
from adaptation.engine.tasks import TaskDefinition
from adaptation.media.asset_record import CLEAR
from adaptation.media.index import Segment, Track
from adaptation.media.moment import parse_moment, time_outside
from adaptation.media.sprite import THUMBNAIL_WIDTH
from adaptation.media.stills import frame_command
from adaptation.media.tiles import plan_tiles
from adaptation.workflows.build_thumbnails import draw_previews
from adaptation.workflows.drm_parameters import wanted_systems
from adaptation.workflows.material import read_material
from adaptation.workflows.mp4 import remux_of
from adaptation.workflows.properties import write_properties
from adaptation.workflows.remuxing import Remux, join
from adaptation.workflows.resources import Run, put_file
from adaptation.workflows.searching import (
    find_key_frames,
    make_thumbnails,
    publish_trickplay,
    put_together,
)
from adaptation.workflows.staging import (
    ADDED,
    FOLDER_NAME,
    STAGED,
    keep_staged,
    media_tracks,
    of_staged,
    opened_staged,
    staged_copy,
    staging_folder,
)
from adaptation.workflows.step import step
from adaptation.workflows.stills import Film, draw
from adaptation.workflows.switching import switch_drm

THUMBNAIL_NAME = "thumbnail.jpg"


@step("transcode")
def make_thumbnail(context: Context, run: Run) -> Context:
    """Take the frame of the best picture that is shown at `thumbnail_time`."""
    with opened_staged(context, run) as folder:
        tracks = media_tracks(folder)
        track = max(_pictures(tracks), key=lambda one: one.width * one.height)
        seconds = thumbnail_seconds(context, track.duration_seconds)
        path = put_together(folder, track, _segments_at(track, seconds), run)
    film = Film(path, read_material(path, run.resources.tools), None)
    timeline, size = film.timeline, (film.video.width, film.video.height)
    frame = max(0, bisect_right(timeline.pts, seconds / timeline.time_base) - 1)
    image = run.scratch / THUMBNAIL_NAME
    draw(run, frame_command(film.excerpt(frame, frame + 1), "jpeg", image), expected_seconds=0)
    prove_image(image, "jpeg", run.resources.tools, size=size, cancelled=run.cancelled)
    run.log(f"{THUMBNAIL_NAME} shows {float(seconds):g} s in {size[0]}x{size[1]}")
    return _with_added(context, run, [(image, THUMBNAIL_NAME)])


@step("transcode")
def make_previews(context: Context, run: Run) -> Context:
    """Draw sheets of small pictures and their WebVTT, of a rendition just large enough."""
    interval = Fraction(str(context["preview_thumbnails_interval"]))
    with opened_staged(context, run) as folder:
        tracks = media_tracks(folder)
        track = plan_tiles(tracks, THUMBNAIL_WIDTH, interval).track
        path = put_together(folder, track, track.segments, run)
    film = Film(path, read_material(path, run.resources.tools), None)
    made = draw_previews(film, interval, context["content_id"], run)
    return _with_added(context, run, made)


@step("package")
def make_mp4(context: Context, run: Run) -> Context:
    """Copy the clear tracks into one MP4, and prove it."""
    made = run.scratch / "made.mp4"
    seconds = join(staged_remux(context, run), made, run)
    name = mp4_place(context)
    run.log(f"made {name}, {seconds:.2f} s")
    return _with_added(context, run, [(made, name)])


@step("probe")
def find_staged_key_frames(context: Context, run: Run) -> Context:
    """Find the first picture of each segment, as `trickplay` does."""
    place = str(staging_folder(context, run))
    return of_staged(find_key_frames, context, run, source_folder=place, output_folder=place)


@step("transcode")
def make_staged_tiles(context: Context, run: Run) -> Context:
    """Make the JPEG tiles of the thumbnails, as `trickplay` does."""
    place = str(staging_folder(context, run))
    return of_staged(make_thumbnails, context, run, source_folder=place)


@step("package")
def add_trickplay(context: Context, run: Run) -> Context:
    """Add I-frame playlists, the trick-mode track and thumbnails to the asset."""
    made = f"{run.area}/{FOLDER_NAME}"
    places = {
        "source_folder": str(staging_folder(context, run)),
        "output_folder": str(run.resources.work.new_folder(made)),
    }
    done = of_staged(publish_trickplay, context, run, **places)
    return keep_staged(done.extended(**{STAGED: made}), run)


@step("package")
def add_properties(context: Context, run: Run) -> Context:
    """Lay `track_properties` over what the sources say of their tracks."""
    return _changed(write_properties, context, run)


@step("package", more_tries="retries")
def add_drm(context: Context, run: Run) -> Context:
    """Make the encrypted copy of the asset, and let its manifests lead to it if that is wanted."""
    return _changed(switch_drm, context, run)


TASKS = (
    make_thumbnail,
    make_previews,
    make_mp4,
    find_staged_key_frames,
    make_staged_tiles,
    add_trickplay,
    add_properties,
    add_drm,
)


def thumbnail_seconds(context: Context, duration: Fraction) -> Fraction:
    """The moment of the thumbnail, in seconds from the first frame.

    Args:
        context: of the job, with `thumbnail_time`.
        duration: seconds of the picture.

    Raises:
        ParameterError: `time_outside`.
    """
    seconds = parse_moment(context["thumbnail_time"]).into(None)
    if seconds >= duration:
        raise time_outside(
            f"nothing is shown at thumbnail_time {float(seconds):g} s: the film is"
            f" {float(duration):g} s long"
        )
    return seconds


def staged_remux(context: Context, run: Run) -> Remux:
    """What the MP4 of the staged asset is made of."""
    return remux_of(context.extended(source_folder=str(staging_folder(context, run))), run)


def mp4_place(context: Context) -> str:
    """Where the MP4 lies in the asset: of an encrypted one with all that is clear."""
    name = str(context["mp4_filename"])
    return f"{CLEAR}/{name}" if is_encrypted(context) else name


def is_encrypted(parameters: Context) -> bool:
    """Whether an encrypted copy is made."""
    return bool(wanted_systems(parameters["drm"]))


def _changed(task: TaskDefinition, context: Context, run: Run) -> Context:
    """Do a step of another workflow that changes the asset where it is, with a copy of ours."""
    context = staged_copy(context, run)
    place = str(run.resources.work.new_folder(context[STAGED]))
    done = of_staged(task, context, run, folder=place, output_folder=context.folder_out)
    return keep_staged(done, run)


def _pictures(tracks: Sequence[Track]) -> list[Track]:
    return [track for track in tracks if track.kind == "video"]


def _segments_at(track: Track, seconds: Fraction) -> list[Segment]:
    """The segment that holds a moment, and the one before it, which its first frames may need."""
    starts = [segment.start for segment in track.segments]
    number = max(0, bisect_right(starts, seconds * track.timescale) - 1)
    return list(track.segments[max(0, number - 1) : number + 1])


def _with_added(context: Context, run: Run, made: Sequence[tuple[Path, str]]) -> Context:
    keys = [[put_file(run, path, name), name] for path, name in made]
    return context.extended(**{ADDED: [*context.get(ADDED, ()), *keys]})
