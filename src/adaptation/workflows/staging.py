"""An asset that is whole, and that nobody sees yet: steps add to it until it is published.

Each step that changes it makes a folder of its own in the work area, of links to what stays as it
was. So an attempt that was killed leaves nothing that counts, and one that lost its task changes
nothing under the feet of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adaptation.adapters.asset_folder import AssetFolder, opened_asset
from adaptation.adapters.publish import publish as publish_folder
from adaptation.context import Context
from adaptation.engine.tasks import TaskDefinition
from adaptation.media.asset_record import listed_tracks
from adaptation.media.index import Track, picture_seconds
from adaptation.workflows.finished import asset_files, put_in_place
from adaptation.workflows.joined_tracks import with_joined_tracks
from adaptation.workflows.report import PUBLISHED, published
from adaptation.workflows.resources import Run, get_file, publish_token
from adaptation.workflows.step import step

STAGED = "staged"
"""Field of the context: key of the folder in the work area that is the asset by now."""
ONE_FILE = "create_dref"
"""Field of the context: whether the segments of each picture and each sound lie in one file."""
ADDED = "added"
"""Field of the context: what is published with the asset, as [key in the work area, name]."""
FOLDER_NAME = "asset"


@step("package")
def stage(context: Context, run: Run) -> Context:
    """Let a finished asset appear in the work area, where more is added before it is published."""
    files = asset_files(context, run)
    if context.get(ONE_FILE):
        files = with_joined_tracks(files, run)
    context = keep_staged(new_staged(context, run, files), run)
    run.log("the asset is whole; what goes with it is made next")
    return context


@step("publish")
def publish_staged(context: Context, run: Run) -> Context:
    """Make the asset appear in its folder with all that was added, whole, by one switch."""
    added = [(get_file(run, key), name) for key, name in context.get(ADDED, ())]
    with opened_staged(context, run) as asset, asset.files() as there:
        seconds = float(picture_seconds(media_tracks(asset)))
        files = sorted([*there, *added], key=lambda piece: piece[1])
        names = put_in_place(context, run, files)
    told = published(names, seconds)
    run.log(f"published {context.folder_out}")
    return context.extended(**{PUBLISHED: told})


TASKS = (stage, publish_staged)


def staging_folder(context: Context, run: Run) -> Path:
    """The folder that is the asset by now: to read, never to write to."""
    return run.resources.work.open_folder(context[STAGED], run.cancelled)


@contextmanager
def opened_staged(context: Context, run: Run) -> Iterator[AssetFolder]:
    """The asset as it is by now, for the length of a block."""
    with opened_asset(staging_folder(context, run), None) as folder:
        yield folder


def new_staged(context: Context, run: Run, files: Iterable[tuple[Path, str]]) -> Context:
    """Let the asset appear anew in a folder of this attempt, which is then given to `keep_staged`.

    Args:
        context: of the job.
        run: the task.
        files: all that it holds: path and name inside it.
    """
    key = f"{run.area}/{FOLDER_NAME}"
    publish_folder(
        files,
        run.resources.work.new_folder(key),
        asset_id=context["main_task_id"],
        token=publish_token(run.claim.job_id),
        overwrite=True,
    )
    return context.extended(**{STAGED: key})


def staged_copy(context: Context, run: Run) -> Context:
    """The asset in a folder of this attempt, for a step that changes it where it is.

    What the step leaves is given to `keep_staged`.
    """
    with opened_staged(context, run) as asset, asset.files() as there:
        return new_staged(context, run, there)


def keep_staged(context: Context, run: Run) -> Context:
    """Store the folder that this attempt has made for all tasks behind it."""
    run.resources.work.put_folder(context[STAGED])
    return context


def media_tracks(asset: AssetFolder) -> tuple[Track, ...]:
    """The clear pictures and sounds that the asset's record lists.

    Raises:
        SourceError: `asset_damaged`.
    """
    tracks, _ = listed_tracks(asset.record())
    return tracks


def of_staged(task: TaskDefinition, context: Context, run: Run, **places: str) -> Context:
    """Do a step of another workflow with the staged asset.

    Args:
        task: one that returns a context.
        context: of the job.
        run: the task.
        places: the step's names of folders, and the folders; the job keeps its own.
    """
    done = task({**context, **places}, run)
    if not isinstance(done, dict):
        raise TypeError(f"{task.name} adds tasks")
    kept = {name: context[name] for name in places if name in context}
    return Context({**{k: v for k, v in done.items() if k not in places}, **kept})
