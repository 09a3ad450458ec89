"""`generate_gif`: a few seconds of a source as an animated GIF."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from pydantic import Field, field_validator

from adaptation.adapters.images import prove_image
from adaptation.context import Context
from adaptation.engine.tasks import Registry
from adaptation.errors import ParameterError
from adaptation.media.moment import parse_moment
from adaptation.media.stills import (
    MOST_GIF_SIDE,
    MOST_REVERSED_PIXELS,
    Animation,
    animation,
    gif_command,
    gif_size,
    palette_command,
)
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.gathering import GATHERED_SECONDS
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.stills import (
    Film,
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
    "A few seconds of a video as an animated GIF in its best 256 colours: as fast, as large and as"
    " often as wanted, also backwards."
)
MOST_SECONDS = 60
"""Of the source: a GIF of a minute has tens of megabytes."""
MOST_RATE = 50
"""Pictures a second: GIF counts in hundredths, and players slow down what is faster than that."""
MOST_PICTURES = MOST_SECONDS * MOST_RATE
"""Of one GIF, however slow it plays."""
PALETTE_PART = 0.4
"""Part of the work that finding colours is."""


class GenerateGifParameters(StillParameters):
    """What a client may say to `generate_gif`."""

    start_at: SourceTime = Field(
        description="Where it starts: seconds from the first frame, hh:mm:ss[.fff], or UTC in an"
        " HLS playlist that tells programme time."
    )
    duration: float = Field(
        gt=0, le=MOST_SECONDS, description="Seconds of the source; less where it ends before."
    )
    output_folder: str = Field(
        min_length=1, max_length=4000, description="The folder that the GIF is put into."
    )
    gif_filename: str = Field(
        min_length=1, max_length=200, description="Name of the GIF, which ends with .gif."
    )
    bitrate: int | None = Field(
        None,
        ge=1,
        description="Bits per second: of a playlist the rendition is taken that comes nearest"
        " without having more, else the smallest; null: the best. Ignored where the source is a"
        " file.",
    )
    fps: float = Field(12, gt=0, le=MOST_RATE, description="Pictures a second.")
    width: int = Field(
        -1, ge=-1, le=MOST_GIF_SIDE, description="Pixels; -1: by the shape of the source."
    )
    height: int = Field(
        -1,
        ge=-1,
        le=MOST_GIF_SIDE,
        description="Pixels; -1: by the shape of the source; 480 where width is -1, too.",
    )
    playback_loop: int = Field(
        0, ge=-1, le=65535, description="How often it is repeated: 0 for ever, -1 not at all."
    )
    reverse: bool = Field(False, description="Whether it is played backwards.")
    playback_speed: float = Field(1, ge=0.1, le=100, description="2 plays twice as fast.")

    @field_validator("width", "height")
    @classmethod
    def _side(cls, pixels: int) -> int:
        if pixels in (0, 1):
            raise ValueError(f"give 2 to {MOST_GIF_SIDE} pixels, or -1")
        return pixels


@step("transcode")
def generate_gif(context: Context, run: Run) -> Context:
    """Find the colours, draw the GIF, prove it, and put it into its folder."""
    if context["bitrate"] is not None and GATHERED_SECONDS not in context:
        run.log("bitrate is ignored: the source is one file, and has no renditions to choose from")
    film = read_film(context, run)
    shown = _planned(context, film)
    Allowance.of(run).check_picture("the GIF", *shown.size)
    excerpt = film.excerpt(shown.first_frame, shown.end_frame)
    palette, gif = run.scratch / "palette.mov", run.scratch / "animation.gif"
    seconds = float(shown.seconds)
    draw(run, palette_command(excerpt, shown, palette), 0, (0.0, PALETTE_PART))
    draw(run, gif_command(excerpt, shown, palette, gif), seconds, (PALETTE_PART, 1.0))
    prove_image(
        gif,
        "gif",
        run.resources.tools,
        size=shown.size,
        pictures=shown.pictures,
        cancelled=run.cancelled,
    )
    run.log(f"{shown.pictures} pictures of {shown.size[0]}x{shown.size[1]} in {seconds:.2f} s")
    return deliver(context, run, [(gif, context["gif_filename"])], seconds)


def register(registry: Registry) -> None:
    """Make the workflow and its task known."""

    def check(given: Mapping[str, Any]) -> dict[str, Any]:
        document = check_stills(GenerateGifParameters, given, registry)
        name = document["gif_filename"] = plain_name(document["gif_filename"], "gif_filename")
        if PurePath(name).suffix.lower() != ".gif":
            raise ParameterError(
                f"gif_filename {name!r:.100} does not end with .gif",
                hint="Give it that end; other kinds of images are what capture_frame makes.",
            )
        _check_pictures(document)
        return document

    add_stills(
        registry,
        generate_gif,
        DESCRIPTION,
        parameters=GenerateGifParameters,
        check=check,
        main_file=lambda given: str(given["gif_filename"]),
        example={
            "content_id": "film-42",
            "source": "https://example.org/film/master.m3u8",
            "start_at": "00:01:30",
            "duration": 3,
            "output_folder": "film-42",
            "gif_filename": "preview.gif",
        },
    )


def _check_pictures(document: Mapping[str, Any]) -> None:
    count = document["duration"] / document["playback_speed"] * document["fps"]
    if count > MOST_PICTURES:
        raise ParameterError(
            f"the GIF would have {count:,.0f} pictures, and {MOST_PICTURES:,} is the most",
            hint="Make duration or fps smaller, or playback_speed larger.",
        )


def _planned(context: Context, film: Film) -> Animation:
    size = gif_size(film.video, context["width"], context["height"])
    if max(size) > MOST_GIF_SIDE:
        raise ParameterError(
            f"the GIF would have {size[0]}x{size[1]} pixels, and {MOST_GIF_SIDE} is the most a side"
            " may have",
            hint="Give a smaller width or height; the other follows from the shape of the source.",
        )
    shown = animation(
        film.timeline,
        film.seconds_of(parse_moment(context["start_at"])),
        Fraction(str(context["duration"])),
        rate=Fraction(str(context["fps"])),
        speed=Fraction(str(context["playback_speed"])),
        size=size,
        loop=context["playback_loop"],
        is_reversed=context["reverse"],
    )
    if shown.is_reversed and shown.pixels > MOST_REVERSED_PIXELS:
        raise ParameterError(
            f"the GIF would have {shown.pixels:,} pixels in all its pictures, and backwards"
            f" {MOST_REVERSED_PIXELS:,} is the most",
            hint="Make it smaller or shorter, or give fewer fps.",
        )
    return shown
