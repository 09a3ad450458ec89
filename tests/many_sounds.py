"""A film with sounds and subtitles of many kinds, and what a client says of them."""

from __future__ import annotations

from pathlib import Path

import clips

WANTED = {
    "audio": [
        {"language": "eng", "kind": "main", "properties": {"track_name": "English"}},
        {
            "language": "en",
            "role": "alternate",
            "properties": {
                "track_name": "English",
                "track_description": "Tells what is to be seen",
                "track_role": "main-desc",
            },
        },
        {"language": "und", "properties": {"track_language": "fre", "track_role": "dub"}},
        {"language": "sv", "properties": {"track_name": "nobody"}},
    ],
    "textstream": [
        {"language": "en", "properties": {"track_name": "Signs", "track_role": "forced"}},
        {"language": "de", "properties": {"track_role": "captions"}},
        {"language": "nob", "properties": {"track_name": "Lettlest", "track_role": "easyreader"}},
    ],
}
"""Of the asset of `make_source` with `surround`: its last sound has no Swedish, which is told."""


def make_source(folder: Path) -> Path:
    """2 s with a picture, sound in English (5.1), English and nobody knows what, and subtitles."""
    cue = clips.write_srt(folder, "cue.srt", (0.2, 1.8, "words"))
    inputs = f"{clips.picture('160x90', seconds=2)} {clips.beep(440, 2)} {clips.beep(880, 2)}"
    inputs += f" {clips.beep(660, 2)}" + f" -i {cue}" * 3
    maps = "-map 0 -map 1 -map 2 -map 3 -map 4 -map 5 -map 6"
    tags = "-metadata:s:a:0 language=eng -metadata:s:a:1 language=eng"
    tags += " -metadata:s:s:0 language=eng -metadata:s:s:1 language=deu"
    tags += " -metadata:s:s:2 language=nob -disposition:s 0"
    code = f"{clips.X264} -c:a aac -ac:a:0 6 -c:s srt"
    return clips.ffmpeg(folder, f"{inputs} {maps} {code} {tags} source.mkv")
