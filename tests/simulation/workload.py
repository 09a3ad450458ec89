"""What simulated jobs do: canvases of every shape, and tasks that count."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from celery import chain, chord, group
from celery.canvas import Signature

from adaptation.engine.graph import lower
from adaptation.engine.model import Claim
from adaptation.engine.plan import Plan, Upstream

QUEUES = {"step": "light", "fan": "light", "scatter": "light", "join": "heavy"}
"""The queue of each task."""
SHAPES = (
    "line-1",
    "line-4",
    "fan-0",
    "fan-3",
    "fan-5",
    "nested-2",
    "beside-2",
    "beside-3",
    "scatter-0",
    "scatter-3",
    "empty-2",
)
"""A kind of canvas and its length or width."""


def _task(name: str, **params: Any) -> Signature[Any]:
    return Signature(name, kwargs=params)


@lru_cache
def plan_of(shape: str) -> Plan:
    """The tasks of a job of this shape."""
    kind, _, size = shape.partition("-")
    width, step, join = int(size), _task("step"), _task("join")
    canvas = {
        "line": lambda: chain(*[step] * width),
        "fan": lambda: chain(step, _task("fan", width=width), step),
        "nested": lambda: chain(_task("fan", width=width, inner=width), step),
        "beside": lambda: chain(group(step, _task("fan", width=width), step), join, step),
        "scatter": lambda: chain(step, _task("scatter", width=width), join),
        "empty": lambda: chain(_task("fan", width=width), chord([], join)),
    }[kind]()
    return lower(canvas)


@lru_cache
def expansion_of(name: str, key: str, width: int, inner: int) -> Plan:
    """The tasks that a running `fan` or `scatter` asks for: with a join of its own, or without."""
    part = chain(_task("step"), _task("fan", width=inner)) if inner else _task("step")
    parts = [part] * width
    canvas = chord(parts, _task("join")) if name == "fan" else group(parts)
    return lower(canvas, prefix=key, upstream=Upstream(keys=(key,)))


def perform(claim: Claim) -> tuple[dict[str, Any], Plan | None]:
    """What a task gives, and what it expands to."""
    payload: Any = claim.payload
    if claim.name == "join":
        return {"n": 1 + sum(part["n"] for part in payload)}, None
    if claim.name == "step":
        return {"n": payload["n"] + 1}, None
    width, inner = claim.params["width"], claim.params.get("inner", 0)
    return {"n": payload["n"]}, expansion_of(claim.name, claim.key, width, inner)
