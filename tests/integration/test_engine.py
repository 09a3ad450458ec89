"""The engine as a whole, with Celery's own worker inside this process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import chain

from adaptation.engine.engine import Engine, Pace
from adaptation.engine.model import Job
from adaptation.engine.process import is_alive, this_process
from adaptation.engine.states import JobState, TaskState
from adaptation.engine.tasks import Registry, TaskDefinition, WorkflowDefinition, task
from adaptation.engine.worker import RetryRule
from adaptation.errors import ParameterError, SourceError, Transient
from engine_kit import Run, broken_invariants, count_one, fan_out, small_engine, small_registry
from services import wait_until

PACE = Pace(heartbeat_seconds=0.1, sweep_seconds=0.2, retry=RetryRule(3, 0.05))
STARTED = threading.Event()


@task("light")
def wait_for_the_end(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Run until told to stop."""
    STARTED.set()
    run.cancelled.wait(30)
    run.check()
    return context


@task("light")
def fail_twice(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Meet a passing trouble in the first two tries."""
    if run.claim.attempt < 3:
        raise Transient("the network is away")
    return {**context, "tries": run.claim.attempt}


@task("light")
def refuse(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Find the source bad."""
    raise SourceError("the source is text", code="source_not_media", hint="Give a video.")


@task("light")
def stumble(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Have a bug."""
    raise KeyError("missing")


@task("light")
def tell(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Send a message and a log line."""
    run.notify(run.claim.main_task_id, {"status": "told"})
    run.log("telling")
    return context


def followed_by_a_count(single: TaskDefinition) -> WorkflowDefinition:
    return WorkflowDefinition(single.name, dict, lambda _: chain(single.s(), count_one.s()))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    registry = small_registry()
    singles = (wait_for_the_end, fail_twice, refuse, stumble, tell)
    registry.add_tasks(*singles)
    for single in singles:
        registry.add_workflow(followed_by_a_count(single))
    engine = small_engine(tmp_path, registry, PACE)
    yield engine
    assert broken_invariants(engine.store) == []
    engine.store.close()


def ended(engine: Engine, job: Job) -> Job:
    assert wait_until(lambda: engine.store.job(job.id).ended), engine.store.tasks(job.id)
    return engine.store.job(job.id)


def test_a_submitted_job_runs_to_its_end(engine: Engine) -> None:
    with engine.running(slots=2):
        job = ended(engine, engine.submit("fan", {"width": 5}))

    assert job.result == {"n": 11, "order": [0, 1, 2, 3, 4]}


def test_jobs_stored_while_nobody_ran_are_found(engine: Engine) -> None:
    waiting = engine.submit("line", {"length": 2})
    assert engine.store.job(waiting.id).state is JobState.QUEUED

    with engine.running(slots=1):
        assert ended(engine, waiting).succeeded


def test_a_second_run_in_the_same_process_goes_on(engine: Engine) -> None:
    STARTED.clear()
    with engine.running(slots=1):
        job = engine.submit("wait_for_the_end", {})
        assert STARTED.wait(10)
    found = engine.store.tasks(job.id)[0]
    assert (found.state, found.attempt) == (TaskState.READY, 0), "handed back, not charged"

    STARTED.clear()
    with engine.running(slots=1):
        assert STARTED.wait(10)
        engine.store.cancel(job.id)
        assert ended(engine, job).state is JobState.BROKEN


def test_a_worker_may_serve_one_job_alone(engine: Engine) -> None:
    mine, other = (engine.submit("line", {"length": 1}) for _ in range(2))

    with engine.running(slots=1, job_id=mine.id):
        assert ended(engine, mine).succeeded

    assert engine.store.job(other.id).state is JobState.QUEUED


def test_a_cancel_reaches_a_running_task_within_a_heartbeat(engine: Engine) -> None:
    STARTED.clear()
    with engine.running(slots=1):
        job = engine.submit("wait_for_the_end", {})
        assert STARTED.wait(10)
        engine.store.cancel(job.id)
        assert ended(engine, job).state is JobState.BROKEN


def test_a_passing_trouble_is_tried_again(engine: Engine) -> None:
    with engine.running(slots=1):
        job = ended(engine, engine.submit("fail_twice", {}))

    assert job.succeeded
    assert engine.store.attempts(engine.store.tasks(job.id)[0].id) == [
        (1, "failed"),
        (2, "failed"),
        (3, "done"),
    ]


def test_how_often_is_tried_may_be_changed_for_all_at_any_time(engine: Engine) -> None:
    engine.store.set_setting("retry_limit", 2)
    with engine.running(slots=1):
        job = ended(engine, engine.submit("fail_twice", {}))
        assert (job.state, job.failed) == (JobState.COMPLETED, True)
        assert engine.store.attempts(engine.store.tasks(job.id)[0].id) == [
            (1, "failed"),
            (2, "failed"),
        ]
        engine.store.unset_setting("retry_limit")
        assert ended(engine, engine.submit("fail_twice", {})).succeeded


def test_a_bad_source_is_not_tried_again(engine: Engine) -> None:
    with engine.running(slots=1):
        job = ended(engine, engine.submit("refuse", {}))

    assert job.error is not None
    assert (job.error["code"], job.error["task"]) == ("source_not_media", "refuse")
    assert engine.store.tasks(job.id)[0].attempt == 1
    messages = engine.store.messages(job.main_task_id)
    assert [message.body["complete"] for message in messages] == [True]


@pytest.mark.logs_errors
def test_a_bug_in_a_task_fails_its_job_and_not_the_worker(engine: Engine) -> None:
    with engine.running(slots=1):
        job = ended(engine, engine.submit("stumble", {}))
        assert ended(engine, engine.submit("line", {"length": 1})).succeeded

    assert job.error is not None
    assert job.error["code"] == "internal"
    assert "KeyError" in job.error["message"]


def test_messages_and_log_lines_of_a_task_are_kept(engine: Engine) -> None:
    with engine.running(slots=1):
        job = ended(engine, engine.submit("tell", {}))

    bodies = [message.body for message in engine.store.messages(job.main_task_id)]
    assert bodies == [{"status": "told"}]
    assert "telling" in [line.message for line in engine.store.logs(job.id)]


def test_an_unknown_workflow_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(ParameterError, match="no workflow is called 'lines'") as caught:
        engine.submit("lines", {})

    assert "line" in caught.value.hint


def test_a_request_that_cannot_be_answered_becomes_a_failed_job(tmp_path: Path) -> None:
    def check(_: Any) -> dict[str, Any]:
        raise ParameterError("url is missing")

    registry = Registry()
    registry.add_tasks(count_one, fan_out)
    registry.add_workflow(WorkflowDefinition("picky", check, lambda _: count_one.s()))
    engine = small_engine(tmp_path, registry, PACE)

    job = engine.submit_or_refuse("picky", {}, main_task_id="client-1")
    again = engine.submit_or_refuse("picky", {}, main_task_id="client-1")

    assert job.id == again.id
    assert job.ended
    bodies = [message.body for message in engine.store.messages("client-1")]
    assert [(body["status"], body["message"]) for body in bodies] == [("failed", "url is missing")]
    engine.store.close()


def test_a_killed_worker_is_known_to_be_dead_before_anybody_reaps_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started_at = int(psutil.Process(child.pid).create_time() * 1000)
    process = replace(this_process(slots=1), pid=child.pid, started_at_ms=started_at)

    assert is_alive(process)
    assert not is_alive(replace(process, started_at_ms=started_at - 60_000)), "a pid used again"
    child.kill()
    assert wait_until(lambda: not is_alive(process))

    child.communicate()
    assert not is_alive(process)
