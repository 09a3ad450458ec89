"""What can be submitted: each workflow with its parameters, its tasks and an example."""

from __future__ import annotations

from typing import Any

from adaptation.engine.graph import lower
from adaptation.engine.tasks import Registry, WorkflowDefinition

DRAFT = "https://json-schema.org/draft/2020-12/schema"
OPEN_SCHEMA: dict[str, Any] = {"type": "object"}
"""Of a workflow that does not say what it takes."""


def summary(definition: WorkflowDefinition) -> dict[str, str]:
    """A workflow in a line."""
    return {"name": definition.name, "description": definition.description}


def description(registry: Registry, name: str) -> dict[str, Any]:
    """A workflow in full.

    Returns:
        `name`, `description`, `queues` of all its tasks, `tasks` as they are authored (one that
        `expands` adds more when it runs), `parameters` as JSON Schema (draft 2020-12), `example`.

    Raises:
        ParameterError: `workflow_unknown`.
    """
    definition = registry.workflow(name)
    tasks = _tasks(registry, definition)
    model = definition.parameters
    return {
        **summary(definition),
        "queues": sorted({task["queue"] for task in tasks}),
        "tasks": tasks,
        "parameters": {"$schema": DRAFT, **(model.model_json_schema() if model else OPEN_SCHEMA)},
        "example": dict(definition.example),
    }


def _tasks(registry: Registry, definition: WorkflowDefinition) -> list[dict[str, Any]]:
    """The tasks of the example's job, which exist before anything is known of the source."""
    try:
        plan = lower(definition.author(definition.check(definition.example)))
    except Exception:  # noqa: BLE001 - of whoever wrote it; it has no tasks until it knows more
        return []
    return [
        {
            "name": task.name,
            "queue": registry.task(task.name).queue,
            "depends_on": [*task.upstream.keys, *task.upstream.after],
            "expands": registry.task(task.name).expands,
            "key": task.key,
        }
        for task in plan.tasks
    ]
