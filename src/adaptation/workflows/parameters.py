"""The parameters of `encoding_workflow`, checked before anything is stored."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from adaptation.adapters.containment import contained, inside, safe_key
from adaptation.adapters.masking import HIDDEN, is_secret_name, masked
from adaptation.adapters.storage_config import LOCAL
from adaptation.errors import ParameterError
from adaptation.media.coding import RateControl
from adaptation.media.profile import Profile
from adaptation.media.rendition import parse_renditions
from adaptation.workflows.profiles import ENCODING, Profiles
from adaptation.workflows.storage_places import (
    Known,
    below,
    check_storage,
    confined_words,
    none_known,
    placed,
    placed_below,
)

WEB_SCHEMES = frozenset({"http", "https"})
MOST_ENDPOINTS = 100
MOST_RENDITIONS = 64


MEASURE = "measure_quality"
"""Parameter: whether a job that measures follows."""
PRINTED = r"^[^\x00-\x1f\x7f]*$"
"""A text without control characters: some databases and terminals cannot hold them."""


class CommonParameters(BaseModel):
    """What every workflow may be told."""

    model_config = ConfigDict(extra="forbid", strict=True)

    content_id: str | None = Field(
        None,
        max_length=200,
        pattern=PRINTED,
        description="The client's own key of the content; jobs are found by it.",
    )
    rest_endpoints: list[Annotated[str, Field(max_length=2000)]] = Field(
        [],
        max_length=MOST_ENDPOINTS,
        description="http or https addresses that are told when tasks start and end, and of the end"
        " of the job.",
    )
    custom_data: Any = Field(None, description="Any JSON, given back in the job's callback.")
    source_storage: str | None = Field(
        None, description="Name of the storage that sources lie in: local, or a configured one."
    )
    destination_storage: str | None = Field(
        None, description="Name of the storage that the result goes to; source_storage by default."
    )
    output_root: str | None = Field(
        None, max_length=1000, description="Path under which output_folder lies."
    )
    retries: int = Field(0, ge=0, le=100, description="Extra tries at fetching the source.")

    @field_validator("rest_endpoints")
    @classmethod
    def _addresses(cls, urls: list[str]) -> list[str]:
        for url in urls:
            if not is_address(url):
                raise ValueError(f"{masked(url)} is no http or https address")
        return urls


Model = TypeVar("Model", bound=CommonParameters)


class EncodingParameters(CommonParameters):
    """What a client may say to `encoding_workflow`."""

    url: str = Field(
        min_length=1, max_length=4000, description="The source: a path, file:// or http(s):// URL."
    )
    renditions: list[dict[str, Any]] | None = Field(
        None,
        max_length=MOST_RENDITIONS,
        description="name, height (px), bitrate (kbit/s), codec; null: chosen from the source.",
    )
    output_folder: str | None = Field(
        None, max_length=4000, description="The folder the asset appears as; null: a new one."
    )
    segment_seconds: float = Field(4, ge=1, le=30, description="Length of a segment in seconds.")
    metadata: dict[str, Any] | None = Field(None, description="Kept in asset.json as given.")
    verify: Literal["samples", "full"] = Field(
        "samples", description="How much of each output is decoded as proof."
    )
    profile: str = Field("h264-fast", description="Codecs, ladder and quality, by name.")
    preset: str | None = Field(
        None, description="The encoder's speed instead of the profile's: slower is better."
    )
    rate_control: RateControl | None = Field(
        None, description="Instead of the profile's: the bit rate as a cap or as the average."
    )
    max_frame_rate: float | None = Field(
        None, ge=1, le=240, description="Leave out every second frame, or more, above this rate."
    )
    passthrough: Literal["auto", "never", "require"] = Field(
        "auto", description="Whether a picture that fits is copied as the top rendition."
    )
    surround: bool = Field(False, description="Also make 5.1 of sound that has it.")
    empty_target: bool = Field(False, description="Replace an asset that is in the way.")
    measure_quality: bool = Field(
        False,
        description="Have the finished asset measured against its source by a job of its own.",
    )

    @field_validator("segment_seconds", "max_frame_rate", mode="before")
    @classmethod
    def _whole_numbers(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


TOLD = tuple(
    name
    for name in EncodingParameters.model_fields
    if name == "content_id" or name not in {*CommonParameters.model_fields, MEASURE}
)
"""What an asset's record tells of its parameters: not who is called back, a client's own, or what
is done with it later."""


def check_encoding(
    parameters: Mapping[str, Any],
    assets_root: Path,
    profiles: Profiles,
    known: Known = none_known,
) -> dict[str, Any]:
    """Check the parameters of a job and fill in the defaults.

    Args:
        parameters: as the client gave them.
        assets_root: the folder relative output folders lie in.
        profiles: those there are.
        known: which storages there are besides local.

    Returns:
        JSON with `url` and `output_folder` absolute, and as `ENCODING` all that the profile
        and the client have said: a job keeps it, whatever becomes of the profile.

    Raises:
        ParameterError: names the field, what is wrong with it, and the nearest known name.
    """
    given = dict(parameters)
    # What was checked before has it already; nobody else may bring another.
    earlier = given.pop(ENCODING, None)
    document = checked(EncodingParameters, given, assets_root, known)
    document[ENCODING] = _encoding(document, profiles).to_json()
    if earlier not in (None, document[ENCODING]):
        _validated(EncodingParameters, dict(parameters))
    return document


def checked(
    model: type[CommonParameters],
    parameters: Mapping[str, Any],
    assets_root: Path,
    known: Known = none_known,
) -> dict[str, Any]:
    """Check parameters by a model and fill in the defaults, for a workflow of any package.

    Args:
        model: of the workflow's parameters; its `url` and `output_folder`, where it has them, are
            made absolute, and the folder is a new one where none is given.
        parameters: as the client gave them.
        assets_root: the folder relative output folders lie in.
        known: which storages there are besides local: of a workflow that can work with them its
            `url` and `output_folder` become places (`adaptation.workflows.storage_places`).

    Raises:
        ParameterError: names the field, what is wrong with it, and the nearest known name.
    """
    found = _validated(model, dict(parameters))
    check_storage(found.source_storage, known)
    check_storage(found.destination_storage, known)
    document = found.model_dump()
    stem = "job"
    if "url" in document:
        document["url"] = source_of(document["url"], found.source_storage, "url", known)
        stem = _stem(document["url"])
    if "output_folder" in document:
        folder = document["output_folder"] or f"{stem}-{uuid.uuid4().hex[:8]}"
        document["output_folder"] = _destination(found, folder, assets_root, known)
    return document


def source_of(url: str, storage: str | None, parameter: str, known: Known) -> str:
    """A source as it stays valid elsewhere: a web address, an absolute path, or a place.

    Raises:
        ParameterError: as `absolute_source` and `placed`.
    """
    if is_web(url):
        return absolute_source(url)
    return placed(url, storage, parameter, known) or absolute_source(url)


def _destination(found: CommonParameters, folder: str, assets_root: Path, known: Known) -> str:
    """The folder of an asset: an absolute path, or a place."""
    storage, root = found.destination_storage or found.source_storage, found.output_root
    return placed_below(folder, storage, root, "output_folder", known) or str(
        _output(assets_root, root, folder)
    )


def _output(assets_root: Path, output_root: str | None, folder: str) -> Path:
    """The folder of an asset with all links resolved, below the root of assets if it is relative.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    root = safe_key(output_root, "output_root") if output_root else ""
    if Path(folder).is_absolute():
        return Path(folder).resolve()
    return inside(assets_root, str(PurePosixPath(root, folder)), "output_folder")


