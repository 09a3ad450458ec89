"""`adaptation workflows`: what can be submitted, and what one workflow takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from adaptation.cli import output


def workflows(
    name: str | None = None,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """List the workflows that can be submitted, or show one with its parameters and tasks.

    Args:
        name: The workflow to show; all of them in a line when not given.
        as_json: Print a JSON document; a workflow's parameters are a JSON Schema in it.
    """
    from adaptation.wiring import deploy
    from adaptation.workflows import catalogue

    registry = deploy().registry
    if name is None:
        rows = [catalogue.summary(registry.workflows[one]) for one in sorted(registry.workflows)]
        show(rows, (f"{row['name']}: {row['description']}" for row in rows), as_json=as_json)
    else:
        described = catalogue.description(registry, name)
        show(described, description_lines(described), as_json=as_json)


def show(document: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print a document, or its lines for a person."""
    if as_json:
        output.document(document)
        return
    for line in lines:
        output.data(line)


def description_lines(described: Mapping[str, Any]) -> Iterable[str]:
    """One workflow for a person."""
    yield f"{described['name']}: {described['description']}"
    yield "\nParameters"
    required = described["parameters"].get("required", ())
    for name, field in described["parameters"].get("properties", {}).items():
        default = "required" if name in required else f"default {_default(field)}"
        yield f"  {name} ({default}): {field.get('description', '')}"
    yield "\nTasks, the first ones"
    for task in described["tasks"]:
        more = ", adds more when it runs" if task.get("expands") else ""
        yield f"  {task['name']} (queue {task['queue']}){more}"
    yield f"\nExample\n  {json.dumps(described['example'])}"


def _default(field: Mapping[str, Any]) -> str:
    return json.dumps(field["default"]) if "default" in field else "empty"
