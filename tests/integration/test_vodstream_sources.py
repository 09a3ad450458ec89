"""What `vodstream` takes of folders, and what it refuses; judged by FFmpeg and by callbacks."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import clips
import folder_films
import judges
import parsers
import watching
from adaptation.context import Context
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Claim
from adaptation.engine.tasks import TaskRun
from adaptation.errors import SourceError
from folder_films import frames
from whole_jobs import Studio, a_studio

PLAIN: dict[str, Any] = {"create_thumbnail": False}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of 2 s that several folders are put together of."""
    shelf = tmp_path_factory.mktemp("shelf")
    folder_films.rendition(shelf, "large.mp4", size="240x136", seconds=2)
    folder_films.rendition(shelf, "small.mp4", seconds=2)
    folder_films.rendition(shelf, "short.mp4", seconds=1.2)
    folder_films.rendition(shelf, "square.mp4", size="160x160", seconds=2)
    folder_films.rendition(shelf, "fast.mp4", size="240x136", seconds=2, rate="50", keys=50)
    folder_films.sound(shelf, "sound.m4a", seconds=2)
    return shelf


def a_folder(studio: Studio, *files: Path) -> str:
    """A new folder of sources; returns its name."""
    name = f"film{next(_numbers)}"
    folder = studio.sources / name
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    return name


def failure(studio: Studio, folder: str, **given: Any) -> tuple[str, str]:
    """Code and message of a job that must fail, and leaves nothing behind."""
    body = studio.told("vodstream", source_folder=folder, **{**PLAIN, **given})[-1]
    assert body["status"] == "failed", body
    error = studio.deployment.store.job(body["job_id"]).error or {}
    assert not (studio.assets / "studio" / folder).exists()
    return error["code"], error["message"]


def made(studio: Studio, folder: str, **given: Any) -> Path:
    studio.done("vodstream", source_folder=folder, **{**PLAIN, **given})
    return studio.assets / "studio" / folder


def log(studio: Studio) -> str:
    """All lines of the log of the last job."""
    store = studio.deployment.store
    job = max(store.list_jobs(JobQuery()), key=lambda one: one.id)
    return "\n".join(line.message for line in store.logs(job.id))


@pytest.mark.long
def test_key_frames_that_lie_apart_are_named(studio: Studio, shelf: Path, tmp_path: Path) -> None:
    large = folder_films.rendition(tmp_path, "large.mp4", size="240x136", seconds=14, keys=25)
    other = folder_films.rendition(tmp_path, "other.mp4", seconds=14, keys=400)
    code, message = failure(studio, a_folder(studio, large, other))
    assert code == "sources_not_aligned"
    assert "large.mp4 has a key frame at 1.000 s" in message
    assert "other.mp4" in message


def test_a_file_that_is_entered_elsewhere_is_named(studio: Studio, shelf: Path) -> None:
    """Its only key frame is the first: what both share makes one segment of 13 s."""
    folder = a_folder(studio)
    for name, keys in (("a.mp4", 5), ("b.mp4", 100)):
        folder_films.rendition(
            studio.sources / folder, name, size="64x36", rate="5", seconds=13, keys=keys
        )
    code, message = failure(studio, folder)
    assert code == "sources_not_aligned"
    assert "b.mp4 has no key frame" in message or "the nearest of b.mp4 is at 0.000 s" in message


def test_files_of_different_length_are_named(studio: Studio, shelf: Path) -> None:
    code, message = failure(studio, a_folder(studio, shelf / "large.mp4", shelf / "short.mp4"))
    assert code == "sources_not_aligned"
    assert "large.mp4 lasts 2.000 s, short.mp4 lasts 1.200 s" in message


def test_pictures_of_different_shape_are_named(studio: Studio, shelf: Path) -> None:
    code, message = failure(studio, a_folder(studio, shelf / "large.mp4", shelf / "square.mp4"))
    assert code == "sources_not_aligned"
    assert "large.mp4 is 240x136, square.mp4 is 160x160" in message


def test_a_folder_without_sources_fails_at_once(studio: Studio, tmp_path: Path) -> None:
    readme = tmp_path / "readme.txt"
    readme.write_text("nothing here")
    code, message = failure(studio, a_folder(studio, readme))
    assert code == "source_missing"
    assert "there is no source in" in message


