"""The parameters of `vodstream`, checked before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adaptation.adapters.containment import safe_key
from adaptation.adapters.storage_config import LOCAL
from adaptation.engine.tasks import Registry
from adaptation.errors import ParameterError
from adaptation.media.language import language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE
from adaptation.media.properties import ANY_ROLE, parse_properties
from adaptation.media.roles import role_of, words_for
from adaptation.workflows.drm_parameters import DrmParameters, check_drm, confine_drm
from adaptation.workflows.extras_parameters import ExtrasParameters, check_extras
from adaptation.workflows.parameters import PRINTED, checked, confined
from adaptation.workflows.places import source_place
from adaptation.workflows.profiles import ENCODING, Profiles
from adaptation.workflows.storage_places import (
    confined_folder,
    confined_words,
    destination,
    placed_below,
    storage_place,
)

SOURCE_FOLDER, CONTENT_ID = "{source_folder}", "{content_id}"
"""Stand for the folder of the sources, and for the content's key, in `output_folder`."""
PROFILES: Mapping[str, str] = {
    "H264": "h264-fast",
    "H265": "hevc",
    "HEVC": "hevc",
    "AV1": "av1",
    "MULTI": "multi-codec",
}
"""Our profiles by the words of `encoding_profile` that clients have sent so far."""
SLOW_MODES = frozenset({"TWO_PASS", "THREE_PASS"})
"""Modes that ask for quality rather than for speed."""
QUALITY: Mapping[str, str] = {"h264-fast": "h264-quality"}
"""What a profile becomes in those."""


