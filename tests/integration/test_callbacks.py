"""Callbacks to real end points: what comes, in which order, and what is tried again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from standardwebhooks import Webhook

import clips
from adaptation.adapters.webhook import Sender
from adaptation.engine import deliverer
from adaptation.engine.clients import CallbackStyle, Role
from adaptation.engine.deliveries import Delivery
from adaptation.engine.engine import Engine, Pace
from adaptation.engine.model import Job
from adaptation.engine.tasks import Registry, TaskRun, WorkflowDefinition, task
from adaptation.engine.terms import Terms
from adaptation.engine.worker import RetryRule
from adaptation.errors import SourceError
from adaptation.wiring import deploy
from command_line import started
from engine_kit import count_one, small_engine, small_registry
from receiver import Receiver, receiving
from services import wait_until

TASK_FIELDS = """job_id task_id task_name workflow event content_id message time
    client""".split()  # noqa: SIM905 - the contract's row
JOB_FIELDS = """job_id status workflow content_id message files metadata custom_data time
    client""".split()  # noqa: SIM905
TEMPLATE = '{"status": {{ status | tojson }}, "mine": {{ custom_data | tojson }}}'
MOST_DELAY_SECONDS = 5.0
"""Of 99 in a hundred callbacks to end points that answer at once: a third of the time for which one
that hangs is waited for; a machine that does nothing else needs less than 2 s."""
CUSTOM = {"mark": [1, None, "ü"]}


@task("light")
def give_up(context: dict[str, Any], run: TaskRun[Any]) -> dict[str, Any]:
    """Fail for good."""
    raise SourceError("the film is broken")


def registry() -> Registry:
    """`line` as in the engine's kit, with a report; `bad` fails in its only task."""
    known = small_registry()
    known.add_tasks(give_up)
    known.add_workflow(WorkflowDefinition("bad", dict, lambda _: give_up.s()))
    line = known.workflow("line")
    report = {"message": "master.m3u8", "files": ["a", "b"], "metadata": {"duration": 1.5}}
    known.add_workflow(WorkflowDefinition("line", dict, line.author, report=lambda _: report))
    return known


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path / "receiver.log") as found:
        yield found


@contextmanager
def delivering(
    folder: Path,
    schedule: tuple[float, ...] = (0.2, 0.2),
    timeout_seconds: float = 5.0,
    rest_seconds: float = 2.0,
) -> Iterator[Engine]:
    """An engine that works and sends callbacks, until the block ends."""
    pace = Pace(retry=RetryRule(2, 0.0), sweep_seconds=0.2)
    engine = small_engine(folder, registry(), pace)
    engine.schedule_seconds = schedule
    engine.sender = lambda: Sender(timeout_seconds, rest_seconds, policy=engine.policy)
    with engine.running(4):
        yield engine
    engine.store.close()


def submitted(
    engine: Engine, *urls: str, workflow: str = "line", client: str = "", length: int = 2
) -> Job:
    asked = {"length": length, "content_id": "film-1", "custom_data": CUSTOM}
    parameters = {**asked, "rest_endpoints": list(urls)}
    return engine.submit(workflow, parameters, terms=Terms(client))


def settled(engine: Engine, job: Job, seconds: float = 20) -> list[Delivery]:
    """A job's callbacks when none is on its way any more."""

    def over() -> bool:
        found = engine.store.deliveries(job.id)
        ended = engine.store.job(job.id).ended
        return ended and all(one.state != "pending" for one in found)

    assert wait_until(over, seconds)
    return engine.store.deliveries(job.id)


