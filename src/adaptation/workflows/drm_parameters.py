"""What a workflow that makes or switches an asset may be told of DRM, and where keys come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adaptation.errors import ParameterError
from adaptation.media.asset_record import CLEAR
from adaptation.media.protection import SYSTEMS, Scheme, SystemName
from adaptation.workflows.parameters import (
    CommonParameters,
    absolute_source,
    confined,
    is_address,
    is_web,
)

HEX = r"^[0-9a-fA-F]{32}$"
ENCRYPTED = "encrypted"
"""Old spelling of `enable_drm`, and among systems of all that are played in `cenc`."""
OLD_SYSTEMS: tuple[SystemName, ...] = ("cenc", "widevine", "playready")
AES: Literal["aes"] = "aes"
"""Whole segments in AES-128, which only HLS knows."""
SECRET = frozenset({"content_keys", "playready_key", "download_cpix", "key_server_secret"})
"""What no task needs to know once an asset is encrypted."""
DrmName = Literal["clear", "playready", "widevine", "fairplay", "cenc", "aes", "encrypted"]
Label = Literal["AUDIO", "VIDEO", "SD", "HD", "UHD", "UHD1", "UHD2"]
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_PLAYED = re.compile(r"((https?|skd)://|/)[^\s\"\\]+")


class RawKey(BaseModel):
    """One content key."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key_id: str = Field(max_length=36, description="16 bytes, as 32 hexadecimal digits or a UUID.")
    key: str = Field(pattern=HEX, description="16 bytes, as 32 hexadecimal digits.")
    iv: str | None = Field(
        None, pattern=HEX, description="The IV of cbcs as 32 hexadecimal digits; null: one is made."
    )
    label: Label | None = Field(
        None, description="Tracks the key is for; null: those that no other key is for."
    )

    @field_validator("key_id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        return UUID(value).hex


class DrmParameters(CommonParameters):
    """The parameters of DRM, the same for all workflows."""

    drm: list[DrmName] = Field(
        ["clear"],
        max_length=7,
        description="DRM systems whose players shall play it; none, or clear alone: it is not"
        " encrypted. aes: whole segments in AES-128, for HLS.",
    )
    enable_drm: bool = Field(
        True, description="Whether the manifests lead to what is encrypted; else it is only made."
    )
    encrypted: bool | None = Field(None, description="Old spelling of enable_drm.")
    cpix: bool = Field(False, description="Whether keys come from a CPIX document.")
    download_cpix: str | None = Field(
        None,
        max_length=4000,
        description="A CPIX document with keys: a path or an address; null: key_server is asked.",
    )
    key_server: str | None = Field(
        None,
        max_length=2000,
        description="Address that is asked for keys by CPIX (SPEKE 2.0) where none are given.",
    )
    key_server_secret: dict[str, str] = Field(
        {}, description="Headers the key server knows the client by; kept sealed."
    )
    key_server_labels: list[Label] = Field(
        [], max_length=7, description="Kinds of tracks with a key each; none: one key for all."
    )
    content_keys: list[RawKey] = Field(
        [], max_length=64, description="Keys, best kept in the client's defaults; stored sealed."
    )
    hls_key_uri: str | None = Field(
        None,
        max_length=1000,
        description="Where players of HLS get keys: of aes, and of fairplay instead of"
        " skd://KEYID: an address or a path from the server's root; {key_id} and {content_id} stand"
        " for those of the track.",
    )
    encrypt_ismv: bool = Field(
        False, description="Accepted; stored segments are encrypted in any case."
    )
    playready_key: str | None = Field(
        None,
        description="One key for all tracks as KEYID:KEY in hexadecimal digits; no key seed.",
    )

    @field_validator("playready_key")
    @classmethod
    def _is_pair(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9a-fA-F-]{32,36}:[0-9a-fA-F]{32}", value):
            raise ValueError("it is no KEYID:KEY of 32 hexadecimal digits each; seeds are not read")
        if value is not None:
            UUID(value.partition(":")[0])
        return value

    @field_validator("key_server")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not is_address(value):
            raise ValueError("it is no http or https address")
        return value

    @field_validator("key_server_secret")
    @classmethod
    def _are_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, word in value.items():
            if not _HEADER.fullmatch(name) or not (word.isascii() and word.isprintable()):
                raise ValueError("no request can carry such a header")
        return value

    @field_validator("hls_key_uri")
    @classmethod
    def _is_played(cls, value: str | None) -> str | None:
        if value is not None and not (_PLAYED.fullmatch(value) and value.isprintable()):
            raise ValueError("it is no https, http or skd address, and no path from a root")
        return value


def check_drm(document: dict[str, Any]) -> dict[str, Any]:
    """The checked parameters with the path of a document made absolute, and all that fits.

    Args:
        document: a `DrmParameters` as `checked` gives it.

    Raises:
        ParameterError: `parameter_missing`, `parameter_invalid`, `source_url`, `source_scheme`.
    """
    if document["download_cpix"]:
        document["download_cpix"] = absolute_source(document["download_cpix"])
    elif document["cpix"] and not document["key_server"]:
        raise ParameterError(
            "parameter 'download_cpix' is missing",
            code="parameter_missing",
            hint="Give the address of the CPIX document, or key_server, or leave cpix out.",
        )
    if {AES, "fairplay"} <= set(document["drm"]):
        raise ParameterError(
            "parameter 'drm': aes and fairplay are both for HLS",
            hint="Give one of them: a master playlist leads to one copy.",
        )
    return document


def confine_drm(
    parameters: Mapping[str, Any], within: str, source_root: Path | None
) -> dict[str, Any]:
    """The parameters of a client that may not read a document of keys anywhere.

    Raises:
        ParameterError: `path_outside`.
    """
    known = dict(parameters)
    address = known.get("download_cpix")
    if address is None:
        return known
    return {**known, "download_cpix": confined({"url": address}, within, source_root)["url"]}


def drm_sources(given: Mapping[str, Any]) -> list[str]:
    """The addresses that a job with these parameters asks for keys."""
    if not wanted_systems(given["drm"]):
        return []
    asked = given["download_cpix"] if given["cpix"] else ""
    asked = asked or ("" if _has_keys(given) else given["key_server"])
    return [asked] if asked and is_web(asked) else []


def wanted_systems(drm: Sequence[str]) -> list[str]:
    """The systems that are asked for, `aes` among them; empty: it stays clear."""
    named = {*drm, *(OLD_SYSTEMS if ENCRYPTED in drm else ())} - {CLEAR, ENCRYPTED}
    return [name for name in SYSTEMS if name in named]


def copies_of(systems: Sequence[str]) -> dict[Scheme, list[SystemName]]:
    """The copies that the players of these systems need, each with those it is told to."""
    named: list[SystemName] = [name for name in SYSTEMS if name in systems and name != AES]
    copies: dict[Scheme, list[SystemName]] = {}
    if named:
        # Apple's players know this scheme alone; the others' know both.
        copies["cbcs" if "fairplay" in named else "cenc"] = named
    if AES in systems:
        copies["aes128"] = [AES]
    return copies


def shows_protected(given: Mapping[str, Any]) -> bool:
    """Whether manifests are to lead to what is encrypted."""
    old = given.get("encrypted")
    return bool(given.get("enable_drm", True) if old is None else old)


def old_spellings(given: Mapping[str, Any]) -> list[str]:
    """What is said of parameters that have another name now, or do nothing."""
    said = list[str]()
    if given.get("encrypted") is not None:
        said.append("parameter encrypted is an old spelling: use enable_drm")
    if ENCRYPTED in given.get("drm", ()):
        said.append(f"the word encrypted in drm is an old spelling: use {', '.join(OLD_SYSTEMS)}")
    if given.get("encrypt_ismv"):
        said.append("encrypt_ismv does nothing: stored segments are encrypted in any case")
    if given.get("playready_key"):
        said.append("playready_key is an old spelling: use content_keys")
    return said


def _has_keys(given: Mapping[str, Any]) -> bool:
    return bool(given["content_keys"] or given["playready_key"])
