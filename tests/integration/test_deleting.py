"""Folders and files are deleted whole, by their owner alone, and the same when run again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adaptation.adapters.publish import withdraw
from adaptation.context import Context
from adaptation.engine.clients import Role
from adaptation.engine.tasks import TaskRun
from adaptation.workflows import deleting
from api_kit import Caller
from whole_jobs import JOB_FIELDS, TASK_FIELDS, Studio, a_studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


def filled(folder: Path) -> Path:
    """A folder with a file, and one in a folder of it."""
    (folder / "720p").mkdir(parents=True)
    (folder / "720p" / "00001.m4s").write_bytes(b"x")
    (folder / "master.m3u8").write_text("#EXTM3U")
    return folder


def test_a_folder_is_deleted_and_told_of(studio: Studio) -> None:
    folder = filled(studio.assets / "studio" / "film")
    other = filled(studio.assets / "studio" / "film-2")

    came = studio.told("voddelete", folder="film", custom_data={"mark": 1})

    assert not folder.exists()
    assert sorted(path.name for path in other.parent.iterdir()) == ["film-2"]
    assert [list(one) for one in came] == [TASK_FIELDS] * 4 + [JOB_FIELDS]
    assert [one["task_name"] for one in came[:-1:2]] == ["find_folder", "delete_folder"]
    assert came[-1] | {"job_id": 0, "time": ""} == {
        "job_id": 0,
        "status": "completed",
        "workflow": "voddelete",
        "content_id": "film-42",
        "message": str(folder),
        "files": [],
        "metadata": {},
        "custom_data": {"mark": 1},
        "time": "",
        "client": "studio",
    }


def test_the_path_that_callbacks_tell_is_taken_as_well(studio: Studio) -> None:
    folder = filled(studio.assets / "studio" / "by-path")

    assert studio.done("voddelete", folder=str(folder))["message"] == str(folder)
    assert not folder.exists()
    assert studio.failed("voddelete", folder=str(folder)) == "folder_not_found"


def test_nobody_deletes_what_is_not_theirs(studio: Studio, tmp_path: Path) -> None:
    theirs = filled(studio.assets / "rival" / "film")
    outside = filled(tmp_path / "outside")
    (studio.assets / "studio").mkdir(exist_ok=True)
    (studio.assets / "studio" / "link").symlink_to(theirs)
    named: list[str] = ["../rival/film", str(theirs), str(outside), "link", "link/720p", "/"]
    named += [str(studio.assets), str(studio.assets / "studio"), "a/../../rival", "."]

    codes = [studio.refused("voddelete", folder=one) for one in named]
    codes += [studio.refused("asset_delete", files=[f"{one}/master.m3u8"]) for one in named[:5]]
    codes.append(studio.refused("voddelete", folder="film", output_root="rival"))
    codes.append(studio.refused("voddelete", studio.admin, folder=str(outside)))
    codes.append(studio.refused("voddelete", studio.admin, folder=str(studio.assets)))

    assert set(codes) <= {"path_outside", "parameter_invalid"}
    assert len(list(theirs.rglob("*"))) == len(list(outside.rglob("*"))) == 3
    (studio.assets / "studio" / "link").unlink()


def test_who_shares_a_folder_with_others_deletes_nothing(studio: Studio) -> None:
    theirs = filled(studio.assets / "rival" / "shared")
    key = studio.deployment.store.add_client("homeless", Role.CLIENT)[1]
    homeless = Caller(studio.client.url, "homeless", key)

    codes = {studio.refused("voddelete", homeless, folder="rival/shared")}
    codes.add(studio.refused("asset_delete", homeless, files=["rival/shared/master.m3u8"]))

    assert codes == {"output_root_missing"}
    assert len(list(theirs.rglob("*"))) == 3


def test_an_admin_deletes_below_the_folder_of_outputs(studio: Studio) -> None:
    folder = filled(studio.assets / "rival" / "old")

    assert studio.done("voddelete", studio.admin, folder="rival/old")["message"] == str(folder)
    assert not folder.exists()


def test_a_folder_that_a_job_writes_to_stays(studio: Studio) -> None:
    folder = filled(studio.assets / "studio" / "busy")
    later = {"workflow": "encoding_workflow", "run_at": "2099-01-01T00:00:00Z"}
    parameters = {"url": "https://example.org/film.mp4", "output_folder": "busy/film"}
    answer = studio.client.call("POST", "/job", {"job": later, "parameters": parameters})
    job_id = answer.json()["id"]

    assert studio.refused("voddelete", status=409, folder="busy/film") == "output_busy"
    assert studio.failed("voddelete", folder="busy") == "output_busy"
    assert (folder / "master.m3u8").exists()
    studio.client.call("POST", f"/jobs/{job_id}/cancel")
    studio.done("voddelete", folder="busy")


def test_the_files_told_of_are_those_that_were_deleted(studio: Studio) -> None:
    folder = filled(studio.assets / "studio" / "sprites")
    wanted = ["sprites/720p/00001.m4s", "sprites/none.jpg", "no/folder.jpg"]

    came = studio.done("asset_delete", files=[*wanted, wanted[0], str(folder / "master.m3u8")])

    assert came["files"] == [str(folder / "720p" / "00001.m4s"), str(folder / "master.m3u8")]
    assert came["message"] == "2 files deleted"
    assert [path.name for path in folder.rglob("*")] == ["720p"]
    lines = [one["message"] for one in studio.client.get(f"/logs/{came['job_id']}")]
    assert f"there is no file {folder / 'none.jpg'}" in lines


def test_a_folder_among_the_files_stops_all_of_it(studio: Studio) -> None:
    folder = filled(studio.assets / "studio" / "mixed")

    assert studio.failed("asset_delete", files=["mixed/master.m3u8", "mixed/720p"]) == (
        "output_is_folder"
    )
    assert (folder / "master.m3u8").exists()
    assert studio.failed("voddelete", folder="mixed/master.m3u8") == "output_is_file"


@pytest.mark.parametrize(
    ("workflow", "given", "code"),
    [
        ("voddelete", {}, "parameter_missing"),
        ("voddelete", {"folder": 1}, "parameter_invalid"),
        ("voddelete", {"folder": ""}, "parameter_invalid"),
        ("voddelete", {"folder": "a", "content_id": None}, "parameter_invalid"),
        ("voddelete", {"folder": "a", "files": []}, "parameter_unknown"),
        ("asset_delete", {"files": []}, "parameter_invalid"),
        ("asset_delete", {"files": "a"}, "parameter_invalid"),
        ("asset_delete", {"files": ["a", None]}, "parameter_invalid"),
        ("asset_delete", {"files": [f"{n}.m4s" for n in range(10_001)]}, "parameter_invalid"),
    ],
)
def test_bad_parameters_are_refused(
    studio: Studio, workflow: str, given: dict[str, Any], code: str
) -> None:
    assert studio.refused(workflow, **given) == code


def test_no_reader_finds_half_a_folder(tmp_path: Path) -> None:
    folder = filled(tmp_path.resolve() / "film")
    files = [folder / f"{number}.m4s" for number in range(500)]
    for file in files:
        file.write_bytes(b"x")
    looks, over = list[tuple[bool, bool]](), threading.Event()

    def look() -> None:
        while not over.is_set():
            # As long as one is there that is looked for later, none may be missing.
            looks.extend((one.exists(), files[-1].exists()) for one in files[::50])

    reader = threading.Thread(target=look)
    reader.start()
    withdraw(folder, token="job1", root=tmp_path)
    over.set()
    reader.join()

    assert (False, True) not in looks
    assert list(tmp_path.iterdir()) == []


def attempt(studio: Studio, caller: Caller, folder: str) -> tuple[TaskRun[Any], Context]:
    """An attempt of a task of a job of that caller, which nobody runs."""
    later = {"workflow": "voddelete", "run_at": "2099-01-01T00:00:00Z"}
    body = {"job": later, "parameters": {"content_id": "again", "folder": folder}}
    job_id = caller.call("POST", "/job", body).json()["id"]
    claim: Any = type("Claim", (), {"job_id": job_id})()
    run = TaskRun(claim, studio.assets, studio.deployment.resources)
    return run, Context(studio.deployment.store.job(job_id).parameters)


def test_an_attempt_that_was_killed_is_finished_by_the_next(studio: Studio) -> None:
    folder = filled(studio.assets / "studio" / "twice")
    run, context = attempt(studio, studio.client, "twice")
    deleting.find_folder(context, run)
    # As far as a killed one may have come: taken away from readers, and partly deleted.
    folder.rename(folder.with_name(f".twice.job{run.claim.job_id}.0.partial"))

    for _ in range(2):
        assert deleting.delete_folder(context, run) == context
        assert not [path for path in folder.parent.iterdir() if "twice" in path.name]
    studio.client.call("POST", f"/jobs/{run.claim.job_id}/cancel")


def test_files_that_an_earlier_attempt_deleted_are_told_of(studio: Studio) -> None:
    folder = filled(studio.assets / "studio" / "again")
    run, _ = attempt(studio, studio.client, "none")
    files = [str(folder / "master.m3u8"), str(folder / "720p" / "00001.m4s")]
    known: Any = deleting.find_files(Context(files=files), run)
    (folder / "master.m3u8").unlink()

    for _ in range(2):
        assert deleting.delete_files(known, run) == {"files": files}
    assert not (folder / "720p" / "00001.m4s").exists()
    studio.client.call("POST", f"/jobs/{run.claim.job_id}/cancel")