def test_everything_a_job_does_is_told_in_order_and_signed(
    receiver: Receiver, tmp_path: Path
) -> None:
    with delivering(tmp_path) as engine:
        _, _, secret = engine.store.add_client("studio", Role.CLIENT)
        job = submitted(engine, f"{receiver.url}/ok/studio", client="studio")
        settled(engine, job)

    came = receiver.requests()
    tasks = [task.id for task in engine.store.tasks(job.id)]
    assert [(one["json"].get("event", "job"), one["json"].get("task_id")) for one in came] == [
        ("start", tasks[0]),
        ("complete", tasks[0]),
        ("start", tasks[1]),
        ("complete", tasks[1]),
        ("job", None),
    ]
    assert [list(one["json"]) for one in came] == [TASK_FIELDS] * 4 + [JOB_FIELDS]
    assert came[0]["json"] | {"time": ""} == {
        "job_id": job.id,
        "task_id": tasks[0],
        "task_name": "count_one",
        "workflow": "line",
        "event": "start",
        "content_id": "film-1",
        "message": "",
        "time": "",
        "client": "studio",
    }
    assert came[-1]["json"] | {"time": ""} == {
        "job_id": job.id,
        "status": "completed",
        "workflow": "line",
        "content_id": "film-1",
        "message": "master.m3u8",
        "files": ["a", "b"],
        "metadata": {"duration": 1.5},
        "custom_data": CUSTOM,
        "time": "",
        "client": "studio",
    }
    for one in came:
        assert Webhook(secret).verify(one["body"], one["headers"]) == one["json"]
    assert len({one["headers"]["webhook-id"] for one in came}) == 5


def test_a_job_that_fails_says_so(receiver: Receiver, tmp_path: Path) -> None:
    with delivering(tmp_path) as engine:
        settled(engine, submitted(engine, receiver.url, workflow="bad"))

    start, fail, end = (one["json"] for one in receiver.requests())
    assert (start["event"], fail["event"], end["status"]) == ("start", "fail", "failed")
    assert fail["message"] == end["message"] == "the film is broken"
    assert (end["files"], end["metadata"]) == ([], {})


