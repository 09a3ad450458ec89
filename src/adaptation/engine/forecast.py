"""What a job would do, told before it is stored."""

from __future__ import annotations

from collections import Counter
from typing import Any

from adaptation.engine.graph import lower
from adaptation.engine.tasks import Outlook, Registry, WorkflowDefinition

NO_MORE = {
    "sure": "rough",
    "based_on": "the canvas: the workflow says no more before it runs",
}


def foretell(
    registry: Registry,
    definition: WorkflowDefinition,
    checked: dict[str, Any],
    outlook: Outlook[Any],
) -> dict[str, Any]:
    """What a job with these parameters would do; nothing is stored.

    Args:
        registry: that knows the workflow's tasks.
        definition: of the workflow.
        checked: parameters, with their defaults.
        outlook: what the workflow's own forecast may look at.

    Returns:
        `workflow`, `parameters`, `tasks` (each `name`, `queue` and `count`), `queues`, `sure`
        (`exact`, `measured` or `rough`), `based_on`, and what the workflow's own forecast tells.

    Raises:
        AdaptationError: whatever the workflow's first tasks would raise.
    """
    told = dict(definition.forecast(checked, outlook)) if definition.forecast else dict(NO_MORE)
    counts = Counter(task.name for task in lower(definition.author(checked)).tasks)
    counts.update(told.pop("tasks", {}))
    tasks = [
        {"name": name, "queue": registry.task(name).queue, "count": count}
        for name, count in counts.items()
    ]
    return {
        "workflow": definition.name,
        "parameters": _shown(definition, checked),
        "tasks": tasks,
        "queues": sorted({task["queue"] for task in tasks}),
        **told,
    }


def _shown(definition: WorkflowDefinition, checked: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a client may give, without what the check has added for itself."""
    if definition.parameters is None:
        return checked
    known = definition.parameters.model_fields
    return {name: value for name, value in checked.items() if name in known}
