"""Reads profiles as people write them, and says what is wrong with one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adaptation.errors import SettingsError
from adaptation.media.coding import (
    ENCODERS,
    USUAL_BUFFER_SECONDS,
    USUAL_MAXRATE_FACTOR,
    Codec,
    Encoder,
    RateControl,
    VideoCoding,
    usual_encoder,
)
from adaptation.media.profile import CodecLadder, Profile, ProfileRung
from adaptation.media.rendition import MAX_HEIGHT, MAX_KILOBITS, MIN_HEIGHT, MIN_KILOBITS

MAX_RUNGS = 16
"""More sizes than this in a ladder serve nobody."""
CLIENTS = "clients"
"""Table of a profile: what is otherwise for a client, by the client's name."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RungTable(_Table):
    """One size."""

    side: int = Field(ge=MIN_HEIGHT, le=MAX_HEIGHT, description="short side, pixels")
    kilobits: int = Field(ge=MIN_KILOBITS, le=MAX_KILOBITS, description="kbit/s at 16:9")


class VideoTable(_Table):
    """All renditions of one codec."""

    encoder: str | None = Field(None, description="FFmpeg's name; none: the software encoder")
    preset: str | None = Field(None, description="speed; none: the encoder's usual one")
    rate_control: RateControl | None = Field(
        None, description="capped_crf or abr; none: the first that the encoder can"
    )
    crf: int | None = Field(
        None, ge=1, description="quality of capped_crf, 1 to 51, for AV1 to 63; none: the usual one"
    )
    maxrate_factor: float = Field(
        USUAL_MAXRATE_FACTOR, ge=1, le=4, description="largest rate of abr, of the average"
    )
    buffer_seconds: float = Field(
        USUAL_BUFFER_SECONDS, ge=0.5, le=10, description="decoder's buffer at the largest rate"
    )
    rungs: list[RungTable] = Field(
        min_length=1, max_length=MAX_RUNGS, description="largest first; sizes and rates fall"
    )

    @model_validator(mode="after")
    def _falling(self) -> Self:
        for large, small in pairwise(self.rungs):
            if small.side >= large.side or small.kilobits >= large.kilobits:
                raise ValueError(
                    f"rung {small.side} must be smaller and cheaper than the one before"
                )
        return self

    def ladder(self, codec: Codec) -> CodecLadder:
        """The record, with the encoder's usual values for what is not said.

        Raises:
            ValueError: the encoder makes another codec, or cannot do what is asked of it.
        """
        encoder = self._encoder(codec)
        coding = VideoCoding(
            codec=codec,
            encoder=encoder.name,
            preset=encoder.preset if self.preset is None else self.preset,
            rate_control=self.rate_control or encoder.rate_controls[0],
            crf=self.crf or encoder.crf,
            maxrate_factor=self.maxrate_factor,
            buffer_seconds=self.buffer_seconds,
        )
        _check_coding(coding, encoder)
        rungs = tuple(ProfileRung(rung.side, 1000 * rung.kilobits) for rung in self.rungs)
        return CodecLadder(coding, rungs)

    def _encoder(self, codec: Codec) -> Encoder:
        name = self.encoder or usual_encoder(codec).name
        able = [encoder.name for encoder in ENCODERS.values() if encoder.codec == codec]
        if name not in able:
            raise ValueError(f"encoder {name!r} makes no {codec}; choose one of {', '.join(able)}")
        return ENCODERS[name]


class ProfileTable(_Table):
    """A whole profile."""

    description: str = Field(min_length=1, max_length=200, description="one sentence")
    audio_kilobits: int = Field(128, ge=32, le=512, description="kbit/s of stereo AAC")
    surround_kilobits: int = Field(384, ge=96, le=1024, description="kbit/s of 5.1 AAC")
    video: dict[Codec, VideoTable] = Field(
        min_length=1, description="a table a codec; the first gives plain names"
    )

    def profile(self, name: str) -> Profile:
        """The record.

        Raises:
            ValueError: see `VideoTable.ladder`; the message begins with the field.
        """
        ladders = list[CodecLadder]()
        for codec, table in self.video.items():
            try:
                ladders.append(table.ladder(codec))
            except ValueError as error:
                raise ValueError(f"video.{codec}: {error}") from error
        return Profile(
            name=name,
            description=self.description,
            ladders=tuple(ladders),
            audio_bitrate=1000 * self.audio_kilobits,
            surround_bitrate=1000 * self.surround_kilobits,
        )


def resolve(
    name: str, document: Mapping[str, Any], overrides: Iterable[Mapping[str, Any]] = ()
) -> Profile:
    """The profile that a document and what is laid over it come to.

    Args:
        name: of the profile.
        document: as written, with or without the table `clients`.
        overrides: partial documents, the last wins: tables are merged, all else is replaced.

    Raises:
        SettingsError: `profile_invalid`; names the field and the remedy.
    """
    merged = {key: value for key, value in document.items() if key != CLIENTS}
    for override in overrides:
        merged = merge(merged, override)
    try:
        return ProfileTable.model_validate(merged).profile(name)
    except ValidationError as error:
        raise _explained(name, error) from error
    except ValueError as error:
        raise invalid(name, str(error)) from error


def client_override(name: str, document: Mapping[str, Any], client: str) -> Mapping[str, Any]:
    """The partial profile for a client; empty for one that has none.

    Raises:
        SettingsError: `profile_invalid`, it is no table.
    """
    clients = document.get(CLIENTS, {})
    if not isinstance(clients, Mapping):
        raise invalid(name, f"{CLIENTS} is no table")
    override = clients.get(client, {})
    if not isinstance(override, Mapping):
        raise invalid(name, f"{CLIENTS}.{client} is no table")
    return override


def merge(document: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a partial document over another: tables are merged, lists and values replaced."""
    merged = dict(document)
    for key, value in override.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def invalid(name: str, what: str, hint: str = "") -> SettingsError:
    """The error for a profile that cannot be used."""
    return SettingsError(
        f"profile {name}: {what}",
        code="profile_invalid",
        hint=hint or "Mend the profile's file; docs/profiles.md tells what it may say.",
    )


def _check_coding(coding: VideoCoding, encoder: Encoder) -> None:
    if coding.preset not in (encoder.presets or ("",)):
        words = ", ".join(encoder.presets) or "none"
        raise ValueError(f"preset {coding.preset!r} is not one of {encoder.name}'s: {words}")
    if coding.rate_control not in encoder.rate_controls:
        able = " and ".join(encoder.rate_controls)
        raise ValueError(f"{encoder.name} cannot do {coding.rate_control}, only {able}")
    if coding.crf > encoder.worst_crf:
        raise ValueError(f"crf {coding.crf} is above {encoder.worst_crf}")


def _explained(name: str, error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        known = _fields(first["loc"])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        return invalid(name, f"unknown field {field!r}", f"{hint}Known: {', '.join(known)}.")
    return invalid(name, f"{field}: {first['msg']} (got {first['input']!r:.80})")


def _fields(place: tuple[int | str, ...]) -> list[str]:
    """The fields of the table in which an unknown one stands."""
    table = RungTable if "rungs" in place else VideoTable if "video" in place else ProfileTable
    return list(table.model_fields)
