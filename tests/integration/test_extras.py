"""What goes with an asset of `vodstream`: judged by FFmpeg, ffprobe and readers of others."""

from __future__ import annotations

import hashlib
import logging
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import m3u8  # type: ignore[import-untyped]
import pytest

import bar_codes
import clips
import judges
import stills_kit
from adaptation.context import Context
from adaptation.engine.model import Claim
from adaptation.engine.tasks import TaskRun
from adaptation.workflows.report import published, report
from adaptation.workflows.source_removal import delete_source
from parsers import parsed
from whole_jobs import Studio, a_studio

SECONDS, RATE = 6, 25
SHORT = 2
"""Seconds of the film in the folder `short`."""
KEY_ID, KEY = "a1" * 16, "0123456789abcdef" * 2
PROTECTED: dict[str, Any] = {
    "drm": ["cenc", "widevine", "playready"],
    "content_keys": [{"key_id": KEY_ID, "key": KEY}],
}
PLAIN = {"create_thumbnail": False}
ALL = {
    "thumbnail_time": "00:00:04.5",
    "preview_thumbnails": True,
    "preview_thumbnails_interval": 2,
    "generate_mp4": True,
    "trickplay": True,
    "trickplay_thumbnail_interval": 2,
    "trickplay_thumbnail_size": 160,
}


