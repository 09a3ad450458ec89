"""When who worked on what, as the page of a job draws it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adaptation.dashboard.spells import scale_of
from adaptation.dashboard.tasks import shown_tasks
from adaptation.dashboard.timeline import Timeline, timeline_of
from adaptation.engine.attempts import Attempt

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def tried(
    task_id: int, worker: str, begin: float, end: float | None, outcome: str | None = "done"
) -> Attempt:
    error = {"message": "no luck"} if outcome == "failed" else None
    until = None if end is None else at(end)
    return Attempt(task_id, 1, f"{worker}/7/abc", at(begin), until, outcome, error)


def row(task_id: int, *before: int, end: float | None = None) -> dict[str, object]:
    return {
        "id": task_id,
        "name": "work",
        "state": "done",
        "attempt": 1,
        "progress": 1.0,
        "worker": None,
        "started_at": START,
        "finished_at": None if end is None else at(end),
        "message": "",
        "depends_on": list(before),
    }


def drawn(
    rows: list[dict[str, object]], *tries: Attempt, since: float = 0, now: float = 100
) -> Timeline:
    return timeline_of(shown_tasks(rows).listed, tries, at(since), at(now))


def test_each_worker_has_a_lane_with_a_row_for_each_slot() -> None:
    tries = tried(1, "a", 0, 10), tried(2, "a", 5, 15), tried(3, "a", 10, 20), tried(4, "b", 0, 20)
    found = drawn([row(number) for number in (1, 2, 3, 4)], *tries)
    assert [lane.worker for lane in found.lanes] == ["a/7", "b/7"]
    assert [bar.y for bar in found.lanes[0].bars] == [2, 20, 2]  # the third has the first's slot
    assert [(bar.x, bar.width) for bar in found.lanes[0].bars] == [(0, 500), (250, 500), (500, 500)]
    assert found.lanes[0].height == 2 * found.lanes[1].height
    assert found.busy_seconds == 50


def test_a_task_waits_from_when_it_could_have_begun() -> None:
    rows = [row(1, end=10), row(2, 1, end=30), row(3, 1, end=30)]
    tries = tried(1, "a", 0, 10), tried(2, "a", 10, 20), tried(3, "a", 20, 30)
    found = drawn(rows, *tries)
    assert [one.waited_seconds for one in found.rows] == [0, 0, 10]
    assert found.most_waiting == 1
    assert found.waiting.startswith("M333.3,30 L333.3,0.0 L666.7,0.0")
    assert found.told == "3 tries on 1 worker took 0:30 together; tasks waited 0:10 for a slot."


def test_failed_and_lost_tries_stay_beside_the_one_that_did_it() -> None:
    tries = (
        tried(1, "a", 0, 5, "failed"),
        tried(1, "b", 6, 9, "lost"),
        tried(1, "a", 9, None, None),
    )
    found = drawn([row(1)], *tries, now=19)
    assert [(one.number, one.outcome) for one in found.rows] == [
        (1, "failed"),
        (2, "lost"),
        (3, "running"),
    ]
    assert found.rows[0].message == "no luck"
    assert found.lanes[0].bars[1].told == "work 1, try 3: running, 0:10"
    assert found.end == at(19)


def test_what_runs_again_days_later_did_not_wait_so_long() -> None:
    day = 86_400
    tries = tried(1, "a", 0, 40, "failed"), tried(1, "a", day + 1, day + 41)
    found = drawn([row(1)], *tries, since=day, now=2 * day)
    assert [one.waited_seconds for one in found.rows] == [0, 1]
    assert [told for _, told in found.rests] == ["23:59:20"]
    first, second = found.lanes[0].bars
    assert 450 < first.width < 500  # the day between takes next to no room
    assert second.x + second.width == 1000


def test_nothing_tried_is_nothing_drawn() -> None:
    found = drawn([row(1)])
    assert (found.lanes, found.rows, found.waiting, found.begin) == ((), (), "", None)
    assert scale_of([]).x(START) == 0