def test_sound_alone_is_no_asset(studio: Studio, shelf: Path) -> None:
    code, _ = failure(studio, a_folder(studio, shelf / "sound.m4a"))
    assert code == "source_no_video"


@pytest.mark.parametrize("encodes", [False, True])
def test_a_broken_file_is_named(studio: Studio, shelf: Path, *, encodes: bool) -> None:
    folder = a_folder(studio, shelf / "large.mp4", shelf / "small.mp4")
    clips.cut(studio.sources / folder / "small.mp4")
    (studio.sources / folder / "small.mp4").unlink()
    code, message = failure(studio, folder, encode_source=encodes)
    assert code == "source_truncated"
    assert message.startswith("cut_small.mp4: ")


def test_an_interlaced_picture_is_not_taken_as_it_is(studio: Studio, tmp_path: Path) -> None:
    clip = clips.make_interlaced(tmp_path)
    code, message = failure(studio, a_folder(studio, clip))
    assert code == "source_not_copied"
    assert message == "interlaced.mp4 cannot be taken as it is: it is interlaced"


def test_parameters_are_held_against_what_there_is(studio: Studio, shelf: Path) -> None:
    folder = a_folder(studio, shelf / "small.mp4")

    def refused(**given: Any) -> str:
        return studio.refused("vodstream", source_folder=folder, **given)

    assert refused(encoding_profile="H266") == "profile_unknown"
    assert refused(encoding_mode="FASTEST") == "parameter_invalid"
    assert refused(file_properties={"a.m4a": {"language": "no language"}}) == "parameter_invalid"
    assert refused(output_folder="../elsewhere") == "path_outside"
    assert studio.refused("vodstream", source_folder="../elsewhere") == "path_outside"


def test_an_asset_never_takes_the_place_of_its_sources(studio: Studio, shelf: Path) -> None:
    folder = studio.assets / "studio" / "own"
    folder.mkdir(parents=True)
    shutil.copy(shelf / "small.mp4", folder)
    assert studio.refused("vodstream", source_folder="own") == "output_holds_sources"
    code = studio.refused("vodstream", source_folder="own", output_folder="own")
    assert code == "output_holds_sources"
    studio.done("vodstream", source_folder="own", output_folder="own/asset", **PLAIN)
    assert (folder / "asset" / judges.MASTER).is_file()
    assert (folder / "small.mp4").is_file()


def test_placeholders_of_the_output_folder(studio: Studio, shelf: Path) -> None:
    folder = a_folder(studio, shelf / "small.mp4")
    words = "vod/{source_folder}-{content_id}"
    studio.done("vodstream", source_folder=folder, output_folder=words, **PLAIN)
    assert (studio.assets / "studio" / "vod" / f"{folder}-film-42" / judges.MASTER).is_file()


def test_languages_of_files(studio: Studio, shelf: Path, tmp_path: Path) -> None:
    folder = a_folder(studio, shelf / "small.mp4")
    sources = studio.sources / folder
    tagged = "-c:a aac -metadata:s:a:0 language=swe"
    folder_films.sound(sources, "said.m4a", seconds=2, options=tagged)
    folder_films.sound(sources, "tagged_fre.m4a", seconds=2, options=tagged)
    for name in ("named_fre.m4a", "two_words_DE.m4a", "film_aac.m4a"):
        shutil.copy(shelf / "sound.m4a", sources / name)
    clips.write_srt(sources, "film_spa.srt", (0.2, 1.0, "Hola"))
    clips.write_srt(sources, "signs.srt", (0.2, 1.0, "SALIDA"))
    said = {
        "said.m4a": {"language": "nob"},
        "signs.srt": {"language": "spa", "kind": "forced-subtitle"},
    }
    asset = made(studio, folder, file_properties=said)
    languages = [one.language for one in judges.hls_sounds(asset)]
    assert sorted(languages) == ["", "de", "fr", "nb", "sv"]
    assert [one.language for one in judges.hls_texts(asset)] == ["es", "es"]
    forced = [text["forced"] for text in judges.record(asset)["tracks"] if text["kind"] == "text"]
    assert sorted(forced) == [False, True]