def test_what_fails_is_tried_again_in_order_under_the_same_id(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.be("500")
    with delivering(tmp_path, schedule=(0.3,) * 30) as engine:
        job = submitted(engine, receiver.url)
        assert wait_until(lambda: len(receiver.requests()) >= 3, 20)
        assert {one["json"]["event"] for one in receiver.requests()} == {"start"}
        receiver.be("ok")
        sent = settled(engine, job)

    came = receiver.requests()
    ids = [one["headers"]["webhook-id"] for one in came]
    assert [key for key, _ in itertools.groupby(ids)] == [one.identity for one in sent]
    assert len({one["body"] for one in came if one["headers"]["webhook-id"] == ids[0]}) == 1
    assert sent[0].attempt == ids.count(ids[0]) >= 3


@pytest.mark.parametrize("mode", ["500", "redirect", "hang", "closed"])
def test_what_never_works_is_given_up_and_said(
    receiver: Receiver, tmp_path: Path, mode: str
) -> None:
    url = "http://127.0.0.1:1/" if mode == "closed" else f"{receiver.url}/{mode}/"
    with (
        structlog.testing.capture_logs() as told,
        delivering(tmp_path, schedule=(0.05,), timeout_seconds=0.3) as engine,
    ):
        job = submitted(engine, url)
        sent = settled(engine, job)
        log = [line.message for line in engine.store.logs(job.id)]

    assert {(one.state, one.attempt) for one in sent} == {("dead", 2)}
    assert sum("given up after 2 tries" in line for line in log) == len(sent) == 5
    given_up = [line for line in told if line["event"] == "callback given up"]
    assert [(line["log_level"], line["job_id"], line["callback_id"]) for line in given_up] == [
        ("warning", job.id, one.id) for one in sent
    ]
    assert engine.store.job(job.id).succeeded


@pytest.mark.parametrize("mode", ["stall", "flood", "cut"])
def test_a_good_status_counts_however_its_body_ends(
    receiver: Receiver, tmp_path: Path, mode: str
) -> None:
    with delivering(tmp_path, timeout_seconds=20.0, rest_seconds=0.3) as engine:
        began = time.monotonic()
        sent = settled(engine, submitted(engine, f"{receiver.url}/{mode}/", length=1))
        took = time.monotonic() - began

    assert [(one.state, one.attempt, one.status) for one in sent] == [("delivered", 1, 200)] * 3
    assert all((one.answer or "").startswith("{}") for one in sent)
    assert len(receiver.requests()) == 3, "nothing comes twice"
    assert took < 10, "the rest of a body is not waited for"


def test_an_end_point_that_says_gone_is_sent_nothing_more(
    receiver: Receiver, tmp_path: Path
) -> None:
    url = f"{receiver.url}/410/"
    with delivering(tmp_path) as engine:
        first = settled(engine, submitted(engine, url, client="studio"))
        second = settled(engine, submitted(engine, url, client="studio"))
        other = settled(engine, submitted(engine, url, client="other"))

    assert {one.state for one in [*first, *second, *other]} == {"dropped"}
    assert len([one for one in receiver.requests() if one["json"]["client"] == "studio"]) == 1


def test_a_slow_end_point_gets_everything_in_order(receiver: Receiver, tmp_path: Path) -> None:
    with delivering(tmp_path) as engine:
        job = submitted(engine, f"{receiver.url}/slow/")
        sent = settled(engine, job)

    came = [one["headers"]["webhook-id"] for one in receiver.requests()]
    assert came == [one.identity for one in sent]
    assert {(one.state, one.attempt) for one in sent} == {("delivered", 1)}


def test_a_callback_is_sent_again_when_somebody_asks(receiver: Receiver, tmp_path: Path) -> None:
    with delivering(tmp_path) as engine:
        job = submitted(engine, receiver.url)
        last = settled(engine, job)[-1]
        engine.store.redeliver(job.id, last.id)
        assert wait_until(lambda: len(receiver.requests()) == 6, 10)
        settled(engine, job)

    *_, before, again = receiver.requests()
    assert again["body"] == before["body"]
    assert again["headers"]["webhook-id"] == before["headers"]["webhook-id"]


def test_who_is_busy_is_left_alone_as_long_as_it_asks(receiver: Receiver, tmp_path: Path) -> None:
    receiver.be("busy")
    with delivering(tmp_path, schedule=(0.0,) * 9) as engine:
        job = submitted(engine, receiver.url)
        assert wait_until(lambda: len(receiver.requests()) == 2, 10)
        receiver.be("ok")
        settled(engine, job)

    first, second = receiver.requests()[:2]
    assert second["time"] - first["time"] >= 0.95


def test_a_template_makes_the_body_and_headers_are_added(
    receiver: Receiver, tmp_path: Path
) -> None:
    style = CallbackStyle(
        headers={"X-Studio": "7"},
        templates={"job": TEMPLATE},
    )
    with delivering(tmp_path) as engine:
        engine.store.add_client("studio", Role.CLIENT, callback=style)
        settled(engine, submitted(engine, receiver.url, client="studio"))

    came = receiver.requests()
    assert came[-1]["json"] == {"status": "completed", "mine": CUSTOM}
    assert {one["headers"]["x-studio"] for one in came} == {"7"}


def test_a_template_that_fails_gives_way_to_the_contracts_body(
    receiver: Receiver, tmp_path: Path
) -> None:
    style = CallbackStyle(templates={"job": "{{ status }} is no JSON"})
    with delivering(tmp_path) as engine:
        engine.store.add_client("studio", Role.CLIENT, callback=style)
        job = submitted(engine, receiver.url, client="studio")
        settled(engine, job)
        log = [line.message for line in engine.store.logs(job.id)]

    assert list(receiver.requests()[-1]["json"]) == JOB_FIELDS
    assert any("template of callbacks fails" in line for line in log)


def test_one_that_hangs_delays_none_of_nineteen_others(receiver: Receiver, tmp_path: Path) -> None:
    others = [f"{receiver.url}/ok/{number}" for number in range(19)]
    seen = list[float]()
    # Other tests may keep the machine busy for a moment; what hangs does so all the time.
    while len(seen) < 3 and min(seen, default=MOST_DELAY_SECONDS) >= MOST_DELAY_SECONDS:
        seen.append(_p99_beside(receiver, others, tmp_path / f"{len(seen)}"))

    assert min(seen) < MOST_DELAY_SECONDS, seen


def _p99_beside(receiver: Receiver, others: list[str], folder: Path) -> float:
    """Seconds within which all but one of a hundred callbacks come while one end point hangs."""
    folder.mkdir()
    before = _answered(receiver)
    with delivering(folder, timeout_seconds=15.0) as engine:
        jobs = []
        for number in range(1, 7):
            jobs.append(submitted(engine, f"{receiver.url}/hang/", *others, length=1))
            wanted = before + number * 3 * len(others)
            assert wait_until(partial(has_answered, receiver, wanted), 30)
        delays = _delays(engine, jobs, receiver)
        hanging = time.monotonic()

    # Nobody waits for what hangs, at the end either.
    assert time.monotonic() - hanging < 8
    return sorted(delays)[int(0.99 * len(delays)) - 1]


def test_a_host_that_hangs_at_a_hundred_addresses_leaves_room_for_the_others(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "AT_ONCE", 40)
    hanging = [f"{receiver.url}/hang/{number}" for number in range(99)]
    with (
        receiving(tmp_path / "other.log") as other,
        delivering(tmp_path, timeout_seconds=30.0) as engine,
    ):
        submitted(engine, *hanging, length=1)
        assert wait_until(lambda: len(receiver.requests()) == deliverer.OF_ONE_ORIGIN, 20)
        settled(engine, submitted(engine, f"{other.url}/ok/", length=1))
        held = len(receiver.requests())

    assert held == deliverer.OF_ONE_ORIGIN, "no more than that, and all of them still hang"


def has_answered(receiver: Receiver, wanted: int) -> bool:
    return _answered(receiver) == wanted


def _answered(receiver: Receiver) -> int:
    return len([one for one in receiver.requests() if one["mode"] == "ok"])


def _delays(engine: Engine, jobs: list[Job], receiver: Receiver) -> list[float]:
    """How long after what it tells of each callback that was answered came."""
    came = {
        (one["headers"]["webhook-id"], one["path"]): one["time"]
        for one in receiver.requests()
        if one["mode"] == "ok"
    }
    return [
        came[one.identity, one.url.removeprefix(receiver.url)] - one.created_at.timestamp()
        for job in jobs
        for one in engine.store.deliveries(job.id)
        if "/ok/" in one.url
    ]


def test_no_task_is_started_twice_for_who_is_told(receiver: Receiver, tmp_path: Path) -> None:
    with delivering(tmp_path) as engine:
        job = submitted(engine, receiver.url, receiver.url)
        sent = settled(engine, job)

    assert len(sent) == len(receiver.requests()) == 5
    assert count_one.name == receiver.requests()[0]["json"]["task_name"]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("plain"))


