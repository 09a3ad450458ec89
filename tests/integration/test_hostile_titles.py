"""Names of tracks are words of FFmpeg's command: each stays the one word that it is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import clips
from adaptation.media.mp4 import LONGEST_TITLE, Copied, copy_command
from hostile_words import HOSTILE

SHOWN = [word for word in HOSTILE if word.isprintable() and len(word.strip().encode()) > 4]
"""What can be seen of a name; ffprobe takes those of up to four bytes for Mac Roman."""
SOUND = Path("/made/sound.mp4")


def copied(title: str, path: Path = SOUND) -> Copied:
    return Copied(path, 0, "audio", "aac", title=title)


def kept(title: str) -> str:
    return title[:LONGEST_TITLE].strip()


def test_a_title_adds_one_word_or_none() -> None:
    plain = copy_command([copied("")], Path("/made/film.mp4"), same_clock=True)
    at = plain.index("language=und") + 1
    for title in HOSTILE:
        words = copy_command([copied(title)], Path("/made/film.mp4"), same_clock=True)

        more = len(words) - len(plain)
        assert words[:at] + words[at + more :] == plain
        if more:
            option, word = words[at : at + 2]
            name = word.removeprefix("title=")
            assert (more, option, word) == (2, "-metadata:s:0", f"title={name}")
            assert name.isprintable()
            assert 0 < len(name) <= LONGEST_TITLE
        assert bool(more) == any(letter.isprintable() and letter != " " for letter in title)


def test_players_are_told_of_titles_as_they_are(tmp_path: Path) -> None:
    sound = clips.ffmpeg(tmp_path, f"{clips.beep(seconds=0.1)} -c:a aac sound.mp4")
    film = tmp_path / "film.mp4"
    command = copy_command([copied(title, sound) for title in SHOWN], film, same_clock=True)

    ran = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", *command]
    subprocess.run(ran, check=True, timeout=60, cwd=tmp_path)

    probe = [str(clips.tools().ffprobe), "-v", "error", "-show_streams", "-of", "json", str(film)]
    told = json.loads(subprocess.run(probe, check=True, capture_output=True, timeout=60).stdout)
    names = [stream["tags"].get("title") or stream["tags"]["name"] for stream in told["streams"]]
    assert names == [kept(title) for title in SHOWN]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "sound.mp4"]
