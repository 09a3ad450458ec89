"""The tasks of a job as a page shows them: a list, and a graph of who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adaptation.engine.attempts import Attempt
from adaptation.engine.process import name_of_worker

ALIKE = 4
"""So many tasks of one name beside each other become one node of the graph."""
WIDTH, HEIGHT, GAP_X, GAP_Y, EDGE = 168, 46, 44, 14, 8
"""Of a node, between nodes, and around all of them; pixels."""
WORST = ("failed", "running", "ready", "waiting", "cancelled", "done")
"""Of several states the one that matters most."""


@dataclass(frozen=True)
class Shown:
    """One task."""

    id: int
    name: str
    state: str
    progress: float
    attempt: int
    worker: str
    """Host and process that runs it, or ran it last; empty: nobody has."""
    seconds: float | None
    """How long it has run, or ran."""
    message: str
    depends_on: tuple[int, ...]
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Node:
    """A task in the graph, or several alike."""

    x: int
    y: int
    label: str
    state: str
    progress: float
    told: str
    """What a title says of it."""


@dataclass(frozen=True)
class Line:
    """From one node to another that waits for it."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def path(self) -> str:
        """An SVG path, a curve that leaves and arrives level."""
        middle = (self.x1 + self.x2) // 2
        return f"M{self.x1},{self.y1} C{middle},{self.y1} {middle},{self.y2} {self.x2},{self.y2}"


@dataclass(frozen=True)
class Tasks:
    """All tasks of a job."""

    listed: tuple[Shown, ...]
    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    width: int
    height: int


def shown_tasks(rows: Iterable[Mapping[str, Any]], attempts: Iterable[Attempt] = ()) -> Tasks:
    """The tasks as the API's rows tell of them, each with who tried it last."""
    last = {one.task_id: one.worker_id for one in attempts}
    listed = tuple(
        _shown(row, last.get(row["id"], "")) for row in sorted(rows, key=lambda row: row["id"])
    )
    columns = _columns(listed)
    nodes, placed = dict[int, Node](), dict[int, int]()
    tallest = max((len(groups) for groups in columns), default=0)
    for number, groups in enumerate(columns):
        top = (tallest - len(groups)) * (HEIGHT + GAP_Y) // 2
        for row, group in enumerate(groups):
            key = group[0].id
            x = EDGE + number * (WIDTH + GAP_X)
            nodes[key] = _node(group, x, EDGE + top + row * (HEIGHT + GAP_Y))
            placed.update(dict.fromkeys((one.id for one in group), key))
    pairs = {
        (placed[before], placed[one.id])
        for one in listed
        for before in one.depends_on
        if before in placed
    }
    lines = [_line(nodes[start], nodes[end]) for start, end in sorted(pairs)]
    width = 2 * EDGE + len(columns) * (WIDTH + GAP_X) - GAP_X
    height = 2 * EDGE + tallest * (HEIGHT + GAP_Y) - GAP_Y
    return Tasks(listed, tuple(nodes.values()), tuple(lines), max(width, 0), max(height, 0))


def _shown(row: Mapping[str, Any], last: str) -> Shown:
    began, ended = row["started_at"], row["finished_at"]
    seconds = None if began is None else ((ended or datetime.now(UTC)) - began).total_seconds()
    return Shown(
        id=row["id"],
        name=row["name"],
        state=row["state"],
        progress=1.0 if row["state"] == "done" else row["progress"],
        attempt=row["attempt"],
        worker=name_of_worker(row["worker"] or last),
        seconds=seconds,
        message=row["message"],
        depends_on=tuple(row["depends_on"]),
        started_at=began,
        finished_at=ended,
    )


def _columns(listed: Sequence[Shown]) -> list[list[list[Shown]]]:
    """Tasks by how many others come before them at least; alike ones together."""
    depth = dict[int, int]()
    known = {one.id: one for one in listed}
    for one in listed:
        _sound(one, known, depth)
    columns: list[list[list[Shown]]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for number, column in enumerate(columns):
        alike: dict[str, list[Shown]] = {}
        for one in listed:
            if depth[one.id] == number:
                alike.setdefault(one.name, []).append(one)
        for same in alike.values():
            column.extend([same] if len(same) >= ALIKE else [[one] for one in same])
    return columns


def _sound(one: Shown, known: Mapping[int, Shown], depth: dict[int, int]) -> None:
    """Find how deep a task lies, without recursion: chains may be long."""
    pending = [one]
    while pending:
        task = pending[-1]
        before = [known[each] for each in task.depends_on if each in known]
        if unknown := [each for each in before if each.id not in depth]:
            pending += unknown
            continue
        depth[task.id] = max((depth[each.id] + 1 for each in before), default=0)
        pending.pop()


def _node(group: Sequence[Shown], x: int, y: int) -> Node:
    first, count = group[0], len(group)
    state = min((one.state for one in group), key=_rank)
    name = first.name.replace("_", " ")
    done = sum(one.state == "done" for one in group)
    label = name if count == 1 else f"{name} \u00d7{count}"
    told = f"{label}: {state}" if count == 1 else f"{label}: {done} done"
    progress = sum(one.progress for one in group) / count
    return Node(x, y, label, state, progress, told)


def _rank(state: str) -> int:
    return WORST.index(state) if state in WORST else len(WORST)


def _line(start: Node, end: Node) -> Line:
    return Line(start.x + WIDTH, start.y + HEIGHT // 2, end.x, end.y + HEIGHT // 2)
