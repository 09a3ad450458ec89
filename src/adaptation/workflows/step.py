"""How tasks of ours are written: a function from one context to the next."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from adaptation.context import Context
from adaptation.engine.tasks import Expand, TaskDefinition
from adaptation.engine.tasks import task as engine_task
from adaptation.workflows.resources import Run

Step = Callable[[Context, Run], "Context | Expand"]


def step(queue: str, *, more_tries: str = "") -> Callable[[Step], TaskDefinition]:
    """Make a task of a function over one context; see `adaptation.engine.tasks.task`."""

    def make(function: Step) -> TaskDefinition:
        @functools.wraps(function)
        def run_step(payload: dict[str, Any], run: Run) -> dict[str, Any] | Expand:
            return function(Context(payload), run)

        return engine_task(queue, more_tries=more_tries)(run_step)

    return make
