"""Jobs whose source or asset lies in a storage, asked for over HTTP and told to a receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
from adaptation.adapters.object_publish import version_folder
from adaptation.adapters.object_store import ObjectStore
from adaptation.engine.model import Job
from adaptation.wiring import Deployment, deploy
from api_kit import Api, running_api
from command_line import here
from receiver import Receiver, receiving
from services import wait_until
from storage_services import S3

QUICK = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    """A server whose jobs nobody runs until a test does."""
    deployment: Deployment = deploy()
    with running_api(deployment) as served:
        yield served
    deployment.close()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path / "receiver.log") as found:
        yield found


@pytest.fixture
def store(api: Api, s3: S3, film: Path) -> ObjectStore:
    """The storage `films`, with a source in the folder of the client `ann`."""
    config = s3.config("films", "studio")
    api.deployment.store.add_storage(config)
    api.deployment.store.change_client(api.client.name, defaults={"output_root": "ann"})
    opened = api.deployment.storage("films")
    opened.put_file(film, "ann/in/film.mp4")
    return opened


def submitted(api: Api, **parameters: Any) -> int:
    body = {"job": {"workflow": "encoding_workflow"}, "parameters": {**QUICK, **parameters}}
    answer = api.client.call("POST", "/job", body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def ended(api: Api, job_id: int) -> Job:
    """Run a job to its end, with all that is told of it."""
    deployment = api.deployment

    def settled() -> bool:
        told = deployment.store.deliveries(job_id)
        return deployment.store.job(job_id).ended and all(one.state != "pending" for one in told)

    with deployment.engine.running(2, job_id):
        assert wait_until(settled, 60)
    return deployment.store.job(job_id)


def fetched(store: ObjectStore, key: str, folder: Path) -> Path:
    """All of an asset, in a folder of this machine."""
    for found in store.objects(key):
        target = folder / found.key.removeprefix(f"{key}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(found.key, target)
    return folder


def test_a_film_goes_from_a_storage_to_a_storage_and_the_callback_names_what_is_there(
    api: Api, store: ObjectStore, receiver: Receiver, tmp_path: Path
) -> None:
    job_id = submitted(
        api,
        url="ann/in/film.mp4",
        source_storage="films",
        output_folder="out/film",
        rest_endpoints=[f"{receiver.url}/ok"],
    )
    job = ended(api, job_id)

    assert job.error is None
    told = receiver.requests()[-1]["json"]
    place = "storage://films/ann/out/film"
    assert told["message"] == f"{place}/master.m3u8"
    there = [found.key for found in store.objects("ann/out/film")]
    assert sorted(told["files"]) == sorted(f"storage://films/{key}" for key in there)
    assert told["metadata"]["duration"] == pytest.approx(1.2)
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "completed"

    asset = fetched(store, "ann/out/film", tmp_path / "asset")
    version = version_folder(job.main_task_id)
    assert judges.tree(asset) == judges.promised(asset) | {version}
    kinds = {one["codec_type"] for one in judges.streams(asset / "master.m3u8")}
    assert kinds == {"video", "audio"}
    named = {file for track in judges.dash_tracks(asset) for file in track.files}
    assert named == {name for name in judges.tree(asset) if name.endswith((".m4s", ".mp4"))}
    record = json.loads((asset / "asset.json").read_text())
    assert record["asset_id"] == job.main_task_id
    assert record["base"] == version
    for track in record["tracks"]:
        for segment in track["segments"]:
            known = store.facts(f"ann/out/film/{version}/{track['folder']}/{segment['name']}")
            assert known.sha256 == segment["sha256"], "the digest goes along"


def test_an_asset_is_replaced_only_when_that_is_asked_for(
    api: Api, store: ObjectStore, film: Path
) -> None:
    wanted = {"url": "ann/in/film.mp4", "source_storage": "films", "output_folder": "film"}
    first = ended(api, submitted(api, **wanted))
    whole = store.objects("ann/film")

    refused = ended(api, submitted(api, **wanted))
    after = store.objects("ann/film")
    again = ended(api, submitted(api, **wanted, empty_target=True))

    assert first.succeeded
    assert refused.error is not None
    assert refused.error["code"] == "output_exists"
    assert refused.error["task"] == "download_file", "before any work is done"
    assert after == whole
    assert again.succeeded
    assert json.loads(store.read("ann/film/asset.json")[0])["asset_id"] == again.main_task_id
    rerun = int(api.client.call("POST", f"/jobs/{again.id}/rerun").json()["id"])
    again = ended(api, rerun)
    assert again.succeeded, "a job that is run anew replaces what it made"
    folders = {found.key.split("/")[2] for found in store.objects("ann/film") if "m4s" in found.key}
    assert folders == {version_folder(again.main_task_id)}


def test_source_and_asset_may_lie_in_storages_of_different_kinds(
    api: Api, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(
        api,
        submitted(api, url="ann/in/film.mp4", source_storage="films", destination_storage="local"),
    )

    assert job.succeeded, job.error
    folder = Path(str(job.output))
    assert folder.is_relative_to(api.deployment.settings.assets_root / "ann")
    assert "/v" not in (folder / "master.m3u8").read_text(), "a folder needs no version"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"url": "bob/in/film.mp4", "source_storage": "films"}, "path_outside"),
        ({"url": "ann/../bob/film.mp4", "source_storage": "films"}, "path_outside"),
        ({"url": "storage://films/bob/film.mp4", "source_storage": "films"}, "path_outside"),
        ({"url": "storage://films/bob/film.mp4"}, "path_outside"),
        ({"destination_storage": "films", "output_root": "bob"}, "path_outside"),
        ({"destination_storage": "films", "output_folder": "../bob"}, "path_outside"),
        (
            {"destination_storage": "films", "output_folder": "storage://films/bob/x"},
            "path_outside",
        ),
        ({"destination_storage": "others"}, "storage_unknown"),
        ({"source_storage": "others", "url": "ann/film.mp4"}, "storage_unknown"),
        ({"destination_storage": "a/b"}, "storage_unknown"),
    ],
)
def test_a_neighbours_folder_or_an_unknown_storage_is_refused(
    api: Api, store: ObjectStore, wanted: dict[str, Any], code: str
) -> None:
    parameters = {"url": "https://example.org/film.mp4", **wanted}
    body = {"job": {"workflow": "encoding_workflow"}, "parameters": parameters}

    assert api.client.refused(400, "POST", "/job", body)["code"] == code


def test_a_client_uses_the_storages_it_is_allowed_and_knows_of_no_others(
    api: Api, store: ObjectStore
) -> None:
    wanted = {"url": "ann/in/film.mp4", "source_storage": "films"}
    body = {"job": {"workflow": "encoding_workflow"}, "parameters": wanted}
    change = api.deployment.store.change_client

    change(api.client.name, limits={"storages": ["assets"]})
    refused = api.client.refused(400, "POST", "/job", body)
    body["parameters"] = {**wanted, "source_storage": "nowhere"}
    unknown = api.client.refused(400, "POST", "/job", body)
    assert refused["code"] == unknown["code"] == "storage_unknown"
    assert refused["error"].replace("films", "nowhere") == unknown["error"]

    change(api.client.name, limits={})
    job_id = submitted(api, **wanted)
    change(api.client.name, limits={"storages": []})
    job = ended(api, job_id)
    assert job.error is not None
    assert job.error["code"] == "storage_unknown", "it counts for jobs that wait, too"


def test_a_source_that_is_not_there_or_too_large_ends_the_job(api: Api, store: ObjectStore) -> None:
    missing = submitted(api, url="ann/in/none.mp4", source_storage="films")
    large = submitted(api, url="ann/in/film.mp4", source_storage="films")
    api.deployment.store.change_client(api.client.name, limits={"source_bytes": 1_000})

    errors = [ended(api, job_id).error for job_id in (missing, large)]

    assert [error and error["code"] for error in errors] == [
        "storage_not_found",
        "source_too_large",
    ]


def test_a_dry_run_reads_a_small_source_in_a_storage(api: Api, store: ObjectStore) -> None:
    wanted = {"url": "ann/in/film.mp4", "source_storage": "films"}
    body = {"job": {"workflow": "encoding_workflow"}, "parameters": wanted}

    plan = api.client.call("POST", "/job", body, dry_run=1).json()

    assert plan["duration_seconds"] == pytest.approx(1.2)
    assert plan["sure"] == "exact"
    wanted["url"] = "ann/in/none.mp4"
    refused = api.client.call("POST", "/job", body, dry_run=1)
    assert (refused.status_code, refused.json()["code"]) == (400, "storage_not_found")


def test_the_command_adds_shows_checks_and_removes_a_storage_and_tells_no_secret(
    home: Path, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, secret = s3.config("films", "studio"), "A-very/secret+word"
    words = ("--kind", "S3", "--bucket", config.bucket, "--prefix", "studio")
    more = ("--endpoint", config.endpoint, "--account", "reader")
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n")

    without = here("storage", "add", "films", *words, *more)
    added = here("storage", "add", "films", *words, *more, "--secret-file", file)
    monkeypatch.setenv("ADAPTATION_STORAGE_SECRET", secret)
    once_more = here("storage", "add", "films", *words, "--account", "other")
    replaced = here("storage", "add", "films", *words, *more, "--region", "eu-1", "--replace")
    shown = here("storage", "show", "films", "--json")
    listed = here("storage", "ls")
    checked = here("storage", "check", "films", "--json")

    assert (without.status, without.code) == (2, "storage_invalid")
    assert (added.status, replaced.status) == (0, 0)
    assert (once_more.status, once_more.code) == (2, "storage_exists")
    assert shown.documents[0] == {
        "name": "films",
        "kind": "S3",
        "bucket": config.bucket,
        "prefix": "studio",
        "endpoint": config.endpoint,
        "region": "eu-1",
        "account": "reader",
        "private": False,
    }
    assert "films" in listed.out
    assert [(one["step"], one["works"]) for one in checked.documents] == [
        (name, True) for name in ("write", "keep", "read", "list", "delete")
    ]
    told = "".join(one.out + one.err for one in (added, replaced, shown, listed, checked))
    assert secret not in told
    database = b"".join(path.read_bytes() for path in home.rglob("*.db*"))
    assert b"studio" in database
    assert secret.encode() not in database, "it is sealed"

    assert here("storage", "remove", "films").status == 0
    assert here("storage", "show", "films").code == "storage_unknown"
