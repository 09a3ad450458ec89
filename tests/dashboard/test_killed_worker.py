"""A worker that is killed is seen to be gone as soon as its next heartbeat does not come."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.dashboard.rows import LATE_BEATS
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled
from contract.browser import Browser
from fleet import Fleet
from fleet_process import PACE
from services import wait_until

SLOW_SECONDS = 5.0
"""How late a busy machine may be with an answer."""


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


def test_a_worker_that_is_killed_is_missed_within_its_heartbeats(fleet: Fleet, api: Api) -> None:
    with httpx2.Client(trust_env=False, timeout=30) as web:
        browser = Browser(api.url.rstrip("/"), web)
        browser.sign_in(api.admin)
        with fleet.worker(status=-signal.SIGKILL) as worker:
            job = fleet.submit("work", seconds=60.0)
            assert wait_until(lambda: fleet.runs(job), 20)
            name = f"/{worker.pid}</td>"
            assert name in browser.get("/ui/workers").text
            worker.kill()
            worker.wait()
            killed = time.monotonic()
            for path in ("/ui/workers", "/ui/"):
                assert wait_until(lambda: "not heard for" in browser.get(path).text, 20)  # noqa: B023
            seen_after = time.monotonic() - killed
        assert seen_after <= LATE_BEATS * PACE.heartbeat_seconds + SLOW_SECONDS
        # The next process of its host finds it dead, and takes over at once what it ran.
        with fleet.worker():
            assert wait_until(lambda: name not in browser.get("/ui/workers").text, 20)
            assert wait_until(lambda: fleet.runs(job), 20)
            assert wait_until(lambda: "not heard for" not in browser.get("/ui/").text, 20)
            fleet.engine.store.cancel(job.id)
