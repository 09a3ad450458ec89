"""The page of the Python client, followed to the letter against a real server."""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import pytest
from celery import chain
from standardwebhooks.webhooks import Webhook

from adaptation.engine.clients import Role
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.settings import load_settings
from api_kit import running_api
from command_line import shell
from engine_kit import HandWorker, count_one, small_registry
from events_kit import SmallDeployment

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "client.md").read_text()
SERVER = "https://adaptation.example.org"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class QuickDeployment(SmallDeployment):
    """A deployment whose `encoding_workflow` makes nothing, and is done at once."""

    @cached_property
    def registry(self) -> Registry:
        registry = small_registry()
        registry.add_workflow(
            WorkflowDefinition("encoding_workflow", dict, lambda _: chain(count_one.s()))
        )
        return registry


@pytest.fixture
def url(home: Path, tmp_path: Path) -> Iterator[str]:
    """A server with the client `newsroom`, whose jobs are run as they come."""
    deployment = QuickDeployment(load_settings())
    over = threading.Event()
    hand = HandWorker(deployment.store, deployment.registry, tmp_path)

    def run() -> None:
        while not over.wait(0.05):
            hand.run_all()

    with running_api(deployment) as served:
        key = deployment.store.add_client("newsroom", Role.CLIENT)[1]
        (tmp_path / "newsroom.key").write_text(f"{key}\n")
        worker = threading.Thread(target=run)
        worker.start()
        yield served.url.rstrip("/")
        over.set()
        worker.join()
    deployment.store.close()


def blocks(language: str, url: str) -> str:
    """All code of a language, over the server of this test."""
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    assert found
    return "\n".join(found).replace(SERVER, url)


def test_every_python_example_runs(
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CALLBACK_SECRET", SECRET)
    names: dict[str, object] = {}

    with chdir(tmp_path):
        exec(compile(blocks("python", url), "client.md", "exec"), names)

    printed = capsys.readouterr().out
    assert "completed well" in printed
    assert "count_one done 1.0" in printed
    assert "completed None" in printed
    assert "404 job_unknown there is no job 4711" in printed
    received = names["received"]
    assert callable(received)
    body = '{"job_id": 7, "status": "completed"}'
    now = datetime.fromtimestamp(int(time.time()), tz=UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, body),
    }
    assert received(headers, body.encode()) == 204
    assert received(headers, body.encode()) == 204
    assert received(headers, b"{}") == 401
    assert capsys.readouterr().out.count("7 completed") == 1


def test_every_command_of_the_page_works(url: str, tmp_path: Path) -> None:
    with shell(tmp_path) as run:
        done = run(blocks("sh", url))

    assert done.status == 0, done.err
    assert "(encoding_workflow), done" in done.out
    assert '"event":"end"' in (tmp_path / "events.ndjson").read_text()
