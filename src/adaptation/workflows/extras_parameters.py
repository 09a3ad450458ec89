"""What may be said of what goes with an asset: thumbnail, previews, MP4, trick play, its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from adaptation.errors import ParameterError
from adaptation.media.moment import parse_moment
from adaptation.workflows.build_thumbnails import check_prefix
from adaptation.workflows.mp4 import Mp4Options, mp4_name
from adaptation.workflows.stills import SourceTime
from adaptation.workflows.trickplay import ThumbnailOptions


class ExtrasParameters(Mp4Options, ThumbnailOptions):
    """What a client may say of what goes with an asset."""

    create_thumbnail: bool = Field(True, description="Whether one picture becomes thumbnail.jpg.")
    thumbnail_time: SourceTime = Field(
        0.0,
        description="When it is shown: seconds from the first frame, or hh:mm:ss[.fff].",
    )
    generate_mp4: bool = Field(
        False, description="Whether an MP4 is made of the tracks, copied and not encoded."
    )
    preview_thumbnails: bool = Field(
        False, description="Whether sheets of small pictures (sprites) and their WebVTT are made."
    )
    preview_thumbnails_interval: float = Field(
        10, ge=0.1, le=86_400, description="Seconds between two of the small pictures."
    )
    trickplay: bool = Field(
        False, description="Whether the asset gets I-frame playlists and a trick-mode track."
    )
    trickplay_thumbnails: bool | None = Field(
        None, description="Whether it gets thumbnails in JPEG tiles, too; null: as trickplay."
    )
    delete_source: bool = Field(
        False, description="Whether the source files are deleted once the asset is published."
    )

    @field_validator("preview_thumbnails_interval", mode="before")
    @classmethod
    def _whole_seconds(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def check_extras(document: Mapping[str, Any]) -> dict[str, Any]:
    """Check what the parameters say together, and fill in what follows from others.

    Args:
        document: of `ExtrasParameters` and of the workflow, validated.

    Raises:
        ParameterError: names the field and what is wrong with it.
    """
    found = dict(document)
    if found["create_thumbnail"] and parse_moment(found["thumbnail_time"]).utc:
        raise ParameterError(
            "parameter 'thumbnail_time': files do not say when they were on air",
            hint="Give seconds or hh:mm:ss from the first frame.",
        )
    if found["generate_mp4"]:
        found["mp4_filename"] = mp4_name(found["mp4_filename"], found["content_id"])
    if found["preview_thumbnails"]:
        check_prefix(found["content_id"], "content_id")
    if found["trickplay_thumbnails"] is None:
        found["trickplay_thumbnails"] = found["trickplay"]
    return found
