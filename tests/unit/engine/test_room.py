"""Which tasks fit on no worker."""

from __future__ import annotations

from adaptation.engine.room import Need, Room, most_room

NEED = Need(task_id=1, job_id=7, name="encode", queue="heavy", scratch_bytes=20_000_000_000)


def test_what_running_tasks_will_give_back_counts() -> None:
    assert most_room(NEED, [Room((), None, 5, 10), Room((), None, 8, 0)]) == 15


def test_workers_of_other_queues_and_jobs_do_not_count() -> None:
    rooms = [Room(("light",), None, 9, 0), Room((), 8, 9, 0), Room(("heavy",), 7, 3, 0)]
    assert most_room(NEED, rooms) == 3


def test_nobody_knows_without_workers_or_with_one_that_does_not_count() -> None:
    assert most_room(NEED, []) is None
    assert most_room(NEED, [Room((), None, 5, 0), Room((), None, None, 0)]) is None


def test_the_sentence_names_task_queue_and_sizes() -> None:
    assert NEED.sentence(1_500_000) == (
        "encode waits: it needs 20.00 GB of scratch, and no worker of the queue heavy can give"
        " more than 1,500,000 bytes"
    )
