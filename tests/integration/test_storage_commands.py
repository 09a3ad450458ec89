"""`encode`, `plan` and `submit` with sources and assets in storages, as a shell runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

import clips
import judges
from adaptation.adapters.object_store import ObjectStore
from adaptation.cli.doctor import shared_folder
from adaptation.settings import load_settings
from command_line import here
from services import HERE
from storage_services import S3

QUICK = ("--rendition", "90:100", "--preset", "ultrafast")
FILM = "storage://films/in/film.mp4"


@pytest.fixture
def films(home: Path, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The storage `films`, added by the command, with `in/film.mp4`: 1.2 s of 320x180."""
    config = s3.config("films")
    monkeypatch.setenv("ADAPTATION_STORAGE_SECRET", config.secret_key)
    words = ("--kind", "S3", "--bucket", config.bucket, "--endpoint", config.endpoint, "--private")
    assert here("storage", "add", "films", *words, "--account", config.account).status == 0
    store = ObjectStore(config, HERE)
    store.put_file(clips.make_plain(tmp_path), "in/film.mp4")
    return store


def test_a_film_of_a_storage_is_planned_encoded_and_not_encoded_twice(
    films: ObjectStore, tmp_path: Path
) -> None:
    asset = "storage://films/out/film"

    finding = shared_folder(load_settings().model_copy(update={"work_storage": "films"}))
    unseen = here("plan", FILM, "--json")
    planned = here("plan", FILM, "--fetch", "--json", *QUICK)
    made = here("encode", FILM, asset, *QUICK)
    again = here("encode", FILM, asset, *QUICK)

    assert finding.ok, "it could be that of a fleet"
    assert unseen.code == "source_scheme"
    assert planned.documents[0]["ladder"][0]["height"] == 90
    assert made.status == 0, made.err
    assert made.last_line == again.last_line == asset
    assert "The asset is already there" in again.err
    for found in films.objects("out/film"):
        films.get_file(found.key, tmp_path / found.key)
    streams, said = judges.decode(tmp_path / "out/film/master.m3u8")
    assert (said, [one.size for one in streams]) == ("", ["160x90", ""])
    assert len(streams[0].starts) == 30
    assert not list(tmp_path.rglob("storage:*")), "no path was made of the name"


def test_a_job_is_submitted_from_a_storage_to_a_folder_and_what_is_not_there_is_told(
    films: ObjectStore, tmp_path: Path
) -> None:
    stored = here("submit", FILM, tmp_path / "asset", "--json", *QUICK)
    taken_up = here("encode", FILM, tmp_path / "asset", *QUICK)
    missing = here("encode", "storage://films/in/none.mp4", tmp_path / "none")
    unknown = here("encode", "storage://shop/in/film.mp4", tmp_path / "none")
    outside = here("encode", FILM, "storage://films/../out")

    assert (stored.status, taken_up.status) == (0, 0), taken_up.err
    assert f"Going on with job {stored.documents[0]['job_id']}" in taken_up.err
    assert stored.documents[0]["output_folder"] == str(tmp_path / "asset")
    assert judges.streams(tmp_path / "asset" / "master.m3u8")
    assert [one.code for one in (missing, unknown, outside)] == [
        *("storage_not_found", "storage_unknown", "path_outside")
    ]
