"""A job's page in a browser: it fails, is mended and ends; its log is followed and held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import clips
from adaptation.adapters.process import run as run_tool
from adaptation.adapters.sandbox import Access
from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.engine.rows import insert_lines
from adaptation.engine.tasks import TaskRun, WorkflowDefinition, task
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled
from dashboard.visits import need_browser, signed_in, visit
from kinds import WIDTHS

HOSTILE = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'


@task("light")
def decode(context: dict[str, Any], run: TaskRun[Any]) -> dict[str, Any]:
    """Decode a file to its end, as FFmpeg does."""
    path = Path(context["path"])
    run.log(f"decoding {HOSTILE}")
    words = ["-nostdin", "-v", "error", "-i", str(path), "-f", "null", "-"]
    run_tool([str(clips.tools().ffmpeg), *words], access=Access(reads=(path,)))
    return context


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    need_browser()
    deployment = ContractDeployment(Settings(home=tmp_path_factory.mktemp("pages"), port=0))
    deployment.store.migrate()
    deployment.registry.add_tasks(decode)
    deployment.registry.add_workflow(
        WorkflowDefinition("decode", dict, lambda given: decode.s(**given))
    )
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        yield enrolled(deployment, url)
    deployment.store.close()


@contextmanager
def doing(*deeds: tuple[Path, Callable[[], None]]) -> Iterator[None]:
    """Do each deed as soon as its file is there, one after the other."""

    def work() -> None:
        for path, deed in deeds:
            while not (path.exists() or over.is_set()):
                time.sleep(0.05)
            if not over.is_set():
                deed()

    over, worker = threading.Event(), threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


@contextmanager
def working_from(api: Api, looks: Path) -> Iterator[None]:
    """A worker that begins when somebody looks."""

    def work() -> None:
        with api.deployment.engine.running(1):
            over.wait()

    over = threading.Event()
    with doing((looks, work)):
        try:
            yield
        finally:
            over.set()


def check(steps: list[list[str]], seen: list[Any], width: int) -> None:
    """Nothing is wrong for anybody, nothing is wider than the window, and no script has run."""
    answers = list(zip(steps, seen, strict=True))
    assert [answer for step, answer in answers if step == ["axe"] and answer] == []
    assert max(answer for step, answer in answers if step == ["wide"]) <= width
    assert seen[-1] == "undefined"


@pytest.mark.parametrize(("width", "dark"), WIDTHS)
def test_a_job_that_fails_is_mended_retried_from_there_and_ends(
    api: Api, tmp_path: Path, width: int, dark: bool
) -> None:
    source, looks = tmp_path / "film.mp4", tmp_path / "looks"
    source.write_text("no film at all")
    job_id = api.client.submit("decode", {"path": str(source), "content_id": HOSTILE})
    path = f"/ui/jobs/{job_id}"
    look = [["axe"], ["wide"]]
    steps = [
        *signed_in(api.client, path),
        ["see", "#head .sentence", "No worker was heard lately"],
        ["see", "#live", "live"],
        *look,
        ["touch", str(looks)],
        # Nothing is clicked: the page changes by itself.
        ["see", "#head .banner.failed", "ended with status"],
        ["see", "#lanes", "1 try on 1 worker"],
        ["see", "#head .banner button", "Retry from here"],
        ["click", "#over a"],
        ["see", "#last-words summary", "What the tool said last"],
        *look,
        ["picture", str(tmp_path / "failed.png")],
        ["click", "#head .banner a[href^='/ui/errors/']"],
        ["see", "h1", "tool_failed"],
        *look,
        ["goto", f"{path}/commands"],
        ["see", ".commands pre", "-f null -"],
        ["click", ".commands button"],
        ["see", ".commands button", "Copied"],
        *look,
        ["value", "typeof window.owned"],
    ]
    with working_from(api, looks):
        seen = visit(api.url, steps, width=width, dark=dark)
    assert seen.errors == []
    check(steps, seen.seen, width)

    clips.make_plain(tmp_path / "made").replace(source)
    steps = [
        *signed_in(api.client, path),
        ["click", "#head .banner button"],
        ["see", "#head .state", "done"],
        ["goto", path],
        ["count", "#head .banner"],
        ["see", "#lanes", "2 tries on"],
        ["text", "#lanes p"],
        ["click", "#tries summary"],
        ["see", "#tries-table .state", "failed"],
        ["see", "#tries-table .state", "done"],
        *look,
        ["picture", str(tmp_path / "done.png")],
        ["value", "typeof window.owned"],
    ]
    with api.deployment.engine.running(1):
        seen = visit(api.url, steps, width=width, dark=dark)
    assert seen.errors == []
    check(steps, seen.seen, width)
    assert seen.seen[steps.index(["count", "#head .banner"])] == 0
    assert api.deployment.store.job(job_id).succeeded


def test_a_log_is_followed_left_alone_held_and_filtered(api: Api, tmp_path: Path) -> None:
    job_id = api.client.submit(parameters={"length": 1, "content_id": "log"})

    def written(words: str, number: int) -> Callable[[], None]:
        def write() -> None:
            lines = [(30 if n % 2 else 20, f"{words} {n} {HOSTILE}") for n in range(number)]
            with api.deployment.store.database.write() as connection:
                insert_lines(connection, job_id, 0, lines)

        return write

    burst, later, unheard, last = (tmp_path / name for name in ("1", "2", "3", "4"))
    top = "document.querySelector('#log').scrollTop"
    is_at_end = "(l => l.scrollHeight - l.scrollTop - l.clientHeight < 9)(window.log)"
    steps = [
        *signed_in(api.client, f"/ui/jobs/{job_id}"),
        ["see", "#live", "live"],
        ["touch", str(burst)],
        ["see", "#log", "burst 149"],
        ["value", is_at_end],
        ["value", f"{top} = 40"],
        ["see", "#follow[aria-pressed=false]", "Follow"],
        ["touch", str(later)],
        ["see", "#log", "later 9"],
        ["value", top],  # its reader is left where he is
        ["click", "#follow"],
        ["value", is_at_end],
        ["click", "#hold"],
        ["see", "#hold[aria-pressed=true]", "Held since"],
        ["touch", str(unheard)],
        ["click", "#hold"],
        ["see", "#log", "unheard 9"],
        ["see", "#hold[aria-pressed=false]", "Hold"],
        ["choose", "#log-filter [name=severity]", "30"],
        ["see", "#log-filter", "Show all"],
        ["touch", str(last)],
        ["see", "#log", "last 9"],
        ["count", "#log .severity-20"],
        ["value", "new Set([...log.children].map(one => one.id)).size === log.children.length"],
        ["axe"],
        ["value", "typeof window.owned"],
    ]
    deeds = [(burst, "burst", 150), (later, "later", 10), (unheard, "unheard", 10)]
    with doing(*[(path, written(words, n)) for path, words, n in [*deeds, (last, "last", 10)]]):
        seen = visit(api.url, steps)
    assert seen.errors == []
    found = [answer for step, answer in zip(steps, seen.seen, strict=True) if step[0] == "value"]
    assert found == [True, 40, 40, True, True, "undefined"]
    assert seen.seen[-4] == 0
    assert seen.seen[-2] == []
