"""`vodstream`, submitted over HTTP: FFmpeg, ffprobe and a real receiver judge what comes of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import m3u8  # type: ignore[import-untyped]
import pytest

import clips
import folder_films
import judges
import parsers
from adaptation.media.language import language_tag
from folder_films import frames
from whole_jobs import Studio, a_studio

PLAIN: dict[str, Any] = {"create_thumbnail": False}
SECONDS = 6
AS_IS: dict[str, Any] = {"source_folder": "film", **PLAIN}
LADDER = {**AS_IS, "output_folder": "ladder", "encode_source": True, "create_dref": False}
RENDITIONS = {"180p": "film_180.mp4", "136p": "film_136.mp4", "90p": "film_90.mp4"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A service with a film of three renditions and two languages among its sources."""
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        film = found.sources / "film"
        for size, name in zip(("320x180", "240x136", "160x90"), RENDITIONS.values(), strict=True):
            folder_films.rendition(film, name, size=size)
        folder_films.sound(film, "film_fre.m4a", pitch=880)
        tag = "-c:a aac -metadata:s:a:0 language=eng"
        folder_films.sound(film, "film_main.m4a", options=tag)
        clips.write_srt(film, "film_ger.srt", (0.5, 2.0, "Guten Tag"), (4.5, 5.5, "Ende"))
        (film / "poster.jpg").write_bytes(b"no source")
        yield found


@pytest.fixture(scope="module")
def as_they_are(studio: Studio) -> tuple[Path, dict[str, Any]]:
    """The asset of that film as it is, and the callback of its job."""
    told = studio.done("vodstream", source_folder="film", **PLAIN)
    return studio.assets / "studio" / "film", told


@pytest.fixture(scope="module")
def ladder(studio: Studio) -> tuple[Path, dict[str, Any]]:
    """An asset whose ladder is made of the best of those renditions, and the callback."""
    before = digests(studio.sources / "film")
    told = studio.done("vodstream", **LADDER)
    assert digests(studio.sources / "film") == before
    return studio.assets / "studio" / "ladder", told


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if path.is_file()}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_each_rendition_has_the_frames_of_its_file(
    studio: Studio, as_they_are: tuple[Path, dict[str, Any]]
) -> None:
    asset, _ = as_they_are
    for name, file in RENDITIONS.items():
        assert frames(asset / name / "playlist.m3u8") == frames(studio.sources / "film" / file)


def test_manifests_open_and_list_all(as_they_are: tuple[Path, dict[str, Any]]) -> None:
    asset, _ = as_they_are
    pictures = judges.hls_pictures(asset)
    assert sorted(one.size for one in pictures) == [(160, 90), (240, 136), (320, 180)]
    assert len({one.durations for one in pictures}) == 1
    assert sorted(one.language for one in judges.hls_sounds(asset)) == ["en", "fr"]
    (texts,) = judges.hls_texts(asset)
    assert texts.language == "de"
    for manifest in (judges.MASTER, judges.MANIFEST):
        decoded, complaints = judges.decode(asset / manifest)
        assert complaints == ""
        shown = [len(one.starts) for one in decoded if one.kind == "video"]
        assert shown == [SECONDS * 25] * 3
        assert sum(one.kind == "audio" for one in decoded) >= 2


def test_the_segments_of_a_track_lie_in_one_file(
    as_they_are: tuple[Path, dict[str, Any]],
) -> None:
    asset, _ = as_they_are
    assert judges.media_digests(asset) == judges.promised_digests(asset)
    in_dash = judges.indexed_tracks(asset)
    for track in [*judges.hls_pictures(asset), *judges.hls_sounds(asset)]:
        assert {path.name for path in (asset / track.name).iterdir()} == {
            "playlist.m3u8",
            Path(track.init).name,
        }
        assert set(track.segments) == {track.init}
        read = m3u8.load(str(asset / track.name / "playlist.m3u8"))
        ranges = [tuple(map(int, one.byterange.split("@"))) for one in read.segments]
        offsets, lengths, seconds = zip(*in_dash[track.name], strict=True)
        assert list(zip(lengths, offsets, strict=True)) == ranges
        assert [*map(float, seconds)] == pytest.approx([*map(float, track.durations)], abs=2e-6)


def test_parsers_of_others_read_both_manifests_without_a_warning(
    as_they_are: tuple[Path, dict[str, Any]],
) -> None:
    found = parsers.parsed(as_they_are[0])
    assert found["warnings"] == []
    for manifest in ("hls", "dash"):
        sizes = {
            (one["RESOLUTION"]["width"], one["RESOLUTION"]["height"])
            for one in found[manifest]["variants"]
        }
        assert sizes == {(320, 180), (240, 136), (160, 90)}
        (sounds,) = found[manifest]["groups"]["AUDIO"].values()
        assert {one["language"] for one in sounds.values()} == {"en", "fr"}


@pytest.mark.parametrize(("given", "made"), [(AS_IS, "as_they_are"), (LADDER, "ladder")])
def test_a_dry_run_tells_the_tasks_and_the_size_of_what_is_made_then(
    given: dict[str, Any], made: str, studio: Studio, request: pytest.FixtureRequest
) -> None:
    told = studio.foretold("vodstream", **given)
    asset, done = request.getfixturevalue(made)

    assert told["sure"] in ("exact", "measured")
    ran = Counter(task.name for task in studio.deployment.store.tasks(done["job_id"]))
    assert {one["name"]: one["count"] for one in told["tasks"]} == ran
    shown = judges.hls_pictures(asset)
    sizes = [(one["width"], one["height"]) for one in told["ladder"]]
    assert sorted(sizes) == sorted(one.size for one in shown)
    assert told["segments"] == len(shown[0].segments)
    assert len(told["sounds"]) == len(judges.hls_sounds(asset))
    size_bytes = sum(p.stat().st_size for p in asset.glob("*/*") if p.suffix in {".m4s", ".mp4"})
    assert told["output_bytes"]["low"] < size_bytes < told["output_bytes"]["high"]
    assert told["cpu_seconds"]["low"] > 0


def test_the_callback_names_the_files_there_are(
    studio: Studio, as_they_are: tuple[Path, dict[str, Any]]
) -> None:
    asset, told = as_they_are
    assert set(told["files"]) == files(asset)
    assert told["message"] == str(asset / judges.MASTER)
    assert told["metadata"] == {"duration": SECONDS}


def test_sound_is_copied(studio: Studio, as_they_are: tuple[Path, dict[str, Any]]) -> None:
    asset, _ = as_they_are
    heard = frames(asset / "audio_fr" / "playlist.m3u8", "a:0")
    assert heard[1:-1] == frames(studio.sources / "film" / "film_fre.m4a", "a:0")[1:-1]


def test_a_ladder_is_made_of_the_best(ladder: tuple[Path, dict[str, Any]]) -> None:
    asset, _ = ladder
    best = judges.hls_pictures(asset)[0]
    assert best.size == (320, 180)
    assert best.segments[:2] == ("180p/00001.m4s", "180p/00002.m4s"), "a file each"
    sounds = judges.hls_sounds(asset)
    assert sorted(language_tag(one.language) for one in sounds) == ["en", "fr"]