@pytest.mark.long
def test_sound_of_renditions_is_taken_once(studio: Studio, tmp_path: Path) -> None:
    """English in both files, French in the smaller one, and a better English beside them."""
    tags = "-metadata:s:a:0 language=eng -metadata:s:a:1 language=fra"
    code = "-c:v libx264 -preset veryfast -g 25 -pix_fmt yuv420p -c:a aac"
    large = f"{clips.picture('240x136', seconds=2)} {clips.beep(440, 2)} {code} {tags} large.mp4"
    tones = f"{clips.beep(440, 2)} {clips.beep(880, 2)} -map 0 -map 1 -map 2"
    small = f"{clips.picture('160x90', seconds=2)} {tones} {code} {tags} small.mp4"
    files = [clips.ffmpeg(tmp_path, large), clips.ffmpeg(tmp_path, small)]
    stereo = "-ac 2 -c:a aac -metadata:s:a:0 language=eng"
    files.append(folder_films.sound(tmp_path, "best.m4a", seconds=2, options=stereo))
    asset = made(studio, a_folder(studio, *files))
    # French has one version: it stands beside either version of English.
    assert sorted(one.language for one in judges.hls_sounds(asset)) == ["en", "en", "fr", "fr"]
    sounds = [one for one in judges.record(asset)["tracks"] if one["kind"] == "audio"]
    assert sorted(one["language"] for one in sounds) == ["eng", "eng", "fra"]

    asset = made(studio, a_folder(studio, *files), all_audio_tracks=False)
    sounds = [one for one in judges.record(asset)["tracks"] if one["kind"] == "audio"]
    assert [(one["language"], one["channels"]) for one in sounds] == [("eng", 2), ("fra", 1)]

    asset = made(studio, a_folder(studio, *files), combine_sources=False)
    assert [one.language for one in judges.hls_sounds(asset)] == ["en"]
    assert [one.size for one in judges.hls_pictures(asset)] == [(240, 136)]


@pytest.mark.long
def test_frame_rates_may_differ(studio: Studio, shelf: Path) -> None:
    folder = a_folder(studio, shelf / "fast.mp4", shelf / "small.mp4")
    asset = made(studio, folder)
    fast, small = judges.hls_pictures(asset)
    assert [one.frame_rate for one in (fast, small)] == [50, 25]
    assert fast.durations == small.durations
    assert frames(asset / fast.name / "playlist.m3u8") == frames(shelf / "fast.mp4")


@pytest.mark.long
def test_the_better_of_two_alike_is_kept(studio: Studio, shelf: Path) -> None:
    folder = a_folder(studio, shelf / "small.mp4")
    clips.ffmpeg(studio.sources / folder, "-i small.mp4 -c copy copy.mkv")
    asset = made(studio, folder)
    assert [one.size for one in judges.hls_pictures(asset)] == [(160, 90)]
    assert "is the same and no worse" in log(studio)


def test_containers_codecs_and_clocks_of_many_kinds(studio: Studio, tmp_path: Path) -> None:
    """A transport stream whose clock starts at 10 s, HEVC in Matroska, PCM, AC-3 and MP3."""
    folder = a_folder(studio)
    sources = studio.sources / folder
    folder_films.rendition(
        sources, "film.ts", seconds=2, size="240x136", options="-output_ts_offset 10"
    )
    hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:min-keyint=25"
    hevc += ":scenecut=0:open-gop=0:bframes=2 -pix_fmt yuv420p -an film.mkv"
    clips.ffmpeg(sources, f"{clips.picture('160x90', seconds=2)} {hevc}")
    folder_films.sound(sources, "pcm_eng.wav", seconds=2, options="-c:a pcm_s16le")
    folder_films.sound(sources, "dolby_fre.ac3", seconds=2, options="-ac 2 -c:a ac3")
    asset = made(studio, folder)
    pictures = {one.name: one for one in judges.hls_pictures(asset)}
    assert sorted(pictures) == ["136p", "90p_hevc"]
    assert pictures["90p_hevc"].codecs.startswith("hvc1.")
    for name, file in (("136p", "film.ts"), ("90p_hevc", "film.mkv")):
        assert frames(asset / name / "playlist.m3u8") == frames(sources / file)
    sounds = {one["language"]: one for one in judges.record(asset)["tracks"] if "channels" in one}
    codecs = {language: sounds[language]["codec"] for language in ("eng", "fre")}
    assert codecs == {"eng": "mp4a.40.2", "fre": "ac-3"}
    assert sounds["fre"]["channels"] == 2
    assert "audio_en of pcm_eng.wav is encoded to AAC: players do not take pcm_s16le" in log(studio)


