"""The log of a job on its page: filtered, page by page, as a file, and as it grows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape

import httpx2
import pytest

from adaptation.engine.rows import insert_lines
from api_kit import Api
from contract.browser import Browser

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{7*7}} \x1b[31m 100% _"


@pytest.fixture
def browser(api: Api) -> Iterator[Browser]:
    with httpx2.Client(trust_env=False, timeout=30) as web:
        made = Browser(api.url.rstrip("/"), web)
        made.sign_in(api.client)
        yield made


def write(api: Api, job_id: int, *lines: tuple[int, str], task_id: int = 0) -> None:
    with api.deployment.store.database.write() as connection:
        insert_lines(connection, job_id, task_id, lines)


def said(page: str) -> list[str]:
    """The messages that a page shows in its log."""
    part = page[page.index('<ol id="log"') :].partition("</ol>")[0]
    return [unescape(one) for one in re.findall(r'<span class="said">(.*?)</span>', part, re.S)]


def test_a_log_is_filtered_by_severity_task_and_words(api: Api, browser: Browser) -> None:
    job_id = api.client.submit()
    task_id = api.client.get(f"/jobs/{job_id}/tasks")[0]["id"]
    write(api, job_id, (10, "tiny"), (20, "plain"), (30, "Careful 100%"), (40, "broken"))
    write(api, job_id, (20, "of the task"), task_id=task_id)
    path = f"/ui/jobs/{job_id}"
    assert said(browser.get(path).text)[-4:] == ["plain", "Careful 100%", "broken", "of the task"]
    assert said(browser.get(f"{path}?severity=30").text) == ["Careful 100%", "broken"]
    assert "tiny" in said(browser.get(f"{path}?severity=10").text)
    assert said(browser.get(f"{path}?task={task_id}").text) == ["of the task"]
    assert "of the task" not in said(browser.get(f"{path}?task=0").text)
    assert said(browser.get(f"{path}?words=careful").text) == ["Careful 100%"]
    assert said(browser.get(f"{path}?words=0%25").text) == ["Careful 100%"]
    assert said(browser.get(f"{path}?words=c_reful").text) == []
    assert "No line is like that" in browser.get(f"{path}?words=nobody").text
    assert browser.get(f"{path}?severity=x").status_code == 400
    assert browser.get(f"{path}?task=x").status_code == 400
    shown = browser.get(f"{path}?severity=30&words=care").text
    assert '<option value="30" selected>' in shown
    assert 'value="care"' in shown


def test_what_is_filtered_is_what_is_downloaded(api: Api, browser: Browser) -> None:
    job_id = api.client.submit()
    write(api, job_id, (30, "one"), (20, "two"), (40, HOSTILE))
    page = browser.get(f"/ui/jobs/{job_id}?severity=30").text
    link = re.search(r'href="([^"]+/log[^"]*)" download', page)
    assert link
    answer = browser.get(unescape(link[1]))
    assert answer.headers["content-disposition"].endswith(f'"job-{job_id}.jsonl"')
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["message"] for row in rows] == ["one", HOSTILE]
    assert rows[0]["severity_description"] == "warning"
    other = api.other.submit()
    assert browser.get(f"/ui/jobs/{other}/log").status_code == 404


def test_a_long_log_goes_on_page_by_page(api: Api, browser: Browser) -> None:
    job_id = api.client.submit()
    write(api, job_id, *[(20, f"row {number}") for number in range(450)])
    found, path, pages = list[str](), f"/ui/jobs/{job_id}?words=row", 0
    while path:
        page = browser.get(path).text
        found = said(page) + found
        pages += 1
        older = re.search(r'href="([^"]+)" rel="prev"', page)
        path = unescape(older[1]).partition("#")[0] if older else ""
    assert found == [f"row {number}" for number in range(450)]
    assert pages == 3
    whole = browser.get(f"/ui/jobs/{job_id}/log?words=row").text.splitlines()
    assert [json.loads(line)["message"] for line in whole] == found


def test_hostile_lines_stay_words(api: Api, browser: Browser) -> None:
    job_id = api.client.submit()
    write(api, job_id, (30, HOSTILE))
    for path in (f"/ui/jobs/{job_id}", f"/ui/jobs/{job_id}?words=%3Cscript%3E"):
        page = browser.get(path).text
        assert HOSTILE in said(page)
        assert "<script>alert" not in page
        assert "<img" not in page


def test_a_stream_goes_on_where_the_page_ended_and_tells_only_what_fits(
    api: Api, browser: Browser
) -> None:
    job_id = api.client.submit()
    page = browser.get(f"/ui/jobs/{job_id}?severity=30&words=wanted").text
    # Between the page and the stream: it must not be lost.
    write(api, job_id, (30, "wanted 1"), (20, "wanted but small"), (30, "other"), (40, HOSTILE))
    stream = re.search(r'hx-sse:connect="([^"]+)"', page)
    assert stream
    heard = ""
    with browser.web.stream("GET", browser.url + unescape(stream[1])) as answer:
        for part in answer.iter_text():
            heard += part
            if 'hx-target="#log"' in heard and "wanted 2" not in heard:
                write(api, job_id, (30, "Wanted 2"), (20, "wanted but small"), (30, "other"))
            if "Wanted 2" in heard:
                break
    assert [unescape(one) for one in re.findall(r'class="said">(.*?)</span>', heard)][:2] == [
        "wanted 1",
        "Wanted 2",
    ]
    assert "other" not in re.findall(r'class="said">(.*?)</span>', heard)
    assert 'hx-target="#tasks"' in heard
    assert 'hx-target="#lanes"' in heard


def test_who_reads_older_pages_is_told_of_no_new_lines(api: Api, browser: Browser) -> None:
    job_id = api.client.submit()
    write(api, job_id, *[(20, f"line {number}") for number in range(250)])
    page = browser.get(f"/ui/jobs/{job_id}").text
    older = re.search(r'href="([^"]+)" rel="prev"', page)
    assert older
    page = browser.get(unescape(older[1])).text
    assert "newest lines" in page
    assert 'id="follow"' not in page
    assert f"/ui/jobs/{job_id}/live?severity=100&amp;after=" in page
