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
        tasks, workflows = dict(registry.tasks), dict(registry.workflows)
        try:
            entry.load()(registry)
        except Exception as error:
            reason = error.message if isinstance(error, AdaptationError) else repr(error)
            raise _broken(entry, reason) from error
        taken = _changed(tasks, registry.tasks) or _changed(workflows, registry.workflows)
        if taken:
            raise _broken(entry, f"the name {taken!r} is taken")
        for name in registry.workflows.keys() - workflows.keys():
            _close(registry, name)


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """The first name that means something else than before; empty: none."""
    return next((name for name in before if after.get(name) is not before[name]), "")


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


def _broken(entry: EntryPoint, reason: str) -> SettingsError:
    package = entry.dist.name if entry.dist else "an unknown package"
    return SettingsError(
        f"the workflows {entry.name!r} ({entry.value}) of {package} cannot be loaded: {reason}",
        code="workflow_plugin",
        hint=f"Mend or uninstall {package}.",
    )
