"""A worker of a fleet takes what it has said that it can do; one that is alone tries everything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adaptation.engine.engine import Engine
from adaptation.engine.graph import lower, needing
from adaptation.engine.model import NewJob
from adaptation.engine.node import Node
from adaptation.errors import ToolError
from engine_kit import count_one, small_engine

FLEET = "redis://127.0.0.1:1/0"


def needy(engine: Engine) -> tuple[int, int]:
    """A started job of one task that needs an encoder; the numbers of both."""
    plan = lower(needing(count_one.s(), 0, abilities=["libsvtav1"]))
    job_id = engine.store.submit(NewJob("needy", "line", {}), plan, {"count_one": "light"})
    engine.store.admit(job_id)
    return job_id, engine.store.tasks(job_id)[0].id


def tell(node: Node, *abilities: str) -> None:
    facts = {"abilities": list(abilities)}
    node.heart.process = replace(node.process, facts=facts)


def test_a_worker_of_a_fleet_takes_a_task_only_when_it_has_said_that_it_can_do_it(
    tmp_path: Path,
) -> None:
    engine = small_engine(tmp_path, broker_url=FLEET)
    node, (job_id, task_id) = engine.node(1), needy(engine)

    for abilities in ((), ("libx265",)):
        tell(node, *abilities)
        node.worker.execute(task_id, 0)
        assert not engine.store.job(job_id).ended
        assert len(engine.store.due(resend_seconds=60)) == 1, "others may have it at once"

    tell(node, "libsvtav1", "libx265")
    node.worker.execute(task_id, 0)
    assert engine.store.job(job_id).succeeded
    engine.store.close()


def test_who_works_alone_tries_everything(tmp_path: Path) -> None:
    engine = small_engine(tmp_path)
    node, (job_id, task_id) = engine.node(1), needy(engine)

    node.worker.execute(task_id, 0)

    assert engine.store.job(job_id).succeeded
    engine.store.close()


def test_a_machine_that_could_not_be_described_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adaptation.engine.node.AGAIN_SECONDS", 0.0)
    engine = small_engine(tmp_path)
    hangs = iter([True, False])

    def describe() -> dict[str, list[str]]:
        if next(hangs):
            raise ToolError("it hangs", code="tool_timeout")
        return {"abilities": ["libsvtav1"]}

    node = replace(engine.node(1), describe=describe)
    node._say_more()

    assert node.heart.process.facts == {"abilities": ["libsvtav1"]}
    engine.store.close()
