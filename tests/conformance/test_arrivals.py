"""Jobs that come at the same time: each is stored whole or refused, whoever came with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from celery import chain
from sqlalchemy import event

from adaptation.engine.graph import lower
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import NewJob
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from engine_kit import HandWorker, count_one

WAIT_SECONDS = 30.0
PLAN = lower(chain(count_one.s(), count_one.s()))


def jobs(number: int) -> list[NewJob]:
    return [NewJob(f"job {place}", "line", {}, output=f"/{place}") for place in range(number)]


def reached(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline


def submitted_at_once(worker: HandWorker, wanted: Sequence[NewJob]) -> list[Future[int]]:
    """Submit while somebody else writes, so that all stand in line."""
    store = worker.store
    with ThreadPoolExecutor(len(wanted)) as pool, store.database.write():
        found = [pool.submit(store.submit, new, PLAN, worker.queues) for new in wanted]
        if store.database.is_sqlite:
            reached(lambda: len(store.arriving._line) == len(wanted) - 1)
    return found


def test_jobs_that_come_at_the_same_time_are_stored_whole(worker: HandWorker, store: Store) -> None:
    ids = [one.result() for one in submitted_at_once(worker, jobs(8))]

    assert len(set(ids)) == 8
    worker.run_all()
    assert all(store.job(job_id).succeeded for job_id in ids)
    assert {store.job(job_id).output for job_id in ids} == {f"/{place}" for place in range(8)}
    assert all(
        [line.message for line in store.logs(job_id)][:1] == ["accepted line"] for job_id in ids
    )


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_jobs_that_wait_for_the_one_writer_share_a_commit(worker: HandWorker, store: Store) -> None:
    commits: list[Any] = []
    event.listen(store.database._engine, "commit", commits.append)

    submitted_at_once(worker, jobs(8))

    # The test's own, the first that came, and the seven others.
    assert len(commits) == 3


def test_a_job_that_cannot_be_stored_fails_alone(worker: HandWorker, store: Store) -> None:
    wanted = jobs(8)
    wanted[3] = replace(wanted[3], context={"a set is no JSON": {1}})

    found = submitted_at_once(worker, wanted)

    assert [one.exception() is None for one in found] == [place != 3 for place in range(8)]
    assert len(store.list_jobs(JobQuery())) == 7


def test_a_job_whose_output_is_taken_fails_alone(worker: HandWorker, store: Store) -> None:
    wanted = jobs(8)
    wanted[3] = replace(wanted[3], output="/5")

    found = submitted_at_once(worker, wanted)

    errors = [one.exception() for one in found if one.exception() is not None]
    assert [getattr(error, "code", error) for error in errors] == ["output_busy"]
    assert len(store.list_jobs(JobQuery())) == 7


def test_no_more_jobs_come_at_once_than_a_client_may_have(worker: HandWorker, store: Store) -> None:
    wanted = [replace(new, client="few", most_unfinished=3) for new in jobs(6)]
    wanted += [
        replace(new, main_task_id=f"other {new.main_task_id}", output=None) for new in jobs(2)
    ]

    found = submitted_at_once(worker, wanted)

    errors = [one.exception() for one in found]
    assert errors[6:] == [None, None]
    refused = [error for error in errors if error is not None]
    assert len(refused) == 3
    assert all(isinstance(error, ParameterError) for error in refused)
    assert {getattr(error, "code", error) for error in refused} == {"too_many_jobs"}
