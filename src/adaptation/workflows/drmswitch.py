"""`drmswitch`: turns the DRM of an asset on or off, and makes the encrypted copy it needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from celery import chain
from celery.canvas import Signature
from pydantic import Field

from adaptation.adapters.containment import inside, safe_key
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.errors import ParameterError
from adaptation.workflows import steps
from adaptation.workflows.content_keys import RawKey
from adaptation.workflows.parameters import (
    CommonParameters,
    absolute_source,
    checked,
    confined,
    is_web,
)
from adaptation.workflows.report import report
from adaptation.workflows.switching import scheme_of, switch_drm

NAME = "drmswitch"
DESCRIPTION = (
    "Turn the DRM of an asset on or off: its manifests lead to an encrypted copy, which is made"
    " when it is missing, or to the clear tracks, which are kept."
)
DrmName = Literal["clear", "playready", "widevine", "fairplay", "cenc"]


class DrmswitchParameters(CommonParameters):
    """What a client may say to `drmswitch`."""

    folder: str = Field(min_length=1, max_length=4000, description="The folder of the asset.")
    drm: list[DrmName] = Field(
        [],
        max_length=5,
        description="DRM systems whose players shall play it; none, or clear: it is not encrypted.",
    )
    cpix: bool = Field(False, description="Whether keys come from the document at download_cpix.")
    download_cpix: str | None = Field(
        None, max_length=4000, description="A CPIX document with keys: a path or an address."
    )
    content_keys: list[RawKey] = Field(
        [], max_length=64, description="Keys, best kept in the client's defaults; stored sealed."
    )


def check_switch(parameters: Mapping[str, Any], assets_root: Path) -> dict[str, Any]:
    """Check the parameters of a job and fill in the defaults; paths become absolute.

    Raises:
        ParameterError: names the field, and what is wrong with it.
    """
    document = checked(DrmswitchParameters, parameters, assets_root)
    root = safe_key(document["output_root"], "output_root") if document["output_root"] else ""
    folder = document["folder"]
    document["folder"] = str(
        Path(folder).resolve()
        if Path(folder).is_absolute()
        else inside(assets_root, str(PurePosixPath(root, folder)), "folder")
    )
    if document["download_cpix"]:
        document["download_cpix"] = absolute_source(document["download_cpix"])
    elif document["cpix"]:
        raise ParameterError(
            "parameter 'download_cpix' is missing",
            code="parameter_missing",
            hint="Give the address of the CPIX document, or leave cpix out.",
        )
    scheme_of(document["drm"])
    return document


def confine_switch(
    parameters: Mapping[str, Any], within: str, source_root: Path | None
) -> dict[str, Any]:
    """The parameters of a client that may not reach every asset and every file.

    Raises:
        ParameterError: `path_outside`.
    """
    known = dict(parameters)
    if isinstance(known.get("folder"), str):
        known["folder"] = safe_key(known["folder"], "folder")
    places = {"output_root": known.get("output_root"), "url": known.get("download_cpix")}
    held_back = confined({k: v for k, v in places.items() if v is not None}, within, source_root)
    if "url" in held_back:
        known["download_cpix"] = held_back.pop("url")
    return {**known, **held_back}


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job."""
    carried = {k: v for k, v in parameters.items() if k not in {"custom_data", "rest_endpoints"}}
    return chain(
        switch_drm.s(**carried),
        steps.notify.s(quality_name="all", status="completed", complete=True),
    )


def register(registry: Registry) -> None:
    """Make the workflow and its tasks known."""
    registry.add_tasks(switch_drm, steps.notify)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            check=lambda given: check_switch(given, registry.output_root),
            author=author,
            output=lambda given: str(given["folder"]),
            sources=_sources,
            farewell={"quality": "all"},
            subject=lambda given: str(given["content_id"] or Path(given["folder"]).name),
            report=report,
            description=DESCRIPTION,
            parameters=DrmswitchParameters,
            example={
                "folder": "film-42",
                "drm": ["widevine", "playready"],
                "content_id": "film-42",
            },
            confine=lambda given, within: confine_switch(given, within, registry.source_root),
        )
    )


def _sources(given: Mapping[str, Any]) -> list[str]:
    address = given["download_cpix"]
    return [address] if given["cpix"] and address and is_web(address) else []
