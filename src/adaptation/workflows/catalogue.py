"""What can be submitted: each workflow with its parameters, its tasks and an example."""

from __future__ import annotations

from typing import Any

from adaptation.engine.graph import lower
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.errors import AdaptationError

OPEN_SCHEMA: dict[str, Any] = {"type": "object"}
"""Of a workflow that does not say what it takes."""
EXAMPLES = {"encoding_workflow": {"url": "https://example.org/film.mp4", "content_id": "film-42"}}


def summary(definition: WorkflowDefinition) -> dict[str, str]:
    """A workflow in a line."""
    return {"name": definition.name, "description": definition.description}


def description(registry: Registry, name: str) -> dict[str, Any]:
    """A workflow in full.

    Returns:
        `name`, `description`, `queues` of all its tasks, `tasks` as they are authored (more may be
        added when they run), `parameters` as JSON Schema (draft 2020-12), and an `example`.

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
        "parameters": model.model_json_schema() if model else OPEN_SCHEMA,
        "example": EXAMPLES.get(name, {}),
    }


def _tasks(registry: Registry, definition: WorkflowDefinition) -> list[dict[str, Any]]:
    """The tasks of the example's job, which exist before anything is known of the source."""
    try:
        plan = lower(definition.author(definition.check(EXAMPLES.get(definition.name, {}))))
    except AdaptationError:  # it has no tasks until it knows more
        return []
    return [
        {
            "name": task.name,
            "queue": registry.task(task.name).queue,
            "depends_on": [*task.upstream.keys, *task.upstream.after],
            "key": task.key,
        }
        for task in plan.tasks
    ]
