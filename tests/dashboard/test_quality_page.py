"""What a job's page tells of quality: a plot to click, the worst first, pictures side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

import vmaf_kit
from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.dashboard.painting import STATIC
from adaptation.settings import Settings
from adaptation.wiring import Deployment, deploy
from api_kit import Api, enrolled
from contract.browser import Browser
from dashboard.visits import need_browser, signed_in, visit
from services import wait_until
from stills_kit import numbers

JOB_SECONDS = 240.0
LISTEN = (
    "window.sought = [], void document.addEventListener('film:seek',"
    " ({ detail }) => window.sought.push(detail.seconds))"
)
SHOWN = """(() => {
  const box = document.querySelector("#pair img").getBoundingClientRect();
  const above = (x) => document.elementFromPoint(box.left + x * box.width, box.top + 9);
  return [0.25, 0.75].map((x) => (above(x).src.includes("of=source") ? "source" : "90p"));
})()"""
"""Whose picture is seen at the left and at the right of where they lie."""


@dataclass(frozen=True)
class Scene:
    """A server with an asset that is measured by a job that nobody runs yet."""

    api: Api
    job_id: int
    """Made the asset."""
    measures: int
    """Will measure it."""

    @property
    def deployment(self) -> Deployment:
        return self.api.deployment


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("quality_page")
    deployment = deploy(Settings(home=folder / "home", port=0))
    job = deployment.encode(
        str(vmaf_kit.make_film(folder)),
        str(folder / "asset"),
        renditions=vmaf_kit.RUNGS,
        segment_seconds=2,
        rate_control="abr",
        passthrough="never",
    )
    assert job.succeeded, job.error
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        api = enrolled(deployment, url)
        with httpx2.Client(trust_env=False, timeout=60) as web:
            browser = Browser(url.rstrip("/"), web)
            browser.sign_in(api.admin)
            before = browser.get(f"/ui/jobs/{job.id}").text
            assert "It was not measured." in before
            sent = browser.post(f"/ui/jobs/{job.id}/quality", token=browser.token())
            assert sent.headers["location"] == f"/ui/jobs/{job.id}#quality"
            assert "It waits to be measured" in browser.get(f"/ui/jobs/{job.id}").text
        told = api.admin.get(f"/jobs/{job.id}/quality")
        assert told["state"] == "waiting"
        with deployment.engine.running(2):
            measured = told["measured_by"]
            assert wait_until(lambda: deployment.store.job(measured).ended, JOB_SECONDS)
        yield Scene(api, job.id, measured)
    deployment.close()


@pytest.fixture
def browser(scene: Scene) -> Iterator[Browser]:
    with httpx2.Client(trust_env=False, timeout=60) as web:
        found = Browser(scene.api.url.rstrip("/"), web)
        found.sign_in(scene.api.admin)
        yield found


def test_a_click_on_the_plot_plays_the_segment_that_is_there(scene: Scene) -> None:
    need_browser()
    assert (STATIC / "vendor" / "uplot.min.js").is_file(), "make assets"
    steps = [
        *signed_in(scene.api.admin, f"/ui/jobs/{scene.job_id}"),
        ["see", "#quality-plot canvas", ""],
        ["value", LISTEN],
        ["click", "#quality-plot .u-over"],
        ["see", "#quality-told", "0:04.00: 180p"],
        ["value", "window.sought"],
        ["value", "document.getElementById('quality-plot').focus()"],
        ["press", "ArrowRight"],
        ["press", "Enter"],
        ["value", "window.sought"],
        ["axe"],
        ["wide"],
    ]
    seen = visit(scene.api.url, steps)
    assert seen.errors == []
    # The middle of 9 s lies in the segment from 4 to 6.
    assert seen.seen[-7] == [4]
    assert seen.seen[-3] == [4, 6]
    assert seen.seen[-2:] == [[], 1280]


def test_all_of_it_is_there_on_a_telephone_in_the_dark(scene: Scene) -> None:
    need_browser()
    compare = f"/ui/jobs/{scene.job_id}/compare?t=4&rendition=90p"
    width = "one.decode().then(() => one.naturalWidth)"
    loaded = f"Promise.all([...document.images].map((one) => {width}))"
    steps = [
        *signed_in(scene.api.admin, f"/ui/jobs/{scene.job_id}"),
        ["see", "#quality-plot canvas", ""],
        ["axe"],
        ["wide"],
        ["goto", compare],
        ["value", loaded],
        ["axe"],
        ["wide"],
        # By keyboard alone.
        ["value", "document.getElementById('over').focus()"],
        ["press", "Enter"],
        ["focused"],
        ["value", SHOWN],
        ["press", "Home"],
        ["value", SHOWN],
        ["press", "End"],
        ["value", SHOWN],
        ["axe"],
        ["wide"],
    ]
    seen = visit(scene.api.url, steps, width=390, dark=True)
    assert seen.errors == []
    assert seen.seen[-16:-14] == [[], 390]
    assert seen.seen[-13:-10] == [[320, 160], [], 390]
    wiped = [["source", "90p"], ["90p", "90p"], ["source", "source"]]
    assert seen.seen[-8:] == ["wipe", wiped[0], None, wiped[1], None, wiped[2], [], 390]


def test_the_page_says_all_without_scripts(scene: Scene, browser: Browser) -> None:
    page = browser.get(f"/ui/jobs/{scene.job_id}").text
    quality = scene.api.admin.get(f"/jobs/{scene.job_id}/quality")
    assert page.count("<polyline") == 2
    bad = quality["worst"][0]
    first = page.partition('<table class="worst">')[2].partition("<tbody>")[2]
    assert f'data-seek="{bad["start"]}"' in first.partition("</tr>")[0]
    assert f"t={bad['start']}#film-part" in first.partition("</tr>")[0]
    for rendition in quality["renditions"]:
        for segment in rendition["segments"]:
            assert f"{segment['vmaf']:.1f}" in page
    assert browser.get(f"/ui/jobs/{scene.job_id}/quality").json() == quality
    assert 'polyline class="curve' in browser.get(f"/ui/jobs/{scene.measures}").text


def test_both_pictures_are_the_very_same_frame(
    scene: Scene, browser: Browser, tmp_path: Path
) -> None:
    still = f"/ui/jobs/{scene.job_id}/still?rendition=180p"
    for seconds, frame in ((0, 0), (1.0, 25), (2.5, 62), (8.96, 224)):
        for name in ("source", ""):
            answer = browser.get(f"{still}&t={seconds}&of={name}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
            (tmp_path / "still.jpg").write_bytes(answer.content)
            assert numbers(tmp_path / "still.jpg", tmp_path / "read") == [frame]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("t=9.5&rendition=180p", 404),
        ("t=1&rendition=720p", 404),
        ("t=-1&rendition=180p", 400),
        ("t=nan&rendition=180p", 400),
        ("t=1", 400),
    ],
)
def test_what_is_not_there_is_told(scene: Scene, browser: Browser, query: str, status: int) -> None:
    assert browser.get(f"/ui/jobs/{scene.job_id}/still?{query}").status_code == status


def test_nobody_sees_pictures_of_another_client(scene: Scene) -> None:
    with httpx2.Client(trust_env=False, timeout=60) as web:
        other = Browser(scene.api.url.rstrip("/"), web)
        other.sign_in(scene.api.other)
        for place in ("still?t=1&rendition=180p", "compare", "quality"):
            assert other.get(f"/ui/jobs/{scene.job_id}/{place}").status_code == 404
        refused = other.post(f"/ui/jobs/{scene.job_id}/quality", token=other.token())
        assert refused.status_code == 404