class FileProperties(BaseModel):
    """What a client says of one file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str = Field("", max_length=40, pattern=r"^[a-z0-9-]*$", description="What it is for.")
    language: str = Field("", max_length=40, description="ISO 639 code, or tag of RFC 5646.")

    @field_validator("kind")
    @classmethod
    def _is_kind(cls, value: str) -> str:
        if value and role_of(value, ANY_ROLE) is None:
            raise ValueError(f"{value!r} is none of {', '.join(words_for(ANY_ROLE))}")
        return value

    @field_validator("language")
    @classmethod
    def _is_language(cls, value: str) -> str:
        if value not in ("", UNKNOWN_LANGUAGE) and language_tag(value) == UNKNOWN_LANGUAGE:
            raise ValueError(f"{value!r:.40} is no language's code")
        return value


class VodstreamParameters(ExtrasParameters, DrmParameters):
    """What a client may say to `vodstream`."""

    content_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=PRINTED,
        description="The client's own key of the content; jobs are found by it.",
    )
    source_folder: str = Field(
        min_length=1,
        max_length=4000,
        description="The folder with the sources, of which the files right in it count: below the"
        " folder of sources, else below output_root; or absolute.",
    )
    output_folder: str = Field(
        SOURCE_FOLDER,
        min_length=1,
        max_length=4000,
        description="The folder the asset appears as; {source_folder} and {content_id} stand for"
        " those.",
    )
    combine_sources: bool = Field(
        True, description="Whether all files make one asset; else the best picture's file alone."
    )
    create_dref: bool = Field(
        True,
        description="Whether the segments of each picture and each sound lie in one file, which"
        " manifests address by byte ranges; else each is a file of its own.",
    )
    all_audio_tracks: bool = Field(
        True, description="Whether all sound is taken; else the best of each language."
    )
    apply_track_properties: bool = Field(
        False, description="Whether track_properties are laid over what the sources say."
    )
    track_properties: dict[str, Any] | None = Field(
        None, description="What manifests say of tracks, by filters of language and role."
    )
    file_properties: dict[str, FileProperties] | None = Field(
        None, description="By the name of a file: kind and language of what is in it."
    )
    encode_source: bool = Field(
        False, description="Whether a ladder is made of the best picture; else all are taken as is."
    )
    encoding_profile: str = Field(
        "H264", max_length=100, description="H264, H265, AV1, MULTI, or the name of a profile."
    )
    encoding_mode: Literal["STANDARD", "SINGLE_PASS", "TWO_PASS", "THREE_PASS"] = Field(
        "STANDARD", description="TWO_PASS and THREE_PASS: quality counts more than speed."
    )
    encoding_region: str | None = Field(
        None, max_length=200, description="Accepted and ignored: encoding happens here."
    )
    encoder_version: str | None = Field(
        None, max_length=200, description="Accepted and ignored: there is one encoder."
    )
    extract_audio: bool | None = Field(
        None, description="Accepted: sound always is a track of its own."
    )
    empty_target: bool = Field(True, description="Replace an asset that is in the way.")


def check_vodstream(
    parameters: Mapping[str, Any], registry: Registry, profiles: Profiles
) -> dict[str, Any]:
    """Check the parameters of a job and fill in the defaults.

    Args:
        parameters: as the client gave them.
        registry: of this process: where folders lie, and which storages there are.
        profiles: those there are.

    Returns:
        JSON with both folders absolute, and as `ENCODING` how a ladder would be encoded.

    Raises:
        ParameterError: names the field, what is wrong with it, and the nearest known name.
    """
    given, root, has = dict(parameters), registry.output_root, registry.has_storage
    # What was checked before has it already; nobody else may bring another.
    earlier = given.pop(ENCODING, None)
    known = checked(VodstreamParameters, given, root, has)
    source, output = _source(known, registry, anywhere=True)
    words = given.get("output_folder", SOURCE_FOLDER)
    name = PurePath(source).name
    given["output_folder"] = _filled(words, output, name, known["content_id"])
    known = {**checked(VodstreamParameters, given, root, has), "source_folder": source}
    _check_apart(source, known["output_folder"])
    known[ENCODING] = profiles.find(_profile_name(known)).to_json()
    if earlier not in (None, known[ENCODING]):
        checked(VodstreamParameters, parameters, root, has)
    parse_properties(known["track_properties"])
    return check_extras(check_drm(known))


def confine_vodstream(
    parameters: Mapping[str, Any], within: str, registry: Registry
) -> dict[str, Any]:
    """The parameters of a client that may not reach every file of the machine.

    Args:
        parameters: as the client gave them, not checked yet.
        within: path under the assets' root that the client's outputs lie in; empty: all of it.
        registry: of this process.

    Raises:
        ParameterError: `path_outside`.
    """
    known = dict(parameters)
    folder, source_root = known.pop("output_folder", SOURCE_FOLDER), registry.source_root
    known = confine_drm(confined(known, within, source_root), within, source_root)
    if not isinstance(words := known.get("source_folder"), str) or not isinstance(folder, str):
        return {**known, "output_folder": folder}
    if place := confined_folder(known, within, "source_folder"):
        source, own = place, SOURCE_FOLDER
    else:
        source, output = _source({**known, "source_folder": words}, registry, anywhere=False)
        base = registry.output_root.resolve() / (known.get("output_root") or "")
        # In a storage it is told from there already.
        own = Path(output).relative_to(base).as_posix() if Path(output).is_absolute() else output
    folder = _filled(folder, own, PurePath(source).name, str(known.get("content_id", "")))
    if folder != SOURCE_FOLDER:
        whole = confined_words(folder, within, "output_folder")
        folder = whole or safe_key(folder, "output_folder")
    return {**known, "source_folder": source, "output_folder": folder}


def _source(known: Mapping[str, Any], registry: Registry, *, anywhere: bool) -> tuple[str, str]:
    """The folder of the sources, and where the asset goes when nobody says otherwise."""
    words, under = known["source_folder"], known.get("output_root")
    storage, has = known.get("source_storage"), registry.has_storage
    if place := placed_below(words, storage, under, "source_folder", has):
        is_elsewhere = destination(known) != storage and storage_place(words) is None
        return place, words if is_elsewhere else place
    source, output = source_place(
        words,
        "source_folder",
        root=registry.output_root,
        output_root=under,
        source_root=registry.source_root,
        anywhere=anywhere,
        sources_first=True,
    )
    if destination(known) in (None, LOCAL):
        return str(source), str(output)
    # Below the client's folder of the storage, as it would be below that of outputs.
    base = registry.output_root.resolve() / (under or "")
    return str(source), output.relative_to(base).as_posix() if output.is_relative_to(base) else str(
        output
    )


def ignored(parameters: Mapping[str, Any]) -> list[str]:
    """Sentences for the log about parameters that do nothing here."""
    found = []
    if parameters["encoding_region"]:
        found.append("encoding_region is ignored: encoding happens on our own workers")
    if parameters["encoder_version"]:
        found.append("encoder_version is ignored: there is one encoder")
    if parameters["extract_audio"] is False:
        found.append("extract_audio is ignored: sound always is a track of its own")
    return found


def _filled(words: str, source_place: str, source_name: str, content_id: str) -> str:
    """What `output_folder` says, with its placeholders filled in."""
    if words == SOURCE_FOLDER:
        return source_place
    return words.replace(SOURCE_FOLDER, source_name).replace(CONTENT_ID, content_id)


def _profile_name(known: Mapping[str, Any]) -> str:
    words = known["encoding_profile"]
    name = PROFILES.get(words.upper(), words)
    slow = known["encoding_mode"] in SLOW_MODES
    return QUALITY.get(name, name) if slow else name


def _check_apart(source: str, output: str) -> None:
    """Refuse an output whose publication would take the place of the sources.

    In a storage it takes the place of nothing but an asset.

    Raises:
        ParameterError: `output_holds_sources`.
    """
    if storage_place(output):
        return
    if Path(output) == Path(source) or Path(output) in Path(source).parents:
        raise ParameterError(
            f"output_folder {output} holds the sources, and an asset takes the place of all that"
            " is in its folder",
            code="output_holds_sources",
            hint="Name another output_folder, beside the sources or below them.",
        )
