"""Properties of tracks over HTTP: what the parsers of players then read, and media that stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import judges
from many_sounds import WANTED, make_source
from parsers import described, parsed, sets
from whole_jobs import Studio, a_studio

KEY = {"key_id": "a1" * 16, "key": "0123456789abcdef" * 2}
SDH = (
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With the asset `studio/original`: three sounds, the first in 5.1 as well, three subtitles."""
    folder = tmp_path_factory.mktemp("studio")
    source = make_source(folder)
    with a_studio(folder) as found:
        found.done(
            "encoding_workflow",
            found.admin,
            url=str(source),
            renditions=[{"height": 90, "bitrate": 80}],
            output_folder="studio/original",
            segment_seconds=1,
            surround=True,
        )
        yield found


@pytest.fixture
def film(studio: Studio) -> Iterator[Path]:
    """A copy of the asset, `film`."""
    place = studio.assets / "studio" / "film"
    shutil.copytree(studio.assets / "studio" / "original", place)
    yield place
    shutil.rmtree(place)


def test_manifests_say_what_was_asked_for_and_media_stays(studio: Studio, film: Path) -> None:
    (film / "poster.jpg").write_bytes(b"of another workflow")
    before, inodes = judges.media_digests(film), inodes_of(film)

    done = studio.done("track_properties", folder="film", track_properties=WANTED)

    assert judges.media_digests(film) == before
    assert inodes_of(film) == inodes
    assert (film / "poster.jpg").read_bytes() == b"of another workflow"
    assert done["message"] == str(film / judges.MASTER)
    assert sorted(done["files"]) == sorted(str(p) for p in film.rglob("*") if p.is_file())
    found = parsed(film)
    assert found["warnings"] == []
    audio = found["hls"]["groups"]["AUDIO"]
    assert set(audio) == {"audio", "audio_51"}
    assert described(audio["audio"]) == {
        "English": ("en", True, True, None),
        "English (2)": ("en", False, True, "public.accessibility.describes-video"),
        "fr": ("fr", False, True, None),
    }
    assert described(audio["audio_51"]) == described(audio["audio"])
    assert described(found["hls"]["groups"]["SUBTITLES"]["text"]) == {
        "Signs": ("en", False, True, None),
        "de (SDH)": ("de", False, True, SDH),
        "Lettlest": ("nb", False, True, "public.easy-to-read"),
    }
    assert found["hls"]["groups"]["SUBTITLES"]["text"]["Signs"]["forced"] is True
    assert 'LANGUAGE="nb",ASSOC-LANGUAGE="no"' in (film / judges.MASTER).read_text()
    assert described(found["dash"]["groups"]["AUDIO"]["audio"]).keys() == {
        "English",
        "English (2)",
        "fr",
        "English (5.1)",
    }
    assert found["dash"]["groups"]["AUDIO"]["audio"]["English"]["default"] is True
    assert sets(film, "audio") == [
        ("en", ["English"], ["main"], []),
        ("en", ["English (2)", "Tells what is to be seen"], ["description"], ["1"]),
        ("fr", ["fr"], ["dub"], []),
        ("en", ["English (5.1)"], ["alternate"], []),
    ]
    assert sets(film, "text") == [
        ("en", ["Signs"], ["forced-subtitle"], []),
        ("de", ["de (SDH)"], ["caption"], ["2"]),
        ("nb", ["Lettlest"], ["easyreader"], []),
    ]


def test_a_filter_without_a_track_is_told_in_the_log(studio: Studio, film: Path) -> None:
    done = studio.done("track_properties", folder="film", track_properties=WANTED)
    lines = [line.message for line in studio.deployment.store.logs(done["job_id"])]
    assert "track_properties.audio[3] chooses no track" in lines
    assert judges.record(film)["asset_id"]


def test_the_same_again_changes_no_file(studio: Studio, film: Path) -> None:
    names = (judges.MASTER, judges.MANIFEST, judges.RECORD)
    wanted = {"audio": [{"language": "en", "properties": {"track_name": "English"}}]}
    studio.done("track_properties", folder="film", track_properties=wanted)
    first = [((film / name).read_bytes(), (film / name).stat().st_ino) for name in names]
    studio.done("track_properties", folder="film", track_properties=wanted)
    assert [((film / name).read_bytes(), (film / name).stat().st_ino) for name in names] == first


def test_an_encrypted_asset_stays_encrypted_under_its_new_names(studio: Studio, film: Path) -> None:
    studio.done("drmswitch", studio.admin, folder="studio/film", drm=["cenc"], content_keys=[KEY])
    before = judges.media_digests(film)
    studio.done("track_properties", folder="film", track_properties=WANTED)
    assert judges.media_digests(film) == before
    found = parsed(film)
    assert found["warnings"] == []
    assert {one["uri"] for one in found["hls"]["variants"]} == {"cenc/90p/playlist.m3u8"}
    assert {"English", "English (2)", "fr"} == set(found["hls"]["groups"]["AUDIO"]["audio"])
    assert "cenc:default_KID" in (film / judges.MANIFEST).read_text()
    studio.done("drmswitch", studio.admin, folder="studio/film", drm=[])
    assert "English (2)" in parsed(film)["hls"]["groups"]["AUDIO"]["audio"]


def test_what_is_wrong_is_refused_at_once(studio: Studio, film: Path) -> None:
    before = (film / judges.RECORD).read_bytes()
    wrong = {"audio": [{"properties": {"track_role": "leading"}}]}
    code = studio.refused("track_properties", folder="film", track_properties=wrong)
    assert code == "parameter_invalid"
    assert studio.refused("track_properties", folder="film") == "parameter_missing"
    code = studio.refused("track_properties", folder="../rival/film", track_properties=WANTED)
    assert code == "path_outside"
    assert studio.failed("track_properties", studio.rival, folder="film", track_properties=WANTED)
    assert (film / judges.RECORD).read_bytes() == before


def inodes_of(folder: Path) -> dict[str, int]:
    """Which file each of media is: nothing was copied."""
    paths = [path for end in ("mp4", "m4s") for path in folder.rglob(f"*.{end}")]
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in paths}
