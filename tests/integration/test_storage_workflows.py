"""Every workflow reads sources and assets in storages, and puts there what it makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
from adaptation.adapters.object_store import ObjectStore
from stills_kit import size_of
from storage_services import S3
from whole_jobs import Studio, a_studio

ENCODED: dict[str, Any] = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}
HERE: dict[str, Any] = {"source_storage": "films"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, s3: S3) -> Iterator[Studio]:
    """A service whose clients have the storages `films` and `shop`, in two buckets."""
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        for name in ("films", "shop"):
            found.deployment.store.add_storage(s3.config(name, "all"))
        yield found


@pytest.fixture(scope="module")
def films(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """The storage `films` with `in/film.mp4` of the client: `testsrc2` with a beep, 1.2 s."""
    store = studio.deployment.storage("films")
    film = clips.make_plain(tmp_path_factory.mktemp("plain"))
    store.put_file(film, "studio/in/film.mp4")
    return store


@pytest.fixture(scope="module")
def asset(studio: Studio, films: ObjectStore) -> str:
    """An asset of `studio` in `films`, below its folder."""
    studio.done(
        "encoding_workflow", url="studio/in/film.mp4", output_folder="asset", **ENCODED, **HERE
    )
    return "asset"


def fetched(store: ObjectStore, key: str, folder: Path) -> Path:
    """All below a key, in a folder of this machine."""
    for found in store.objects(key):
        target = folder / found.key.removeprefix(f"{key}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(found.key, target)
    return folder


def keys(store: ObjectStore, key: str) -> set[str]:
    return {found.key for found in store.objects(key)}


def test_pictures_of_a_film_in_a_storage_are_put_there(
    studio: Studio, films: ObjectStore, tmp_path: Path
) -> None:
    where: dict[str, Any] = {"source": "studio/in/film.mp4", "output_folder": "stills", **HERE}
    frame = studio.done("capture_frame", frame_time=0.5, image_filename="poster.png", **where)
    gif = studio.done(
        "generate_gif", start_at=0, duration=0.4, gif_filename="a.gif", height=90, **where
    )
    sprite = studio.done("build_thumbnails", preview_thumbnails_interval=0.5, **where)

    place = "storage://films/studio/stills"
    assert (frame["message"], frame["files"]) == (f"{place}/poster.png", [f"{place}/poster.png"])
    assert gif["message"] == f"{place}/a.gif"
    assert sprite["files"] == [f"{place}/film-42_sprite.jpg", f"{place}/film-42_sprite.vtt"]
    made = fetched(films, "studio/stills", tmp_path / "stills")
    assert sorted(path.name for path in made.iterdir()) == [
        *("a.gif", "film-42_sprite.jpg", "film-42_sprite.vtt", "poster.png")
    ]
    assert size_of(made / "poster.png") == (320, 180)
    assert size_of(made / "a.gif") == (160, 90)
    assert size_of(made / "film-42_sprite.jpg")[0] > 160


def test_what_is_made_of_a_film_in_one_storage_goes_to_another_or_to_this_machine(
    studio: Studio, films: ObjectStore
) -> None:
    wanted: dict[str, Any] = {
        "source": "studio/in/film.mp4",
        "frame_time": 0,
        "image_filename": "a.jpg",
    }
    wanted |= {"output_folder": "elsewhere", **HERE}

    shop = studio.done("capture_frame", destination_storage="shop", **wanted)
    local = studio.done("capture_frame", destination_storage="local", **wanted)

    assert shop["message"] == "storage://shop/studio/elsewhere/a.jpg"
    assert studio.deployment.storage("shop").facts("studio/elsewhere/a.jpg").size_bytes > 500
    assert local["message"] == str(studio.assets / "studio" / "elsewhere" / "a.jpg")
    assert Path(local["message"]).stat().st_size > 500


def test_an_mp4_is_made_of_an_asset_or_of_files_of_a_storage(
    studio: Studio, films: ObjectStore, asset: str, tmp_path: Path
) -> None:
    of_asset = studio.done("createmp4", source_folder=asset, mp4_filename="all.mp4", **HERE)
    of_files = studio.done(
        "createmp4", source_folder="in", output_folder="mp4", mezzanine=True, **HERE
    )
    to_shop = studio.done(
        "createmp4", source_folder="storage://films/studio/in", destination_storage="shop"
    )
    within = studio.failed("createmp4", source_folder="in", mp4_filename="film.mp4", **HERE)

    assert of_asset["files"] == ["storage://films/studio/asset/all.mp4"]
    assert of_files["files"] == ["storage://films/studio/mp4/film-42.mp4"]
    assert to_shop["files"] == ["storage://films/studio/in/film-42.mp4"], "beside its source"
    assert within == "output_exists", "no source is replaced"
    for key, height in (("studio/asset/all.mp4", 90), ("studio/mp4/film-42.mp4", 180)):
        films.get_file(key, tmp_path / "made.mp4")
        found = judges.streams(tmp_path / "made.mp4")
        assert [one.get("height") for one in found] == [height, None]
        (tmp_path / "made.mp4").unlink()
    films.delete(["studio/asset/all.mp4", "studio/in/film-42.mp4"])


def test_a_folder_of_a_storage_is_deleted_and_its_neighbours_stay(
    studio: Studio, films: ObjectStore
) -> None:
    for key in ("gone/asset.json", "gone/v0/1.m4s", "gone-2/1.m4s"):
        films.put_bytes(b"{}", f"studio/{key}")

    told = studio.done("voddelete", folder="gone", **HERE)

    assert told["message"] == "storage://films/studio/gone"
    assert keys(films, "studio/gone") == set()
    assert keys(films, "studio/gone-2") == {"studio/gone-2/1.m4s"}
    assert studio.failed("voddelete", folder="storage://films/studio/gone") == "folder_not_found"
    assert studio.failed("voddelete", folder="gone-2/1.m4s", **HERE) == "output_is_file"


def test_files_of_storages_and_of_this_machine_are_deleted_in_one_job(
    studio: Studio, films: ObjectStore
) -> None:
    shop, own = studio.deployment.storage("shop"), studio.assets / "studio" / "mixed.jpg"
    films.put_bytes(b"x", "studio/sprites/1.jpg")
    shop.put_bytes(b"x", "studio/sprites/2.jpg")
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(b"x")
    named = ["sprites/1.jpg", "storage://shop/studio/sprites/2.jpg", "sprites/none.jpg"]

    told = studio.done("asset_delete", files=named, destination_storage="films")
    local = studio.done("asset_delete", files=["mixed.jpg"])

    assert told["files"] == [
        "storage://films/studio/sprites/1.jpg",
        "storage://shop/studio/sprites/2.jpg",
    ]
    assert local["files"] == [str(own)]
    assert keys(films, "studio/sprites") == keys(shop, "studio/sprites") == set()
    films.put_bytes(b"x", "studio/sprites/3/4.jpg")
    assert studio.failed("asset_delete", files=["sprites/3"], **HERE) == "output_is_folder"


@pytest.mark.parametrize("workflow", ["voddelete", "createmp4"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("../rival/film", "path_outside"),
        ("storage://films/rival/film", "path_outside"),
        ("storage://films/studio/../rival", "path_outside"),
        ("storage://films/studio", "path_outside"),
        ("storage://films/", "parameter_invalid"),
        ("storage://nowhere/studio/film", "storage_unknown"),
        ("a/../../rival", "path_outside"),
    ],
)
def test_nobody_reaches_what_is_a_neighbours_in_a_storage(
    studio: Studio, films: ObjectStore, workflow: str, words: str, code: str
) -> None:
    named: dict[str, Any] = {"folder" if workflow == "voddelete" else "source_folder": words}

    assert studio.refused(workflow, **named, **HERE) == code


def test_a_storage_that_is_closed_to_a_client_is_closed_in_every_workflow(
    studio: Studio, films: ObjectStore
) -> None:
    change = studio.deployment.store.change_client
    change("studio", limits={"storages": ["shop"]})
    try:
        codes = {
            studio.refused("voddelete", folder="film", **HERE),
            studio.refused("asset_delete", files=["storage://films/studio/a"]),
            studio.refused("createmp4", source_folder="in", **HERE),
            studio.refused(
                "capture_frame",
                source="https://example.org/a.mp4",
                output_folder="a",
                frame_time=0,
                image_filename="a.jpg",
                **HERE,
            ),
        }
    finally:
        change("studio", limits={})

    assert codes == {"storage_unknown"}
