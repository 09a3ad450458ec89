"""The front door for Celery's users: with a broker, without one, and late listeners."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from adaptation.cli.doctor import examine
from adaptation.engine.store import Store
from adaptation.settings import Settings
from brokers import Broker
from clips import make_plain
from command_line import here
from kinds import BY_RABBITMQ
from postgres import running_postgres
from services import free_port, wait_until
from wire import wire_to

CLIENT = """
import sys
from adaptation.commons import encoding_workflow
print(encoding_workflow.delay(url=sys.argv[1], output_folder=sys.argv[2]).id)
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_plain(tmp_path)


def environment(home: Path, broker: str) -> dict[str, str]:
    return {**os.environ, "ADAPTATION_HOME": str(home), "ADAPTATION_BROKER_URL": broker}


def python(code: str, *arguments: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


CELERYS_OWN = ("celery", "-A", "adaptation.commons", "worker", "--loglevel", "WARNING")
OURS = ("adaptation", "worker")


@contextmanager
def running_worker(env: dict[str, str], command: tuple[str, ...] = CELERYS_OWN) -> Iterator[None]:
    """Run a worker, and stop it as its users do."""
    with subprocess.Popen([sys.executable, "-m", *command], env=env) as process:
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=20) == 0


def read_queue(url: str, name: str) -> list[dict[str, Any]]:
    """Every message of a durable queue, read by a plain client that comes late."""
    found: list[dict[str, Any]] = []
    with Connection(url) as connection, connection.SimpleQueue(name) as queue:
        while True:
            try:
                message = queue.get(block=False)
            except Empty:
                return found
            found.append(message.payload)
            message.ack()


def test_delay_without_a_broker_is_the_job_that_the_command_line_runs(
    clip: Path, home: Path, tmp_path: Path
) -> None:
    env = environment(home, "memory://")
    task_id = python(CLIENT, str(clip), str(tmp_path / "out"), env=env).strip()
    command = [sys.executable, "-m", "adaptation", "serve"]

    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as service:
        messages = here("watch", task_id, "--json", **env).documents
        service.terminate()

    assert {message["main_task_id"] for message in messages} == {task_id}
    assert [message["complete"] for message in messages][-1] is True
    assert (tmp_path / "out" / "master.m3u8").is_file()


@pytest.mark.parametrize(
    ("broker", "command"),
    [("redis", CELERYS_OWN), ("rabbitmq", OURS)],
    indirect=["broker"],
    ids=["celery-redis", "adaptation-rabbitmq"],
)
def test_a_worker_runs_what_any_celery_client_sends(
    clip: Path, home: Path, tmp_path: Path, broker: Broker, command: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    client = Celery(broker=broker.url, set_as_current=False)
    with running_worker(environment(home, broker.url), command):
        sent = client.send_task(
            "adaptation.commons.encoding_workflow",
            kwargs={"url": str(clip), "output_folder": str(out)},
            ignore_result=True,
        )
        assert wait_until((out / "asset.json").is_file, timeout_seconds=60)
        messages: list[dict[str, Any]] = []

        def is_told() -> bool:
            messages.extend(read_queue(broker.url, sent.id))
            return any(message["complete"] for message in messages)

        assert wait_until(is_told, timeout_seconds=20)

    assert all({"main_task_id", "quality", "status", "complete"} <= set(m) for m in messages)
    assert [message["complete"] for message in messages].count(True) == 1
    assert json.loads((out / "asset.json").read_text())["asset_id"] == sent.id
    client.close()


@BY_RABBITMQ
def test_a_bad_request_waits_for_a_database_that_is_away_and_is_answered_on_its_queue(
    home: Path, broker: Broker, capfd: pytest.CaptureFixture[str]
) -> None:
    client = Celery(broker=broker.url, set_as_current=False)
    with running_postgres() as server:
        store = Store(server.url)
        store.database.migrate()
        env = environment(home, broker.url) | {"ADAPTATION_DATABASE_URL": server.url}
        with closing(store), running_worker(env):
            assert wait_until(lambda: bool(store.processes()), timeout_seconds=30)
            server.stop(signal.SIGQUIT)
            sent = client.send_task(
                "adaptation.commons.encoding_workflow", kwargs={"url": "x", "rendition": []}
            )
            said = ""

            def waits() -> bool:
                nonlocal said
                said += "".join(capfd.readouterr())
                return "a submission waits for the database" in said

            assert wait_until(waits, timeout_seconds=30)
            server.start()
            assert wait_until(lambda: bool(store.jobs()), timeout_seconds=30)
            assert [job.main_task_id for job in store.jobs()] == [sent.id]
            messages: list[dict[str, Any]] = []

            def is_told() -> bool:
                messages.extend(read_queue(broker.url, sent.id))
                return bool(messages)

            assert wait_until(is_told, timeout_seconds=30)
    assert [(one["code"], one["status"]) for one in messages] == [("parameter_unknown", "failed")]
    client.close()


@pytest.mark.parametrize("trouble", ["none", "away", "silent"])
def test_the_doctor_tells_whether_the_broker_can_be_worked_with(
    broker: Broker, trouble: str
) -> None:
    with wire_to(broker.port) as wire:
        if trouble == "silent":
            wire.go_silent()
        port = {"none": broker.port, "away": free_port(), "silent": wire.port}[trouble]
        findings = examine(Settings(broker_url=broker.url_over(port)))
        found = next(finding for finding in findings if finding.name == "broker")

    assert found.ok is (trouble == "none")
    assert "guest:guest" not in found.found
    assert f"127.0.0.1:{port}" in found.found


def test_the_front_door_minds_its_own_app_alone(home: Path) -> None:
    code = """
from celery.signals import worker_init
import adaptation.commons as commons
class Stranger:
    app = object()
worker_init.send(sender=Stranger())
print(len(commons._nodes))
"""
    assert python(code, env=environment(home, "memory://")).strip() == "0"
    assert not (home / "adaptation.db").exists()
