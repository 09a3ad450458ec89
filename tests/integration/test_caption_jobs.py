"""Files of captions beside a film, from a job of `vodstream` to what players get."""

from __future__ import annotations

from pathlib import Path

import folder_films
import judges
import services
from adaptation.engine.lists import JobQuery
from whole_jobs import a_studio

ROOT = Path(__file__).resolve().parent.parent.parent
TTML = """<?xml version="1.0" encoding="utf-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling"
 xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:tickRate="10000000">
<head><layout><region xml:id="top" tts:origin="10% 10%" tts:extent="80% 20%"
 tts:textAlign="center"/></layout></head>
<body><div><p begin="2000000t" end="9000000t" region="top">Up <span tts:fontStyle="italic">here
</span></p><p begin="00:00:01.200" end="00:00:30.000">to the end</p></div></body></tt>
"""
SCENARIST = """Scenarist_SCC V1.0

01:00:00;10\t94ae 94ae 9420 9420 9470 9470 54e5 73f4 942f 942f

01:00:01;10\t942c 942c

01:00:02;10\t9420 9420 9470 9470 54e5 73f4 942f 942f
"""
SUBRIP = "1\n00:00:00,500 --> 00:00:01,500\nGr\xfc\xdfe\n"
TITLES = {"eng": "film_eng.ttml", "fre": "film_fre.scc", "ger": "film_ger.srt"}


def test_every_format_becomes_segments_for_hls_and_dash(tmp_path: Path) -> None:
    node = services.need_command("node", package="nodejs")
    services.need_node_package(ROOT, "codem-isoboxer")
    with a_studio(tmp_path) as studio:
        film = studio.sources / "film"
        film.mkdir()
        folder_films.rendition(film, "film.mp4", seconds=2)
        contents = (TTML.encode(), SCENARIST.encode(), SUBRIP.encode("cp1252"))
        for name, content in zip(TITLES.values(), contents, strict=True):
            (film / name).write_bytes(content)
        studio.done("vodstream", source_folder="film", create_thumbnail=False)
        store = studio.deployment.store
        (job,) = store.list_jobs(JobQuery())
        log = {line.message for line in store.logs(job.id)}
        asset = studio.assets / "studio" / "film"
        shown = {
            text.language: judges.text_boxes(node, asset / Path(text.init).parent).cues
            for text in judges.dash_text_tracks(asset)
        }
        # The pair that shows it is the ninth of its line: frame 107,892 + 10 + 8 of 29.97 a second.
        assert shown == {
            "en": [
                (0.2, 0.9, "line:10%", "Up <i>here</i>"),
                (1.2, 2.0, "", "to the end"),
            ],
            "fr": [(0.597, 1.331, "position:10% align:left", "Test")],
            "de": [(0.5, 1.5, "", "Grüße")],
        }
        for text in judges.hls_texts(asset):
            folder = asset / Path(text.segments[0]).parent
            words = [cue[3] for cue in judges.text_boxes(node, folder).cues]
            assert [cue[2] for cue in judges.cues(folder / "playlist.m3u8")] == words
        assert "all times lie behind 01:00:00, taken for the start" in log
        assert "1 cues behind the end of the picture are left out" in log
        assert (
            f"{TITLES['ger']}: it has no mark of its encoding, and is read as Windows-1252" in log
        )
        assert judges.media_digests(asset) == judges.promised_digests(asset)
