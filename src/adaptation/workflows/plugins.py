"""Workflows of other packages, found by their entry points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.errors import AdaptationError, ParameterError, SettingsError

GROUP = "adaptation.workflows"
"""Entry points of this group are functions `register(registry)`."""
OPEN = next(field for field in fields(WorkflowDefinition) if field.name == "confine").default
"""What a workflow has as `confine` that says nothing of it."""


def load(registry: Registry) -> None:
    """Let every installed package add its workflows.

    Raises:
        SettingsError: `workflow_plugin`; names the package and its entry point.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        known = set(registry.workflows)
        try:
            entry.load()(registry)
        except Exception as error:
            raise _broken(entry, error) from error
        for name in registry.workflows.keys() - known:
            _close(registry, name)


def _close(registry: Registry, name: str) -> None:
    """A workflow that does not say how a client is confined must not give it this machine."""
    definition = registry.workflows[name]
    if definition.confine is OPEN:
        refusing = replace(definition, confine=lambda given, within: _refuse(name, given, within))
        registry.workflows[name] = refusing


def _refuse(name: str, given: Mapping[str, Any], within: str) -> NoReturn:  # noqa: ARG001
    raise ParameterError(
        f"workflow {name!r} is open to admins alone",
        code="workflow_closed",
        hint="Its package does not say what a client may reach: see `confine` in the manual.",
    )


def _broken(entry: EntryPoint, error: Exception) -> SettingsError:
    package = entry.dist.name if entry.dist else "an unknown package"
    reason = error.message if isinstance(error, AdaptationError) else repr(error)
    return SettingsError(
        f"the workflows {entry.name!r} ({entry.value}) of {package} cannot be loaded: {reason}",
        code="workflow_plugin",
        hint=f"Mend or uninstall {package}.",
    )
