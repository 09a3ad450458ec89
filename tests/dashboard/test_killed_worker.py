"""A worker that is killed is seen to be gone as soon as its next heartbeat does not come."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.dashboard.rows import late_seconds
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled
from contract.browser import Browser
from dashboard.looking import cookie_of, looking_at
from dashboard.visits import need_browser, signed_in, visit
from fleet import Fleet
from fleet_process import PACE
from services import wait_until

SLOW_SECONDS = 5.0
"""How late a busy machine may be with an answer."""
NO_TURNS = """(() => {
  for (let one = window.setTimeout(() => {}); one > 0; one -= 1) window.clearTimeout(one);
  window.htmx.trigger(document.querySelector("[data-again]"), "refresh");
})()"""
"""From now on a page asks only when somebody should have been heard, not every few seconds."""


@pytest.fixture
def fleet(tmp_path: Path, redis_url: str) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, f"sqlite:///{tmp_path / 'engine.db'}", redis_url)
    yield fleet
    fleet.store.close()


@pytest.fixture
def api(tmp_path: Path, fleet: Fleet) -> Iterator[Api]:
    settings = Settings(
        home=tmp_path / "home",
        database_url=fleet.database,
        heartbeat_seconds=PACE.heartbeat_seconds,
        port=0,
    )
    deployment = ContractDeployment(settings)
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        yield enrolled(deployment, url)
    deployment.store.close()


def test_a_worker_that_is_killed_is_missed_when_its_heartbeat_does_not_come(
    fleet: Fleet, api: Api, tmp_path: Path
) -> None:
    need_browser()
    looks = tmp_path / "looks"
    steps = [
        *signed_in(api.admin, "/ui/workers"),
        ["until", "document.querySelector('[data-due]') !== null"],
        ["value", NO_TURNS],
        ["touch", str(looks)],
        ["see", "#fleet .state.late", "late"],
        ["see", "#fleet", "not heard for"],
    ]
    with httpx2.Client(trust_env=False, timeout=30) as web:
        browser = Browser(api.url.rstrip("/"), web)
        browser.sign_in(api.admin)
        with fleet.worker(status=-signal.SIGKILL) as worker:
            job = fleet.submit("work", seconds=60.0)
            assert wait_until(lambda: fleet.runs(job), 20)
            name = f"/{worker.pid}</td>"
            assert name in browser.get("/ui/workers").text
            visitor = ThreadPoolExecutor(1).submit(visit, api.url, steps)
            assert wait_until(lambda: looks.exists() or visitor.done(), 120)
            worker.kill()
            worker.wait()
            killed = time.monotonic()
            for path in ("/ui/workers", "/ui/"):
                assert wait_until(lambda: "not heard for" in browser.get(path).text, 20)  # noqa: B023
            seen_after = time.monotonic() - killed
            with looking_at(api, "/ui/live", cookie_of(api, api.admin)) as stream:
                stream.until("not heard for")
        assert visitor.result().errors == []
        assert seen_after <= late_seconds(api.deployment.settings) + SLOW_SECONDS
        # The next process of its host finds it dead, and takes over at once what it ran.
        with fleet.worker():
            assert wait_until(lambda: name not in browser.get("/ui/workers").text, 20)
            assert wait_until(lambda: fleet.runs(job), 20)
            assert wait_until(lambda: "not heard for" not in browser.get("/ui/").text, 20)
            fleet.engine.store.cancel(job.id)
