"""Pages of the fleet, of what holds for all, and of what can be submitted."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx2
import pytest

from adaptation.adapters.storage_config import StorageConfig
from api_kit import Api
from contract.browser import Browser
from services import wait_until

ADMINS = ("/ui/clients", "/ui/clients/somebody", "/ui/storages")
FOR_ADMINS = (
    *("/ui/queue", "/ui/sample", "/ui/workers", "/ui/schedules", "/ui/settings"),
    *("/ui/storages/check", "/ui/clients", "/ui/clients/x", "/ui/clients/x/rotate"),
    *("/ui/clients/x/revoke", "/ui/clients/x/remove", "/ui/clients/x/end-points"),
)
"""What only admins may send."""


@pytest.fixture
def browser(api: Api) -> Iterator[Browser]:
    with httpx2.Client(trust_env=False, timeout=30) as web:
        yield Browser(api.url.rstrip("/"), web)


def test_workers_are_shown_with_what_they_run(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    assert "No worker has reported" in browser.get("/ui/workers").text
    with api.deployment.engine.running(3):
        page = browser.get("/ui/workers").text
        name = api.admin.get("/workers")[0]["name"]
    assert name in page
    assert "0/3" in page


def test_an_admin_changes_settings_and_others_look(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    token = browser.token()
    changed = browser.post("/ui/settings", name="max_jobs", setting="7", token=token)
    assert changed.status_code == 303
    assert setting(api, "max_jobs") == 7
    assert browser.post(
        "/ui/settings", name="max_jobs", setting="many", token=token
    ).status_code == (400)
    assert browser.post("/ui/settings", name="max_jobs", setting="", token=token).status_code == 303
    assert setting(api, "max_jobs") == 2
    page = browser.get("/ui/settings?done=setting&name=max_jobs").text
    assert "max_jobs is set, and in force." in page
    assert "ADAPTATION_BROKER_URL" in page
    assert f'data-label="By" class="sentence">{api.admin.name}</td>' in page
    browser.sign_in(api.client)
    page = browser.get("/ui/settings").text
    assert 'name="setting"' not in page
    assert "ADAPTATION_BROKER_URL" not in page
    assert api.admin.name not in page
    refused = browser.post("/ui/settings", name="max_jobs", setting="9", token=browser.token())
    assert refused.status_code == 403
    assert setting(api, "max_jobs") == 2


def setting(api: Api, name: str) -> float:
    rows = {row["name"]: row["setting"] for row in api.admin.get("/settings")["settings"]}
    return float(rows[name])


def test_only_admins_see_clients_and_storages(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    for path in ADMINS:
        assert browser.get(path).status_code == 403
    token = browser.token()
    for path in FOR_ADMINS:
        assert browser.post(path, token=token).status_code == 403, path
    browser.sign_in(api.admin)
    assert api.other.name in browser.get("/ui/clients").text
    path = f"/ui/clients/{api.other.name}"
    assert api.other.key not in browser.get(path).text
    prefix = api.deployment.store.keys(api.other.name)[0].prefix
    browser.post(f"{path}/revoke", prefix=prefix, token=browser.token())
    assert api.other.call("GET", "/jobs").status_code == 401


def test_who_may_only_read_sees_no_button_and_does_nothing(api: Api, browser: Browser) -> None:
    browser.sign_in(api.readonly)
    token = browser.token()
    for path in ("/ui/jobs/do?id=1", "/ui/queue", "/ui/workflows/line", *FOR_ADMINS):
        assert browser.post(path, do="pause", token=token).status_code == 403, path
    for path in ("/ui/", "/ui/workers", "/ui/settings", "/ui/schedules"):
        page = browser.get(path).text
        assert '<body class="readonly">' in page
        assert "Pause the queue" not in page
        assert 'href="/ui/clients"' not in page


def test_an_admin_adds_a_client_limits_it_and_gives_it_another_key(
    api: Api, browser: Browser
) -> None:
    browser.sign_in(api.admin)
    token, name = browser.token(), f"new-{api.client.name}"
    added = browser.post("/ui/clients", name=name, role="client", token=token)
    key = shown_key(added.text)
    assert added.headers["cache-control"] == "no-store"
    assert replace(api.client, name=name, key=key).get("/jobs") == []
    path = f"/ui/clients/{name}"
    assert key not in browser.get(path).text
    assert api.deployment.store.client(name).defaults == {"output_root": name}

    limits = {"limit-rate": "90", "limit-source_bytes": "20GB", "limit-renditions": "unlimited"}
    changed = browser.post(path, role="readonly", token=token, **limits)
    assert changed.status_code == 303, changed.text
    known = api.deployment.store.client(name)
    assert (known.role, known.rate, known.most_unfinished) == ("readonly", 90, None)
    assert known.limits == {"source_bytes": 20_000_000_000, "renditions": None}
    page = browser.get(path).text
    assert 'name="limit-rate" value="90"' in page
    assert 'name="limit-renditions" value="unlimited"' in page
    refused = browser.post(path, role="client", token=token, **{"limit-rate": "many"})
    assert refused.status_code == 400

    second = shown_key(browser.post(f"{path}/rotate", overlap="0s", token=token).text)
    assert replace(api.client, name=name, key=second).call("GET", "/jobs").status_code == 200
    assert replace(api.client, name=name, key=key).call("GET", "/jobs").status_code == 401
    assert browser.post(f"{path}/remove", token=token).status_code == 303
    assert browser.get(path).status_code == 404


def shown_key(page: str) -> str:
    """The key that a page shows this once."""
    found = re.search(r'id="new-key".*?<code>(.+?)</code>', page, re.DOTALL)
    assert found, page
    return unescape(found[1])


def test_an_admin_cannot_lock_itself_out(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    token, path = browser.token(), f"/ui/clients/{api.admin.name}"
    assert browser.post(path, role="client", token=token).status_code == 409
    assert browser.post(f"{path}/remove", token=token).status_code == 409
    assert browser.get("/ui/clients").status_code == 200


def test_end_points_are_closed_and_opened_by_buttons(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    token, path = browser.token(), f"/ui/clients/{api.client.name}"
    url = "https://example.org/<b>told"
    shut = browser.post(f"{path}/end-points", do="disable", url=url, token=token)
    assert shut.status_code == 303, shut.text
    page = browser.get(path).text
    assert "&lt;b&gt;told" in page
    assert "<b>told" not in page
    assert browser.post(f"{path}/end-points", do="enable", url=url, token=token).status_code == 303
    assert api.deployment.store.end_points(api.client.name) == []


def test_the_queue_is_paused_by_a_button_and_the_page_says_by_whom(
    api: Api, browser: Browser
) -> None:
    browser.sign_in(api.admin)
    token = browser.token()
    paused = browser.post("/ui/queue", do="pause", back="/ui/?state=queued", token=token)
    assert paused.headers["location"] == "/ui/?state=queued&done=queue-paused"
    page = browser.get(paused.headers["location"]).text
    assert "The queue is paused: no job that waits is started." in page
    assert f"</strong> by {api.admin.name} since" in page
    assert "Let the queue go on" in page
    browser.sign_in(api.client)
    page = browser.get("/ui/").text
    assert 'id="held"' in page
    assert api.admin.name not in page
    browser.sign_in(api.admin)
    browser.post("/ui/queue", do="resume", token=browser.token())
    assert 'id="held"' not in browser.get("/ui/").text
    assert not api.client.get("/queue")["paused"]


def test_the_queue_says_why_nothing_is_started(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    assert "No worker has reported." in browser.get("/ui/").text
    with api.deployment.engine.running(1):
        assert "No worker has reported." not in browser.get("/ui/").text
        api.deployment.store.set_setting("max_jobs", 0)
        assert "max_jobs is 0" in browser.get("/ui/").text
        api.deployment.store.set_setting("max_jobs", 2)
        api.deployment.store.set_setting("priority_slots", 2)
        assert "All slots are reserved" in browser.get("/ui/").text


def test_an_empty_queue_offers_a_sample_and_the_ways_to_a_first_job(
    api: Api, browser: Browser
) -> None:
    browser.sign_in(api.client)
    page = browser.get(f"/ui/?client={api.client.name}").text
    assert "Nothing fits" in page
    page = browser.get("/ui/").text
    assert "No job yet" in page
    assert "Run the sample" not in page, "it writes where admins write"
    assert f"curl {browser.url}/job" in page
    browser.sign_in(api.admin)
    answer = browser.post("/ui/sample", token=browser.token())
    assert answer.status_code == 303, answer.text
    job = api.admin.get("/jobs", limit=1)[0]
    assert answer.headers["location"] == f"/ui/jobs/{job['id']}"
    assert job["client"] == api.admin.name
    assert Path(job["parameters"]["url"]).stat().st_size > 10_000
    browser.do("cancel", job["id"])


def test_a_search_finds_by_number_content_and_client(api: Api, browser: Browser) -> None:
    found = api.client.submit(parameters={"length": 1, "content_id": f"film-{api.client.name}"})
    api.client.submit()
    theirs = api.other.submit()
    browser.sign_in(api.admin)

    def shown(search: str) -> list[int]:
        page = browser.get(f"/ui/?search={search}").text
        return [int(one) for one in re.findall(r'<tr id="job-(\d+)"', page)]

    assert shown(f"film-{api.client.name}") == [found]
    assert found in shown(str(found))
    assert shown(api.other.name) == [theirs]
    assert "Clear the filter" in browser.get("/ui/?search=nobody-has-this").text
    browser.sign_in(api.client)
    assert theirs not in shown(str(theirs))


def test_what_was_done_is_said_and_nobody_else_makes_us_say_anything(
    api: Api, browser: Browser
) -> None:
    first, second = api.client.submit(), api.client.submit()
    browser.sign_in(api.client)
    one = browser.do("priority", first, back="/ui/?state=queued", priority="1")
    assert one.headers["location"] == f"/ui/?state=queued&done=priority&one={first}"
    assert f"Job {first} has another priority." in browser.get(one.headers["location"]).text
    both = browser.do("keep", first, second)
    assert "2 jobs are kept." in browser.get(both.headers["location"]).text
    again = browser.do("rerun", second)
    new = api.client.get("/jobs", limit=1)[0]["id"]
    said = browser.get(again.headers["location"]).text
    assert f"Job {second} runs anew as job {new}." in said
    for made_up in (
        "done=Give+your+key",
        "done=setting&name=<b>",
        "done=cancel",
        "done=keep&n=x y",
    ):
        assert 'id="done"' not in browser.get(f"/ui/?{made_up}").text


def test_a_job_is_copied_as_curl(api: Api, browser: Browser) -> None:
    body = {"length": 2, "content_id": "it's; rm -rf /"}
    job_id = api.client.submit(parameters=body, priority=3)
    browser.sign_in(api.client)
    answer = browser.get(f"/ui/jobs/{job_id}/curl")
    assert answer.headers["content-type"].startswith("text/plain")
    words = shlex.split(answer.text)
    assert words[:2] == ["curl", f"{browser.url}/job"]
    sent = json.loads(words[words.index("-d") + 1])
    assert sent["job"] == {"workflow": "line", "priority": 3}
    assert sent["parameters"] == body
    browser.sign_in(api.other)
    assert browser.get(f"/ui/jobs/{job_id}/curl").status_code == 404


def test_a_schedule_rests_goes_on_and_looks_at_once(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    token, name = browser.token(), "queue_scheduled_jobs"
    browser.post("/ui/schedules", schedule=name, do="pause", token=token)
    assert not api.deployment.store.schedules()[0].active
    assert "rests" in browser.get("/ui/schedules").text
    browser.post("/ui/schedules", schedule=name, do="resume", token=token)
    assert api.deployment.store.schedules()[0].active

    job_id = api.client.submit(semaphore_url="http://127.0.0.1:1/planted?key=secret-1")
    assert api.deployment.store.semaphores(), "its turn"
    assert api.deployment.store.semaphores() == [], "not before the interval has passed"
    browser.post("/ui/schedules", schedule=name, do="run", token=token)
    assert api.deployment.store.semaphores() != []
    page = browser.get("/ui/schedules").text
    assert "/planted" in page
    assert "secret-1" not in page
    api.client.call("POST", f"/jobs/{job_id}/cancel")
    api.admin.refused(404, "POST", "/schedules/nightly/run")


def test_a_scheduled_job_is_moved_queued_at_once_and_cancelled(api: Api, browser: Browser) -> None:
    first = api.client.submit(run_at="2090-01-01T00:00:00Z")
    second = api.client.submit(run_at="2080-01-01T00:00:00Z")
    browser.sign_in(api.client)
    page = browser.get("/ui/schedules").text
    assert page.index(f'id="job-{second}"') < page.index(f'id="job-{first}"')
    assert "2090-01-01 00:00" in page

    later = browser.do("later", first, run_at="2070-05-04T10:30", back="/ui/schedules")
    assert later.headers["location"] == f"/ui/schedules?done=later&one={first}"
    assert api.client.get(f"/jobs/{first}")["run_at"] == "2070-05-04T10:30:00.000Z"
    assert browser.do("later", first, run_at="tomorrow").status_code == 400
    browser.do("now", second)
    api.deployment.store.queue_due()
    assert api.client.get(f"/jobs/{second}")["queue_state"] == "queued"
    browser.do("cancel", first, second)


def test_a_worker_is_told_by_buttons(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    token = browser.token()
    with api.deployment.engine.running(1):
        worker = api.admin.get("/workers")[0]
        told = browser.post("/ui/workers", worker=worker["id"], do="drain", token=token)
        assert told.status_code == 303, told.text
        assert f"Worker {worker['name']} is told" in browser.get(told.headers["location"]).text
        assert wait_until(lambda: "takes nothing new" in browser.get("/ui/workers/rows").text, 10)
        assert "All workers rest" in browser.get("/ui/").text
        assert "Stop when idle" not in browser.get("/ui/workers").text, "it is in this process"
        browser.post("/ui/workers", worker=worker["id"], do="resume", token=token)
        assert wait_until(lambda: api.admin.get("/workers")[0]["state"] == "idle", 10)
        assert browser.post("/ui/workers", worker="x/1", do="drain", token=token).status_code == 404
        browser.sign_in(api.client)
        assert "Drain" not in browser.get("/ui/workers").text


def test_a_browser_that_asks_for_the_root_comes_to_the_queue(api: Api) -> None:
    root = f"{api.url.rstrip('/')}/"
    page = httpx2.get(root, headers={"Accept": "text/html,*/*"}, trust_env=False)
    assert (page.status_code, page.headers["location"]) == (303, "/ui/")
    for accept in ("*/*", "application/json"):
        answer = httpx2.get(root, headers={"Accept": accept}, trust_env=False)
        assert answer.json() == {"result": "alive"}


PAGES = ("", "workers", "schedules", "settings", "clients", "storages", "workflows", "login")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_can_be_framed_or_runs_what_stands_in_it(
    api: Api, browser: Browser, name: str
) -> None:
    browser.sign_in(api.admin)
    answer = browser.get(f"/ui/{name}")
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "DENY"
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe-inline'" not in policy
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", answer.text)


def test_every_form_of_every_page_carries_the_token(api: Api, browser: Browser) -> None:
    api.client.submit(run_at="2090-01-01T00:00:00Z")
    browser.sign_in(api.admin)
    with api.deployment.engine.running(1):
        for name in (*PAGES[:-1], f"clients/{api.client.name}", "workflows/line"):
            page = browser.get(f"/ui/{name}").text
            for form in re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL):
                assert 'name="token"' in form, (name, form)


def test_each_change_without_the_token_or_from_elsewhere_is_refused(
    api: Api, browser: Browser
) -> None:
    browser.sign_in(api.admin)
    token = browser.token()
    for path in ("/ui/jobs/do?id=1", "/ui/queue", *FOR_ADMINS):
        assert browser.post(path, do="pause").status_code == 403, path
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert browser.post(path, headers, do="pause", token=token).status_code == 403, path
    assert not api.client.get("/queue")["paused"]


def test_a_storage_is_tried_by_a_button(api: Api, browser: Browser) -> None:
    browser.sign_in(api.admin)
    assert "None but the machines" in browser.get("/ui/storages").text
    config = StorageConfig(
        name="films",
        kind="S3",
        bucket="films",
        endpoint="http://127.0.0.1:9",
        account="a",
        private=True,
        secret_key="planted-secret",
    )
    api.deployment.store.add_storage(config)
    try:
        page = browser.get("/ui/storages").text
        assert "films" in page
        assert "planted-secret" not in page
        tried = browser.post("/ui/storages/check", name="films", token=browser.token()).text
        assert "open: " in tried or "write: " in tried
        assert ": works<" not in tried
    finally:
        api.deployment.store.remove_storage("films")


def test_a_job_is_planned_and_submitted_by_a_form(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    assert "/ui/workflows/encoding_workflow" in browser.get("/ui/workflows").text
    path = "/ui/workflows/encoding_workflow"
    page = browser.get(path).text
    described = api.client.get("/workflows/encoding_workflow")["parameters"]["properties"]
    for name in described:
        assert f'name="{name}"' in page
    sent = {"token": browser.token(), "content_id": "by <form>", "segment_seconds": "6"}
    missing = browser.post(path, do="submit", **sent)
    assert missing.status_code == 400
    assert "url" in missing.text
    assert 'value="by &lt;form&gt;"' in missing.text  # nothing has to be written again
    bad = browser.post(path, do="submit", url="https://example.org/a.mp4", renditions="[1", **sent)
    assert bad.status_code == 400
    assert "not in JSON" in bad.text
    good = browser.post(
        path, do="submit", url="https://example.org/a.mp4", surround="true", priority="3", **sent
    )
    if good.status_code == 400:
        raise AssertionError(unescape(good.text))
    job = api.client.get("/jobs", limit=1)[0]
    assert good.headers["location"] == f"/ui/jobs/{job['id']}"
    assert job["priority"] == 3
    assert job["parameters"]["content_id"] == "by <form>"
    assert job["parameters"]["segment_seconds"] == 6
