"""What one client may use: more is refused with the limit's name, and others do not notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clips
import fault_server
from adaptation.engine.model import Job
from adaptation.wiring import Deployment, deploy
from api_kit import Api, running_api
from command_line import here
from fault_server import FaultServer, Resource

RUNGS = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}
LARGE_BYTES = 2_000_000


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of sources, with `plain.mp4`: 320x180, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("sources")).parent


@pytest.fixture
def api(home: Path, sources: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A server with local sources, whose jobs nobody runs until a test does."""
    monkeypatch.setenv("ADAPTATION_SOURCE_ROOT", str(sources))
    monkeypatch.setenv("ADAPTATION_LIMIT_SOURCE_BYTES", "1MB")
    deployment: Deployment = deploy()
    with running_api(deployment) as served:
        yield served
    deployment.close()


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.running() as served:
        yield served


def wanted(url: str = "plain.mp4", **more: object) -> dict[str, Any]:
    return {"job": {"workflow": "encoding_workflow"}, "parameters": {"url": url, **RUNGS, **more}}


def limited(api: Api, **limits: Any) -> None:
    """Give the client these limits, and no others."""
    api.deployment.store.change_client(api.client.name, limits=limits)


def ended(api: Api, job_id: int) -> Job:
    """Run a job to its end."""
    deployment = api.deployment
    with deployment.engine.running(2, job_id):
        while not (job := deployment.store.job(job_id)).ended:
            time.sleep(0.05)
    return job


def test_a_local_source_that_is_too_large_is_refused_and_nothing_is_stored(api: Api) -> None:
    limited(api, source_bytes=1_000)

    for dry_run in (0, 1):
        refused = api.client.refused(400, "POST", "/job", wanted(), dry_run=dry_run)
        assert refused["code"] == "source_too_large"
        assert "source_bytes" in refused["hint"]
        assert str(api.deployment.settings.source_root) not in refused["error"]
    assert api.admin.get("/jobs") == []
    assert api.other.call("POST", "/job", wanted()).status_code == 200, "its limit is its own"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_source_elsewhere_is_not_brought_here(
    api: Api, server: FaultServer, framing: Any
) -> None:
    url = server.add("/film", Resource(bytes(LARGE_BYTES), framing=framing))

    foretold = api.client.refused(400, "POST", "/job", wanted(url), dry_run=1)
    job_id = api.client.call("POST", "/job", wanted(url)).json()["id"]
    job = ended(api, job_id)

    assert foretold["code"] == "source_too_large"
    assert job.error is not None
    assert (job.error["code"], job.failed) == ("source_too_large", True)
    assert "source_bytes" in job.error["hint"]
    downloads = api.deployment.settings.downloads_root
    assert not [path for path in downloads.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("limits", "more", "code"),
    [
        ({"source_seconds": 1}, {}, "source_too_long"),
        ({"output_pixels": 160 * 90 - 1}, {}, "picture_too_large"),
        ({"scratch_bytes": 1_000}, {}, "scratch_too_large"),
        (
            {"renditions": 1},
            {"renditions": [{"height": 90, "bitrate": 100}, {"height": 120, "bitrate": 100}]},
            "too_many_renditions",
        ),
    ],
)
def test_a_plan_tells_which_limit_a_job_would_meet(
    api: Api, limits: dict[str, int], more: dict[str, Any], code: str
) -> None:
    limited(api, **limits)

    refused = api.client.refused(400, "POST", "/job", wanted(**more), dry_run=1)

    assert refused["code"] == code
    assert next(iter(limits)) in refused["hint"]
    assert api.other.call("POST", "/job", wanted(**more), dry_run=1).status_code == 200


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"source_seconds": 1}, "source_too_long"), ({"output_pixels": 99}, "picture_too_large")],
)
def test_a_job_beyond_a_limit_ends_before_anything_is_encoded(
    api: Api, limits: dict[str, int], code: str
) -> None:
    limited(api, **limits)
    job_id = api.client.call("POST", "/job", wanted()).json()["id"]

    job = ended(api, job_id)

    assert job.error is not None
    assert job.error["code"] == code
    assert not any(
        task.name == "encode_chunk" and task.started_at
        for task in api.deployment.store.tasks(job_id)
    )
    assert job.retryable, "an operator may raise the limit"


def test_nothing_limits_the_operators_own_work(api: Api, sources: Path) -> None:
    told = api.deployment.forecast(
        "encoding_workflow", {"url": str(sources / "plain.mp4"), **RUNGS}
    )

    assert told["sure"] == "exact"


def test_who_asks_is_shown_its_own_limits(api: Api) -> None:
    limited(api, source_bytes=7, allowed_hosts=["origin.lan"], scratch_bytes=None)
    api.deployment.store.change_client(api.client.name, most_unfinished=3)

    rows = {row["name"]: row for row in api.client.get("/settings")["limits"]}
    others = {row["name"]: row for row in api.other.get("/settings")["limits"]}

    assert (rows["source_bytes"]["limit"], rows["source_bytes"]["own"]) == (7, True)
    assert (others["source_bytes"]["limit"], others["source_bytes"]["own"]) == (1_000_000, False)
    assert rows["allowed_hosts"]["limit"] == ["origin.lan"]
    assert others["allowed_hosts"]["limit"] is None
    assert (rows["most_unfinished"]["limit"], others["most_unfinished"]["limit"]) == (3, None)
    assert (rows["renditions"]["limit"], rows["most_running"]["limit"]) == (64, 100_000)
    assert all(row["meaning"] for row in rows.values())


def test_an_operator_sets_limits_in_words_and_takes_them_back(home: Path) -> None:
    words = ("--limit", "source_bytes=20GB", "--limit", "allowed_hosts=a.lan,b.lan")
    assert here("client", "add", "ann", *words).status == 0
    more = ("--limit", "source_bytes", "--limit", "output_pixels=1920x1080")
    assert here("client", "set", "ann", *more, "--limit", "renditions=unlimited").status == 0

    (document,) = here("client", "show", "ann", "--json").documents
    assert document["limits"] == {
        "allowed_hosts": ["a.lan", "b.lan"],
        "output_pixels": 2_073_600,
        "renditions": None,
    }
    assert "limit            allowed_hosts=a.lan,b.lan" in here("client", "show", "ann").out
    refused = here("client", "set", "ann", "--limit", "source_byte=1GB")
    assert (refused.status, "source_bytes" in refused.err) == (2, True)
    refused = here("client", "set", "ann", "--limit", "source_bytes=20")
    assert (refused.status, "20GB" in refused.err) == (2, True)
