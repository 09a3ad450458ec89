"""What the workflows of single pictures, GIFs and sprites share: parameters, doors, source, end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from celery import chain
from celery.canvas import Signature
from pydantic import Field, PlainValidator, WithJsonSchema

from adaptation.adapters import ffmpeg
from adaptation.adapters.containment import safe_key
from adaptation.adapters.process import Limits
from adaptation.adapters.publish import publish_files
from adaptation.context import Context
from adaptation.engine.tasks import Registry, TaskDefinition, WorkflowDefinition
from adaptation.errors import ParameterError
from adaptation.limits import in_force
from adaptation.media.chunk import cut_window, is_indexed
from adaptation.media.inspection import check_length
from adaptation.media.moment import FORMS, Moment, parse_moment
from adaptation.media.picture import notes
from adaptation.media.playlist_source import Preference
from adaptation.media.probe import VideoTrack
from adaptation.media.stills import Excerpt
from adaptation.media.timeline import Timeline
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.encoding import CALLBACK_ONLY
from adaptation.workflows.gathering import GATHERED_SECONDS, PREFERENCE, PROGRAMME_START
from adaptation.workflows.material import Material, read_material, source_path
from adaptation.workflows.parameters import (
    PRINTED,
    CommonParameters,
    checked,
    confined,
    is_web,
    source_of,
)
from adaptation.workflows.resources import Run, publish_token
from adaptation.workflows.steps import download_file
from adaptation.workflows.storage_places import joined, storage_place
from adaptation.workflows.storing import put_files

DELIVERED = "delivered"
"""What the context calls the files that were made, and how long they last."""


def _is_moment(value: object) -> float | str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"give {FORMS}")
    words = float(value) if isinstance(value, int) else value
    parse_moment(words)
    return words


SourceTime = Annotated[
    float | str,
    PlainValidator(_is_moment),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}),
]
"""A moment of a source, in one of `FORMS`."""


class StillParameters(CommonParameters):
    """What all of them may be told."""

    content_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=PRINTED,
        description="The client's own key of the content; jobs are found by it.",
    )
    source: str = Field(
        min_length=1,
        max_length=4000,
        description="A path, file:// or http(s):// URL of a video, an HLS playlist or a DASH"
        " manifest.",
    )


@dataclass(frozen=True)
class Film:
    """A source that was read."""

    path: Path
    """Where it lies on this machine."""
    material: Material
    programme_start: datetime | None
    """When its first picture was on air; None: it does not say."""

    @property
    def video(self) -> VideoTrack:
        """Its picture."""
        return self.material.picture

    @property
    def timeline(self) -> Timeline:
        """When each picture is shown."""
        return self.material.timeline

    def seconds_of(self, moment: Moment) -> Fraction:
        """A moment as seconds since the first picture; raises as `Moment.into`."""
        return moment.into(self.programme_start)

    def excerpt(self, first_frame: int, end_frame: int) -> Excerpt:
        """The frames from one number up to but not including another."""
        indexed = is_indexed(self.material.source.format_name)
        window = cut_window(
            self.timeline,
            self.material.seek_points,
            first_frame,
            end_frame,
            is_indexed=indexed,
        )
        return Excerpt(self.video, self.timeline, window, self.path)


def read_film(context: Context, run: Run) -> Film:
    """Read all packets of a job's source, and hold it against what its client may use.

    Raises:
        SourceError: as `read_material`; `source_too_long`, `source_truncated`.
    """
    path = source_path(context, run)
    material = read_material(path, run.resources.tools)
    Allowance.of(run).check_source(material.source)
    seconds = material.source.duration_seconds
    check_length("playlist", context.get(GATHERED_SECONDS, 0.0), seconds)
    for note in notes(material.picture):
        run.log(note)
    told = context.get(PROGRAMME_START)
    return Film(path, material, datetime.fromisoformat(told) if told else None)


def draw(
    run: Run,
    arguments: Sequence[str],
    expected_seconds: float,
    part: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Run FFmpeg, and tell how far it is.

    Args:
        run: the task.
        arguments: without the program.
        expected_seconds: media time of what tells the progress.
        part: from where to where of the task's progress it leads.
    """
    first, last = part
    ffmpeg.encode(
        arguments,
        run.resources.tools,
        expected_seconds=expected_seconds,
        on_progress=lambda done: run.progress(first + (last - first) * done.fraction),
        limits=Limits(run.cancelled),
    )


