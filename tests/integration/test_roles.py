"""Controllers and workers as processes of their own, as people and service managers run them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import clips
from adaptation.engine.controller import LEAD_SECONDS, Controller
from adaptation.engine.process import this_process
from adaptation.engine.states import TaskState
from adaptation.engine.store import Store
from adaptation.engine.transport import Dispatcher, make_app
from adaptation.wiring import deploy
from command_line import here, read_until, show, started
from engine_kit import HandWorker, small_registry
from services import wait_until

ONE_RUNG = ("--rendition", "180:300", "--preset", "ultrafast")
LEADERLESS_SECONDS = 5.0
"""How long a fleet may be without a leader."""


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def fleet(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a fleet on this machine, for every command of a test."""
    monkeypatch.setenv("ADAPTATION_BROKER_URL", redis_url)
    monkeypatch.setenv("ADAPTATION_HEARTBEAT_SECONDS", "0.2")
    monkeypatch.setenv("ADAPTATION_SWEEP_SECONDS", "0.3")


@pytest.fixture
def truth(home: Path) -> Iterator[Store]:
    """The database of the commands."""
    store = deploy().store
    store.create()
    yield store
    store.close()


def tool(path: Path, body: str) -> str:
    """A program that takes FFmpeg's place, and goes on as FFmpeg with `"$FFMPEG" "$@"`."""
    path.write_text(f"#!/bin/sh\nFFMPEG={clips.tools().ffmpeg}\n{body}\n")
    path.chmod(0o755)
    return str(path)


@contextmanager
def ready(*words: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A service that has said that it is ready."""
    with started(*words, "--log-json", **environment) as process:
        read_until(process.stderr, lambda line: line["event"] == "ready")
        yield process


def submitted(plain: Path, tmp_path: Path) -> None:
    assert here("submit", plain, tmp_path / "asset", *ONE_RUNG).status == 0


def runs(store: Store, name: str = "encode_chunk") -> bool:
    return any(
        task.name == name and task.state is TaskState.RUNNING
        for job in store.jobs()
        for task in store.tasks(job.id)
    )


def last_words(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What a service that was asked to end says until it has; it ends well."""
    lines: list[dict[str, Any]] = []

    def is_last(line: dict[str, Any]) -> bool:
        lines.append(line)
        return str(line["event"]).startswith("stopping")

    read_until(process.stderr, is_last)
    assert process.wait(20) == 0
    return lines


def encoding(job: int = 1) -> tuple[str, list[str], int]:
    """State, ends of attempts and charged tries of the task that encodes the picture."""
    (task,) = (task for task in show(job)["tasks"] if task["name"] == "encode_chunk")
    return task["state"], task["attempts"], task["attempt"]


def test_an_unknown_queue_is_named_with_the_known_ones() -> None:
    ended = here("worker", "--queues", "transcode,encodes")
    assert (ended.status, ended.code) == (2, "queue_unknown")
    assert "'encodes'" in ended.err
    assert "transcode" in ended.hint


def test_a_controller_needs_a_broker() -> None:
    ended = here("controller")
    assert (ended.status, ended.code) == (2, "broker_needed")


@pytest.mark.usefixtures("fleet")
def test_a_draining_worker_ends_what_it_runs_and_takes_no_more(
    plain: Path, tmp_path: Path, truth: Store
) -> None:
    slow = tool(tmp_path / "ffmpeg", 'sleep 0.5; exec "$FFMPEG" "$@"')
    with ready("worker", "--slots", 1, ADAPTATION_FFMPEG=slow) as process:
        submitted(plain, tmp_path)
        assert wait_until(lambda: runs(truth), 20)
        process.terminate()
        assert wait_until(lambda: all(worker.draining for worker in truth.processes()))
        assert runs(truth)
        assert "stopping" in [line["event"] for line in last_words(process)]

    assert encoding() == ("done", ["done"], 1)
    states = {task["name"]: task["state"] for task in show()["tasks"]}
    assert states["transcode_audio"] == "ready"


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("words", "signals"),
    [(("--drain-seconds", "0.3"), 1), (("--drain-seconds", "60"), 2)],
    ids=["its time is over", "a second signal"],
)
def test_what_is_left_of_a_drain_is_handed_back_and_not_charged(
    plain: Path, tmp_path: Path, truth: Store, words: tuple[str, ...], signals: int
) -> None:
    endless = tool(tmp_path / "ffmpeg", "exec sleep 60")
    with ready("worker", "--slots", 1, *words, ADAPTATION_FFMPEG=endless) as process:
        submitted(plain, tmp_path)
        assert wait_until(lambda: runs(truth), 20)
        process.terminate()
        if signals > 1:
            read_until(process.stderr, lambda line: line["event"] == "draining")
            process.send_signal(signal.SIGTERM)
        last_words(process)

    assert encoding() == ("ready", ["released"], 0)
    assert truth.processes() == []


@pytest.mark.usefixtures("fleet")
def test_a_worker_leaves_by_itself_when_nothing_is_left_to_do(
    plain: Path, tmp_path: Path, truth: Store
) -> None:
    submitted(plain, tmp_path)
    with started("worker", "--exit-when-idle", "--log-json") as process:
        (*_, farewell) = last_words(process)

    assert farewell["reason"] == "nothing is left to do in its queues"
    assert truth.job(1).succeeded


@pytest.mark.usefixtures("fleet")
def test_a_worker_leaves_after_so_many_tasks_and_others_go_on(
    plain: Path, tmp_path: Path, truth: Store
) -> None:
    submitted(plain, tmp_path)
    with started("worker", "--max-tasks", 2, "--log-json") as process:
        (*_, farewell) = last_words(process)
    assert farewell["reason"] == "it has run as many tasks as it was to"
    ends = [end for task in truth.tasks(1) for _, end in truth.attempts(task.id)]
    assert ends == ["done", "done"]

    with started("worker", "--exit-when-idle", "--log-json") as process:
        last_words(process)
    assert truth.job(1).succeeded


