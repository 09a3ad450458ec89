"""Lists of jobs as they are asked for, counts, and the settings of the whole fleet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from adaptation.engine.lists import ORDERS, JobQuery
from adaptation.engine.setting import KNOWN
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from engine_kit import HandWorker, small_registry


@dataclass(frozen=True)
class Five:
    """A store with five jobs that differ, and their ids."""

    store: Store
    jobs: list[int]

    def listed(self, **wanted: Any) -> list[int]:
        """The places of the jobs that are listed."""
        found = self.store.list_jobs(JobQuery(**wanted))
        return [self.jobs.index(job.id) for job in found]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def five(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Five]:
    """One each: completed of a, failed of a, cancelled of b, scheduled of b, queued of a."""
    folder = tmp_path_factory.mktemp("five")
    if request.param == "sqlite":
        store = Store(f"sqlite:///{folder / 'store.db'}")
    else:
        store = Store(request.getfixturevalue("postgres_server").make_database())
    store.migrate()
    yield Five(store, _store_five(HandWorker(store, small_registry(), folder)))
    store.close()


def _store_five(worker: HandWorker) -> list[int]:
    store = worker.store
    good = worker.queue(client="a", subject="first.mp4")
    worker.run_all()
    bad = worker.queue(client="a", persist=True, priority=9)
    claim = store.claim(*_first_ready(store), "w", 30)
    assert claim is not None
    store.fail(claim, {"code": "x"}, retry_in_seconds=None)
    stopped = worker.queue(client="b", parameters={"length": 1, "title": 'Grün "50%" _'})
    store.cancel(stopped)
    later = worker.queue(client="b", run_at=2_222_000_000_000)
    return [good, bad, stopped, later, worker.queue(client="a", subject="second.mp4")]


def _first_ready(store: Store) -> tuple[int, int]:
    found = store.admit()[0]
    return found.task_id, found.generation


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"limit": 2}, [4, 3]),
        ({"limit": 2, "ascending": True}, [0, 1]),
        ({"client": "a"}, [4, 1, 0]),
        ({"client": "b", "state": JobState.SCHEDULED}, [3]),
        ({"state": JobState.COMPLETED}, [1, 0]),
        ({"state": JobState.COMPLETED, "failed": True}, [1]),
        ({"state": JobState.COMPLETED, "failed": False}, [0]),
        ({"failed": True}, [1]),
        ({"state": JobState.BROKEN}, [2]),
        ({"persist": True}, [1]),
        ({"persist": False, "limit": 3}, [4, 3, 2]),
        ({"search": "first.mp4"}, [0]),
        ({"search": 'grün "50%" _'}, [2]),
        ({"search": "50_"}, []),
        ({"search": "length", "client": "b"}, [3, 2]),
        ({"search": "first.mp4", "client": "b"}, []),
        ({"search": "second.mp4", "order_by": "priority"}, [4]),
        ({"order_by": "priority"}, [1, 4, 3, 2, 0]),
        ({"order_by": "priority", "ascending": True, "limit": 4}, [0, 2, 3, 4]),
        ({"order_by": "client", "ascending": True}, [0, 1, 4, 2, 3]),
        ({"order_by": "created_at", "ascending": True, "limit": 1}, [0]),
        ({"order_by": "run_at", "limit": 1}, [3]),
        ({"order_by": "run_at", "ascending": True, "limit": 1}, [3]),
        ({"job_ids": ()}, []),
    ],
)
def test_jobs_are_listed_as_asked_for(
    five: Five, wanted: dict[str, Any], expected: list[int]
) -> None:
    assert five.listed(**wanted) == expected


def test_a_list_goes_on_where_the_page_before_ended(five: Five) -> None:
    jobs = five.jobs

    assert five.listed(limit=2, before=jobs[3]) == [2, 1]
    assert five.listed(job_ids=(jobs[0], jobs[3], 999)) == [3, 0]
    assert five.listed(job_ids=(jobs[0], jobs[3]), search="mp4") == []
    assert five.listed(job_ids=tuple(jobs[:3]), order_by="priority") == [1, 2, 0]
    assert five.listed(search=five.store.job(jobs[2]).main_task_id) == [2]


def test_jobs_are_listed_by_when_they_were_made(five: Five) -> None:
    made = [five.store.job(job_id).created_at for job_id in five.jobs]
    moment = timedelta(milliseconds=1)

    assert five.listed(since=made[0]) == [4, 3, 2, 1, 0]
    assert five.listed(since=made[-1] + moment) == []
    assert five.listed(until=made[0] - moment) == []
    assert five.listed(until=made[-1], limit=1) == [4]


def test_any_order_there_is_gives_all_jobs(five: Five) -> None:
    for column in ORDERS:
        assert sorted(five.listed(order_by=column)) == [0, 1, 2, 3, 4], column


def test_an_order_that_is_not_there_is_refused(five: Five) -> None:
    with pytest.raises(ParameterError, match="cannot be ordered by 'context'") as caught:
        five.listed(order_by="context")
    assert "priority" in caught.value.hint


def test_jobs_are_counted_by_state_and_tasks_by_queue(five: Five) -> None:
    counts = five.store.counts()
    assert counts.jobs == {
        "scheduled": 1, "queued": 1, "started": 0, "paused": 0,
        "completed": 1, "failed": 1, "broken": 1,
    }  # fmt: skip
    assert (counts.ready, counts.running) == ({}, {})


def test_tasks_are_counted_by_queue(worker: HandWorker, store: Store) -> None:
    worker.submit("line", length=1)
    assert store.counts().ready == {"light": 1}
    claim = store.claim_next(("light",), "w", 30)
    assert claim is not None
    assert (store.counts().ready, store.counts().running) == ({}, {"light": 1})


def test_settings_have_defaults_until_somebody_sets_them(store: Store) -> None:
    assert {name: store.setting(name) for name in KNOWN} == {
        "max_jobs": 2, "priority_slots": 0, "priority_threshold": 5, "schedule_interval": 60,
        "retry_delay": 5, "retry_limit": 3, "ageing_seconds": 1800, "retention_days": 30,
        "most_running": 100_000, "queue_paused": 0,
    }  # fmt: skip
    assert store.chosen() == {}

    assert store.set_setting("max_jobs", "20")
    assert not store.set_setting("max_jobs", 30)

    assert store.chosen() == {"max_jobs": 30}
    assert store.rules().max_jobs == 30
    assert store.unset_setting("max_jobs")
    assert not store.unset_setting("max_jobs")
    assert store.rules().max_jobs == 2