def deliver(
    context: Context,
    run: Run,
    made: Sequence[tuple[Path, str]],
    seconds: float,
    further: Iterable[str] = (),
) -> Context:
    """Put what was made into the output folder; what clients should look at first is the last.

    Args:
        context: of the job.
        run: the task, which must still be its job's.
        made: files and their names.
        seconds: the duration that the job's callback tells.
        further: as for `publish_files`.
    """
    run.check_now()
    if place := storage_place(context.folder_out):
        put_files(place, run, made, further)
    else:
        publish_files(
            made,
            Path(context.folder_out),
            token=publish_token(run.claim.job_id),
            root=run.resources.assets_root,
            further=further,
        )
    names = [name for _, name in made]
    run.log(f"published {', '.join(names)} in {context.folder_out}")
    return context.extended(**{DELIVERED: {"files": names, "duration_seconds": seconds}})


def report(result: dict[str, Any]) -> dict[str, Any]:
    """`message`, `files` and `metadata` of a job's callback, from the job's last context."""
    known = result.get(DELIVERED)
    if known is None:
        return {}
    files = [joined(result["output_folder"], name) for name in known["files"]]
    metadata = {"duration": known["duration_seconds"]}
    return {"message": files[-1], "files": files, "metadata": metadata}


def check_stills(
    model: type[StillParameters], given: Mapping[str, Any], registry: Registry
) -> dict[str, Any]:
    """Check parameters, fill in defaults, and make `source` and `output_folder` absolute.

    Raises:
        ParameterError: names the field and what is wrong with it.
    """
    known = registry.has_storage
    document = checked(model, given, registry.output_root, known)
    storage = document["source_storage"]
    document["source"] = source_of(document["source"], storage, "source", known)
    return document


def plain_name(words: str, parameter: str) -> str:
    """The name of a file that any system can have, without folders.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    name = safe_key(words, parameter)
    if "/" in name:
        raise ParameterError(
            f"{parameter} {words!r:.100} names folders",
            hint=f"Give a plain name as {parameter}, and folders as output_folder.",
        )
    return name


def add_stills(  # noqa: PLR0913 - what a workflow is
    registry: Registry,
    task: TaskDefinition,
    description: str,
    *,
    parameters: type[StillParameters],
    check: Callable[[Mapping[str, Any]], dict[str, Any]],
    main_file: Callable[[Mapping[str, Any]], str],
    example: Mapping[str, Any],
    width: int | None = None,
) -> None:
    """Make a workflow known that fetches a source and makes a few files of it in one task.

    Args:
        registry: of this process.
        task: makes them; the workflow is called as it is.
        description: in a sentence or two.
        parameters: their model.
        check: their door.
        main_file: the name of a file that only one job may make at a time.
        example: parameters that are enough.
        width: see `Preference`; None: the best pictures of a playlist, or those of `bitrate`.
    """

    def author(given: dict[str, Any]) -> Signature[Any]:
        carried = {name: value for name, value in given.items() if name not in CALLBACK_ONLY}
        # Nobody hears a picture.
        preference = Preference(given.get("bitrate"), width, with_sound=False)
        fields = {**carried, "url": given["source"], PREFERENCE: asdict(preference)}
        return chain(download_file.s(**fields), task.s())

    def limit(given: Mapping[str, Any], own: Any) -> None:
        allowance = Allowance(in_force(registry.limits, own))
        allowance.check_wanted({**given, "url": given["source"]})

    registry.add_tasks(download_file, task)
    registry.add_workflow(
        WorkflowDefinition(
            name=task.name,
            check=check,
            author=author,
            output=lambda given: joined(given["output_folder"], main_file(given)),
            sources=lambda given: [url] if is_web(url := given["source"]) else [],
            report=report,
            description=description,
            parameters=parameters,
            example=example,
            limit=limit,
            confine=lambda given, within: confined(
                given, within, registry.source_root, source="source"
            ),
        )
    )
