"""Every workflow reads sources and assets in storages, and puts there what it makes."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
from adaptation.adapters.object_store import ObjectStore
from adaptation.errors import SourceError
from adaptation.workflows import vodstream_forecast
from stills_kit import size_of
from storage_services import S3, Azure
from whole_jobs import Studio, a_studio

ENCODED: dict[str, Any] = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}
FILM = "studio/in/film.mp4"
HERE: dict[str, Any] = {"source_storage": "films"}


@pytest.fixture(scope="module", params=["s3", pytest.param("azure", marks=pytest.mark.long)])
def studio(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Studio]:
    """A service whose clients have the storages `films` and `shop`, in two buckets."""
    service: S3 | Azure = request.getfixturevalue(request.param)
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        for name in ("films", "shop"):
            found.deployment.store.add_storage(service.config(name, "all"))
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
    studio.done("encoding_workflow", url=FILM, output_folder="asset", **ENCODED, **HERE)
    return "asset"


def fetched(store: ObjectStore, key: str, folder: Path) -> Path:
    """All below a key, in a folder of this machine."""
    for found in store.objects(key):
        target = folder / found.key.removeprefix(f"{key}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(found.key, target)
    return folder


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


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


def test_an_asset_in_a_storage_is_made_searchable_and_its_media_stay_where_they_are(
    studio: Studio, films: ObjectStore, tmp_path: Path
) -> None:
    studio.done("encoding_workflow", url=FILM, output_folder="trick", **ENCODED, **HERE)
    before = {found.key: found.etag for found in films.objects("studio/trick")}

    told = studio.done("trickplay", source_folder="trick", trickplay_thumbnail_interval=1, **HERE)

    after = {found.key: found.etag for found in films.objects("studio/trick")}
    changed = {key.rpartition("/")[2] for key in before if before[key] != after.get(key)}
    assert changed == {"master.m3u8", "manifest.mpd", "asset.json"}, "no other file was sent"
    assert sorted(told["files"]) == sorted(f"storage://films/{key}" for key in after)
    made = fetched(films, "studio/trick", tmp_path / "trick")
    base = judges.record(made)["base"]
    master = (made / "master.m3u8").read_text()
    assert f'URI="{base}/90p/iframes.m3u8"' in master
    assert (made / base / "trickplay" / "00001.jpg").stat().st_size > 500
    assert size_of(made / base / "trickplay" / "00001.jpg")[0] == 2 * 160

    media = {key: etag for key, etag in after.items() if f"/{base}/" in key}
    sounds = [{"language": "und", "properties": {"track_name": "Beeps"}}]
    studio.done("track_properties", folder="trick", track_properties={"audio": sounds}, **HERE)
    assert 'NAME="Beeps"' in films.read("studio/trick/master.m3u8")[0].decode()
    now = {found.key: found.etag for found in films.objects(f"studio/trick/{base}")}
    assert now == media, "no media was touched"

    again = studio.done("trickplay", source_folder="trick", trickplay_thumbnails=False, **HERE)
    assert not any(name.endswith(".jpg") for name in again["files"])
    assert {name for name in keys(films, "studio/trick") if name.endswith(".jpg")} == set()


def test_drm_is_switched_in_a_storage_and_back_and_the_storage_copies_what_moves(
    studio: Studio, films: ObjectStore, tmp_path: Path
) -> None:
    studio.done("encoding_workflow", url=FILM, output_folder="drm", **ENCODED, **HERE)
    clear = fetched(films, "studio/drm", tmp_path / "clear")
    keyed: dict[str, Any] = {"content_keys": [{"key_id": "00" * 15 + "01", "key": "11" * 16}]}

    on = studio.done(
        "drmswitch", folder="drm", drm=["widevine"], destination_storage="films", **keyed
    )
    locked = fetched(films, "studio/drm", tmp_path / "locked")
    off = studio.done("drmswitch", folder="drm", drm=["clear"], **HERE)
    opened = fetched(films, "studio/drm", tmp_path / "opened")

    assert on["message"] == off["message"] == "storage://films/studio/drm/master.m3u8"
    assert sorted(off["files"]) == sorted(
        f"storage://films/{key}" for key in keys(films, "studio/drm")
    )
    assert "cenc:pssh" in (locked / "manifest.mpd").read_text()
    assert judges.record(locked)["base"] != judges.record(clear)["base"], "some files moved"
    assert judges.record(locked)["base"] == judges.record(opened)["base"], "none did"
    assert "pssh" not in (opened / "manifest.mpd").read_text()
    pictures = [judges.decode(folder / "master.m3u8")[0] for folder in (clear, opened)]
    assert pictures[0] == pictures[1]
    for name in files_of(locked) - {"master.m3u8", "manifest.mpd", "asset.json"}:
        assert (locked / name).read_bytes() == (opened / name).read_bytes()


def test_whole_segments_are_encrypted_in_a_storage_and_nothing_leads_to_clear_ones(
    studio: Studio, films: ObjectStore, tmp_path: Path
) -> None:
    aes: dict[str, Any] = {
        "drm": ["aes"],
        "content_keys": [{"key_id": "00" * 15 + "01", "key": "11" * 16}],
        "hls_key_uri": "https://keys.example.org/{key_id}",
    }
    studio.done("encoding_workflow", url=FILM, output_folder="aes", **ENCODED, **HERE)
    clear = fetched(films, "studio/aes", tmp_path / "clear")

    on = studio.done("drmswitch", folder="aes", **aes, **HERE)
    made = studio.done("vodstream", source_folder="in", output_folder="new", **aes, **HERE)
    locked = fetched(films, "studio/aes", tmp_path / "locked")
    new = fetched(films, "studio/new", tmp_path / "new")
    studio.done("drmswitch", folder="aes", drm=["clear"], **HERE)

    for told, folder in ((on, locked), (made, new)):
        place = told["message"].removesuffix("/master.m3u8")
        named = {name.removeprefix(f"{place}/") for name in told["files"]}
        assert files_of(folder) == named, "no manifest of before is left"
        assert "manifest.mpd" not in named
        base = judges.record(folder)["base"]
        led = set(re.findall(r"v\w{16}/(\w+)/\w+/playlist", (folder / "master.m3u8").read_text()))
        assert led == {"aes128"}
        (playlist,) = (folder / base / "aes128").glob("*p/playlist.m3u8")
        assert 'URI="https://keys.example.org/' in playlist.read_text()
    before = judges.record(clear)["base"]
    words = ["openssl", "enc", "-d", "-aes-128-cbc", "-K", "11" * 16, "-iv", f"{1:032x}"]
    segment = locked / judges.record(locked)["base"] / "aes128" / "90p" / "00001.m4s"
    opened = subprocess.run(
        words, input=segment.read_bytes(), capture_output=True, check=True, timeout=60
    )
    assert opened.stdout == (clear / before / "90p" / "00001.m4s").read_bytes()
    assert films.facts("studio/aes/manifest.mpd").size_bytes > 500, "it is back"


@pytest.mark.parametrize("destination", ["shop", "local"])
def test_an_asset_goes_to_another_place_with_what_is_added(
    studio: Studio, films: ObjectStore, asset: str, tmp_path: Path, destination: str
) -> None:
    told = studio.done(
        "trickplay",
        source_folder=asset,
        output_folder="copy",
        destination_storage=destination,
        **HERE,
    )

    if destination == "local":
        made = studio.assets / "studio" / "copy"
        assert told["message"] == str(made / "master.m3u8")
        assert "base" not in judges.record(made)
    else:
        shop = studio.deployment.storage("shop")
        assert told["message"] == "storage://shop/studio/copy/master.m3u8"
        made = fetched(shop, "studio/copy", tmp_path / "copy")
    assert "EXT-X-I-FRAME-STREAM-INF" in (made / "master.m3u8").read_text()
    kinds = {one["codec_type"] for one in judges.streams(made / "master.m3u8")}
    assert {"video", "audio"} <= kinds
    assert "iframes" not in films.read(f"studio/{asset}/master.m3u8")[0].decode()


def test_an_asset_of_this_machine_goes_to_a_storage_with_its_drm(
    studio: Studio, films: ObjectStore, tmp_path: Path
) -> None:
    local = studio.done(
        "encoding_workflow",
        **{"url": FILM, "output_folder": "own", **ENCODED, **HERE, "destination_storage": "local"},
    )
    assert Path(local["message"]).is_file()

    told = studio.done("trickplay", source_folder="own", destination_storage="shop")

    assert told["message"] == "storage://shop/studio/own/master.m3u8"
    shop = studio.deployment.storage("shop")
    made = fetched(shop, "studio/own", tmp_path / "own")
    assert files_of(made) == {
        name.removeprefix("storage://shop/studio/own/") for name in told["files"]
    }
    assert {one["codec_type"] for one in judges.streams(made / "master.m3u8")} >= {
        "video",
        "audio",
    }


def test_an_asset_of_before_there_was_a_base_is_renewed_as_well(
    studio: Studio, films: ObjectStore, tmp_path: Path
) -> None:
    studio.done("encoding_workflow", url=FILM, output_folder="old", **ENCODED, **HERE)
    record, found = films.read("studio/old/asset.json")
    document = json.loads(record)
    base = document.pop("base")
    for track in document["tracks"]:
        track["folder"] = f"{base}/{track['folder']}"
    document["format"] = 1
    films.put_bytes(json.dumps(document).encode(), found.key, replacing=found.etag)

    studio.done("trickplay", source_folder="old", **HERE)

    made = fetched(films, "studio/old", tmp_path / "old")
    assert judges.record(made)["base"] == base
    assert {one["codec_type"] for one in judges.streams(made / "master.m3u8")} >= {"video", "audio"}


@pytest.mark.parametrize("destination", ["films", "shop", "local"])
def test_an_asset_is_made_of_the_files_of_a_folder_in_a_storage(
    studio: Studio, films: ObjectStore, tmp_path: Path, destination: str
) -> None:
    sources = keys(films, "studio/in")

    told = studio.done("vodstream", source_folder="in", destination_storage=destination, **HERE)

    if destination == "local":
        made = studio.assets / "studio" / "in"
        place = str(made)
    else:
        store = studio.deployment.storage(destination)
        made = fetched(store, "studio/in", tmp_path / "made")
        place = f"storage://{destination}/studio/in"
    assert told["message"] == f"{place}/master.m3u8"
    named = {name.removeprefix(f"{place}/") for name in told["files"]}
    assert files_of(made) == named | ({"film.mp4"} if destination == "films" else set())
    heights = {one.get("height") for one in judges.streams(made / "master.m3u8")}
    assert heights == {180, None}
    assert size_of(made / "thumbnail.jpg") == (320, 180)
    assert sources <= keys(films, "studio/in"), "sources stay"
    films.delete([key for key in keys(films, "studio/in") if key not in sources])


@pytest.mark.usefixtures("films")
def test_a_folder_of_a_storage_is_looked_at_before_there_is_a_job_if_it_is_small(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(studio.deployment.settings.home)
    told = studio.foretold("vodstream", source_folder="in", **HERE)
    monkeypatch.setattr(vodstream_forecast, "FETCHED_BYTES", 1_000)
    large = studio.foretold("vodstream", source_folder="in", **HERE)

    assert (told["sure"], [one["file"] for one in told["ladder"]]) == ("exact", ["film.mp4"])
    assert told["output_bytes"]["expected"] > 1_000
    assert (large["sure"], "too many to be looked at" in large["based_on"]) == ("rough", True)
    assert "ladder" not in large
    assert files_of(studio.deployment.settings.home) <= before


def test_a_playlist_in_a_storage_is_followed_in_its_own_folder_alone(
    studio: Studio, films: ObjectStore, asset: str, tmp_path: Path
) -> None:
    where: dict[str, Any] = {"output_folder": "frames", "frame_time": 0.5, **HERE}
    for name in ("master.m3u8", "manifest.mpd"):
        source = f"storage://films/studio/{asset}/{name}"
        studio.done("capture_frame", source=source, image_filename=f"{name}.png", **where)
    films.put_bytes(b"#EXTM3U\n#EXTINF:1,\n../../rival/a.ts\n#EXT-X-ENDLIST\n", "studio/a/out.m3u8")
    films.put_bytes(b"#EXTM3U\n#EXTINF:1,\nnone.ts\n#EXT-X-ENDLIST\n", "studio/a/gone.m3u8")

    codes = [
        studio.failed(
            "capture_frame", source=f"studio/a/{name}.m3u8", image_filename="a.png", **where
        )
        for name in ("out", "gone")
    ]

    made = fetched(films, "studio/frames", tmp_path / "frames")
    assert {size_of(path) for path in made.iterdir()} == {(160, 90)}
    assert codes == ["source_child_forbidden", "source_missing"]


def test_whoever_reads_while_an_asset_is_renewed_finds_all_that_is_named(
    studio: Studio, films: ObjectStore
) -> None:
    place = "studio/read"
    wanted: dict[str, Any] = {"source_folder": "in", "output_folder": "read", **HERE}
    studio.done("vodstream", create_thumbnail=False, **wanted)
    seen, missing, over = set[bytes](), set[str](), threading.Event()

    def read() -> None:
        while not over.is_set():
            # A version that was read of may be gone by now: then another one is named.
            with suppress(SourceError):
                look()

    def look() -> None:
        master = films.read(f"{place}/master.m3u8")[0]
        there = keys(films, place)
        playlists = {
            f"{place}/{one}" for one in re.findall(r"v[0-9a-f]{16}/[^\"\s]+", master.decode())
        }
        segments = {
            f"{one.rpartition('/')[0]}/{line}"
            for one in playlists & there
            if one.endswith("/playlist.m3u8")
            for line in films.read(one)[0].decode().splitlines()
            if line and not line.startswith("#")
        }
        if films.read(f"{place}/master.m3u8")[0] == master:
            seen.add(master)
            missing.update((playlists | segments) - there)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for interval in (1, 2):
            studio.done(
                "trickplay", source_folder="read", trickplay_thumbnail_interval=interval, **HERE
            )
        keyed: dict[str, Any] = {"content_keys": [{"key_id": "00" * 15 + "01", "key": "11" * 16}]}
        for drm in ("widevine", "clear"):
            studio.done("drmswitch", folder="read", drm=[drm], **HERE, **keyed)
    finally:
        over.set()
        reader.join()

    assert missing == set()
    assert len(seen) >= 3, "some of each state"


def test_sources_in_a_storage_are_deleted_when_what_goes_with_the_asset_is_there_too(
    studio: Studio, films: ObjectStore, tmp_path: Path
) -> None:
    film = clips.make_plain(tmp_path)
    films.put_file(film, "studio/once/film.mp4")
    films.put_bytes(b"of somebody", "studio/once/notes.txt")
    wanted: dict[str, Any] = {"source_folder": "once", "output_folder": "kept"}

    told = studio.done("vodstream", generate_mp4=True, delete_source=True, **wanted, **HERE)

    assert keys(films, "studio/once") == {"studio/once/notes.txt"}
    assert told["metadata"]["deleted_sources"] == ["film.mp4"]
    made = fetched(films, "studio/kept", tmp_path / "made")
    place = "storage://films/studio/kept"
    assert set(told["files"]) == {f"{place}/{name}" for name in files_of(made)}
    assert {"thumbnail.jpg", "film-42.mp4"} <= files_of(made)
    assert {one["codec_type"] for one in judges.streams(made / "film-42.mp4")} == {"video", "audio"}
