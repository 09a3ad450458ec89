"""However many look at a page, a change is painted once, and who reads slowly holds up nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adaptation.api.channel import MOST_WAITING
from adaptation.api.server import serving
from adaptation.dashboard import live, painting
from adaptation.dashboard.mounting import mount
from adaptation.dashboard.queue import SHOWN
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled
from dashboard.looking import cookie_of, looking_at
from engine_kit import HandWorker
from events_kit import write_lines

MANY = 200
LONG = "x" * 3900


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    deployment = ContractDeployment(Settings(home=tmp_path_factory.mktemp("looking"), port=0))
    deployment.store.migrate()
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        yield enrolled(deployment, url)
    deployment.store.close()


@pytest.fixture
def hand(api: Api, tmp_path: Path) -> HandWorker:
    return HandWorker(api.deployment.store, api.deployment.registry, tmp_path)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each part of a page was painted for a stream."""
    seen = Counter[str]()

    def counted(template: str, **facts: object) -> str:
        seen[template] += 1
        return painting.painted(template, **facts)

    monkeypatch.setattr(live, "painted", counted)
    return seen


def test_a_change_is_painted_once_for_all_who_look(
    api: Api, hand: HandWorker, parts: Counter[str]
) -> None:
    job_id = hand.submit("line", length=3)
    cookie = cookie_of(api, api.admin)
    with ExitStack() as streams:
        all_of_them = [
            streams.enter_context(looking_at(api, f"/ui/jobs/{job_id}/live", cookie))
            for _ in range(MANY)
        ]
        for one in all_of_them:
            one.until('id="tasks"')
        parts.clear()
        write_lines(hand, job_id, "for all")
        for one in all_of_them:
            one.until("for all")
        assert parts["_log_part.html"] == 1
        hand.run_all()
        for one in all_of_them:
            one.until("The job has ended")
    # A look each half second paints at most one of each; nobody's look is another's.
    assert parts["_job_end_part.html"] == 1
    assert 1 <= parts["_job_tasks_part.html"] <= 6
    assert 1 <= parts["_job_head_part.html"] <= MANY / 4


def test_who_reads_slowly_holds_up_nobody_and_is_let_go(api: Api, hand: HandWorker) -> None:
    job_id = hand.submit("line", length=3)
    path, cookie = f"/ui/jobs/{job_id}/live", cookie_of(api, api.admin)
    with (
        looking_at(api, path, cookie, buffer_bytes=4096) as slow,
        looking_at(api, path, cookie) as quick,
    ):
        slow.until('id="tasks"')
        for number in range(5):
            write_lines(hand, job_id, *[LONG] * 1000, f"round {number}")
            assert quick.until(f"round {number}").count(LONG) == 1000
        told = slow.rest().count(LONG)
    assert told < 5000 - MOST_WAITING, "it was told all: it was not slow"


def test_who_opens_the_queue_is_told_of_no_more_jobs_than_a_page_shows(
    api: Api, hand: HandWorker, parts: Counter[str]
) -> None:
    jobs = [hand.queue() for _ in range(SHOWN + 20)]
    with looking_at(api, "/ui/live", cookie_of(api, api.admin)) as stream:
        stream.until(f'id="job-{jobs[-1]}"')
        write_lines(hand, jobs[0], "something happens")
        stream.until(f'id="job-{jobs[0]}"')
    assert parts["_row_part.html"] <= SHOWN + len(jobs)
