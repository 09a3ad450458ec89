"""Lowering of a Celery canvas (chain, group, chord of signatures) to tasks and their edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from celery.canvas import Signature

from adaptation.engine.plan import Plan, PlannedTask, Upstream
from adaptation.errors import ParameterError

type_of_canvas = {"celery.chain": "chain", "celery.group": "group", "celery.chord": "chord"}
SCRATCH = "scratch_bytes"
"""Option of a signature that says how much scratch its task needs at most."""
NEEDS = "needs"
"""Option of a signature that says what a worker must be able to do for its task."""


def needing(
    signature: Signature[Any], scratch_bytes: int, *, abilities: Iterable[str] = ()
) -> Signature[Any]:
    """The same signature, of a task that is claimed only where it can be done.

    Args:
        signature: of one task.
        scratch_bytes: as much scratch must be free.
        abilities: as workers of a fleet tell them, such as `libsvtav1`.
    """
    signature.options[SCRATCH] = scratch_bytes
    signature.options[NEEDS] = sorted(abilities)
    return signature


def lower(canvas: Signature[Any], *, prefix: str = "", upstream: Upstream | None = None) -> Plan:
    """Turn a canvas into tasks with edges.

    Args:
        canvas: a signature, chain, group or chord, nested as deep as wanted.
        prefix: put before every key; for canvas returned by a running task, that task's key.
        upstream: what the first tasks receive; none: they start from the job's own context.

    Raises:
        ParameterError: a signature carries positional arguments, which would not survive JSON
            merging into the context.
    """
    plan, start = Plan(), upstream or Upstream()
    plan.exits = _lower(cast("Mapping[str, Any]", canvas), prefix, start, plan)
    # Those that wait for nothing in here can stand anywhere before the others.
    plan.tasks.sort(key=lambda task: (task.upstream != start, -task.urgency))
    return plan


def _lower(node: Mapping[str, Any], path: str, upstream: Upstream, plan: Plan) -> Upstream:
    match type_of_canvas.get(node["task"]):
        case "chain":
            return _lower_chain(node["kwargs"]["tasks"], path, upstream, plan)
        case "group":
            return _lower_group(node["kwargs"]["tasks"], path, upstream, plan)
        case "chord":
            header = node["kwargs"]["header"]
            steps = header["kwargs"]["tasks"] if isinstance(header, Mapping) else header
            joined = _lower_group(list(steps), path, upstream, plan)
            return _lower(node["kwargs"]["body"], f"{path}.end" if path else "end", joined, plan)
        case _:
            return _lower_task(node, path, upstream, plan)


def _lower_chain(
    steps: list[Mapping[str, Any]], path: str, upstream: Upstream, plan: Plan
) -> Upstream:
    for number, step in enumerate(steps):
        upstream = _lower(step, _join(path, number), upstream, plan)
    return upstream


def _lower_group(
    steps: list[Mapping[str, Any]], path: str, upstream: Upstream, plan: Plan
) -> Upstream:
    ends = [_lower(step, _join(path, number), upstream, plan) for number, step in enumerate(steps)]
    if not ends:
        return Upstream(joins=True, after=(*upstream.keys, *upstream.after))
    return Upstream(
        keys=tuple(key for end in ends for key in end.keys),
        joins=True,
        after=tuple(dict.fromkeys(key for end in ends for key in end.after)),
    )


def _lower_task(node: Mapping[str, Any], path: str, upstream: Upstream, plan: Plan) -> Upstream:
    if node["args"]:
        raise ParameterError(
            f"task {node['task']} was given positional arguments in a canvas",
            hint="Give them by name: a task's only positional argument is its context.",
        )
    key = f"{path}:{node['task']}" if path else node["task"]
    options = node["options"]
    planned = PlannedTask(
        key,
        node["task"],
        dict(node["kwargs"]),
        upstream,
        urgency=int(options.get("priority") or 0),
        scratch_bytes=int(options.get(SCRATCH) or 0),
        needs=tuple(options.get(NEEDS) or ()),
    )
    plan.tasks.append(planned)
    return Upstream(keys=(key,))


def _join(path: str, number: int) -> str:
    return f"{path}.{number}" if path else str(number)