def confined(
    parameters: Mapping[str, Any], within: str, source_root: Path | None, source: str = "url"
) -> dict[str, Any]:
    """The parameters of a client that may not reach every file of the machine.

    Args:
        parameters: as the client gave them, not checked yet.
        within: path under the assets' root that the client's outputs lie in; empty: all of it.
        source_root: the folder that local sources lie in; None: there are none.
        source: the parameter that names the source.

    Raises:
        ParameterError: `path_outside`.
    """
    known = dict(parameters)
    if isinstance(root := known.get("output_root"), str) and root:
        known["output_root"] = safe_key(root, "output_root")
        if not PurePosixPath(known["output_root"]).is_relative_to(within):
            raise ParameterError(
                f"output_root {root!r:.100} is not below {within}",
                code="path_outside",
                hint="Leave output_root out, or name a folder below your own.",
            )
    elif within:
        known["output_root"] = within
    if isinstance(folder := known.get("output_folder"), str):
        known["output_folder"] = confined_words(folder, within, "output_folder") or safe_key(
            folder, "output_folder"
        )
    url = known.get(source)
    if isinstance(url, str) and not is_web(url):
        if known.get("source_storage") in (None, LOCAL):
            whole = confined_words(url, within, source)
            known[source] = whole or _local_source(url, source_root, source)
        else:
            known[source] = confined_words(url, within, source) or below(url, within, source)
    return known