@pytest.mark.usefixtures("fleet")
def test_who_works_is_listed(truth: Store) -> None:
    with (
        ready("controller") as controller,
        ready("worker", "--queues", "package,transcode", "--slots", 3) as worker,
    ):
        assert wait_until(lambda: all(w.facts.get("ffmpeg") for w in truth.processes()), 20)
        listed = {entry["pid"]: entry for entry in here("workers", "--json").documents[0]}
        table = here("workers").out.splitlines()
        for process in (controller, worker):
            process.terminate()
            last_words(process)

    assert listed.keys() == {controller.pid, worker.pid}
    assert listed[controller.pid]["state"] == "controller"
    found = listed[worker.pid]
    assert (found["state"], found["slots"], found["queues"]) == (
        "idle",
        3,
        ["package", "transcode"],
    )
    assert found["heard_seconds"] < 5
    assert found["scratch_free"] > 0
    assert "libx264" in found["facts"]["encoders"]
    assert {"adaptation", "python", "ffmpeg", "packager"} <= found["facts"].keys()
    assert len(table) == 3
    assert truth.processes() == []


@pytest.mark.usefixtures("fleet")
@pytest.mark.crash
def test_another_controller_leads_when_the_first_is_killed(
    plain: Path, tmp_path: Path, truth: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPTATION_SWEEP_SECONDS", "600")
    with ready("controller") as first:
        assert wait_until(lambda: not truth.may_lead("sweep", "me"))
        with ready("worker") as second:
            first.kill()
            first.wait()
            # Not even the host's own look at the dead is needed: it comes once in ten minutes.
            assert wait_until(lambda: truth.may_lead("sweep", "me"), LEADERLESS_SECONDS)
            assert wait_until(lambda: not truth.may_lead("sweep", "me"), LEADERLESS_SECONDS)
            submitted(plain, tmp_path)
            assert wait_until(lambda: truth.job(1).ended, 40)
            second.terminate()
            last_words(second)
    assert truth.job(1).succeeded


@pytest.fixture
def candidate(truth: Store, redis_url: str) -> Iterator[Controller]:
    """A controller that may lead, not started."""
    app = make_app(redis_url, small_registry().queues)
    yield Controller(
        store=truth,
        dispatcher=Dispatcher(app, local_only=False),
        holder="candidate",
        tidy=lambda: None,
        sweep_scratch=lambda: None,
        sweep_seconds=600,
        grace_seconds=1.0,
    )
    app.close()


def leads_after_a_look(controller: Controller) -> bool:
    controller.look()
    return not controller.store.may_lead("sweep", "me")


def test_only_the_leader_starts_jobs_and_sends_tasks(
    truth: Store, candidate: Controller, tmp_path: Path
) -> None:
    hand = HandWorker(truth, small_registry(), tmp_path)
    task_id = truth.tasks(hand.submit("line", length=1))[0].id
    assert truth.lead("sweep", "on another host", 600)

    truth.hand_on(task_id, 0)
    candidate.look()
    assert len(truth.due(resend_seconds=60)) == 1, "it was not sent"

    truth.step_down("on another host")
    truth.hand_on(task_id, 0)
    assert wait_until(lambda: leads_after_a_look(candidate))
    assert truth.due(resend_seconds=60) == [], "it was sent"
    assert not truth.may_lead("sweep", "me")


def test_a_leader_that_died_on_another_host_is_followed_within_5_seconds(
    truth: Store, candidate: Controller
) -> None:
    assert truth.lead("sweep", "on another host", LEAD_SECONDS)

    candidate.start()
    followed = wait_until(
        lambda: truth.may_lead("sweep", "candidate") and not truth.may_lead("sweep", "me"),
        LEADERLESS_SECONDS,
    )
    candidate.stop()

    assert followed
    assert truth.may_lead("sweep", "me"), "it stepped down"


def test_after_an_outage_a_heartbeat_comes_before_the_end_of_its_lease(
    truth: Store, candidate: Controller, tmp_path: Path
) -> None:
    hand = HandWorker(truth, small_registry(), tmp_path)
    task_id = truth.tasks(hand.submit("line", length=1))[0].id
    truth.admit()
    assert truth.claim(task_id, 0, "alive", lease_seconds=-1)
    candidate.sweep_seconds = 0

    candidate.look()
    assert truth.tasks(1)[0].state is TaskState.RUNNING, "nobody had looked before"

    assert wait_until(lambda: state_after_a_look(candidate) is TaskState.READY, 3)


def state_after_a_look(controller: Controller) -> TaskState:
    controller.look()
    return controller.store.tasks(1)[0].state


@pytest.mark.crash
def test_a_worker_buries_its_predecessor_while_the_broker_is_away(
    truth: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADAPTATION_BROKER_URL", "redis://127.0.0.1:1/0")
    hand = HandWorker(truth, small_registry(), tmp_path)
    task_id = truth.tasks(hand.submit("line", length=1))[0].id
    truth.admit()
    dead = subprocess.Popen(["sleep", "0"])
    here_then = replace(this_process(1), pid=dead.pid)
    truth.sign_on(here_then)
    assert truth.claim(task_id, 0, here_then.worker_id, lease_seconds=3600)
    dead.wait()

    with started("worker"):
        taken_back = wait_until(lambda: truth.tasks(1)[0].state is TaskState.READY, 20)

    assert taken_back
