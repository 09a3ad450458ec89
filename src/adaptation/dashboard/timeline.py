"""When who worked on what of a job: a lane for each worker, and how many tasks waited meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from adaptation.dashboard.painting import span
from adaptation.dashboard.spells import Scale, scale_of
from adaptation.dashboard.tasks import Shown
from adaptation.engine.attempts import Attempt
from adaptation.engine.process import name_of_worker

WIDE = Scale.wide
"""Units from the beginning to the end, stretched to the width of the page."""
BAR, STEP = 14, 18
"""Height of a bar, and from one to the next below it; pixels."""
LEAST = 2.0
"""Of the width of a bar."""
MOST = 1_000
"""Tries that are shown; of more the newest."""
WAITING_HIGH = 30
"""Height of the lane of those that wait; pixels."""


@dataclass(frozen=True)
class Row:
    """One try of a task."""

    task_id: int
    name: str
    number: int
    """1 for the first try of the task."""
    worker: str
    """Host and process."""
    outcome: str
    """A key of `painting.WORDS`."""
    began: datetime
    ended: datetime | None
    """None: it runs."""
    waited_seconds: float
    """From when it could have begun."""
    ran_seconds: float
    message: str
    """Its error."""


@dataclass(frozen=True)
class Bar:
    """A try in its lane."""

    x: float
    y: int
    width: float
    outcome: str
    task_id: int
    told: str


@dataclass(frozen=True)
class Lane:
    """What one worker did; one row of bars for each slot that it needed."""

    worker: str
    bars: tuple[Bar, ...]
    height: int


@dataclass(frozen=True)
class Tick:
    """A moment below the lanes."""

    x: float
    at: datetime


@dataclass(frozen=True)
class Timeline:
    """Everything that was tried."""

    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]
    waiting: str
    """An SVG path: how many tasks could have begun but had no slot; empty: none ever."""
    most_waiting: int
    begin: datetime | None
    end: datetime | None
    rests: tuple[tuple[float, str], ...]
    """Where, and for how long, nothing ran or waited: it is left out."""
    busy_seconds: float
    """Of all tries together."""
    waited_seconds: float
    left_out: int
    """Older tries that are not shown."""

    @property
    def told(self) -> str:
        """The same in a sentence."""
        count, workers = len(self.rows) + self.left_out, len(self.lanes)
        tries = f"{count} {'try' if count == 1 else 'tries'}"
        on = f"{workers} {'worker' if workers == 1 else 'workers'}"
        waited = f"; tasks waited {span(self.waited_seconds)} for a slot" if self.waiting else ""
        return f"{tries} on {on} took {span(self.busy_seconds)} together{waited}."


def timeline_of(
    tasks: Sequence[Shown],
    attempts: Sequence[Attempt],
    since: datetime | None,
    now: datetime | None = None,
) -> Timeline:
    """When what was tried.

    Args:
        tasks: of the job.
        attempts: in the order they began.
        since: when the job was started, or queued again: nothing waited for a slot before.
        now: until when it is told; the present moment when not given.
    """
    moment = now or datetime.now(UTC)
    rows = _rows(tasks, attempts, since, moment)
    shown = rows[-MOST:]
    waits = [
        (one.began - timedelta(seconds=one.waited_seconds), one.began)
        for one in shown
        if one.waited_seconds > 0
    ]
    scale = scale_of([*waits, *((one.began, one.ended or moment) for one in shown)])
    waiting, most = _waiting(waits, scale)
    return Timeline(
        lanes=tuple(_lanes(shown, scale, moment)),
        rows=tuple(shown),
        waiting=waiting,
        most_waiting=most,
        begin=scale.begin,
        end=scale.end,
        rests=tuple((x, span(seconds)) for x, seconds in scale.rests),
        busy_seconds=sum(one.ran_seconds for one in rows),
        waited_seconds=sum(one.waited_seconds for one in rows),
        left_out=len(rows) - len(shown),
    )


def _rows(
    tasks: Sequence[Shown], attempts: Iterable[Attempt], since: datetime | None, moment: datetime
) -> list[Row]:
    known = {one.id: one for one in tasks}
    numbers: dict[int, int] = {}
    free: dict[int, datetime] = {}
    found = []
    for one in attempts:
        shown = known.get(one.task_id)
        number = numbers[one.task_id] = numbers.get(one.task_id, 0) + 1
        could = _could_begin(one, shown, known, free.get(one.task_id), since)
        end = one.finished_at or moment
        free[one.task_id] = end
        found.append(
            Row(
                task_id=one.task_id,
                name=shown.name if shown else "",
                number=number,
                worker=name_of_worker(one.worker_id),
                outcome=one.outcome or "running",
                began=one.started_at,
                ended=one.finished_at,
                waited_seconds=max(0.0, (one.started_at - could).total_seconds()),
                ran_seconds=max(0.0, (end - one.started_at).total_seconds()),
                message=str((one.error or {}).get("message", "")),
            )
        )
    return found


def _could_begin(
    one: Attempt,
    shown: Shown | None,
    known: Mapping[int, Shown],
    before: datetime | None,
    since: datetime | None,
) -> datetime:
    """When what a try waited for was there: its job's start, other tasks, the try before it."""
    ends = [
        known[each].finished_at for each in (shown.depends_on if shown else ()) if each in known
    ]
    moments = [moment for moment in (*ends, before, since) if moment and moment <= one.started_at]
    return max(moments, default=one.started_at)


def _lanes(rows: Iterable[Row], scale: Scale, moment: datetime) -> Iterable[Lane]:
    by_worker: dict[str, list[Row]] = {}
    for row in rows:
        by_worker.setdefault(row.worker, []).append(row)
    for worker, own in sorted(by_worker.items()):
        bars, slots = [], list[datetime]()
        for row in own:
            slot = next((n for n, free in enumerate(slots) if free <= row.began), len(slots))
            slots[slot : slot + 1] = [row.ended or moment]
            bars.append(_bar(row, slot, scale, moment))
        yield Lane(worker, tuple(bars), len(slots) * STEP)


def _bar(row: Row, slot: int, scale: Scale, moment: datetime) -> Bar:
    x = scale.x(row.began)
    width = max(LEAST, scale.x(row.ended or moment) - x)
    tries = f", try {row.number}" if row.number > 1 else ""
    told = f"{row.name} {row.task_id}{tries}: {row.outcome}, {span(row.ran_seconds)}"
    return Bar(x, slot * STEP + (STEP - BAR) // 2, width, row.outcome, row.task_id, told)


def _waiting(waits: Sequence[tuple[datetime, datetime]], scale: Scale) -> tuple[str, int]:
    """How many waited at each moment, as steps of a path, and the most at one moment."""
    turns = sorted([(begin, 1) for begin, _ in waits] + [(end, -1) for _, end in waits])
    counted, many = list[tuple[datetime, int]](), 0
    for moment, change in turns:
        many += change
        counted.append((moment, many))
    most = max((many for _, many in counted), default=0)
    if not most:
        return "", 0
    steps = [f"M{scale.x(counted[0][0]):.1f},{WAITING_HIGH}"]
    for (moment, many), (until, _) in pairwise(counted):
        y = WAITING_HIGH * (1 - many / most)
        steps.append(f"L{scale.x(moment):.1f},{y:.1f} L{scale.x(until):.1f},{y:.1f}")
    steps.append(f"L{scale.x(counted[-1][0]):.1f},{WAITING_HIGH} Z")
    return " ".join(steps), most