def _local_source(url: str, source_root: Path | None, parameter: str) -> str:
    if source_root is None:
        raise ParameterError(
            "local sources are not open to clients",
            code="path_outside",
            hint="Give an http or https address, or have ADAPTATION_SOURCE_ROOT set to a folder.",
        )
    path = Path(absolute_source(url)) if "://" in url else source_root / url
    return str(contained(source_root, path, parameter))


def is_address(url: str) -> bool:
    """Whether a POST can be sent there."""
    try:
        parts = urlsplit(url)
        # `urlsplit` drops tabs and ends of lines, which would be sent.
        if any(letter <= " " or letter == "\x7f" for letter in url):
            return False
        return parts.scheme in WEB_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _validated(model: type[Model], parameters: dict[str, Any]) -> Model:
    for name, value in parameters.items():
        if not _is_writable(value):
            raise ParameterError(
                f"parameter {name!r:.100} holds a text that cannot be stored",
                hint="Leave out NUL characters and halves of surrogate pairs.",
            )
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        raise _explained(error, list(model.model_fields)) from error


def _is_writable(value: Any) -> bool:
    """Whether every database can hold a document of JSON."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, Mapping):
        return all(_is_writable(one) for pair in value.items() for one in pair)
    return not isinstance(value, list | tuple) or all(map(_is_writable, value))


def _encoding(document: Mapping[str, Any], profiles: Profiles) -> Profile:
    """How to encode, with the client's choices laid over the profile."""
    profile = profiles.find(document["profile"])
    if document["renditions"] is not None:
        wanted = parse_renditions(document["renditions"], profile.main_codec)
        profile = profile.covering(rendition.codec for rendition in wanted)
    return profile.chosen(document["preset"], document["rate_control"])


def absolute_source(url: str) -> str:
    """A source as it stays valid in another working folder: a URL, or an absolute path.

    Raises:
        ParameterError: `source_scheme`, a scheme other than file, http and https; `source_url`.
    """
    if "://" not in url:
        return str(Path(url).expanduser().absolute())
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme.lower() not in WEB_SCHEMES or bool(parts.hostname)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ParameterError(
            f"the address of the source is malformed: {masked(url):.200}",
            code="source_url",
            hint="Give a whole address, such as https://example.org/film.mp4.",
        )
    if parts.scheme.lower() in WEB_SCHEMES:
        return url
    if parts.scheme.lower() == "file" and parts.netloc in {"", "localhost"}:
        return url2pathname(parts.path)
    raise ParameterError(
        f"sources are not read from {parts.scheme}://",
        code="source_scheme",
        hint="Give a path, a file:// URL of this machine, or an http:// or https:// URL.",
    )


def is_web(url: str) -> bool:
    """Whether a checked source must be downloaded."""
    scheme, sign, _ = url.partition("://")
    return bool(sign) and scheme.lower() in WEB_SCHEMES


def shown_source(url: str) -> str:
    """A checked source as the public may see it: no secrets of a URL, no folders of this host."""
    return masked(url) if is_web(url) else Path(url).name


def _stem(url: str) -> str:
    name = Path(urlsplit(url).path if is_web(url) else url).stem
    kept = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)
    return kept.strip("-")[:40] or "asset"


def _explained(error: ValidationError, names: list[str]) -> ParameterError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "parameters"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, names, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        known = ", ".join(names)
        return ParameterError(
            f"unknown parameter {field!r}",
            code="parameter_unknown",
            hint=f"{hint}Known parameters: {known}.",
        )
    if first["type"] == "missing":
        return ParameterError(
            f"parameter {field!r} is missing", code="parameter_missing", hint=f"Give {field}."
        )
    given = HIDDEN if is_secret_name(field.partition(".")[0]) else f"{first['input']!r:.80}"
    return ParameterError(
        f"parameter {field!r}: {first['msg']} (got {given})",
        hint=f"Change {field}.",
    )
