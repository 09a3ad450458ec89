"""The pages in a browser: live, for everybody, with scripts and without."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.dashboard.queue import SHOWN
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled
from dashboard.visits import Seen, good, need_browser, signed_in, visit
from kinds import WIDTHS
from services import wait_until
from storage_services import S3

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

LINE_PIXELS = 24
"""More than the height of a line."""
TALLEST = """Math.max(
  ...[...document.querySelectorAll("#tasks tbody tr")].map((one) => one.offsetHeight)
)"""
"""Pixels of the row of a task."""

CURL_WATCHED = """void (window.copied = "", navigator.clipboard.writeText = async (words) => {
  window.copied = words;
})"""
"""Let the page remember what it puts on the clipboard, which a script may not read."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    need_browser()
    deployment = ContractDeployment(Settings(home=tmp_path_factory.mktemp("pages"), port=0))
    deployment.store.migrate()
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        yield enrolled(deployment, url)
    deployment.store.close()


def test_a_queue_that_is_open_shows_what_happens(api: Api, tmp_path: Path) -> None:
    first = api.client.submit(parameters={"length": 3, "content_id": HOSTILE})
    stays = api.client.submit(run_at="2090-01-01T00:00:00.000Z")
    looks = tmp_path / "looks"
    steps = [
        *signed_in(api.client),
        ["see", "#live", "live"],
        ["see", f"#job-{first} .state", "queued"],
        ["touch", str(looks)],
        # Nothing is clicked: the page changes by itself, and the new job comes into it.
        ["see", f"#job-{first} .state", "done"],
        ["see", "tr", "came later"],
        ["see", f"#job-{stays} .state", "scheduled"],
        ["text", "title"],
        ["click", f"#job-{stays} button.danger"],
        ["see", f"#job-{stays} .state", "cancelled"],
    ]
    with at_work(api, looks, "came later"):
        seen = visit(api.url, steps)
    assert seen.errors == []
    assert seen.seen[-3] == "Queue · Adaptation"
    assert len(seen.dialogs) == 1
    assert f"Cancel job {stays}" in seen.dialogs[0]


def test_a_job_that_is_open_on_a_telephone_shows_what_happens(api: Api, tmp_path: Path) -> None:
    job_id = api.client.submit(parameters={"length": 4, "content_id": "film"})
    looks = tmp_path / "looks"
    steps = [
        *signed_in(api.client, f"/ui/jobs/{job_id}"),
        ["see", "#head .state", "queued"],
        ["see", "#live", "live"],
        # A task is a line; what was opened of one stays open.
        ["value", TALLEST],
        ["click", "#tasks tbody tr:first-child summary"],
        ["touch", str(looks)],
        ["see", "#over", "The job has ended"],
        ["see", "#head .state", "done"],
        ["see", "#tasks tbody tr:first-child td[data-label=Worker]", "/"],
        ["count", "#tasks details[open]"],
        ["axe"],
        ["wide"],
        ["count", "#tasks tr.done"],
        ["see", "#log", "job completed"],
        ["count", "#live.lost"],
        ["click", "#over a"],
        ["see", "#head .state", "done"],
    ]
    with at_work(api, looks, "another"):
        seen = visit(api.url, steps, width=390)
    assert seen.errors == []
    found = dict(zip((step[-1] for step in steps), seen.seen, strict=True))
    assert found[TALLEST] <= 2 * LINE_PIXELS
    assert (found["#tasks tr.done"], found["#live.lost"], found["#tasks details[open]"]) == (
        4,
        0,
        1,
    )
    assert (found["axe"], found["wide"]) == ([], 390)


@contextmanager
def at_work(api: Api, looks: Path, content_id: str) -> Iterator[None]:
    """A worker that begins when somebody looks, and one more job then."""

    def work() -> None:
        while not looks.exists():
            time.sleep(0.05)
        with api.deployment.engine.running(1):
            api.client.submit(parameters={"length": 1, "content_id": content_id})
            over.wait()

    over, worker = threading.Event(), threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        looks.touch()
        over.set()
        worker.join()


OTHERS = ("workflows", "workflows/encoding_workflow", "workers", "settings", "clients", "storages")


@pytest.mark.parametrize(("width", "dark"), WIDTHS)
def test_operators_can_use_their_pages(api: Api, width: int, dark: bool) -> None:
    steps = signed_in(api.admin)
    for name in OTHERS:
        steps += [["goto", f"/ui/{name}"], ["axe"], ["wide"]]
    seen = visit(api.url, steps, width=width, dark=dark)
    good(seen, steps, width)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_everybody_can_use_the_pages(api: Api, tmp_path: Path, width: int, dark: bool) -> None:
    job_id = api.client.submit(parameters={"length": 2, "content_id": "w" * 120})
    steps = [
        ["goto", "/ui/"],
        ["axe"],
        *signed_in(api.client),
        ["axe"],
        ["wide"],
        ["goto", "/ui/?search=nobody-has-this"],
        ["axe"],
        ["goto", f"/ui/jobs/{job_id}"],
        ["see", "h1", f"Job {job_id}"],
        ["axe"],
        ["wide"],
        ["press", "Tab"],
        ["press", "Enter"],
        ["focused"],
    ]
    seen = visit(api.url, steps, width=width, dark=dark)
    assert seen.errors == []
    found = dict(zip([" ".join(step) for step in steps], seen.seen, strict=True))
    assert [answer for step, answer in zip(steps, seen.seen, strict=True) if step == ["axe"]] == (
        [[]] * 4
    )
    assert found["wide"] <= width
    assert found["focused"] == "main"  # the first link leads past the header