def make_film(folder: Path, name: str = "film.mp4", seconds: float = SECONDS) -> Path:
    """320x180 at 25 fps with bar codes and a beep, a key frame each second, two B-frames."""
    sound = clips.beep(seconds=seconds)
    picture = bar_codes.numbered(rate=str(RATE), seconds=seconds)
    code = f"{stills_kit.X264} -bf 2 -g 25 -c:a aac -metadata:s:a:0 language=fre"
    return clips.ffmpeg(folder, f"{picture} {sound} {code} {name}")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A service with that film among its sources."""
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        make_film(found.sources / "film")
        short = make_film(found.sources / "short", seconds=SHORT).parent
        small = "-vf scale=160:90 -c:v libx264 -g 25 -bf 2 -an"
        clips.ffmpeg(short, f"-i film.mp4 {small} small.mp4")
        yield found


def made(studio: Studio, folder: str, **given: Any) -> tuple[Path, dict[str, Any]]:
    """The folder of an asset and the callback of its job."""
    wanted = {"source_folder": "film", **given}
    told = studio.done("vodstream", output_folder=folder, **wanted)
    return studio.assets / "studio" / folder, told


@pytest.fixture(scope="module")
def whole(studio: Studio) -> tuple[Path, dict[str, Any]]:
    """An asset with all that may go with it."""
    return made(studio, "whole", **ALL)


def frames(source: Sequence[str | Path], stream: str) -> list[str]:
    """The digest of each decoded frame or piece of sound."""
    words = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", *map(str, source)]
    words += ["-map", f"0:{stream}", "-fps_mode", "passthrough", "-f", "framemd5", "-"]
    done = subprocess.run(words, check=False, timeout=60, capture_output=True, text=True)
    rows = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return [] if done.stderr else [row.rpartition(",")[2].strip() for row in rows]


def files(folder: Path) -> set[str]:
    """The names of all files below a folder."""
    return {name for name in judges.tree(folder) if (folder / name).is_file()}


def digests(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)
    }


def media(folder: Path) -> Path:
    """The one file of a track."""
    (found,) = folder.glob("*.mp4")
    return found


def test_the_callback_names_all_and_nothing_stays_in_the_work_area(
    studio: Studio, whole: tuple[Path, dict[str, Any]]
) -> None:
    asset, told = whole
    assert sorted(told["files"]) == sorted(str(asset / name) for name in files(asset))
    assert told["message"] == str(asset / judges.MASTER)
    assert told["metadata"] == {"duration": SECONDS}
    studio.deployment.engine.tidy()
    settings = studio.deployment.settings
    left = [*(settings.work_root / "jobs").glob("*"), *settings.assets_root.rglob(".*")]
    assert left == []


def test_the_thumbnail_shows_its_moment(whole: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    image = whole[0] / "thumbnail.jpg"
    assert stills_kit.size_of(image) == (320, 180)
    assert stills_kit.numbers(image, tmp_path) == [int(4.5 * RATE)]


def test_previews_show_the_moments_of_their_cues(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    asset, _ = whole
    cues = judges.cues(asset / "film-42_sprite.vtt")
    assert [(start, end) for start, end, _ in cues] == [
        (Fraction(second), Fraction(min(second + 2, SECONDS))) for second in range(0, SECONDS, 2)
    ]
    sheet = "film-42_sprite.jpg#xywh="
    places = [tuple(map(int, text.removeprefix(sheet).split(","))) for _, _, text in cues]
    shown = stills_kit.numbers_on_sheet(asset / "film-42_sprite.jpg", places, tmp_path)  # type: ignore[arg-type]
    assert shown == [50 * number for number in range(3)]


def test_the_mp4_has_the_frames_and_the_sound_of_the_source(
    studio: Studio, whole: tuple[Path, dict[str, Any]]
) -> None:
    film, mp4 = studio.sources / "film" / "film.mp4", whole[0] / "film-42.mp4"
    assert frames(["-i", mp4], "v:0") == frames(["-i", film], "v:0")
    assert len(frames(["-i", mp4], "v:0")) == SECONDS * RATE
    picture, sound = judges.streams(mp4)
    assert (picture["codec_type"], sound["codec_type"]) == ("video", "audio")
    assert sound["tags"]["language"] == "fra"


def first_pictures(playlist: Path, folder: Path) -> list[int]:
    """The numbers that are seen in the pictures of an I-frame playlist, each by itself."""
    found = []
    folder.mkdir()
    for one in m3u8.load(str(playlist)).segments:
        file, parts = playlist.parent / one.uri, [one.init_section.byterange, one.byterange]
        content = b""
        for length, offset in (map(int, part.split("@")) for part in parts):
            content += file.read_bytes()[offset : offset + length]
        (folder / "alone.mp4").write_bytes(content)
        # What follows the picture is not there: FFmpeg says so, and shows it.
        words = ["-v", "quiet", "-y", "-i", "alone.mp4", "-frames:v", "1", "alone.png"]
        subprocess.run([str(clips.tools().ffmpeg), *words], cwd=folder, check=True, timeout=60)
        found += stills_kit.numbers(folder / "alone.png", folder)
    return found


def test_players_find_what_an_asset_is_searched_by(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    asset, _ = whole
    master = m3u8.load(str(asset / judges.MASTER))
    (iframes,) = [one.uri for one in master.iframe_playlists]
    read = m3u8.load(str(asset / iframes))
    assert read.is_i_frames_only
    whole_list = m3u8.load(str(asset / "180p" / "playlist.m3u8"))
    assert len(read.segments) == len(whole_list.segments) > 1
    assert first_pictures(asset / iframes, tmp_path / "first") == [0, 25, 100], (
        "where the segments start"
    )
    seen = parsed(asset)
    assert seen["warnings"] == []
    assert [one["uri"] or one["URI"] for one in seen["hls"]["iframes"]] == [iframes]
    manifest = (asset / judges.MANIFEST).read_text()
    assert "http://dashif.org/guidelines/trickmode" in manifest
    assert "http://dashif.org/guidelines/thumbnail_tile" in manifest
    (tile,) = (asset / "trickplay").glob("*.jpg")
    places = [(160 * number, 0, 160, 90) for number in range(3)]
    assert stills_kit.numbers_on_sheet(tile, places, tmp_path) == [0, 50, 100]


def test_the_mezzanine_holds_all_pictures(studio: Studio) -> None:
    given = {"generate_mp4": True, "mp4_filename": "all.mp4", **PLAIN}
    asset, _ = made(studio, "two", source_folder="short", mezzanine=True, **given)

    sizes = [one["width"] for one in judges.streams(asset / "all.mp4") if "width" in one]
    assert sizes == [320, 160]


def test_an_encrypted_asset_opens_with_its_key_alone(studio: Studio) -> None:
    asset, told = made(studio, "protected", **ALL, **PROTECTED)

    film = frames(["-i", studio.sources / "film" / "film.mp4"], "v:0")
    sealed = media(asset / "cenc" / "180p")
    assert frames(["-decryption_key", KEY, "-i", sealed], "v:0") == film
    assert frames(["-decryption_key", "00" * 16, "-i", sealed], "v:0") != film
    assert frames(["-i", media(asset / "clear" / "180p")], "v:0") == film
    listed = judges.hls_pictures(asset)[0].segments
    assert {name.rpartition("/")[0] for name in listed} == {"cenc/180p"}
    assert "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed" in (asset / judges.MANIFEST).read_text()
    assert not (asset / "film-42.mp4").exists(), "what is clear lies where a server keeps it back"
    assert frames(["-i", asset / "clear" / "film-42.mp4"], "v:0") == film
    assert set(told["files"]) == {str(asset / name) for name in files(asset)}
    assert KEY not in "".join(path.read_text() for path in asset.rglob("*.json"))


@pytest.mark.long
def test_drm_that_is_not_enabled_is_made_and_leads_nobody(studio: Studio) -> None:
    given = {"source_folder": "short", "enable_drm": False}
    asset, _ = made(studio, "prepared", **given, **PLAIN, **PROTECTED)

    film = frames(["-i", studio.sources / "short" / "film.mp4"], "v:0")
    assert frames(["-i", asset / judges.MASTER], "v:0") == film
    assert "ContentProtection" not in (asset / judges.MANIFEST).read_text()
    sealed = media(asset / "cenc" / "180p")
    assert frames(["-decryption_key", KEY, "-i", sealed], "v:0") == film


def test_an_asset_without_extras_holds_itself_alone(studio: Studio) -> None:
    asset, _ = made(studio, "plain", source_folder="short", **PLAIN)
    assert judges.tree(asset) == judges.promised(asset)


def test_sources_that_were_used_are_deleted_when_the_asset_is_there(studio: Studio) -> None:
    folder = studio.sources / "once"
    make_film(folder, seconds=SHORT)
    make_film(folder, "second.mp4", seconds=1)
    (folder / "notes.txt").write_text("of somebody")
    given = {"source_folder": "once", "delete_source": True, "combine_sources": False}
    asset, told = made(studio, "once", **given)

    assert judges.tree(folder) == {"second.mp4", "notes.txt"}
    assert told["metadata"] == {
        "duration": SHORT,
        "deleted_sources": ["film.mp4"],
        "kept_sources": ["second.mp4"],
    }
    assert len(frames(["-i", asset / judges.MASTER], "v:0")) == SHORT * RATE


def test_nothing_is_deleted_of_a_job_that_fails(studio: Studio) -> None:
    folder = studio.sources / "kept"
    make_film(folder, seconds=1)
    before = digests(folder)
    given: dict[str, Any] = {"source_folder": "kept", "delete_source": True, "thumbnail_time": 1}
    assert studio.failed("vodstream", output_folder="kept", **given) == "time_outside"
    assert digests(folder) == before
    assert not (studio.assets / "studio" / "kept").exists()


def test_an_asset_stays_whose_sources_cannot_be_deleted(studio: Studio, tmp_path: Path) -> None:
    context = {"source_folder": str(tmp_path / "gone"), "source_files": [["a.mp4", 1, 1]]}
    claim = Claim(1, 1, 1, 1, "id", "delete_source", "publish", "task", {}, 1, Context())
    run = TaskRun(claim, tmp_path, studio.deployment.resources)

    told = delete_source({**context, "used_files": ["a.mp4"]}, run)

    assert isinstance(told, dict)
    metadata = report({**told, "output_folder": "x", "published": published([], 1.0)})["metadata"]
    assert metadata == {"duration": 1.0, "deleted_sources": [], "kept_sources": ["a.mp4"]}
    assert [severity for severity, _ in run.lines] == [logging.WARNING, logging.INFO]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"thumbnail_time": "2026-05-01T18:00:00Z"}, "parameter_invalid"),
        ({"thumbnail_time": -1}, "parameter_invalid"),
        ({"generate_mp4": True, "mp4_filename": "master.m3u8"}, "parameter_invalid"),
        ({"generate_mp4": True, "mp4_filename": "../film.mp4"}, "path_outside"),
        ({"preview_thumbnails": True, "content_id": "a/b"}, "parameter_invalid"),
        ({"preview_thumbnails_interval": 0}, "parameter_invalid"),
        ({"trickplay": True, "trickplay_thumbnail_quality": 0}, "parameter_invalid"),
        ({"delete_source": "yes"}, "parameter_invalid"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(
    studio: Studio, given: dict[str, Any], code: str
) -> None:
    assert studio.refused("vodstream", source_folder="film", **given) == code
