"""Every action of the operators' pages, in a browser, on a real engine with a worker of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import clips
from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.engine.states import JobState
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from api_kit import Api, enrolled
from brokers import Broker
from dashboard.visits import good, need_browser, signed_in, visit
from kinds import WIDTHS
from services import wait_until


@dataclass(frozen=True)
class Shop:
    """A server, and what its workers need to know."""

    api: Api
    clip: Path
    environment: dict[str, str]

    def submit(self, name: str, **job: object) -> int:
        """A job that takes one picture of a real clip."""
        parameters = {
            "source": str(self.clip),
            "frame_time": "0.5",
            "output_folder": f"stills/{name}",
            "image_filename": "still.png",
            "content_id": name,
        }
        return self.api.admin.submit("capture_frame", parameters, **job)

    @property
    def assets(self) -> Path:
        """Where relative output folders lie."""
        return self.api.deployment.settings.assets_root

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker as a process of its own, which has told what it can do."""
        store = self.api.deployment.store
        command = [sys.executable, "-m", "adaptation", "worker", "--slots", "1"]
        with subprocess.Popen(command, env=self.environment) as process:
            try:
                assert wait_until(lambda: any(one.facts for one in store.processes()), 60)
                yield process
            finally:
                process.terminate()
                process.wait(timeout=60)