@pytest.mark.logs_errors
@pytest.mark.parametrize(("width", "dark"), WIDTHS)
def test_a_long_queue_is_looked_through_and_what_failed_tried_again(
    api: Api, width: int, dark: bool
) -> None:
    first, second = (api.admin.submit("fan", {"n": "no number"}) for _ in range(2))
    with api.deployment.engine.running(1):
        assert wait_until(lambda: have_failed(api, first, second))
    later = [api.admin.submit(run_at="2090-01-01T00:00:00.000Z") for _ in range(SHOWN)]
    row = "#job-{}".format
    both = [["check", f"{row(one)} [name=id]"] for one in (first, second)]
    steps = [
        *signed_in(api.admin),
        ["see", row(later[-1]), "scheduled"],
        ["click", ".pages [rel=next]"],
        ["see", f"{row(first)} .state", "failed"],
        ["axe"],
        ["click", ".pages a:not([rel])"],
        *[["check", f"{row(one)} [name=id]"] for one in later[-2:]],
        ["click", "#bulk [value=cancel]"],
        ["see", "#done", "2 jobs are cancelled."],
        ["see", f"{row(later[-1])} .state", "cancelled"],
        ["goto", "/ui/?state=failed"],
        ["value", CURL_WATCHED],
        ["click", f"{row(first)} .curl"],
        ["until", "window.copied.includes('api-key: KEY')"],
        *both,
        ["click", "#bulk [value=keep]"],
        ["see", "#done", "2 jobs are kept."],
        *both,
        ["click", "#bulk [value=retry]"],
        ["see", "#done", "2 jobs are tried again."],
        ["gone", row(first)],
        ["check", "[name=kept]"],
        ["choose", "[name=state]", ""],
        ["click", ".filters button"],
        ["see", f"{row(second)} .state", "queued"],
        ["gone", row(later[0])],
        ["axe"],
        ["wide"],
        ["click", f"{row(second)} [value=cancel]"],
        ["see", "#done", f"Job {second} is cancelled."],
        ["click", f"{row(second)} [value=retry]"],
        ["see", "#done", f"Job {second} is tried again."],
    ]
    seen = visit(api.url, steps, width=width, dark=dark)
    good(seen, steps, width)
    assert len(seen.dialogs) == 2
    with api.deployment.engine.running(1):
        assert wait_until(lambda: have_failed(api, first, second))
    for one in (first, second):
        assert api.deployment.store.job(one).run_no > 1


def have_failed(api: Api, *jobs: int) -> bool:
    """Whether jobs have ended so."""
    found = [api.deployment.store.job(one) for one in jobs]
    return all(one.ended and one.failed for one in found)


def test_a_storage_is_tried_by_a_button(api: Api, s3: S3) -> None:
    works = s3.config("works")
    for config in (works, replace(works, name="gone", endpoint="http://127.0.0.1:9")):
        api.deployment.store.add_storage(config)
    steps = [
        *signed_in(api.admin, "/ui/storages"),
        ["click", "tr:has-text('gone') button"],
        ["see", ".banner.failed", "gone"],
        ["axe"],
        ["click", "tr:has-text('works') button"],
        ["see", ".banner.good", "works"],
        ["axe"],
        ["wide"],
    ]
    try:
        seen = visit(api.url, steps, width=390)
    finally:
        for name in ("works", "gone"):
            api.deployment.store.remove_storage(name)
    good(seen, steps, 390)


def test_without_scripts_all_is_read_and_done(api: Api) -> None:
    job_id = api.client.submit()
    steps = [
        *signed_in(api.client),
        ["see", f"#job-{job_id} .state", "queued"],
        ["check", f"#job-{job_id} input"],
        ["click", "#bulk button[value=pause]"],
        ["see", f"#job-{job_id} .state", "paused"],
        ["click", f"#job-{job_id} a"],
        ["see", "h1", f"Job {job_id}"],
        ["click", "button[value=cancel]"],
        ["see", "#head .state", "cancelled"],
    ]
    assert visit(api.url, steps, scripts=False).errors == []


def test_a_page_tells_when_its_server_is_gone(tmp_path: Path) -> None:
    need_browser()
    deployment = ContractDeployment(Settings(home=tmp_path, port=0))
    deployment.store.migrate()
    looks, seen = tmp_path / "looks", list[Seen]()
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        api = enrolled(deployment, url)
        steps = [
            *signed_in(api.client),
            ["see", "#live", "live"],
            ["touch", str(looks)],
            ["see", "#live.lost", "reconnecting, last update"],
        ]
        visitor = threading.Thread(target=lambda: seen.append(visit(url, steps)))
        visitor.start()
        while visitor.is_alive() and not looks.exists():
            time.sleep(0.05)
    visitor.join()
    deployment.store.close()
    assert [error for error in seen[0].errors if error.startswith("step")] == []
