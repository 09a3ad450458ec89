"""What a client says of the sounds in a folder is what players are told of the asset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import folder_films
import judges
from parsers import described, parsed, sets
from whole_jobs import a_studio

SECONDS = 2.0
FILES = {
    "film_eng.m4a": "-c:a aac",
    "film_5.1_eng.mp4": "-c:a ac3 -ac 6 -vn",
    "film_ad_eng.m4a": "-c:a aac",
    "film_fra.m4a": "-c:a aac",
}
"""Sound of each file by FFmpeg's options."""
WANTED = {"audio": [{"language": "fra", "properties": {"track_name": "Version française"}}]}


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a folder with one picture, English in two encodings and described, and French."""
    with a_studio(tmp_path_factory.mktemp("studio")) as studio:
        film = studio.sources / "film"
        folder_films.rendition(film, "film.mp4", seconds=SECONDS)
        for name, options in FILES.items():
            folder_films.sound(film, name, seconds=SECONDS, options=options)
        studio.done(
            "vodstream",
            source_folder="film",
            create_thumbnail=False,
            file_properties={"film_ad_eng.m4a": {"kind": "main-desc"}},
            apply_track_properties=True,
            track_properties=WANTED,
        )
        wrong = {"film_ad_eng.m4a": {"kind": "loud"}}
        code = studio.refused("vodstream", source_folder="film", file_properties=wrong)
        assert code == "parameter_invalid"
        code = studio.refused(
            "vodstream", source_folder="film", track_properties={"audio": [{"language": "en"}]}
        )
        assert code == "parameter_invalid"
        yield studio.assets / "studio" / "film"


def test_one_sound_in_two_encodings_is_one_name_in_two_groups(asset: Path) -> None:
    found = parsed(asset)
    assert found["warnings"] == []
    groups = found["hls"]["groups"]["AUDIO"]
    assert set(groups) == {"audio", "audio_ac3_51"}
    assert described(groups["audio"]) == {
        "en": ("en", True, True, None),
        "en (described)": ("en", False, True, "public.accessibility.describes-video"),
        "Version française": ("fr", False, True, None),
    }
    assert described(groups["audio_ac3_51"]) == described(groups["audio"])
    changed = [n for n, one in groups["audio"].items() if one != groups["audio_ac3_51"][n]]
    assert changed == ["en"]
    codecs = {one["AUDIO"]: one["CODECS"].split(",")[1:] for one in found["hls"]["variants"]}
    assert codecs == {"audio": ["mp4a.40.2"], "audio_ac3_51": ["ac-3", "mp4a.40.2"]}


def test_the_group_of_ac3_holds_ac3(asset: Path) -> None:
    uri = parsed(asset)["hls"]["groups"]["AUDIO"]["audio_ac3_51"]["en"]["uri"]
    (stream,) = judges.streams(asset / uri)
    assert (stream["codec_name"], stream["channels"]) == ("ac3", 6)


def test_dash_says_for_whom_each_sound_is(asset: Path) -> None:
    assert sets(asset, "audio") == [
        ("en", ["en"], ["main"], []),
        ("en", ["en (described)"], ["description"], ["1"]),
        ("fr", ["Version française"], ["alternate"], []),
        ("en", ["en (5.1, AC-3)"], ["alternate"], []),
    ]
    _, complaints = judges.decode(asset / judges.MANIFEST)
    assert complaints == ""