@pytest.fixture(scope="module")
def shop(redis_server: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    need_browser()
    redis_server.forget()
    home = tmp_path_factory.mktemp("shop")
    films = tmp_path_factory.mktemp("films")
    clip = clips.make_plain(films)
    told = {
        "ADAPTATION_HOME": str(home),
        "ADAPTATION_BROKER_URL": redis_server.url,
        "ADAPTATION_HEARTBEAT_SECONDS": "0.3",
        "ADAPTATION_SWEEP_SECONDS": "0.5",
        "PYTHONPATH": ":".join(path for path in sys.path if path),
        "PATH": "/usr/bin:/bin",
    }
    settings = Settings(
        home=home,
        broker_url=redis_server.url,
        heartbeat_seconds=0.3,
        sweep_seconds=0.5,
        source_root=films,
        port=0,
    )
    deployment = Deployment(settings)
    deployment.store.migrate()
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        yield Shop(enrolled(deployment, url), clip, told)
    deployment.close()


@dataclass
class Attended:
    """What somebody saw who watched the engine while another was in the browser."""

    before: list[JobState]
    """The states of jobs, just before the queue was let go on."""
    status: int | None = None
    """How the worker's process ended by itself; None: it did not."""


@contextmanager
def attended(shop: Shop, folder: Path, jobs: list[int]) -> Iterator[Attended]:
    """A worker that begins when the browser says so; what becomes of it and of jobs is noted."""
    found, over = Attended([]), threading.Event()

    def attend() -> None:
        wait_until((folder / "begin").exists, 240)
        with shop.worker() as process:
            wait_until(lambda: (folder / "look").exists() or over.is_set(), 240)
            found.before = [shop.api.deployment.store.job(one).state for one in jobs]
            over.wait()
            if (folder / "leaves").exists() and wait_until(lambda: process.poll() is not None, 60):
                found.status = process.returncode

    thread = threading.Thread(target=attend)
    thread.start()
    try:
        yield found
    finally:
        for name in ("begin", "look"):
            (folder / name).touch()
        over.set()
        thread.join()


@pytest.mark.parametrize(("width", "dark"), WIDTHS)
def test_the_queue_is_steered(shop: Shop, tmp_path: Path, width: int, dark: bool) -> None:
    first, second, third = (shop.submit(f"still-{width}-{number}") for number in range(3))
    scheduled = shop.submit(f"later-{width}", run_at="2090-01-01T00:00:00Z")
    row = "#job-{}".format
    both = [["check", f"{row(one)} [name=id]"] for one in (first, second)]
    steps = [
        *signed_in(shop.api.admin),
        ["see", "#nobody", "No worker has reported"],
        ["click", ".hold [value=pause]"],
        ["see", "#done", "The queue is paused"],
        ["see", "#held", f"by {shop.api.admin.name} since"],
        ["touch", str(tmp_path / "begin")],
        ["axe"],
        # Several at once.
        *both,
        ["see", "#chosen", "2 jobs chosen:"],
        ["click", "#bulk [value=pause]"],
        ["see", "#done", "2 jobs are paused."],
        ["see", f"{row(second)} .state", "paused"],
        *both,
        ["click", "#bulk [value=resume]"],
        ["see", "#done", "2 jobs go on."],
        *both,
        ["click", "#bulk [value=keep]"],
        ["see", "#done", "2 jobs are kept."],
        *both,
        ["choose", "#bulk [name=priority]", "7"],
        ["click", "#bulk [value=priority]"],
        ["see", "#done", "2 jobs have another priority."],
        ["see", f"{row(first)} [data-label=Priority]", "7"],
        # One at a time.
        ["click", f"{row(second)} button[value=priority]"],
        ["see", "#done", f"Job {second} has another priority."],
        ["see", f"{row(second)} [data-label=Priority]", "1"],
        ["click", f"{row(second)} [value=unkeep]"],
        ["see", "#done", f"Job {second} is not kept any more."],
        ["click", f"{row(third)} [value=cancel]"],
        ["see", "#done", f"Job {third} is cancelled."],
        ["click", f"{row(third)} [value=rerun]"],
        ["see", "#done", f"Job {third} runs anew as job"],
        ["click", "#all"],
        ["see", "#chosen", "jobs chosen:"],
        # What is looked for stays in the address, and what is done there leads back to it.
        ["fill", "[name=search]", f"still-{width}-0"],
        ["click", ".filters button"],
        ["see", row(first), f"still-{width}-0"],
        ["gone", row(second)],
        ["click", ".filters a"],
        ["choose", "[name=state]", "scheduled"],
        ["choose", "[name=workflow]", "capture_frame"],
        ["fill", "[name=client]", shop.api.admin.name],
        ["fill", "[name=from]", "2020-01-01"],
        ["fill", "[name=to]", "2080-01-01"],
        ["click", ".filters button"],
        ["see", row(scheduled), f"later-{width}"],
        ["gone", row(first)],
        ["click", f"{row(scheduled)} [value=cancel]"],
        ["see", "#done", f"Job {scheduled} is cancelled."],
        ["see", "#list", "Nothing fits"],
        ["axe"],
        ["wide"],
        # A worker is there by now, and nothing of a queue that is paused is started.
        ["goto", "/ui/workers"],
        ["see", ".fleet .state", "idle"],
        ["goto", "/ui/"],
        ["see", f"{row(first)} .state", "queued"],
        ["touch", str(tmp_path / "look")],
        ["click", ".hold [value=resume]"],
        ["see", "#done", "The queue goes on."],
        # The page changes by itself.
        ["see", f"{row(second)} .state", "done"],
        ["see", f"{row(first)} .state", "done"],
        ["axe"],
        ["wide"],
    ]
    with attended(shop, tmp_path, [first, second]) as found:
        seen = visit(shop.api.url, steps, width=width, dark=dark)
    good(seen, steps, width)
    assert [f"Cancel job {one}, " in seen.dialogs[at] for at, one in ((1, third), (2, scheduled))]
    assert found.before == [JobState.QUEUED, JobState.QUEUED]
    assert (shop.assets / f"stills/still-{width}-0/still.png").is_file()
    assert shop.api.deployment.store.job(first).persist


@pytest.mark.parametrize(("width", "dark"), WIDTHS)
def test_the_fleet_and_what_holds_for_all_is_steered(
    shop: Shop, tmp_path: Path, width: int, dark: bool
) -> None:
    waits = shop.submit(f"waits-{width}", run_at="2090-01-01T00:00:00Z")
    name = f"guest-{width}"
    steps = [
        *signed_in(shop.api.admin, "/ui/workers"),
        ["touch", str(tmp_path / "begin")],
        ["see", ".fleet .state", "idle"],
        ["axe"],
        ["wide"],
        # A real worker rests, goes on, and leaves; each time the page learns it by itself.
        ["click", ".fleet [value=drain]"],
        ["see", "#done", "is told to take nothing new"],
        ["see", ".fleet .state", "draining"],
        ["click", ".fleet [value=resume]"],
        ["see", "#done", "is told to take tasks again"],
        ["see", ".fleet .state", "idle"],
        ["touch", str(tmp_path / "leaves")],
        ["click", ".fleet [value=stop]"],
        ["see", "#done", "is told to end when nothing runs there"],
        ["see", "#fleet", "No worker has reported"],
        ["axe"],
        ["goto", "/ui/settings"],
        ["fill", "#setting-retry_limit [name=setting]", "4"],
        ["click", "#setting-retry_limit .acts button"],
        ["see", "#done", "retry_limit is set"],
        ["see", "#setting-retry_limit", f"by {shop.api.admin.name}"],
        ["see", "#setting-retry_limit", "database"],
        ["axe"],
        ["wide"],
        ["click", "#setting-retry_limit [value=reset]"],
        ["see", "#done", "retry_limit is as usual again"],
        ["fill", "#setting-max_jobs [name=setting]", "-1"],
        ["click", "#setting-max_jobs .acts button"],
        ["see", "h1", "max_jobs cannot be"],
        ["goto", "/ui/schedules"],
        ["click", "#schedule-queue_scheduled_jobs [value=pause]"],
        ["see", "#schedule-queue_scheduled_jobs .state", "rests"],
        ["click", "#schedule-queue_scheduled_jobs [value=resume]"],
        ["see", "#schedule-queue_scheduled_jobs .state", "active"],
        ["click", "#schedule-queue_scheduled_jobs [value=run]"],
        ["see", "#done", "looks again now"],
        ["fill", f"#job-{waits} [name=run_at]", "2070-05-04T10:30"],
        ["click", f"#job-{waits} [value=later]"],
        ["see", f"#job-{waits}", "2070-05-04 10:30"],
        ["axe"],
        ["wide"],
        ["click", f"#job-{waits} [value=cancel]"],
        ["see", "#done", f"Job {waits} is cancelled."],
        ["goto", "/ui/clients"],
        ["fill", "#main [name=name]", name],
        ["click", "#main form button"],
        ["see", "#new-key", "shown this once"],
        ["axe"],
        ["wide"],
        ["fill", "[name=limit-source_bytes]", "20GB"],
        ["click", "form:has([name=role]) p button"],
        ["see", "#done", f"Client {name} is changed."],
        ["click", "table button.danger"],
        ["see", "#done", "is valid no more"],
        ["goto", "/ui/storages"],
        ["see", "#main", "None but the machines' own folders"],
        ["goto", "/ui/workflows/capture_frame"],
        ["fill", "[name=source]", str(shop.clip)],
        ["fill", "[name=frame_time]", "0.5"],
        ["fill", "[name=output_folder]", f"stills/form-{width}"],
        ["fill", "[name=image_filename]", "still.png"],
        ["click", "[value=plan]"],
        ["see", "#plan", "capture frame"],
        ["axe"],
        ["wide"],
        ["click", "[value=submit]"],
        ["see", "h1", "capture_frame"],
    ]
    with attended(shop, tmp_path, []) as found:
        seen = visit(shop.api.url, steps, width=width, dark=dark)
    assert [error for error in seen.errors if "400 (Bad Request)" not in error] == []
    good(replace(seen, errors=[]), steps, width)
    assert found.status == 0
    assert shop.api.deployment.store.client(name).limits == {"source_bytes": 20_000_000_000}
    assert not any(key.is_live for key in shop.api.deployment.store.keys(name))


def test_a_page_tells_that_the_broker_is_away(tmp_path: Path) -> None:
    need_browser()
    deployment = Deployment(Settings(home=tmp_path, broker_url="redis://127.0.0.1:1/0", port=0))
    deployment.store.migrate()
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        steps = [
            *signed_in(enrolled(deployment, url).client),
            ["see", "#trouble", "the broker does not answer"],
            ["see", "#trouble", "s old"],
            ["axe"],
            ["wide"],
        ]
        seen = visit(url, steps, width=390)
    deployment.close()
    assert [error for error in seen.errors if "503" not in error] == []
    good(replace(seen, errors=[]), steps, 390)
