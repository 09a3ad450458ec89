"""The doors of the workflows of stills: what is told, what is refused, what a second run leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
import stills_kit
from adaptation.errors import ParameterError
from adaptation.wiring import Deployment, deploy
from adaptation.workflows.parameters import is_web
from api_kit import Api, running_api
from hostile_words import HOSTILE
from receiver import Receiver, receiving
from services import wait_until
from stills_kit import (
    make_numbered,
    numbers,
    run_tasks,
)

CUSTOM = {"mark": [1, None, "ü"]}
WORKFLOWS = ("capture_frame", "generate_gif", "build_thumbnails")
FILES = ("image_filename", "gif_filename", "filename_prefix")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a folder of its own, 3 s whose frames tell their number."""
    return make_numbered(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def api(home: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A server with local sources, whose jobs nobody runs until a test does."""
    monkeypatch.setenv("ADAPTATION_SOURCE_ROOT", str(film.parent))
    deployment: Deployment = deploy()
    with running_api(deployment) as served:
        yield served
    deployment.close()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path / "receiver.log") as found:
        yield found


def wanted(workflow: str, **more: Any) -> dict[str, Any]:
    """Parameters that are enough, for the film among the sources."""
    given = {"content_id": "film-1", "source": "film.mp4", "output_folder": f"made/{workflow}"}
    return {**given, **stills_kit.USUAL[workflow], **more}


def test_jobs_over_http_make_files_and_tell_of_exactly_those(
    api: Api, receiver: Receiver, tmp_path: Path
) -> None:
    told = {"rest_endpoints": [f"{receiver.url}/ok/"], "custom_data": CUSTOM}
    jobs = {name: api.client.submit(name, wanted(name, **told)) for name in WORKFLOWS}
    with api.deployment.engine.running(2):
        assert wait_until(lambda: len(ends(receiver)) == len(jobs), 30)

    root = api.deployment.settings.assets_root
    made = {
        "capture_frame": ["frame.png"],
        "generate_gif": ["film.gif"],
        "build_thumbnails": ["film-1_sprite.jpg", "film-1_sprite.vtt"],
    }
    durations = {"capture_frame": 3.0, "generate_gif": 1.0, "build_thumbnails": 3.0}
    for name, job_id in jobs.items():
        files = [str(root / "made" / name / file) for file in made[name]]
        assert ends(receiver)[job_id] | {"time": ""} == {
            "job_id": job_id,
            "status": "completed",
            "workflow": name,
            "content_id": "film-1",
            "message": files[-1],
            "files": files,
            "metadata": {"duration": durations[name]},
            "custom_data": CUSTOM,
            "time": "",
            "client": api.client.name,
        }
        assert {str(root / "made" / name / one) for one in judges.tree(root / "made" / name)} == {
            *files
        }
        steps = [(one["task_name"], one["event"]) for one in tasks(receiver, job_id)]
        assert steps == [
            (task, event) for task in ("download_file", name) for event in ("start", "complete")
        ]
    assert numbers(root / "made/capture_frame/frame.png", tmp_path) == [25]


def ends(receiver: Receiver) -> dict[int, dict[str, Any]]:
    told = [one["json"] for one in receiver.requests() if "status" in one["json"]]
    return {one["job_id"]: one for one in told}


def tasks(receiver: Receiver, job_id: int) -> list[dict[str, Any]]:
    told = [one["json"] for one in receiver.requests() if "event" in one["json"]]
    return [one for one in told if one["job_id"] == job_id]


@pytest.mark.parametrize(
    ("workflow", "given", "word"),
    [
        ("capture_frame", {"content_id": None}, "content_id"),
        ("capture_frame", {"frame_time": "soon"}, "hh:mm:ss"),
        ("capture_frame", {"frame_time": -1}, "seconds"),
        ("capture_frame", {"frame_time": True}, "frame_time"),
        ("capture_frame", {"image_filename": "a.gif"}, ".webp"),
        ("capture_frame", {"image_filename": "../a.jpg"}, "image_filename"),
        ("capture_frame", {"image_filename": "b/a.jpg"}, "image_filename"),
        ("capture_frame", {"url": "film.mp4"}, "url"),
        ("generate_gif", {"duration": 61}, "60"),
        ("generate_gif", {"duration": 0}, "duration"),
        ("generate_gif", {"fps": 51}, "50"),
        ("generate_gif", {"width": 0}, "width"),
        ("generate_gif", {"duration": 60, "fps": 50, "playback_speed": 0.5}, "3,000"),
        ("generate_gif", {"gif_filename": "a.jpg"}, ".gif"),
        ("build_thumbnails", {"preview_thumbnails_interval": 0}, "preview_thumbnails_interval"),
        ("build_thumbnails", {"filename_prefix": "a", "target_filename": "b"}, "the same"),
        ("build_thumbnails", {"filename_prefix": "a/b"}, "filename_prefix"),
        ("build_thumbnails", {"output_folder": None, "content_id": "/etc"}, "content_id"),
    ],
)
def test_bad_parameters_are_refused_and_named(
    workflow: str, given: dict[str, Any], word: str
) -> None:
    with pytest.raises(ParameterError) as error:
        deploy().registry.workflow(workflow).check(wanted(workflow, **given))

    assert word in error.value.message + error.value.hint


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_no_text_leads_out_of_the_folder_of_outputs(
    workflow: str, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPTATION_SOURCE_ROOT", str(film.parent))
    deployment = deploy()
    definition = deployment.registry.workflow(workflow)
    root, accepted = deployment.settings.assets_root.resolve(), 0
    plain = wanted(workflow)
    file = next(name for name in FILES if name in definition.check(plain))
    for name in ("content_id", "source", "output_folder", "output_root", file):
        for text in HOSTILE:
            given = {**plain, name: text}
            if name == "content_id":
                given.pop("output_folder", None)
            try:
                checked = definition.check(definition.confine(given, "studio"))
            except ParameterError:
                continue
            output = Path(definition.output(checked) or "")
            assert output.is_relative_to(root / "studio"), (name, text)
            assert output.parent == Path(checked["output_folder"])
            source = checked["source"]
            assert is_web(source) or Path(source).is_relative_to(film.parent)
            accepted += 1
    assert accepted, "some of it is harmless"


def test_a_client_reaches_neither_neighbours_nor_the_machine(
    api: Api, film: Path, tmp_path: Path
) -> None:
    root = api.deployment.settings.assets_root
    (root / "other").mkdir(parents=True)
    (root / "studio").mkdir()
    (root / "studio" / "way").symlink_to(root / "other")
    api.deployment.store.change_client(api.client.name, defaults={"output_root": "studio"})
    (film.parent / "link.mp4").unlink(missing_ok=True)
    for given in (
        {"output_folder": "../other"},
        {"output_folder": str(root / "other")},
        {"output_folder": "way"},
        {"output_root": "other"},
        {"source": str(clips.make_silent(tmp_path))},
        {"source": "../film.mp4"},
    ):
        for workflow in WORKFLOWS:
            body = {"job": {"workflow": workflow}, "parameters": wanted(workflow, **given)}
            refused = api.client.refused(400, "POST", "/job", body)
            assert refused["code"] == "path_outside", (given, refused)
    job_id = api.client.submit("build_thumbnails", wanted("build_thumbnails", output_folder=None))
    output = api.deployment.store.job(job_id).output
    assert output == str(root / "studio" / "film-1" / "film-1_sprite.vtt")


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_job_that_was_killed_and_runs_again_leaves_the_same_and_nothing_else(
    workflow: str, film: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    given = {**wanted(workflow), "source": str(film), "output_folder": str(folder)}
    made, _ = run_tasks(workflow, given, tmp_path / "1")
    first = {name: digest(folder / name) for name in made["delivered"]["files"]}
    (folder / "beside.txt").write_text("of somebody else")
    cut = folder / f".{made['delivered']['files'][0]}.job1.0123.partial"
    cut.mkdir()
    (cut / "half").write_bytes(b"half")

    again, _ = run_tasks(workflow, given, tmp_path / "2", generation=2)

    assert again["delivered"] == made["delivered"]
    assert {name: digest(folder / name) for name in first} == first
    assert judges.tree(folder) == {*first, "beside.txt"}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_workflows_describe_themselves_whole(api: Api) -> None:
    for workflow in WORKFLOWS:
        told = api.client.get(f"/workflows/{workflow}")
        assert [task["name"] for task in told["tasks"]] == ["download_file", workflow]
        assert {"content_id", "source"} <= set(told["parameters"]["required"])
        for name, field in told["parameters"]["properties"].items():
            assert field["description"].endswith("."), name
            assert ("default" in field) != (name in told["parameters"]["required"]), name
