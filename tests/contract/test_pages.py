"""The pages for people: who may see and do what, and what no other site can make them do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from adaptation.dashboard.session import COOKIE
from api_kit import Api
from contract.browser import Browser

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture
def browser(api: Api) -> Iterator[Browser]:
    with httpx2.Client(trust_env=False, timeout=30) as web:
        yield Browser(api.url.rstrip("/"), web)


def test_pages_ask_for_a_key_and_lead_back(api: Api, browser: Browser) -> None:
    asked = browser.get("/ui/jobs/1?x=1")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/ui/login?to=%2Fui%2Fjobs%2F1%3Fx%3D1"
    wrong = browser.sign_in(replace(api.client, key="ad_" + "x" * 58))
    assert wrong.status_code == 401
    assert "No client has this name and key" in wrong.text
    right = browser.sign_in(api.client, to="/ui/jobs/1?x=1")
    assert (right.status_code, right.headers["location"]) == (303, "/ui/jobs/1?x=1")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert api.client.key not in right.headers["set-cookie"]
    assert browser.get("/ui/").status_code == 200


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example/", "/ui/\\evil", "/job"])
def test_signing_in_leads_to_no_other_site(api: Api, browser: Browser, to: str) -> None:
    assert browser.sign_in(api.client, to=to).headers["location"] == "/ui/"


def test_a_session_ends_with_its_key_and_by_signing_out(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    assert browser.post("/ui/logout", token=browser.token()).status_code == 303
    assert browser.get("/ui/").status_code == 303
    browser.sign_in(api.client)
    store = api.deployment.store
    store.revoke_key(api.client.name, store.keys(api.client.name)[0].prefix)
    assert browser.get("/ui/").status_code == 303


def test_a_cookie_that_was_changed_or_made_up_is_none(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    good = browser.web.cookies[COOKIE]
    made_up = '{"key": 1, "at": 9999999999, "token": "x"}'
    for text in (good[:-2] + "AA", made_up, "", "x" * 5000):
        answer = httpx2.get(
            f"{browser.url}/ui/", headers={"Cookie": f"{COOKIE}={text}"}, trust_env=False
        )
        assert answer.status_code == 303


def test_each_sees_its_own_jobs_and_an_admin_all(api: Api, browser: Browser) -> None:
    mine, others = api.client.submit(), api.other.submit()
    browser.sign_in(api.client)
    page = browser.get("/ui/").text
    assert f'id="job-{mine}"' in page
    assert f'id="job-{others}"' not in page
    assert browser.get(f"/ui/jobs/{others}").status_code == 404
    assert browser.get(f"/ui/?client={api.other.name}").status_code == 403
    browser.sign_in(api.admin)
    page = browser.get("/ui/").text
    assert f'id="job-{mine}"' in page
    assert f'id="job-{others}"' in page
    assert browser.get(f"/ui/jobs/{others}").status_code == 200


def test_the_buttons_do_what_they_say(api: Api, browser: Browser) -> None:
    first, second = api.client.submit(), api.client.submit()
    browser.sign_in(api.client)

    def state(job_id: int) -> Any:
        return api.client.get(f"/jobs/{job_id}")

    assert browser.do("pause", first).status_code == 303
    assert state(first)["queue_state"] == "paused"
    assert browser.do("resume", first).status_code == 303
    assert state(first)["queue_state"] == "queued"
    assert browser.do("priority", first, second, priority="2").status_code == 303
    assert {state(one)["priority"] for one in (first, second)} == {2}
    assert browser.do("keep", first).status_code == 303
    assert [row["id"] for row in api.client.get("/jobs", persist=1)] == [first]
    assert browser.do("cancel", first, second).status_code == 303
    assert {state(one)["queue_state"] for one in (first, second)} == {"broken"}
    assert browser.do("rerun", first).status_code == 303
    newest = api.client.get("/jobs", limit=1)[0]
    assert newest["id"] > second
    assert newest["queue_state"] == "queued"


def test_what_is_refused_is_told_job_by_job_and_the_rest_is_done(
    api: Api, browser: Browser
) -> None:
    done, open_one = api.client.submit(), api.client.submit()
    browser.sign_in(api.client)
    browser.do("cancel", done)
    answer = browser.do("pause", done, open_one)
    assert answer.status_code == 409
    assert f"Job {done}" in answer.text
    assert f"Job {open_one}" not in answer.text
    assert api.client.get(f"/jobs/{open_one}")["queue_state"] == "paused"
    assert browser.do("pause").status_code == 400
    assert browser.do("priority", open_one, priority="11").status_code == 400


def test_forms_of_other_sites_and_of_other_sessions_are_refused(api: Api, browser: Browser) -> None:
    job_id = api.client.submit()
    browser.sign_in(api.client)
    token, path = browser.token(), f"/ui/jobs/do?id={job_id}"
    foreign = ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"})
    for headers in foreign:
        assert browser.post(path, headers, do="cancel", token=token).status_code == 403
    assert browser.post(path, do="cancel").status_code == 403
    assert browser.post(path, do="cancel", token="x").status_code == 403
    # A form that would be a simple request of another site never reaches the API itself.
    assert browser.post(f"/jobs/{job_id}/cancel", token=token).status_code in (401, 415)
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "queued"
    assert browser.post("/ui/login", foreign[0], client="x").status_code == 403


def test_who_may_only_read_changes_nothing(api: Api, browser: Browser) -> None:
    browser.sign_in(api.readonly)
    assert '<body class="readonly">' in browser.get("/ui/").text
    assert browser.do("cancel", 1).status_code == 403


def test_nothing_that_clients_write_becomes_a_tag(api: Api, browser: Browser) -> None:
    api.client.submit(parameters={"length": 1, "content_id": HOSTILE})
    job_id = api.client.get("/jobs", limit=1)[0]["id"]
    browser.sign_in(api.client)
    for path in ("/ui/", f"/ui/jobs/{job_id}", f"/ui/?search={HOSTILE}", "/ui/login?to=" + HOSTILE):
        page = browser.get(path)
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_filters_find_and_pages_follow_each_other(api: Api, browser: Browser) -> None:
    jobs = [api.client.submit(parameters={"length": 1, "content_id": f"c{n}"}) for n in range(53)]
    browser.sign_in(api.client)
    browser.do("cancel", jobs[0])

    def shown(path: str) -> list[str]:
        return re.findall(r'id="job-(\d+)"', browser.get(path).text)

    first = browser.get("/ui/").text
    older = re.search(r'href="(/ui/\?before=\d+)" rel="next"', first)
    assert older
    assert [int(one) for one in shown("/ui/") + shown(older[1])] == jobs[::-1]
    assert shown("/ui/?state=cancelled") == [str(jobs[0])]
    assert shown("/ui/?search=c17") == [str(jobs[17])]
    assert shown("/ui/?workflow=fan") == []
    assert len(shown("/ui/?workflow=line&state=queued")) == 50
    assert "Nothing fits" in browser.get("/ui/?search=nobody").text
    assert shown("/ui/?from=2001-01-01&to=2001-01-02") == []


def test_there_is_a_page_for_each_error(api: Api, browser: Browser) -> None:
    browser.sign_in(api.client)
    for path, status in (("/ui/jobs/999999", 404), ("/ui/jobs/x", 400), ("/ui/nothing", 404)):
        page = browser.get(path)
        assert page.status_code == status
        assert page.headers["content-type"].startswith("text/html")
        assert "To the queue" in page.text


def test_a_stream_tells_rows_that_change(api: Api, browser: Browser) -> None:
    job_id = api.client.submit()
    browser.sign_in(api.client)
    with browser.web.stream("GET", f"{browser.url}/ui/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        heard = ""
        for part in stream.iter_text():
            heard += part
            if f'hx-target="#job-{job_id}"' in heard:
                break
    assert '<tr id="job-' in heard
