"""What the page of a job tells of it, without scripts: why it failed, by whom, and what to do."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from celery import chain

from adaptation.engine.tasks import TaskRun, WorkflowDefinition, task
from adaptation.errors import ToolError
from api_kit import Api, ContractDeployment
from contract.browser import Browser
from engine_kit import count_one
from services import wait_until

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@task("light")
def stumble(context: dict[str, Any], run: TaskRun[Any]) -> dict[str, Any]:
    """Fail as a tool does, until the file `way` is there."""
    for number in range(8):
        run.log(f"step {number} {HOSTILE if number == 7 else ''}")
    if not Path(context["way"]).exists():
        tail = f"line 1\n{HOSTILE}\nlast words"
        raise ToolError(
            "ffmpeg ended with status 1: last words",
            command="ffmpeg -i film.mp4",
            stderr_tail=tail,
            code="tool_failed",
            hint="Its last words say why.",
        )
    return context


@pytest.fixture
def browser(api: Api) -> Iterator[Browser]:
    with httpx2.Client(trust_env=False, timeout=30) as web:
        yield Browser(api.url.rstrip("/"), web)


@pytest.fixture
def working(api: Api, browser: Browser) -> Iterator[Api]:
    """The API with a worker in its process, and a workflow that fails until it may not."""
    assert isinstance(api.deployment, ContractDeployment)
    registry = api.deployment.registry
    registry.add_tasks(stumble)
    registry.add_workflow(
        WorkflowDefinition("way", dict, lambda given: chain(count_one.s(**given), stumble.s()))
    )
    browser.sign_in(api.client)
    with api.deployment.engine.running(2):
        yield api


def ended(api: Api, job_id: int) -> str:
    """How a job ended, once it has."""
    store = api.deployment.store
    assert wait_until(lambda: store.job(job_id).ended, 30)
    return str(store.job(job_id).state)


def test_a_failed_job_says_who_failed_why_and_is_retried_from_there(
    working: Api, browser: Browser, tmp_path: Path
) -> None:
    way = tmp_path / "way"
    job_id = working.client.submit("way", {"way": str(way)})
    ended(working, job_id)
    first, failed = working.client.get(f"/jobs/{job_id}/tasks")
    page = browser.get(f"/ui/jobs/{job_id}").text
    banner = page[page.index('class="banner failed"') :].partition("</div>")[0]

    assert "ffmpeg ended with status 1: last words" in banner
    assert "Its last words say why." in banner
    assert f'<a href="#task-{failed["id"]}"><code>stumble</code></a>' in banner
    assert f"<code>{socket.gethostname()[:40]}/{os.getpid()}</code>" in banner
    assert re.findall(r"step (\d)", banner) == ["4", "5", "6", "7"]
    assert "stumble failed: ffmpeg ended" in banner
    assert "line 1\n&lt;script&gt;" in banner
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'name="do" value="retry">Retry from here' in banner
    meaning = browser.get("/ui/errors/tool_failed")
    assert 'href="/ui/errors/tool_failed"' in banner
    assert "A tool ended with an error" in meaning.text

    way.touch()
    assert browser.do("retry", job_id).status_code == 303
    assert ended(working, job_id) == "completed"
    again = working.client.get(f"/jobs/{job_id}/tasks")
    assert again[0]["finished_at"] == first["finished_at"]  # what was done is not done again
    assert 'class="banner failed"' not in browser.get(f"/ui/jobs/{job_id}").text


def test_tasks_tell_by_host_and_process_who_ran_them(working: Api, browser: Browser) -> None:
    job_id = working.client.submit()
    ended(working, job_id)
    page = browser.get(f"/ui/jobs/{job_id}").text
    assert f">{socket.gethostname()[:40]}/{os.getpid()}</td>" in page


def test_every_error_code_has_a_page(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    listed = browser.get("/ui/errors").text
    names = re.findall(r'href="/ui/errors/(\w+)"', listed)
    assert {"tool_failed", "source_truncated", "internal"} <= set(names)
    assert len(names) == len(set(names))
    page = browser.get("/ui/errors/source_truncated").text
    assert "half a film is not encoded" in page
    assert "the source is cut short: …" in page
    assert browser.get("/ui/errors/nothing_known").status_code == 404
    assert "](" not in listed  # no Markdown is left
    assert "`" not in listed


def test_a_timeline_tells_who_ran_what_and_for_how_long(
    working: Api, browser: Browser, tmp_path: Path
) -> None:
    job_id = working.client.submit("way", {"way": str(tmp_path / "way")})
    ended(working, job_id)
    tasks = working.client.get(f"/jobs/{job_id}/tasks")
    page = browser.get(f"/ui/jobs/{job_id}").text
    part = page[page.index('id="timeline-part"') :].partition("</section>")[0]
    assert len(re.findall(r'<rect class="try done"', part)) == 1
    assert len(re.findall(r'<rect class="try failed"', part)) == 1
    assert part.count(f'<span class="name">{socket.gethostname()[:40]}/{os.getpid()}</span>') == 1
    assert f'<a href="#task-{tasks[1]["id"]}">' in part
    assert "ffmpeg ended with status 1: last words</td>" in part
