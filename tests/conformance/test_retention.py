"""What is not kept for ever: old jobs, and the log of a job that never stops talking."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from adaptation.engine import rows
from adaptation.engine.changes import Change
from adaptation.engine.model import Outgoing
from adaptation.engine.moves import Beat
from adaptation.engine.schema import job, metadata, setting, setting_change, tally
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from adaptation.engine.tasks import LINES_AT_ONCE, TaskRun
from engine_kit import HandWorker

DAY_MS = 86_400_000


def grow_older(store: Store, days: float) -> None:
    """Let all that has ended have done so earlier."""
    with store.database.write() as connection:
        earlier = {"finished_at": job.c.finished_at - int(days * DAY_MS)}
        connection.execute(update(job).where(job.c.finished_at.is_not(None)).values(earlier))


def remove_work(store: Store) -> None:
    for job_id in store.give_up_work(keep_failed_seconds=0):
        store.mark_work_removed(job_id)


def left(store: Store) -> dict[str, int]:
    """The tables that are not empty, and how many rows they have."""
    with store.database.read() as connection:
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table not in (setting, setting_change, tally)
        }
    return {name: count for name, count in counts.items() if count}


def test_an_old_job_is_deleted_with_all_that_was_stored_of_it(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("fan", width=3)
    claim = store.claim_next(("light",), "w", 30)
    assert claim is not None
    sent = [Outgoing("notification", "client", {"status": "half"})]
    store.complete(claim, {"width": 3}, queues=worker.queues, outgoing=sent)
    worker.run_all()
    assert store.clean_up() == 0
    remove_work(store)
    grow_older(store, 29.9)
    assert store.clean_up() == 0
    assert store.counts().jobs["completed"] == 1

    grow_older(store, 0.2)
    assert store.clean_up() == 1

    assert left(store) == {}
    assert store.counts().jobs["completed"] == 0
    assert worker.queue() > job_id, "a number is never given twice"


def test_what_must_not_go_stays(worker: HandWorker, store: Store) -> None:
    kept, pieces, spent = (worker.queue() for _ in range(3))
    store.set_setting("max_jobs", 3)
    worker.run_all()
    unfinished = worker.queue()
    remove_work(store)
    with store.database.write() as connection:
        connection.execute(update(job).where(job.c.id == pieces).values(work="removing"))
        connection.execute(update(job).where(job.c.id == unfinished).values(created_at=1))
    store.change(kept, Change(persist=True))
    grow_older(store, 1000)

    assert store.clean_up() == 1

    assert [found.id for found in store.jobs()] == [unfinished, pieces, kept]
    assert spent not in [found.id for found in store.jobs()]


def test_how_long_jobs_are_kept_may_be_changed_at_any_time(
    worker: HandWorker, store: Store
) -> None:
    worker.queue()
    worker.run_all()
    remove_work(store)
    grow_older(store, 2)

    store.set_setting("retention_days", 0)
    assert store.clean_up() == 0, "for ever"
    store.set_setting("retention_days", 1.5)
    assert store.clean_up() == 1


def test_two_that_clean_up_do_not_meet(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 100)
    for _ in range(24):
        worker.queue()
    worker.run_all()
    remove_work(store)
    grow_older(store, 31)
    deleted: list[int] = []

    cleaners = [
        threading.Thread(target=lambda: deleted.append(store.clean_up(60))) for _ in range(3)
    ]
    for cleaner in cleaners:
        cleaner.start()
    for cleaner in cleaners:
        cleaner.join()

    while more := store.clean_up():
        deleted.append(more)
    assert sum(deleted) == 24
    assert left(store) == {}


def test_the_tally_stays_short_and_right(
    worker: HandWorker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adaptation.engine.retention.FOLDED_ROWS", 5)
    store.set_setting("max_jobs", 100)
    for _ in range(7):
        worker.queue()
    store.cancel(worker.queue())
    failed = worker.submit("line", length=1)
    claim = store.claim_next(("light",), "w", 30, job_id=failed)
    assert claim is not None
    store.fail(claim, {"code": "x"}, retry_in_seconds=None)
    worker.run_all()
    before = store.counts().jobs

    store.add_up()

    after = store.counts()
    assert after.jobs == before
    assert after.ended == {"completed": 7, "failed": 1, "broken": 1}
    assert (before["completed"], before["failed"], before["broken"]) == (7, 1, 1)
    with store.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(tally)).scalar_one() == 6


def test_a_task_that_logs_for_ever_does_not_fill_the_disk(
    worker: HandWorker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LOG_LINES", 20)
    monkeypatch.setattr(rows, "ERROR_LINES", 5)
    job_id = worker.submit("line", length=1)
    claim = store.claim_next(("light",), "w", 30)
    assert claim is not None
    already = len(store.logs(job_id, severity=0))

    for number in range(10):
        lines = ((20, f"{number} a"), (20, f"{number} b"), (20, "x" * 10_000))
        store.heartbeat("w", [Beat(claim.task_id, claim.generation, job_id, 0.5, None, lines)], 30)
    wrong = ((logging.ERROR, "wrong"),)
    for _ in range(9):
        store.heartbeat("w", [Beat(claim.task_id, claim.generation, job_id, 0.5, None, wrong)], 30)

    logged = [line.message for line in store.logs(job_id, severity=0)]
    assert logged[already] == "0 a"
    assert logged[19] == "the log has 20 lines: more than errors is not kept"
    assert logged[20:] == ["wrong"] * 5
    assert max(map(len, logged)) == rows.LINE_LETTERS
    assert worker.complete(claim)
    assert store.logs(job_id)[-1].message == "job completed", "the engine's own lines are few"


def test_lines_that_come_too_fast_are_counted(
    worker: HandWorker, store: Store, tmp_path: Path
) -> None:
    worker.submit("line", length=1)
    claim = store.claim_next(("light",), "w", 30)
    assert claim is not None
    run = TaskRun(claim, tmp_path, None)

    for number in range(LINES_AT_ONCE + 7):
        run.log(str(number))

    first, *rest = run.take_lines()
    assert first == (logging.WARNING, "7 lines came too fast and were dropped")
    assert [line for _, line in rest] == [str(7 + number) for number in range(LINES_AT_ONCE)]
    assert run.take_lines() == ()
    assert worker.complete(claim)
    assert store.job(claim.job_id).state is JobState.COMPLETED
