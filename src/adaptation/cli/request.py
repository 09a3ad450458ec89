"""What `encode` and `submit` can be told about the asset, as the workflow's parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from adaptation.errors import ParameterError

RENDITION_FORM = "[NAME:]HEIGHT:KBITS[:CODEC]"


Slots = Annotated[int | None, Parameter(validator=Number(gte=1, lte=256))]
"""Tasks at the same time; None: as many as there are processors."""


@Parameter(name="*")
@dataclass(frozen=True)
class Request:
    """How the asset is to be."""

    rendition: tuple[str, ...] = ()
    """[NAME:]HEIGHT:KBITS[:CODEC], such as 720:3000, for each rung; none: chosen by the source."""
    segment_seconds: float = 4
    """Length of a segment: 1 to 30; 4 when not given."""
    profile: str = "h264-fast"
    """Codecs, ladder and quality; `adaptation profiles` lists them; else h264-fast."""
    preset: str | None = None
    """The encoder's speed, such as ultrafast to slower for H.264; the profile's when not given."""
    rate_control: Literal["capped_crf", "abr"] | None = None
    """What bit rates are: a cap, or the average; as the profile says when not given."""
    verify: Literal["samples", "full"] = "samples"
    """How much of each track is decoded as proof: samples of it when not given."""
    max_frame_rate: float | None = None
    """Leave out every second frame, or more, to come to this rate: 1 to 240; all when not given."""
    passthrough: Literal["auto", "never", "require"] = "auto"
    """Copy a picture that fits as the top rendition instead of encoding it: auto, if it fits, when
    not given; require: fail, and tell why, if it does not fit."""
    surround: bool = False
    """Also make 5.1 of sound that has it; stereo is made in any case."""
    overwrite: bool = False
    """Replace another asset in OUTPUT; nothing but an asset is ever replaced."""
    measure_quality: bool = False
    """Then have the asset measured against the source: VMAF of each segment of each rendition."""
    metadata: str | None = None
    """A JSON object, kept in asset.json as given."""

    def parameters(self, source: str, folder: str | None) -> dict[str, Any]:
        """The parameters of `encoding_workflow`.

        Raises:
            ParameterError: something cannot be read; the workflow checks the rest.
        """
        from adaptation.workflows.storage_places import storage_place

        asked: dict[str, Any] = {
            "url": source,
            "segment_seconds": self.segment_seconds,
            "profile": self.profile,
            "preset": self.preset,
            "rate_control": self.rate_control,
            "verify": self.verify,
            "max_frame_rate": self.max_frame_rate,
            "passthrough": self.passthrough,
            "surround": self.surround,
            "empty_target": self.overwrite,
            "measure_quality": self.measure_quality,
            "metadata": _metadata(self.metadata),
        }
        if self.rendition:
            asked["renditions"] = [_rendition(text) for text in self.rendition]
        if folder is not None:
            # A place of a storage is no path: a path would lose one of its slashes.
            asked["output_folder"] = (
                folder if storage_place(folder) else str(absolute_folder(folder))
            )
        return asked


def absolute_folder(folder: str) -> Path:
    """An output as it stays valid in another working folder, without `..` and links.

    Raises:
        ParameterError: it is empty.
    """
    if not folder:
        raise ParameterError(
            "the output folder has no name", hint="Give a path; `.` is the current folder."
        )
    return Path(folder).expanduser().resolve()


def _rendition(text: str) -> dict[str, Any]:
    parts = text.split(":")
    if len(parts) == 4:
        names = ["name", "height", "bitrate", "codec"]
    elif len(parts) == 3 and parts[2].isdigit():
        names = ["name", "height", "bitrate"]
    elif len(parts) in {2, 3}:
        names = ["height", "bitrate", "codec"][: len(parts)]
    else:
        raise ParameterError(
            f"rendition {text!r} cannot be read",
            code="rendition_invalid",
            hint=f"Write {RENDITION_FORM}, such as 720p:720:3000 or 720:3000.",
        )
    numbers = {"height", "bitrate"}
    return {
        name: int(part) if name in numbers and _is_number(part) else part
        for name, part in zip(names, parts, strict=True)
    }


def _is_number(text: str) -> bool:
    # Longer ones are no sizes: they stay text, which the workflow refuses with its own words.
    return text.isascii() and text.isdigit() and len(text) < 10


def _metadata(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise _bad_metadata(str(error)) from error
    if not isinstance(metadata, dict):
        raise _bad_metadata("it is no object")
    return metadata


def _bad_metadata(reason: str) -> ParameterError:
    return ParameterError(
        f"--metadata is not a JSON object: {reason}",
        code="metadata_invalid",
        hint="""Write it as '{"title": "My film"}'.""",
    )
