"""What packages with workflows of their own may rely on, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from celery import chain, chord, group
from celery.canvas import Signature

from adaptation.adapters.ffmpeg import encode
from adaptation.adapters.process import Limits
from adaptation.adapters.storage import LocalStorage
from adaptation.context import Context
from adaptation.engine.tasks import Expand, Outlook, Registry, WorkflowDefinition
from adaptation.limits import in_force
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.material import source_path
from adaptation.workflows.parameters import CommonParameters, checked, confined
from adaptation.workflows.resources import Run, get_file, get_json, put_file, put_json, put_text
from adaptation.workflows.step import step
from adaptation.workflows.steps import download_file, notify

__all__ = [
    "CommonParameters",
    "Context",
    "Expand",
    "Limits",
    "LocalStorage",
    "Outlook",
    "Registry",
    "Run",
    "WorkflowDefinition",
    "add_workflow",
    "chain",
    "checked",
    "chord",
    "confined",
    "download_file",
    "encode",
    "get_file",
    "get_json",
    "group",
    "notify",
    "put_file",
    "put_json",
    "put_text",
    "source_path",
    "step",
]


def add_workflow(  # noqa: PLR0913 - what a workflow is
    registry: Registry,
    name: str,
    description: str,
    *,
    parameters: type[CommonParameters],
    author: Callable[[dict[str, Any]], Signature[Any]],
    example: Mapping[str, Any],
    **more: Any,
) -> None:
    """Make a workflow known whose parameters a model checks, and which stays where clients may go.

    Args:
        registry: of this process; the tasks of the workflow are in it.
        name: what clients ask for.
        description: what it makes, in a sentence or two.
        parameters: their model.
        author: makes the canvas from checked parameters.
        example: parameters that are enough.
        more: other fields of `WorkflowDefinition`, such as `forecast`.
    """
    registry.add_workflow(
        WorkflowDefinition(
            name,
            description=description,
            parameters=parameters,
            check=lambda given: checked(parameters, given, registry.output_root),
            confine=lambda given, within: confined(given, within, registry.source_root),
            limit=lambda given, own: Allowance(in_force(registry.limits, own)).check_wanted(given),
            author=author,
            example=example,
            **more,
        )
    )
