"""What the page of a job tells of it, without scripts: why it failed, by whom, and what to do."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from celery import chain
from sqlalchemy import update

from adaptation.adapters.masking import masked
from adaptation.engine.model import Process
from adaptation.engine.schema import job
from adaptation.engine.tasks import TaskRun, WorkflowDefinition, task
from adaptation.errors import ToolError
from api_kit import Api, ContractDeployment
from contract.browser import Browser
from engine_kit import count_one
from services import wait_until

SECRET = "https://user:word@example.org/film.mp4?sig=abc123"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@task("light")
def stumble(context: dict[str, Any], run: TaskRun[Any]) -> dict[str, Any]:
    """Fail as a tool does, until the file `way` is there."""
    for number in range(8):
        run.log(f"step {number} {HOSTILE if number == 7 else ''}")
    run.ran(["echo", SECRET, "it's", "x" * 3600, "end"])
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


def test_commands_are_told_as_a_shell_takes_them_without_secrets(
    working: Api, browser: Browser, tmp_path: Path
) -> None:
    job_id = working.client.submit("way", {"way": str(tmp_path)})
    ended(working, job_id)
    task_id = working.client.get(f"/jobs/{job_id}/tasks")[1]["id"]
    page = browser.get(f"/ui/jobs/{job_id}/commands?task={task_id}").text
    found = re.findall(r'<pre id="command-\d+"[^>]*><code>(.*?)</code>', page, re.S)
    assert len(found) == 1
    assert "abc123" not in page
    assert "word@" not in page
    shown = subprocess.run(
        ["sh", "-c", unescape(found[0])], capture_output=True, text=True, check=False
    )
    assert shown.stdout == f"{masked(SECRET)} it's {'x' * 3600} end\n"
    assert browser.get(f"/ui/jobs/{job_id}/commands?task=0").text.count("<pre") == 0
    assert browser.get(f"/ui/jobs/{working.other.submit()}/commands").status_code == 404


def test_reruns_are_linked_both_ways(working: Api, browser: Browser) -> None:
    first = working.client.submit()
    ended(working, first)
    second = working.client.call("POST", f"/jobs/{first}/rerun").json()["id"]
    ended(working, second)
    third = working.client.call("POST", f"/jobs/{second}/rerun").json()["id"]
    link = '<a href="/ui/jobs/{}">'.format
    page = browser.get(f"/ui/jobs/{second}").text
    assert f"Runs anew job {link(first)}{first}</a>." in page
    assert f"It was run anew as {link(third)}job {third}</a>." in page
    assert f"Runs anew jobs {link(first)}{first}</a>, {link(second)}" in (
        browser.get(f"/ui/jobs/{third}").text
    )
    assert 'class="kin"' not in browser.get(f"/ui/jobs/{working.client.submit()}").text


def test_a_page_says_what_a_job_waits_for(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    store = api.deployment.store

    def shown(job_id: int) -> str:
        page = browser.get(f"/ui/jobs/{job_id}").text
        found = re.search(r'<span class="sentence">(.*?)</span>', page)
        return unescape(found[1]) if found else ""

    queued = api.client.submit()
    timed = api.client.submit(run_at="2090-01-01T00:00:00.000Z")
    assert "start one with `adaptation worker`" in shown(queued)
    assert shown(timed).startswith("It waits for its time, 2090-01-01 00:00 UTC, in ")
    assert shown(timed).endswith(" days.")
    browser.do("pause", queued)
    assert "goes on from what is finished" in shown(queued)
    browser.do("resume", queued)
    store.sign_on(Process("w/1/x", "w", 1, 0, slots=2))
    try:
        for number in range(store.rules().max_jobs):
            assert shown(queued) == "It starts within seconds." or number
            store.admit(api.client.submit(priority=1))
        assert shown(queued) == "It waits for a slot: 2 of 2 jobs run."
    finally:
        store.bury("w/1/x")


def test_callbacks_show_their_tries_and_answers_and_are_sent_again(
    working: Api, browser: Browser
) -> None:
    address = "http://127.0.0.1:9/told"
    job_id = working.client.submit(parameters={"length": 1, "rest_endpoints": [address]})
    ended(working, job_id)
    store = working.deployment.store
    assert wait_until(lambda: all(one.answer for one in store.deliveries(job_id)[:1]), 30)

    def part() -> str:
        page = browser.get(f"/ui/jobs/{job_id}").text
        return page[page.index('<section id="callbacks">') :].partition("</section>")[0]

    told = part()
    first = store.deliveries(job_id)[0]
    assert f">{address}</td>" in told
    assert "on its way" in told
    assert str(first.answer) in unescape(told)
    assert f"callback {first.event} to {address}: " in told
    assert str(first.body) in unescape(told)
    assert "Send again" not in told  # it goes by itself

    working.client.call("POST", "/callbacks/endpoints/disable", {"url": address})
    assert wait_until(lambda: {one.state for one in store.deliveries(job_id)} == {"dropped"}, 30)
    assert "not wanted" in part()
    path = f"/ui/jobs/{job_id}/callbacks/{first.id}/redeliver"
    assert path in part()
    assert browser.post(path, token=browser.token()).status_code == 303
    assert store.deliveries(job_id)[0].state == "pending"


def test_a_job_that_is_gone_says_why_and_tells_nobody_of_others(
    working: Api, browser: Browser
) -> None:
    store = working.deployment.store
    older = working.client.submit()
    job_id = working.client.submit()
    others = working.other.submit()
    ended(working, job_id)
    ended(working, others)
    with store.database.write() as connection:
        long_ago = update(job).where(job.c.id == job_id).values(finished_at=1, work="removed")
        connection.execute(long_ago)
    store.clean_up()

    def told(number: int) -> str:
        answer = browser.get(f"/ui/jobs/{number}")
        assert answer.status_code == 404
        found = re.search(r"</h1>\s*<p>(.*?)</p>", answer.text)
        assert found
        return unescape(found[1])

    assert told(999_999) == "No job has had this number yet."
    assert told(job_id) == told(others)
    assert told(job_id).startswith("It was deleted, or is another client's. Jobs are deleted 30")
    browser.sign_in(working.admin)
    first = store.job(older).created_at
    assert told(job_id).startswith("It was deleted. Jobs are deleted 30 days after their end")
    assert f"deleted after {first + timedelta(days=30):%Y-%m-%d %H:%M} UTC" in told(job_id)
    assert browser.get(f"/ui/jobs/{others}").status_code == 200
