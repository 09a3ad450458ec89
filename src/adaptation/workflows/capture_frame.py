"""`capture_frame`: the picture that a source shows at a time, as an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import Field

from adaptation.adapters.images import prove_image
from adaptation.context import Context
from adaptation.engine.tasks import Registry
from adaptation.errors import ParameterError
from adaptation.media.moment import parse_moment
from adaptation.media.stills import IMAGE_KINDS, ImageKind, frame_at, frame_command
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.stills import (
    SourceTime,
    StillParameters,
    add_stills,
    check_stills,
    deliver,
    draw,
    plain_name,
    read_film,
)

DESCRIPTION = (
    "One picture of a video as JPEG, PNG or WebP: exactly the frame that is shown at a time, in the"
    " size of the source, upright, with square pixels, HDR tone-mapped to SDR."
)


class CaptureFrameParameters(StillParameters):
    """What a client may say to `capture_frame`."""

    frame_time: SourceTime = Field(
        description="When the frame is shown: seconds from the first frame, hh:mm:ss[.fff], or UTC"
        " in an HLS playlist that tells programme time."
    )
    output_folder: str = Field(
        min_length=1, max_length=4000, description="The folder that the image is put into."
    )
    image_filename: str = Field(
        min_length=1,
        max_length=200,
        description="Name of the image; its end chooses the kind: .jpg, .jpeg, .png or .webp.",
    )


@step("transcode")
def capture_frame(context: Context, run: Run) -> Context:
    """Decode one frame, write it as an image, prove it, and put it into its folder."""
    film = read_film(context, run)
    frame = frame_at(film.timeline, film.seconds_of(parse_moment(context["frame_time"])))
    kind = _kind(context["image_filename"])
    size = (film.video.width, film.video.height)
    Allowance.of(run).check_picture("the image", *size)
    image = run.scratch / f"frame.{kind}"
    draw(run, frame_command(film.excerpt(frame, frame + 1), kind, image), expected_seconds=0)
    prove_image(image, kind, run.resources.tools, size=size, cancelled=run.cancelled)
    shown_at = float(film.timeline.since_start(frame))
    run.log(f"frame {frame}, shown from {shown_at:.3f} s, as {kind} of {size[0]}x{size[1]}")
    seconds = float(film.timeline.duration_seconds)
    return deliver(context, run, [(image, context["image_filename"])], seconds)


def register(registry: Registry) -> None:
    """Make the workflow and its task known."""

    def check(given: Mapping[str, Any]) -> dict[str, Any]:
        document = check_stills(CaptureFrameParameters, given, registry)
        document["image_filename"] = plain_name(document["image_filename"], "image_filename")
        _kind(document["image_filename"])
        return document

    add_stills(
        registry,
        capture_frame,
        DESCRIPTION,
        parameters=CaptureFrameParameters,
        check=check,
        main_file=lambda given: str(given["image_filename"]),
        example={
            "content_id": "film-42",
            "source": "https://example.org/film.mp4",
            "frame_time": "00:01:30.5",
            "output_folder": "film-42",
            "image_filename": "poster.jpg",
        },
    )


def _kind(name: str) -> ImageKind:
    suffix = PurePath(name).suffix.lower()
    if suffix not in IMAGE_KINDS:
        raise ParameterError(
            f"image_filename {name!r:.100} tells no kind of image that is made",
            hint=f"Let it end with one of {', '.join(IMAGE_KINDS)}.",
        )
    return IMAGE_KINDS[suffix]