def test_hdr_is_called_what_it_is(studio: Studio) -> None:
    folder = a_folder(studio)
    hdr = "setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    code = "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:min-keyint=25"
    code += ":scenecut=0:open-gop=0 -pix_fmt yuv420p10le film.mp4"
    picture = clips.picture("160x90", seconds=2)
    clips.ffmpeg(studio.sources / folder, f"{picture} -vf {hdr} {code}")
    asset = made(studio, folder)
    (variant,) = parsers.parsed(asset)["hls"]["variants"]
    assert variant["VIDEO-RANGE"] == "PQ"
    told = etree.parse(asset / judges.MANIFEST).findall(".//{*}EssentialProperty")
    curve = ("urn:mpeg:mpegB:cicp:TransferCharacteristics", "16")
    assert [(one.get("schemeIdUri"), one.get("value")) for one in told] == [curve]


@pytest.mark.long
def test_open_gops_are_entered_where_nothing_lies_before(studio: Studio, tmp_path: Path) -> None:
    """Frames behind each key frame but the first are shown before it, and need others."""
    folder, gop = a_folder(studio), "-x264-params open-gop=1:bframes=2:b-adapt=0"
    name = studio.sources / folder
    folder_films.rendition(name, "film.mp4", seconds=14, keys=27, options=gop)
    code, message = failure(studio, folder)
    assert code == "sources_not_aligned"
    assert "no key frame at which it can be entered between 0.000 and 14.000 s" in message
    (name / "film.mp4").unlink()
    folder_films.rendition(name, "film.mp4", seconds=3, keys=27, options=gop)
    asset = made(studio, folder)
    assert frames(asset / "90p" / "playlist.m3u8") == frames(name / "film.mp4")


def test_a_source_that_changes_stops_its_job(studio: Studio, shelf: Path, tmp_path: Path) -> None:
    folder = studio.sources / a_folder(studio, shelf / "small.mp4")
    definition = studio.deployment.registry.workflow("vodstream")
    given = definition.check({**PLAIN, "content_id": "film-42", "source_folder": str(folder)})
    first, second = definition.author(given).tasks[:2]  # type: ignore[attr-defined]
    claim = Claim(1, 1, 1, 1, "id", "vodstream", "1", "task", {}, 1, Context())
    run = TaskRun(replace(claim, limits=None), tmp_path, studio.deployment.resources)

    def done(task: Any, context: Any) -> Any:
        return studio.deployment.registry.task(task.task)({**context, **task.kwargs}, run)

    planned = done(second, done(first, {}))
    shutil.copy(shelf / "large.mp4", folder / "small.mp4")
    copy = planned.canvas.tasks[0].tasks[0]
    with pytest.raises(SourceError, match="was changed while the job ran") as caught:
        done(copy, planned.context)
    assert caught.value.code == "source_changed"


def test_names_that_no_log_can_hold_are_left_alone(studio: Studio, shelf: Path) -> None:
    folder = a_folder(studio, shelf / "small.mp4")
    for name in ("line\nend.mp4", b"\xff.mp4".decode(errors="surrogateescape")):
        shutil.copy(shelf / "large.mp4", studio.sources / folder / name)
    odd = "a, b=c:d 'e' \u00fc.m4a"
    shutil.copy(shelf / "sound.m4a", studio.sources / folder / odd)
    asset = made(studio, folder)
    assert [one.size for one in judges.hls_pictures(asset)] == [(160, 90)]
    assert len(judges.hls_sounds(asset)) == 1
    assert "'line\\nend.mp4' is no source, and left alone" in log(studio)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("flash.mp4", "", marks=pytest.mark.long),
        ("flash.ts", "-output_ts_offset 5"),
        pytest.param("flash.mkv", "", marks=pytest.mark.long),
    ],
)
def test_sound_stays_with_its_picture(
    studio: Studio, tmp_path: Path, name: str, options: str
) -> None:
    """A white picture and a tone at 0.8 s, whatever clock the file has."""
    clip = clips.make_flash(tmp_path, name, options)
    asset = made(studio, a_folder(studio, clip))
    (sound,) = judges.hls_sounds(asset)
    (beep,) = watching.beeps(asset / sound.name / "playlist.m3u8")
    assert beep == pytest.approx(clips.FLASH_SECONDS, abs=0.02)
    assert frames(asset / "90p" / "playlist.m3u8") == frames(clip)
    assert "encoded" not in log(studio)