@pytest.mark.crash
def test_a_deliverer_killed_in_mid_schedule_loses_nothing(
    receiver: Receiver, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPTATION_CALLBACK_SCHEDULE", ",".join(["0.5"] * 99))
    receiver.be("500")
    deployment = deploy()
    deployment.engine.prepare()
    asked = {"url": str(plain), "output_folder": str(tmp_path / "out"), "preset": "ultrafast"}
    parameters = {**asked, "rest_endpoints": [f"{receiver.url}/a", f"{receiver.url}/b"]}
    job = deployment.engine.submit("encoding_workflow", parameters)

    for number in range(1, 3):
        with started("serve"):  # killed at the end of the block
            assert wait_until(partial(has_heard, receiver, 4 * number), 40)
    receiver.be("ok")
    with started("serve"):
        sent = settled(deployment.engine, job, 120)

    assert deployment.store.job(job.id).succeeded
    assert {one.state for one in sent} == {"delivered"}
    for path in ("/a", "/b"):
        mine = [one for one in sent if one.url.endswith(path)]
        came = [one["headers"]["webhook-id"] for one in receiver.requests(path)]
        assert [key for key, _ in itertools.groupby(came)] == [one.identity for one in mine]
        assert mine[-1].event == "job"
    deployment.store.close()


def has_heard(receiver: Receiver, times: int) -> bool:
    return len(receiver.requests()) >= times
